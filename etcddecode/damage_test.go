package etcddecode

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// definition uses every union that a CustomResourceDefinition has.
const definition = `{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"widgets.example.com"},
"spec":{"group":"example.com","names":{"plural":"widgets","singular":"widget","kind":"Widget","listKind":"WidgetList","shortNames":["w"]},"scope":"Namespaced",
"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","default":{"a":[1,"x"]},"enum":[1,"two",null,{"three":3}],
"maximum":1.5,"minLength":3,"required":["a"],"properties":{
"schema":{"items":{"type":"string"}},"schemas":{"items":[{"type":"string"},{"type":"integer"}]},
"open":{"additionalProperties":true},"closed":{"additionalProperties":false},"typed":{"additionalProperties":{"type":"string"}},
"strings":{"dependencies":{"a":["b","c"]}},"dependency":{"dependencies":{"a":{"type":"object"}}}}}}}]},
"status":{"conditions":[{"type":"Established","status":"True","lastTransitionTime":"2020-01-01T00:00:00Z"}],"acceptedNames":{"plural":"","kind":""},"storedVersions":["v1"]}}`

// TestLawDefinitionsRoundTrip has a CustomResourceDefinition in protobuf, as an API server of long ago stored it.
func TestLawDefinitionsRoundTrip(t *testing.T) {
	value, err := Encode(t.Context(), []byte(definition), EncodeOptions{Format: Protobuf})
	require.NoError(t, err)
	o := decode(t, Options{}, Value{Bytes: value})
	require.Equal(t, Protobuf, o.Format)
	require.Equal(t, Typed, o.Fidelity)
	require.JSONEq(t, definition, string(o.AppendJSON(nil)))
}

// TestLawDamageIsSaid cuts stored values off, and flips bits of them, everywhere: either the value is refused and nothing
// is returned, or what is returned is valid.
func TestLawDamageIsSaid(t *testing.T) {
	d := decoder(t, Options{})
	check := func(value []byte) (ok bool) {
		o, err := d.Decode(t.Context(), Value{Key: "/registry/a/b", Bytes: value})
		if err != nil {
			require.Nil(t, o)
			require.ErrorAs(t, err, new(*DecodeError))
			require.ErrorContains(t, err, "/registry/a/b: ")
			return false
		}
		require.True(t, json.Valid(o.AppendJSON(nil)))
		return true
	}
	values := [][]byte{nil}
	var err error
	values[0], err = Encode(t.Context(), []byte(definition), EncodeOptions{Format: Protobuf})
	require.NoError(t, err)
	for _, name := range []string{"events.k8s.io.v1.Event", "core.v1.ConfigMap", "policy.v1.PodDisruptionBudget", "resource.k8s.io.v1.ResourceSlice"} {
		values = append(values, corpusValue(t, name))
	}
	values = append(values, cborValues(t)...)
	values = append(values, []byte(definition))
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, value := range values {
		require.True(t, check(value))
		whole := 0
		for n := len(magicProtobuf); n < len(value); n += step {
			if check(value[:n]) {
				whole++
			}
			flipped := append([]byte(nil), value...)
			flipped[n] ^= 1 << (n % 8)
			check(flipped)
		}
		require.Less(t, whole*step, len(value)/2, "what is cut off is told from what is whole")
	}
}

// TestLawTruncatedMessagesAreRefused cuts off the message inside of a whole envelope, which has no length of its own.
func TestLawTruncatedMessagesAreRefused(t *testing.T) {
	stored, err := Encode(t.Context(), []byte(definition), EncodeOptions{Format: Protobuf})
	require.NoError(t, err)
	for _, value := range [][]byte{stored, corpusValue(t, "events.k8s.io.v1.Event"), corpusValue(t, "resource.k8s.io.v1.ResourceSlice")} {
		u, err := readUnknown(string(value[len(magicProtobuf):]))
		require.NoError(t, err)
		boundaries := map[int]bool{0: true}
		for rest := u.raw; rest != ""; boundaries[len(u.raw)-len(rest)] = true {
			_, rest, err = nextField(rest)
			require.NoError(t, err)
		}
		for n := range len(u.raw) {
			for _, kind := range []string{u.kind, "OfNoTable"} {
				_, err := decoder(t, Options{}).Decode(t.Context(), Value{Bytes: appendEnvelope(u.apiVersion, kind, []byte(u.raw[:n]))})
				if boundaries[n] {
					require.NoError(t, err, "%s at %d", kind, n)
				} else {
					require.ErrorIs(t, err, ErrMalformed, "%s at %d", kind, n)
				}
			}
		}
	}
}

func TestMalformedJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1} x`: "something follows the JSON value at byte 8", `{"a":`: "the text ends", `{"a":x}`: "no JSON value at byte 5",
		`{a:1}`: "no key at byte 1", `{"a" 1}`: "no colon", `{"a":1 "b":2}`: "no comma between fields", `{"a":[1 2]}`: "no comma between elements",
		`{"a":[1,`: "the text ends", `{"a`: "a string does not end", `{"a":"\u00`: "no such escape", `{"a":"\x"}`: "no such escape", `{"a":"é`: "a string does not end",
		`{"a":"\`: "no such escape", "{\"a\":\"\x01\"}": "a control character", `{"a":"\n`: "a string does not end", `{"a":-}`: "no JSON number", `{"a":1.}`: "no JSON number",
		`{"a":1e}`: "no JSON number", `{"a":1e999}`: "no float64", `{"a":"\ud800\u00`: "no such escape", `{"a":01}`: "no comma", `{"\x":1}`: "no such escape", `{"a":{"b":tru}}`: "no JSON value",
	} {
		o, err := decoder(t, Options{}).Decode(t.Context(), Value{Bytes: []byte(text)})
		require.Nil(t, o)
		require.ErrorIs(t, err, ErrMalformed, text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestJSONEscapes(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud83d\ude00"`: "\U0001F600", `"\ud83dx"`: "\uFFFDx", `"\ude00"`: "\uFFFD", `"\ud83d\u0041"`: "\uFFFDA", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t",
	} {
		o := decode(t, Options{}, Value{Bytes: []byte(`{"a":` + text + `}`)})
		got, ok := o.Text("a")
		require.True(t, ok)
		require.Equal(t, want, got)
		var theirs map[string]string
		require.NoError(t, json.Unmarshal([]byte(`{"a":`+text+`}`), &theirs))
		require.Equal(t, theirs["a"], got)
	}
}

// TestEncodeRefusesWrongTypes has, for each kind of field, a value that it can't have.
func TestEncodeRefusesWrongTypes(t *testing.T) {
	for manifest, want := range map[string]string{
		`{"apiVersion":"v1","kind":"ResourceQuota","spec":{"hard":{"cpu":1}}}`:                                                                                          "spec.hard.cpu: not a string",
		`{"apiVersion":"v1","kind":"Pod","metadata":{"creationTimestamp":7}}`:                                                                                           "metadata.creationTimestamp: not a string",
		`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"targetPort":9999999999}]}}`:                                                                             "spec.ports[0].targetPort: more than 32 bits",
		`{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"targetPort":true}]}}`:                                                                                   "spec.ports[0].targetPort: not a string",
		`{"apiVersion":"v1","kind":"Service","spec":{"ports":"80"}}`:                                                                                                    "spec.ports: not a list",
		`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[7]}}`:                                                                                                    "spec.containers[0]: not an object",
		`{"apiVersion":"v1","kind":"Pod","spec":{"nodeSelector":{"a":1}}}`:                                                                                              "spec.nodeSelector.a: not a string",
		`{"apiVersion":"v1","kind":"Secret","data":{"a":7}}`:                                                                                                            "data.a: not a string",
		`{"apiVersion":"resource.k8s.io/v1","kind":"ResourceSlice","spec":{"devices":[{"taints":[{"timeAdded":"now"}]}]}}`:                                              "not a time",
		`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":{"maximum":"x"}}}]}}`:               "maximum: not a number",
		`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":{"items":7}}}]}}`:                   "items: neither a schema nor its alternative",
		`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":{"additionalProperties":"no"}}}]}}`: "additionalProperties: neither",
		`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":{"dependencies":{"a":[1]}}}}]}}`:    "dependencies.a[0]: not a string",
		`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","spec":{"versions":[{"schema":{"openAPIV3Schema":{"items":[{"maximum":true}]}}}]}}`:  "items[0].maximum: not a number",
	} {
		value, err := Encode(t.Context(), []byte(manifest), EncodeOptions{Format: Protobuf})
		require.Nil(t, value, manifest)
		require.ErrorContains(t, err, want, manifest)
	}
}

func TestWords(t *testing.T) {
	for reason := UnknownField; reason <= PrecisionLost; reason++ {
		require.NotContains(t, reason.String(), "reason")
	}
	require.Equal(t, "reason 99", Reason(99).String())
	require.Equal(t, "typed typed with loss schemaless fidelity 9", Typed.String()+" "+TypedWithLoss.String()+" "+Schemaless.String()+" "+Fidelity(9).String())
}

func TestObjectsWithoutWhatIsAsked(t *testing.T) {
	var none Object
	require.Equal(t, "null", string(none.AppendJSON(nil)))
	require.Nil(t, none.Unstructured())
	o := decode(t, Options{}, Value{Bytes: []byte(`{"metadata":{"labels":{"a":"b","c":7},"ownerReferences":[{"kind":"A","name":"b"}]}}`)})
	for key, value := range o.Labels() {
		require.Equal(t, "a=b", key+"="+value)
	}
	_, ok := o.Owner()
	require.False(t, ok, "no owner controls it")
	for range decode(t, Options{}, Value{Bytes: []byte(`{}`)}).Labels() {
		require.Fail(t, "there are no labels")
	}
	for range decode(t, Options{}, Value{Bytes: []byte(`{"metadata":{"labels":{"a":"1","b":"2"}}}`)}).Labels() {
		break
	}
}
