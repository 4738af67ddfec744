package httpsig

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestGeneratedKeys(t *testing.T) {
	text, err := GenerateKey("billing.2026-11.1", rand.Reader)
	require.NoError(t, err)
	require.Regexp(t, `^ipw1\.billing\.2026-11\.1\.[A-Za-z0-9_-]{43}\.[0-9a-f]{8}$`, text)
	k, err := ParseKey(text)
	require.NoError(t, err)
	require.Equal(t, "billing.2026-11.1", k.ID())
	again, err := GenerateKey("billing.2026-11.1", rand.Reader)
	require.NoError(t, err)
	require.NotEqual(t, text, again)
	for i := range len(text) {
		_, err := ParseKey(text[:i] + string([]byte{text[i] ^ 1}) + text[i+1:])
		require.ErrorIs(t, err, ErrKey, "byte %d", i)
		require.NotContains(t, err.Error(), text[23:60], "what is wrong is said without the secret")
		_, err = ParseKey(text[:i])
		require.ErrorIs(t, err, ErrKey)
	}
	for _, s := range []string{"", ".", "ipw1.", "ipw1...", "ipwk1" + text[4:], text + "\n", strings.ToUpper(text), "ipw1." + strings.Repeat(".", 60)} {
		_, err := ParseKey(s)
		require.ErrorIs(t, err, ErrKey, s)
	}
	_, err = GenerateKey("a", iotest.ErrReader(errors.New("no entropy")))
	require.ErrorContains(t, err, "no entropy")
	_, err = GenerateKey("A", rand.Reader)
	require.ErrorIs(t, err, ErrKey)
	_, err = GenerateKey("a", bytes.NewReader(make([]byte, 32)))
	require.ErrorContains(t, err, "not random")
}

// New-API CVE-2026-41432: an empty secret verifies what anybody signs.
func TestWeakKeysAreRefused(t *testing.T) {
	random := make([]byte, 2000)
	_, err := io.ReadFull(rand.Reader, random)
	require.NoError(t, err)
	for name, secret := range map[string][]byte{
		"empty": nil, "short": random[:31], "long": random[:1025], "zero": make([]byte, 32),
		"a repeated word": bytes.Repeat([]byte("secret"), 10), "digits": []byte("00112233445566778899001122334455"),
	} {
		_, err := NewKey("a", secret)
		require.ErrorIs(t, err, ErrKey, name)
	}
	for _, id := range []string{"", "A", ".a", "-a", "a b", "a\"", strings.Repeat("a", 65), "ä"} {
		_, err := NewKey(id, random[:32])
		require.ErrorIs(t, err, ErrKey, id)
	}
	_, err = NewKey("a", random[:1024])
	require.NoError(t, err)
}

func TestKeysPrintAsTheirName(t *testing.T) {
	secret := []byte("0123456789abcdefghijklmnopqrstuv")
	k, err := NewKey("billing.1", secret)
	require.NoError(t, err)
	clear(secret) // the key has its own copy
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		require.Equal(t, "key billing.1", fmt.Sprintf(verb, k), verb)
	}
	other, err := NewKey("billing.1", []byte("0123456789abcdefghijklmnopqrstuv"))
	require.NoError(t, err)
	r := vectors()[0].request()
	signed, err := Sign(r, nil, k, Params{Created: vectorTime(), Nonce: vectorNonce})
	require.NoError(t, err)
	signed.AddTo(r.Header)
	require.NoError(t, verify(r, other))
}
