package etcddecode

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func pemBlock(label string) string {
	return "-----BEGIN " + label + "-----\nbm90IGEga2V5\n-----END " + label + "-----\n"
}

// TestLawPrivateKeysStayHidden puts keys where people put them. What the decoder gives must not have them, unless it is told to.
func TestLawPrivateKeysStayHidden(t *testing.T) {
	const body = "bm90IGEga2V5"
	text := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return string(b)
	}
	configMap := func(field, value string) []byte {
		return []byte(`{"apiVersion":"v1","kind":"ConfigMap","` + field + `":{"a":` + text(value) + `,"b":"shown"}}`)
	}
	base64Of := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, value := range map[string][]byte{
		"PKCS 8":         configMap("data", pemBlock("PRIVATE KEY")),
		"PKCS 1":         configMap("data", pemBlock("RSA PRIVATE KEY")),
		"SEC 1":          configMap("data", pemBlock("EC PRIVATE KEY")),
		"encrypted":      configMap("data", pemBlock("ENCRYPTED PRIVATE KEY")),
		"OpenSSH":        configMap("data", pemBlock("OPENSSH PRIVATE KEY")),
		"PGP":            configMap("data", pemBlock("PGP PRIVATE KEY BLOCK")),
		"after a chain":  configMap("data", pemBlock("CERTIFICATE")+pemBlock("PRIVATE KEY")),
		"in a file":      configMap("data", "key: |\n  "+strings.ReplaceAll(pemBlock("PRIVATE KEY"), "\n", "\n  ")),
		"in JSON":        configMap("data", text(map[string]string{"private_key": pemBlock("PRIVATE KEY")})),
		"a kubeconfig":   configMap("data", "users:\n- user:\n    client-key-data: "+base64Of(pemBlock("RSA PRIVATE KEY"))+"\n"),
		"two in base64":  configMap("data", base64Of(pemBlock("CERTIFICATE"))+" "+base64Of(pemBlock("RSA PRIVATE KEY"))),
		"bytes":          configMap("binaryData", base64Of(pemBlock("RSA PRIVATE KEY"))),
		"in other bytes": configMap("binaryData", base64Of("\x00\x01"+pemBlock("RSA PRIVATE KEY"))),
		"as protobuf": appendEnvelope("v1", "ConfigMap",
			appendBytes(nil, 2, string(appendBytes(appendBytes(nil, 1, "a"), 2, pemBlock("RSA PRIVATE KEY"))))),
		"an annotation": []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"a":` + text(pemBlock("PRIVATE KEY")) + `}}}`),
		"a Route":       []byte(`{"apiVersion":"route.openshift.io/v1","kind":"Route","spec":{"tls":{"key":"` + body + `","certificate":"shown"}}}`),
		"no kind":       []byte(`{"a":` + text(pemBlock("PRIVATE KEY")) + `}`),
		"plain text":    []byte(pemBlock("PRIVATE KEY")),
	} {
		t.Run(name, func(t *testing.T) {
			o := decode(t, Options{}, Value{Key: "/registry/a/b", Bytes: value})
			require.True(t, o.Redacted)
			out := string(o.AppendJSON(nil)) + yamlOf(t, o)
			require.Contains(t, out, RedactedText)
			for _, leak := range []string{body, base64Of(body), base64Of("\n" + body)[4:12], "PRIVATE"} {
				require.NotContains(t, out, leak)
			}
			require.NotContains(t, string(o.AppendJSON(nil)), base64Of(pemBlock("RSA PRIVATE KEY")))
			shown := decode(t, Options{ShowSecrets: true}, Value{Key: "/registry/a/b", Bytes: value})
			require.False(t, shown.Redacted)
			require.NotContains(t, string(shown.AppendJSON(nil)), "redacted")
		})
	}
}

// TestWhatIsNoPrivateKeyIsShown has the neighbours of keys, and texts that speak of them.
func TestWhatIsNoPrivateKeyIsShown(t *testing.T) {
	for _, text := range []string{
		pemBlock("CERTIFICATE"), pemBlock("PUBLIC KEY"), pemBlock("CERTIFICATE REQUEST"), "a PRIVATE KEY is in the Secret",
		base64.StdEncoding.EncodeToString([]byte(pemBlock("CERTIFICATE"))), "LS0tLS1CRUdJTi", "LS0tLS1CRUdJTi!", strings.Repeat("QUJD", 30),
	} {
		manifest, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]string{"a": text}})
		require.NoError(t, err)
		o := decode(t, Options{}, Value{Bytes: manifest})
		require.False(t, o.Redacted, text)
		got, ok := o.Text("data", "a")
		require.True(t, ok)
		require.Equal(t, text, got)
	}
}

func TestUnknownFieldWithAPrivateKey(t *testing.T) {
	unknown := appendBytes(nil, 99, pemBlock("PRIVATE KEY"))
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("v1", "ConfigMap", unknown)})
	findings, _ := o.Findings()
	require.Len(t, findings, 1)
	require.Nil(t, findings[0].Wire)
	o = decode(t, Options{ShowSecrets: true}, Value{Bytes: appendEnvelope("v1", "ConfigMap", unknown)})
	findings, _ = o.Findings()
	require.Equal(t, unknown, findings[0].Wire)
}

func TestRepeatedKeysAreFound(t *testing.T) {
	many := &strings.Builder{}
	for i := range 40 {
		many.WriteString(`"k` + strconv.Itoa(i) + `":1,`)
	}
	for _, c := range []struct {
		want int
		text string
	}{
		{0, `{"a":1,"b":2}`},
		{1, `{"a":1,"a":2}`},
		{1, `{"a":1,"\u0061":2}`},
		{2, `{"a":{"b":1,"b":2,"b":3},"c":[{"a":1}]}`},
		{1, `{` + many.String() + `"k0":2}`},
		{2, `{` + many.String() + `"k1":2,"k1":3}`},
		{0, `{` + many.String() + `"new":2}`},
	} {
		text, want := c.text, c.want
		o := decode(t, Options{}, Value{Bytes: []byte(text)})
		findings, _ := o.Findings()
		require.Len(t, findings, want, text)
		for _, f := range findings {
			require.Equal(t, RepeatedField, f.Reason)
		}
		require.Equal(t, want > 0, o.Fidelity == TypedWithLoss, text)
		require.NotContains(t, string(o.AppendJSON(nil)), `"a":1,"a"`)
	}
	o := decode(t, Options{}, Value{Bytes: []byte(`{"a":1,"a":2}`)})
	findings, _ := o.Findings()
	require.Equal(t, "byte 7", findings[0].Path)
	require.Equal(t, `{"a":2}`, string(o.AppendJSON(nil)))
}
