package etcddecode

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// turner is a KMS that turns each byte over and counts how often it is asked.
type turner struct{ asked *int }

func (k turner) Decrypt(_ context.Context, s Sealed) ([]byte, error) {
	*k.asked++
	if string(s.Ciphertext) == "bad" {
		return nil, errors.New("the plugin is broken")
	}
	return turned(s.Ciphertext), nil
}

func (k turner) Encrypt(_ context.Context, plaintext []byte) (Sealed, error) {
	return Sealed{Ciphertext: turned(plaintext), KeyID: "id", Annotations: map[string][]byte{"a": []byte("b"), "c": []byte("d")}}, nil
}

func turned(b []byte) []byte {
	out := bytes.Clone(b)
	for i := range out {
		out[i] ^= 0x5a
	}
	return out
}

func secretKey(n int) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
}

func testProviders() map[string]string {
	return map[string]string{
		"aescbc:v1:a":    `{"aescbc":{"keys":[{"name":"a","secret":"` + secretKey(32) + `"}]}}`,
		"aesgcm:v1:b:c":  `{"aesgcm":{"keys":[{"name":"b:c","secret":"` + secretKey(16) + `"}]}}`,
		"secretbox:v1:d": `{"secretbox":{"keys":[{"name":"d","secret":"` + secretKey(32) + `"}]}}`,
		"kms:v1:e":       `{"kms":{"name":"e","endpoint":"unix:///e"}}`,
		"kms:v2:f":       `{"kms":{"name":"f","apiVersion":"v2","endpoint":"unix:///f"}}`,
	}
}

func testKeyring(t testing.TB, asked *int, providers ...string) *Keyring {
	t.Helper()
	config := `{"kind":"EncryptionConfiguration","resources":[{"resources":["secrets","*.apps"],"providers":[` + strings.Join(providers, ",") + `]}]}`
	k, err := ParseKeyring([]byte(config), func(KMSPlugin) (KMS, error) { return turner{asked}, nil })
	require.NoError(t, err)
	return k
}

// random is deterministic.
type random struct{ r *rand.Rand }

func (r random) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.r.Uint32())
	}
	return len(p), nil
}

func newRandom() random { return random{rand.New(rand.NewPCG(1, 2))} }

func TestLawOpenInvertsSeal(t *testing.T) {
	for name, config := range testProviders() {
		t.Run(name, func(t *testing.T) {
			asked := 0
			k := testKeyring(t, &asked, config, `{"identity":{}}`)
			for size := range 50 {
				plain := bytes.Repeat([]byte("x"), size)
				sealed, err := k.Seal(t.Context(), newRandom(), "secrets", "/registry/secrets/a/b", plain)
				require.NoError(t, err)
				_, sniffed := Sniff(sealed)
				require.Equal(t, name[:strings.IndexByte(name, ':')], sniffed.Provider)
				opened, err := k.Open(t.Context(), "/registry/secrets/a/b", sealed)
				require.NoError(t, err)
				require.Equal(t, string(plain), string(opened.Plaintext))
				require.Equal(t, name, opened.Encryption.String())
				for i := range sealed { // one wrong bit anywhere
					bad := bytes.Clone(sealed)
					bad[i] ^= 1
					again, err := k.Open(t.Context(), "/registry/secrets/a/b", bad)
					if err == nil && i > 16 && !strings.HasPrefix(name, "aescbc") {
						require.Equal(t, string(plain), string(again.Plaintext), "byte %d", i)
					}
				}
				for cut := range sealed {
					_, _ = k.Open(t.Context(), "/registry/secrets/a/b", sealed[:cut])
				}
			}
			require.Less(t, asked, 20000)
		})
	}
}

func TestMovedValueDoesNotOpen(t *testing.T) {
	for name, config := range testProviders() {
		asked := 0
		k := testKeyring(t, &asked, config)
		sealed, err := k.Seal(t.Context(), newRandom(), "deployments.apps", "/registry/deployments/a/b", []byte("plain"))
		require.NoError(t, err)
		_, err = k.Open(t.Context(), "", sealed)
		if strings.HasPrefix(name, "aescbc") || strings.HasPrefix(name, "secretbox") {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, ErrEncrypted)
		require.ErrorContains(t, err, "was not given")
	}
}

func TestKeyOfTheSameName(t *testing.T) {
	asked := 0
	other := `{"aescbc":{"keys":[{"name":"a","secret":"` + base64.StdEncoding.EncodeToString([]byte("another key 1234")) + `"}]}}`
	first := testKeyring(t, &asked, testProviders()["aescbc:v1:a"])
	sealed, err := first.Seal(t.Context(), newRandom(), "secrets", "/k", []byte("plain"))
	require.NoError(t, err)
	both := testKeyring(t, &asked, other, testProviders()["aescbc:v1:a"])
	opened, err := both.Open(t.Context(), "/k", sealed)
	require.NoError(t, err)
	require.Equal(t, "plain", string(opened.Plaintext))
	_, err = testKeyring(t, &asked, other).Open(t.Context(), "/k", sealed)
	require.ErrorContains(t, err, `key "a" of aescbc`)
	_, err = testKeyring(t, &asked, testProviders()["kms:v1:e"]).Open(t.Context(), "/k", sealed)
	require.ErrorContains(t, err, "does not have")
}

func TestKMSIsAskedOncePerKey(t *testing.T) {
	asked := 0
	k := testKeyring(t, &asked, testProviders()["kms:v2:f"])
	sealed, err := k.Seal(t.Context(), newRandom(), "secrets", "/k", []byte("plain"))
	require.NoError(t, err)
	for range 5 {
		_, err := k.Open(t.Context(), "/k", sealed)
		require.NoError(t, err)
	}
	require.Equal(t, 1, asked)
}

func TestKMSv1OfOldClusters(t *testing.T) {
	asked := 0
	k := testKeyring(t, &asked, testProviders()["kms:v1:e"])
	key := []byte(strings.Repeat("k", 32))
	ring := testKeyring(t, &asked, testProviders()["aescbc:v1:a"]) // the same key
	body, err := ring.entries[0].providers[0].seal(t.Context(), newRandom(), nil, []byte("plain"))
	require.NoError(t, err)
	value := binary.BigEndian.AppendUint16([]byte("k8s:enc:kms:v1:e:"), uint16(len(key)))
	value = append(append(value, turned(key)...), body...)
	opened, err := k.Open(t.Context(), "/k", value)
	require.NoError(t, err)
	require.Equal(t, "plain", string(opened.Plaintext))
}

func TestKMSv2Errors(t *testing.T) {
	asked := 0
	k := testKeyring(t, &asked, testProviders()["kms:v2:f"])
	for name, body := range map[string][]byte{
		"type":        {5 << 3, 9},
		"broken key":  appendBytes(nil, fieldSealedKey, "bad"),
		"long key ID": appendBytes(nil, fieldKeyID, strings.Repeat("x", 2000)),
		"short seed":  append(appendBytes(appendBytes(nil, fieldSealedKey, "x"), fieldData, strings.Repeat("d", 100)), 5<<3, 1),
		"short data":  append(appendBytes(appendBytes(nil, fieldSealedKey, strings.Repeat("s", 32)), fieldData, "d"), 5<<3, 1),
		"no AES key":  appendBytes(nil, fieldSealedKey, "x"),
		"no protobuf": []byte("\xff"),
	} {
		_, err := k.Open(t.Context(), "/k", append([]byte("k8s:enc:kms:v2:f:"), body...))
		require.ErrorIs(t, err, ErrEncrypted, name)
	}
	noPlugin, err := ParseKeyring([]byte(`{"kind":"EncryptionConfiguration","resources":[{"resources":["*.*"],"providers":[`+testProviders()["kms:v2:f"]+`,`+testProviders()["kms:v1:e"]+`]}]}`), nil)
	require.NoError(t, err)
	_, err = noPlugin.Open(t.Context(), "/k", append([]byte("k8s:enc:kms:v2:f:"), appendBytes(nil, fieldKeyID, "key-7")...))
	require.ErrorContains(t, err, "key-7")
	_, err = noPlugin.Seal(t.Context(), newRandom(), "pods", "/k", []byte("x"))
	require.ErrorIs(t, err, errNoPlugin)
}

func TestSealChoosesByResource(t *testing.T) {
	asked := 0
	k := testKeyring(t, &asked, testProviders()["aescbc:v1:a"])
	for resource, encrypted := range map[string]bool{"secrets": true, "deployments.apps": true, "configmaps": false, "secrets.example.com": false} {
		sealed, err := k.Seal(t.Context(), newRandom(), resource, "/k", []byte("{}"))
		require.NoError(t, err)
		_, e := Sniff(sealed)
		require.Equal(t, encrypted, !e.IsZero(), resource)
	}
	_, err := k.Seal(t.Context(), newRandom(), "secrets", "", []byte("{}"))
	require.ErrorContains(t, err, "no etcd key")
	plain, err := testKeyring(t, &asked, `{"identity":{}}`, testProviders()["aescbc:v1:a"]).Seal(t.Context(), newRandom(), "secrets", "/k", []byte("{}"))
	require.NoError(t, err)
	require.Equal(t, "{}", string(plain))
}

func TestParseKeyringRefuses(t *testing.T) {
	provider := func(p string) string {
		return `{"kind":"EncryptionConfiguration","resources":[{"resources":["secrets"],"providers":[` + p + `]}]}`
	}
	for want, config := range map[string]string{
		"no valid JSON":         "kind: EncryptionConfiguration",
		"kind is":               `{"kind":"Pod"}`,
		"resources is empty":    `{"kind":"EncryptionConfiguration"}`,
		"no providers":          provider(""),
		"none of":               provider("{}"),
		"not base64":            provider(`{"aescbc":{"keys":[{"name":"a","secret":"hunter2!"}]}}`),
		"7 bytes":               provider(`{"aescbc":{"keys":[{"name":"a","secret":"aHVudGVyMg=="}]}}`),
		"a key of 16 bytes":     provider(`{"secretbox":{"keys":[{"name":"a","secret":"` + secretKey(16) + `"}]}}`),
		"has no keys":           provider(`{"aesgcm":{"keys":[]}}`),
		"write v1 or v2":        provider(`{"kms":{"name":"a","apiVersion":"v3"}}`),
		"must not have":         provider(`{"kms":{"name":"a:b"}}`),
		"no such socket":        provider(`{"kms":{"name":"a"}}`),
		"is not what it should": `{"kind":"EncryptionConfiguration","resources":[{"resources":"hunter2"}]}`,
	} {
		_, err := ParseKeyring([]byte(config), func(KMSPlugin) (KMS, error) { return nil, errors.New("no such socket") })
		require.ErrorContains(t, err, want)
		require.NotContains(t, fmt.Sprint(err), "hunter2")
	}
}

func FuzzOpen(f *testing.F) {
	asked := 0
	var all []string
	for _, p := range testProviders() {
		all = append(all, p)
	}
	k := testKeyring(f, &asked, all...)
	for _, p := range testProviders() {
		sealed, err := testKeyring(f, &asked, p).Seal(f.Context(), newRandom(), "secrets", "/k", []byte("plain"))
		require.NoError(f, err)
		f.Add(sealed)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		opened, err := k.Open(t.Context(), "/k", value)
		if err != nil {
			require.Nil(t, opened.Plaintext)
		}
	})
}
