package etcddecode

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const password = "hunter2hunter2"

// secrets are objects that have the password in every way that is known.
func secrets() map[string]string {
	b64 := base64.StdEncoding.EncodeToString([]byte(password))
	applied, _ := json.Marshal(`{"apiVersion":"v1","kind":"Secret","data":{"p":"` + b64 + `"}}`)
	return map[string]string{
		"data":             `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"p":"` + b64 + `"}}`,
		"stringData":       `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"stringData":{"p":"` + password + `"}}`,
		"last applied":     `{"apiVersion":"v1","kind":"Secret","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":` + string(applied) + `}}}`,
		"other annotation": `{"apiVersion":"v1","kind":"Secret","metadata":{"annotations":{"tool.example.com/copy":` + string(applied) + `}},"data":{"p":"` + b64 + `"}}`,
		"a list":           `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","data":{"p":"` + b64 + `"}}]}`,
		"a typed list":     `{"apiVersion":"v1","kind":"SecretList","items":[{"data":{"p":"` + b64 + `"}}]}`,
		"other case":       `{"apiVersion":"v1","kind":"Secret","Data":{"p":"` + b64 + `"}}`,
		"other field":      `{"apiVersion":"v1","kind":"Secret","spec":["` + password + `"]}`,
		"list annotation":  `{"apiVersion":"v1","kind":"Secret","metadata":{"annotations":{"tool.example.com/copy":"[{\"p\":\"` + b64 + `\"}]"}}}`,
		"Helm":             `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"owner":"helm"}},"data":{"release":"` + password + `"}}`,
		"token request":    `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","status":{"token":"` + password + `"}}`,
		"token name":       `{"apiVersion":"oauth.openshift.io/v1","kind":"OAuthAccessToken","metadata":{"name":"` + password + `"},"refreshToken":"` + password + `"}`,
		"client":           `{"apiVersion":"oauth.openshift.io/v1","kind":"OAuthClient","secret":"` + password + `","additionalSecrets":["` + password + `"]}`,
		"no string":        `{"apiVersion":"v1","kind":"Secret","data":{"p":["` + password + `",{"q":"` + password + `"}]}}`,
	}
}

func TestLawSecretsStayHidden(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString([]byte(password))
	for name, text := range secrets() {
		t.Run(name, func(t *testing.T) {
			v := Value{Bytes: []byte(text)}
			o := decode(t, Options{}, v)
			require.True(t, o.Redacted)
			other := decode(t, Options{}, Value{Bytes: []byte(`{"apiVersion":"v1","kind":"Secret"}`)})
			manifest, ok := o.Manifest()
			require.False(t, ok)
			for _, out := range []string{
				string(o.AppendJSON(nil)), yamlOf(t, o), fmt.Sprint(o.Unstructured()), fmt.Sprint(Diff(o, other)), fmt.Sprint(Diff(other, o)), fmt.Sprint(Diff(o, nil)), yamlOf(t, manifest),
			} {
				require.NotContains(t, out, password)
				require.NotContains(t, out, b64)
			}
			_, err := Encode(t.Context(), o.AppendJSON(nil), EncodeOptions{})
			require.ErrorIs(t, err, ErrRedacted)
			shown := decode(t, Options{ShowSecrets: true}, v)
			require.False(t, shown.Redacted)
			require.Regexp(t, password+"|"+b64, string(shown.AppendJSON(nil)))
		})
	}
}

func TestRedactedProtobufSecret(t *testing.T) {
	stored := corpusValue(t, "core.v1.Secret")
	o := decode(t, Options{}, Value{Bytes: withField(t, stored, appendBytes(nil, 999, password))})
	require.NotContains(t, yamlOf(t, o), "dataValue")
	require.Contains(t, yamlOf(t, o), "dataKey: <redacted>")
	findings, _ := o.Findings()
	require.Len(t, findings, 1)
	require.Nil(t, findings[0].Wire)
}

func TestUnknownSecretKinds(t *testing.T) {
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("oauth.example.com/v1", "AccessToken", appendBytes(nil, 2, password))})
	require.NotContains(t, yamlOf(t, o), password)
	o = decode(t, Options{}, Value{Key: "/registry/secrets/a/b", Bytes: []byte(password)})
	require.NotContains(t, string(o.AppendJSON(nil)), password)
	o = decode(t, Options{}, Value{Bytes: appendEnvelope("route.example.com/v1", "Route", appendBytes(nil, 2, "shown"))})
	require.Contains(t, yamlOf(t, o), "shown")
}

func TestDamagedSecrets(t *testing.T) {
	stored := string(corpusValue(t, "core.v1.Secret"))
	for name, value := range map[string]string{
		"another kind":       strings.Replace(stored, "Secret", "Secqet", 1),
		"no kind":            string(appendEnvelope("", "", appendBytes(nil, 2, password))),
		"another version":    strings.Replace(stored, "v1", "v0", 1),
		"another JSON kind":  `{"apiVersion":"v1","kind":"Secqet","data":{"p":"dataValue"}}`,
		"text in its place":  "dataValue",
		"another known kind": string(appendEnvelope("v1", "ConfigMap", appendBytes(nil, 2, string(appendBytes(appendBytes(nil, 1, "k"), 2, password))))),
	} {
		o := decode(t, Options{}, Value{Key: "/registry/secrets/a/b", Bytes: []byte(value)})
		require.True(t, o.Redacted, name)
		for _, secret := range []string{password, "dataValue", "ZGF0YVZhbHVl"} {
			require.NotContains(t, yamlOf(t, o), secret, name)
		}
	}
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("", "", appendBytes(nil, 2, password))})
	require.NotContains(t, yamlOf(t, o), password, "neither kind nor key are known")
}

func TestUnknownFieldOfAnEmptySecret(t *testing.T) {
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("v1", "Secret", appendBytes(nil, 999, password))})
	findings, _ := o.Findings()
	require.Len(t, findings, 1)
	require.Nil(t, findings[0].Wire)
}

func TestTokensInKeys(t *testing.T) {
	require.Equal(t, "/kubernetes.io/oauth/accesstokens/<redacted>", PrintableKey("/kubernetes.io/oauth/accesstokens/"+password))
	require.Equal(t, "/kubernetes.io/oauth/accesstokens/sha256~x", PrintableKey("/kubernetes.io/oauth/accesstokens/sha256~x"))
	_, err := decoder(t, Options{}).Decode(t.Context(), Value{Key: "/kubernetes.io/oauth/authorizetokens/" + password})
	require.NotContains(t, err.Error(), password)
}

func TestSensitiveRules(t *testing.T) {
	pod := `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","env":[{"name":"P","value":"` + password + `"}]}]}}`
	o := decode(t, Options{Sensitive: []Rule{{Kind: "Pod", Path: "spec.containers.*.env.*.value"}}}, Value{Bytes: []byte(pod)})
	require.Equal(t, `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"env":[{"name":"P","value":"\u003credacted\u003e"}],"name":"a"}]}}`, string(o.AppendJSON(nil)))
	for _, r := range []Rule{{}, {Kind: "Pod"}, {Kind: "Pod", Path: "a..b"}, {Path: "a"}} {
		_, err := NewDecoder(Options{Sensitive: []Rule{r}})
		require.Error(t, err)
	}
}

func TestDiffSeesThroughRedaction(t *testing.T) {
	secret := func(p string) *Object {
		return decode(t, Options{}, Value{Bytes: []byte(`{"apiVersion":"v1","kind":"Secret","data":{"p":"` + p + `"}}`)})
	}
	require.Empty(t, Diff(secret("YQ=="), secret("YQ==")))
	require.Equal(t, []Change{{Path: "data.p", Old: `"\u003credacted\u003e"`, New: `"\u003credacted\u003e"`}}, Diff(secret("YQ=="), secret("Yg==")))
}

func TestDiff(t *testing.T) {
	object := func(text string) *Object { return decode(t, Options{}, Value{Bytes: []byte(text)}) }
	a := object(`{"kind":"W","a":1,"b":[1,2,{"x":"y"}],"c":{"d.e":"f"},"gone":null}`)
	b := object(`{"kind":"W","a":1.5,"b":[1,3,{"x":"z"},4],"c":{"d.e":"g"},"new":{}}`)
	require.Equal(t, []Change{
		{"a", "1", "1.5"},
		{"b[1]", "2", "3"},
		{"b[2].x", `"y"`, `"z"`},
		{"b[3]", "", "4"},
		{`c["d.e"]`, `"f"`, `"g"`},
		{"gone", "null", ""},
		{"new", "", "{}"},
	}, Diff(a, b))
	require.Empty(t, Diff(a, a))
	require.Empty(t, Diff(nil, nil))
	require.Equal(t, []Change{{"", "", `{"kind":"W"}`}}, Diff(nil, object(`{"kind":"W"}`)))
}

func TestManifest(t *testing.T) {
	o := decode(t, Options{}, Value{ModRevision: 5, Bytes: []byte(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"j","uid":"u","creationTimestamp":"2020-01-01T00:00:00Z","labels":{"app":"a","controller-uid":"u"},
		"ownerReferences":[{"kind":"CronJob","name":"c","controller":true}]},"spec":{"selector":{"matchLabels":{"controller-uid":"u"}},"template":{"metadata":{"labels":{"job-name":"j","x":"y"}}}},"status":{}}`)})
	owner, ok := o.Owner()
	require.True(t, ok)
	require.Equal(t, "CronJob/c", owner)
	m, ok := o.Manifest()
	require.True(t, ok)
	require.Equal(t, `{"apiVersion":"batch/v1","kind":"Job","metadata":{"labels":{"app":"a"},"name":"j"},"spec":{"template":{"metadata":{"labels":{"x":"y"}}}}}`, string(m.AppendJSON(nil)))
	require.Contains(t, yamlOf(t, o), "uid: u", "the object itself stays")
	for text, want := range map[string]string{
		`{"apiVersion":"v1","kind":"Pod","spec":{"nodeName":"n"}}`:                                       `{"apiVersion":"v1","kind":"Pod","spec":{}}`,
		`{"apiVersion":"v1","kind":"PersistentVolume","spec":{"claimRef":{"uid":"u","name":"c"}}}`:       `{"apiVersion":"v1","kind":"PersistentVolume","spec":{"claimRef":{"name":"c"}}}`,
		`{"apiVersion":"batch/v1","kind":"Job","spec":{"manualSelector":true,"selector":{"a":{"b":1}}}}`: `{"apiVersion":"batch/v1","kind":"Job","spec":{"manualSelector":true,"selector":{"a":{"b":1}}}}`,
	} {
		m, _ := decode(t, Options{}, Value{Bytes: []byte(text)}).Manifest()
		require.Equal(t, want, string(m.AppendJSON(nil)))
		_, ok := m.Owner()
		require.False(t, ok)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		manifest string
		format   Format
		want     string
	}{
		"no JSON":            {`kind: Pod`, 0, "JSON"},
		"no kind":            {`{"apiVersion":"v1"}`, 0, "apiVersion and kind"},
		"no object":          {`[]`, 0, "apiVersion and kind"},
		"unknown field":      {`{"apiVersion":"v1","kind":"Pod","spec":{"nodeNam":"a"}}`, 0, "spec.nodeNam"},
		"wrong type":         {`{"apiVersion":"v1","kind":"Pod","spec":{"nodeName":7}}`, 0, "spec.nodeName"},
		"wrong list":         {`{"apiVersion":"v1","kind":"Pod","spec":{"containers":{}}}`, 0, "spec.containers"},
		"wrong map":          {`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":[]}}`, 0, "metadata.labels"},
		"wrong object":       {`{"apiVersion":"v1","kind":"Pod","spec":7}`, 0, "spec"},
		"wrong bool":         {`{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":"yes"}}`, 0, "spec.hostNetwork"},
		"wrong int":          {`{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":1.5}}`, 0, "spec.replicas"},
		"large int":          {`{"apiVersion":"apps/v1","kind":"Deployment","spec":{"replicas":9999999999}}`, 0, "32 bits"},
		"wrong time":         {`{"apiVersion":"v1","kind":"Pod","metadata":{"creationTimestamp":"yesterday"}}`, 0, "metadata.creationTimestamp"},
		"fraction of a time": {`{"apiVersion":"v1","kind":"Pod","metadata":{"creationTimestamp":"2020-01-01T00:00:00.5Z"}}`, 0, "creationTimestamp"},
		"wrong base64":       {`{"apiVersion":"v1","kind":"Secret","data":{"a":"!"}}`, 0, "data.a"},
		"no table":           {`{"apiVersion":"a/v1","kind":"B"}`, Protobuf, "json"},
		"CBOR of a Pod":      {`{"apiVersion":"v1","kind":"Pod"}`, CBOR, "custom resources alone"},
		"text":               {`{"apiVersion":"a/v1","kind":"B"}`, Text, "write protobuf, json or cbor"},
		"large number":       {`{"apiVersion":"a/v1","kind":"B","n":123456789012345678901}`, 0, "precision"},
		"a key twice":        {`{"apiVersion":"a/v1","kind":"B","n":1,"n":2}`, 0, "repeated field at byte 38"},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := Encode(t.Context(), []byte(c.manifest), EncodeOptions{Format: c.format})
			require.Nil(t, value)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestEncodeByHand(t *testing.T) {
	manifest := `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop","resourceVersion":"7"},"spec":{"ports":[{"port":80,"targetPort":"http"}],"selector":{"app":"web"}}}`
	value, err := Encode(t.Context(), []byte(manifest), EncodeOptions{})
	require.NoError(t, err)
	o := decode(t, Options{}, Value{Bytes: value})
	require.Equal(t, Protobuf, o.Format)
	require.Equal(t, "web", o.Name())
	require.NotContains(t, yamlOf(t, o), "resourceVersion")
	crd, err := Encode(t.Context(), []byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"a"}}`), EncodeOptions{})
	require.NoError(t, err)
	require.Equal(t, JSON, decode(t, Options{}, Value{Bytes: crd}).Format)
}

func TestEncodeEncrypts(t *testing.T) {
	asked := 0
	k := testKeyring(t, &asked, testProviders()["secretbox:v1:d"])
	value, err := Encode(t.Context(), []byte(`{"apiVersion":"v1","kind":"Secret","data":{"a":"Yg=="}}`),
		EncodeOptions{Keyring: k, Key: "/registry/secrets/a/b", Resource: "secrets", Random: newRandom()})
	require.NoError(t, err)
	o := decode(t, Options{Keyring: k, ShowSecrets: true}, Value{Key: "/registry/secrets/a/b", Bytes: value})
	require.Equal(t, "secretbox:v1:d", o.Encryption.String())
	require.Contains(t, yamlOf(t, o), "a: Yg==")
}

// TestAppendPrintableKey is what PrintableKey says, behind what is there, for keys with a token and for others.
func TestAppendPrintableKey(t *testing.T) {
	for _, key := range []string{
		"", "/", "/registry/pods/shop/web", "/oauth/accesstokens/", "/oauth/accesstokens", "/k/oauth/authorizetokens/abc", "/k/oauth/authorizetokens/sha256~abc",
		"/oauth/accesstokens/sha256~a/oauth/accesstokens/b", "/oauth/accesstokens/sha256~a/oauth/authorizetokens/b", "//oauth/accesstokens/x\x00",
	} {
		require.Equal(t, "> "+PrintableKey(key), string(AppendPrintableKey([]byte("> "), []byte(key))), key)
	}
	dst, key := make([]byte, 0, 128), []byte("/registry/pods/a-namespace-of-some-length/a-name-of-some-length")
	require.Zero(t, testing.AllocsPerRun(100, func() { dst = AppendPrintableKey(dst[:0], key) }))
}
