package etcddecode

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

func corpusValue(t testing.TB, name string) []byte {
	t.Helper()
	return read(t, filepath.Join(corpusDir(t), "HEAD", name+".pb"))
}

func decode(t testing.TB, o Options, v Value) *Object {
	t.Helper()
	object, err := decoder(t, o).Decode(t.Context(), v)
	require.NoError(t, err)
	return object
}

func yamlOf(t testing.TB, o *Object) string {
	t.Helper()
	text, err := o.AppendYAML(nil)
	require.NoError(t, err)
	return string(text)
}

// withField adds a field to the message of a stored value.
func withField(t testing.TB, value []byte, field []byte) []byte {
	t.Helper()
	u, err := readUnknown(string(value[len(magicProtobuf):]))
	require.NoError(t, err)
	return appendEnvelope(u.apiVersion, u.kind, append([]byte(u.raw), field...))
}

func TestSniff(t *testing.T) {
	for value, want := range map[string]Format{
		"": Unrecognized, "k8s\x00": Protobuf, "k8s": Text, "{}": JSON, "\xd9\xd9\xf7\xa0": CBOR, "12345": Text, "[]": Text, "\x00": Unrecognized,
		base64.StdEncoding.EncodeToString([]byte("k8s\x00\x0a\x00\x12\x00")): Protobuf, "azhz": Text,
	} {
		format, encryption := Sniff([]byte(value))
		require.Equal(t, want, format, "%q", value)
		require.True(t, encryption.IsZero(), "%q", value)
	}
	for value, want := range map[string]Encryption{
		"k8s:enc:aescbc:v1:key1:\x00\x01": {"aescbc", "v1", "key1"},
		"k8s:enc:kms:v2:my-kms:x":         {"kms", "v2", "my-kms"},
		"k8s:enc:":                        {"unknown", "", ""},
		"k8s:enc:\x00\x01:v1:a:":          {"unknown", "v1", "a"},
	} {
		_, encryption := Sniff([]byte(value))
		require.Equal(t, want, encryption, "%q", value)
	}
	value := corpusValue(t, "core.v1.Pod")
	require.Zero(t, testing.AllocsPerRun(10, func() { Sniff(value) }))
}

func TestBase64Wrapped(t *testing.T) {
	stored := corpusValue(t, "core.v1.Service")
	want := yamlOf(t, decode(t, Options{}, Value{Bytes: stored}))
	wrapped := base64.StdEncoding.EncodeToString(stored)
	require.Equal(t, want, yamlOf(t, decode(t, Options{}, Value{Bytes: []byte(wrapped)})))
	_, err := decoder(t, Options{}).Decode(t.Context(), Value{Bytes: []byte(wrapped + "!")})
	require.ErrorIs(t, err, ErrMalformed)
}

func TestUnknownFieldIsReported(t *testing.T) {
	field := appendBytes(nil, 4000, "from the future")
	o := decode(t, Options{}, Value{Bytes: withField(t, corpusValue(t, "core.v1.ConfigMap"), field)})
	require.Equal(t, TypedWithLoss, o.Fidelity)
	findings, more := o.Findings()
	require.Zero(t, more)
	require.Equal(t, []Finding{{Path: "4000", Reason: UnknownField, Wire: field}}, findings)
}

func TestUnknownFieldInside(t *testing.T) {
	container := appendBytes(appendBytes(nil, 1, "web"), 999, "x")
	spec := appendBytes(nil, 2, string(container))
	value := appendEnvelope("v1", "Pod", appendBytes(nil, 2, string(spec)))
	findings, _ := decode(t, Options{}, Value{Bytes: value}).Findings()
	require.Equal(t, "spec.containers[0].999", findings[0].Path)
}

func TestRemovedFieldIsReported(t *testing.T) {
	meta := appendBytes(nil, 15, "east") // clusterName, until 1.23
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("v1", "ConfigMap", appendBytes(nil, 1, string(meta)))})
	require.Contains(t, yamlOf(t, o), "clusterName: east")
	findings, _ := o.Findings()
	require.Equal(t, []Finding{{Path: "metadata.clusterName", Reason: RemovedField}}, findings)
	require.Equal(t, Typed, o.Fidelity)
}

func TestRemovedKindDecodes(t *testing.T) {
	spec := []byte{1 << 3, 1} // privileged
	value := appendEnvelope("policy/v1beta1", "PodSecurityPolicy", appendBytes(nil, 2, string(spec)))
	o := decode(t, Options{}, Value{Bytes: value})
	require.Equal(t, Typed, o.Fidelity)
	require.Contains(t, yamlOf(t, o), "privileged: true")
}

func TestUnknownKindHasMetadata(t *testing.T) {
	u, err := readUnknown(string(corpusValue(t, "core.v1.Pod")[len(magicProtobuf):]))
	require.NoError(t, err)
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("route.openshift.io/v1", "Route", []byte(u.raw))})
	require.Equal(t, Schemaless, o.Fidelity)
	require.Equal(t, "nameValue", o.Name())
	require.Equal(t, "namespaceValue", o.Namespace())
	require.Contains(t, yamlOf(t, o), "\"2\":\n")
}

func TestSchemalessGuesses(t *testing.T) {
	var msg []byte
	for _, s := range []string{"text", "\x08\x01", "\xff\xfe\xfd", "two\nlines", ""} {
		msg = appendBytes(msg, 7, s)
	}
	msg = append(msg, 8<<3, 5, 9<<3|wireFixed32, 1, 0, 0, 0, 10<<3|wireFixed64, 2, 0, 0, 0, 0, 0, 0, 0)
	o := decode(t, Options{}, Value{Bytes: appendEnvelope("a/v1", "B", msg)})
	require.JSONEq(t, `{"apiVersion":"a/v1","kind":"B","7":["text",{"1":1},"base64://79","two\nlines",""],"8":5,"9":1,"10":2}`, string(o.AppendJSON(nil)))
}

func TestRevisionAndManagedFields(t *testing.T) {
	stored := corpusValue(t, "core.v1.ConfigMap")
	o := decode(t, Options{OmitManagedFields: true}, Value{Bytes: stored, ModRevision: 42})
	require.NotContains(t, yamlOf(t, o), "managedFields")
	require.Contains(t, yamlOf(t, o), "resourceVersion: \"42\"")
	plain := decode(t, Options{}, Value{Bytes: appendEnvelope("v1", "ConfigMap", appendBytes(nil, 1, "")), ModRevision: 7})
	require.Equal(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"resourceVersion":"7"}}`, string(plain.AppendJSON(nil)))
}

func TestJSONValues(t *testing.T) {
	o := decode(t, Options{}, Value{Bytes: []byte(`{"kind":"Widget","apiVersion":"example.com/v1","metadata":{"name":"w","labels":{"a":"b"}},"spec":{"n":1,"f":1.5,"big":123456789012345678901}}` + "\n")})
	require.Equal(t, "Widget", o.Kind)
	require.Equal(t, map[string]string{"a": "b"}, maps.Collect(o.Labels()))
	findings, _ := o.Findings()
	require.Equal(t, PrecisionLost, findings[0].Reason)
	require.Equal(t, TypedWithLoss, o.Fidelity)
	text, err := json.Marshal(o.Unstructured())
	require.NoError(t, err)
	require.Equal(t, string(text), string(o.AppendJSON(nil)))
}

func TestTextValue(t *testing.T) {
	o := decode(t, Options{}, Value{Key: "compact_rev_key", Bytes: []byte("12345")})
	require.Equal(t, Text, o.Format)
	require.Equal(t, `"12345"`, string(o.AppendJSON(nil)))
	require.Nil(t, o.Unstructured())
}

func TestErrorsNameTheKeyAndNoValue(t *testing.T) {
	const secret = "hunter2hunter2"
	for name, c := range map[string]struct {
		value string
		is    error
	}{
		"empty":           {"", ErrUnrecognized},
		"binary":          {"\x00\x01" + secret, ErrUnrecognized},
		"broken JSON":     {`{"a":"` + secret, ErrMalformed},
		"JSON list":       {`{} []` + secret, ErrMalformed},
		"broken protobuf": {"k8s\x00\x0a\xff" + secret, ErrMalformed},
		"encoding":        {"k8s\x00" + string(appendBytes(nil, 3, "gzip"+secret)), ErrMalformed},
		"broken CBOR":     {"\xd9\xd9\xf7\xa1" + secret, ErrMalformed},
		"encrypted":       {"k8s:enc:aescbc:v1:key:" + secret, ErrEncrypted},
		"base64":          {"azhzAAAA!" + secret, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := decoder(t, Options{}).Decode(t.Context(), Value{Key: "/registry/secrets/a/b", Bytes: []byte(c.value)})
			require.Nil(t, o)
			require.ErrorIs(t, err, c.is)
			var decodeError *DecodeError
			require.ErrorAs(t, err, &decodeError)
			require.ErrorContains(t, err, "/registry/secrets/a/b")
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestDecodeIntoForgets(t *testing.T) {
	d := decoder(t, Options{})
	var o Object
	require.NoError(t, d.DecodeInto(t.Context(), &o, Value{Bytes: corpusValue(t, "core.v1.Secret")}))
	require.True(t, o.Redacted)
	require.NoError(t, d.DecodeInto(t.Context(), &o, Value{Bytes: corpusValue(t, "core.v1.ConfigMap")}))
	require.False(t, o.Redacted)
	require.Equal(t, yamlOf(t, decode(t, Options{}, Value{Bytes: corpusValue(t, "core.v1.ConfigMap")})), yamlOf(t, &o))
	require.Error(t, d.DecodeInto(t.Context(), &o, Value{Bytes: []byte("{")}))
	require.Empty(t, o.Name())
	require.Equal(t, "null", string(o.AppendJSON(nil)))
	require.Equal(t, "null\n", yamlOf(t, &o))
}

func TestTablesFitTheReader(t *testing.T) {
	n := 0
	for apiVersion, kind := range tables.Kinds {
		n++
		id, ok := tables.Lookup(apiVersion, kind)
		require.True(t, ok, "%s %s", apiVersion, kind)
		require.LessOrEqual(t, len(id.Fields()), 64*len(seen{}))
	}
	require.Greater(t, n, 200)
	require.Equal(t, "1.37", tables.Newest())
	for _, kind := range [][2]string{{"v1", "Pods"}, {"", ""}, {"apps/v1", ""}, {"zzz/v1", "A"}, {"v1/", "Pod"}, {"apps", "v1/Deployment"}} {
		_, ok := tables.Lookup(kind[0], kind[1])
		if kind != [2]string{"apps", "v1/Deployment"} {
			require.False(t, ok, "%q", kind)
		}
	}
}

func TestLawMemoryIsBounded(t *testing.T) {
	element := appendBytes(nil, 2, "") // an empty container
	for name, value := range map[string][]byte{
		"empty elements": appendEnvelope("v1", "Pod", appendBytes(nil, 2, strings.Repeat(string(element), 1<<19))),
		"unknown fields": appendEnvelope("v1", "Pod", []byte(strings.Repeat("\x78\x00", 1<<19))),
		"JSON elements":  []byte(`{"a":[` + strings.Repeat("0,", 1<<19) + "0]}"),
		"JSON depth":     []byte(`{"a":` + strings.Repeat("[", 1<<19)),
		"CBOR elements":  append([]byte("\xd9\xd9\xf7\xa1\x41a\x9a\x00\x08\x00\x00"), strings.Repeat("\x80", 1<<19)...),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			o, err := decoder(t, Options{}).Decode(t.Context(), Value{Bytes: value})
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(400*len(value)))
			if err == nil {
				_, err = o.AppendYAML(nil)
				require.True(t, err == nil || errors.Is(err, ErrOutputTooLarge))
			}
		})
	}
}

// FuzzDecode feeds any bytes to the decoder: no panic, and whatever comes out is put out the same way twice.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"core.v1.Pod", "core.v1.Secret", "apps.v1.Deployment", "events.k8s.io.v1.Event", "resource.k8s.io.v1.ResourceSlice", "policy.v1.PodDisruptionBudget"} {
		f.Add(corpusValue(f, name))
	}
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{"kind":"Secret","data":{"a":"b"}}]}`))
	f.Add([]byte("azhzAAoLCgJ2MRIFRXZlbnQSABoAIgA="))
	f.Add([]byte("k8s:enc:kms:v2:a:\x0a\x01"))
	for _, v := range cborValues(f) {
		f.Add(v)
	}
	d := decoder(f, Options{})
	shown := decoder(f, Options{ShowSecrets: true})
	f.Fuzz(func(t *testing.T, value []byte) {
		o, err := d.Decode(t.Context(), Value{Bytes: value, ModRevision: 1})
		if err != nil {
			require.Nil(t, o)
			return
		}
		text := o.AppendJSON(nil)
		require.True(t, json.Valid(text), "%s", text)
		_, err = o.AppendYAML(nil)
		require.NoError(t, err)
		_ = o.Unstructured()
		require.Empty(t, Diff(o, o))
		o, err = shown.Decode(t.Context(), Value{Bytes: value})
		require.NoError(t, err)
		if o.Format == Text || o.APIVersion == "" || o.Kind == "" {
			return
		}
		if findings, _ := o.Findings(); slices.ContainsFunc(findings, func(f Finding) bool { return f.Reason == RepeatedField }) {
			return // the tree has all of them, the output the last
		}
		stored, err := Encode(t.Context(), o.AppendJSON(nil), EncodeOptions{})
		if err != nil {
			return // refused
		}
		again, err := shown.Decode(t.Context(), Value{Bytes: stored})
		require.NoError(t, err)
		m := o.tree
		if meta, ok := m.get(0, "metadata"); ok && m.nodes[meta].kind == kindMap {
			m.remove(meta, "resourceVersion")
			m.remove(meta, "selfLink")
		}
		path, same := sameTree(&m, 0, &again.tree, 0, nil)
		require.True(t, same, "%s", pathText(path))
	})
}

func TestFieldsOfTheWrongTypeAreFound(t *testing.T) {
	entry := func(value []byte) []byte { return append(appendBytes(nil, 1, "cpu"), value...) }
	number := []byte{2<<3 | wireVarint, 7}
	for name, c := range map[string]struct {
		apiVersion, kind string
		raw              []byte
		path             string
	}{
		"value of a map":    {"v1", "ConfigMap", appendBytes(nil, 2, string(entry(number))), "data.2"},
		"key of a map":      {"v1", "ConfigMap", appendBytes(nil, 2, "\x08\x07"), "data.1"},
		"raw extension":     {"apps/v1", "ControllerRevision", appendBytes(nil, 2, string(appendBytes(appendBytes(nil, 1, "{}"), 2, "lost"))), "data.2"},
		"quantity":          {"v1", "ResourceQuota", appendBytes(nil, 2, string(appendBytes(nil, 1, string(entry(appendBytes(nil, 2, "\x08\x05")))))), "spec.hard.cpu.1"},
		"time":              {"v1", "ConfigMap", appendBytes(nil, 1, string(appendBytes(nil, 8, "\x0a\x01x"))), "metadata.creationTimestamp.1"},
		"a later time part": {"v1", "ConfigMap", appendBytes(nil, 1, string(appendBytes(nil, 8, "\x08\x05\x18\x01"))), "metadata.creationTimestamp.3"},
	} {
		t.Run(name, func(t *testing.T) {
			o := decode(t, Options{}, Value{Bytes: appendEnvelope(c.apiVersion, c.kind, c.raw)})
			require.Equal(t, TypedWithLoss, o.Fidelity)
			findings, _ := o.Findings()
			require.Equal(t, []string{c.path}, []string{findings[0].Path})
			require.Equal(t, UnknownField, findings[0].Reason)
			require.NotEmpty(t, findings[0].Wire)
		})
	}
}
