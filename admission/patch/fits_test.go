package patch

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// requireFitsIsRight: what fits accepts is what the API server's library decodes without a word.
func requireFitsIsRight(t testing.TB, c *core, text []byte) {
	t.Helper()
	if x := parsed(t, text).root; fits(c.plan, x) {
		require.NoError(t, decodeStrictly(c.plan, x), "%s", text)
	}
}

// A value that Diff has written is never left to the library, which takes ten times as long.
func TestFitsEveryKind(t *testing.T) {
	for gvk, raw := range corpus(t) {
		c := coreFor(t, gvk)
		require.True(t, fits(c.plan, parsed(t, raw).root), gvk)
		value := c.new()
		require.NoError(t, json.Unmarshal(raw, value))
		newMutator(1).mutate(reflect.ValueOf(value).Elem(), 6)
		text, err := json.Marshal(value)
		require.NoError(t, err)
		require.True(t, fits(c.plan, parsed(t, text).root), gvk)
		requireFitsIsRight(t, c, text)
	}
}

// Documents with something wrong anywhere.
func TestFitsOnlyWhatTheLibraryDecodes(t *testing.T) {
	refused, accepted := 0, 0
	for gvk, raw := range corpus(t) {
		c := coreFor(t, gvk)
		r := rand.New(rand.NewPCG(uint64(len(raw)), 1))
		for range rounds(20) {
			text := spoil(r, raw)
			x, err := rawjson.Parse(text)
			if err != nil {
				continue
			}
			if !fits(c.plan, x) {
				refused++
				continue
			}
			accepted++
			require.NoError(t, decodeStrictly(c.plan, x), "%s", text)
		}
	}
	require.Positive(t, refused)
	require.Positive(t, accepted)
}

// spoil replaces one value of a document with another.
func spoil(r *rand.Rand, text []byte) []byte {
	values := []string{`null`, `true`, `1`, `-1`, `1.5`, `1e3`, `99999999999`, `""`, `"x"`, `"\ud800"`, `[]`, `[null]`, `{}`, `{"a":1,"a":2}`, `{"unknown":1}`}
	root, _ := rawjson.Parse(text)
	var all []rawjson.Value
	var walk func(v rawjson.Value)
	walk = func(v rawjson.Value) {
		all = append(all, v)
		for _, member := range v.Members() {
			walk(member)
		}
		for element := range v.Elements() {
			walk(element)
		}
	}
	walk(root)
	v := all[r.IntN(len(all))]
	out := append([]byte(nil), text[:v.Offset()]...)
	out = append(out, values[r.IntN(len(values))]...)
	return append(out, text[v.Offset()+len(v.Text()):]...)
}

type unexported struct {
	X int `json:"x"`
}

func TestFitsRefuses(t *testing.T) {
	type behindPointer struct {
		*unexported
	}
	hidden := newCore(reflect.TypeFor[behindPointer]())
	require.False(t, fits(hidden.plan, parsed(t, []byte(`{"x":1}`)).root))
	require.Error(t, decodeStrictly(hidden.plan, parsed(t, []byte(`{"x":1}`)).root), "the library can't set it either")

	pod := newCore(reflect.TypeFor[corev1.Pod]())
	for _, text := range []string{
		`[]`, `{"unknown":1}`, `{"Spec":{}}`, `{"spec":{},"spec":{}}`, `{"spec":{"containers":{}}}`, `{"spec":{"containers":[1]}}`,
		`{"metadata":{"labels":[]}}`, `{"metadata":{"labels":{"a":1}}}`, `{"metadata":{"labels":{"a":"","a":""}}}`,
		`{"spec":{"hostNetwork":"true"}}`, `{"spec":{"priority":1.5}}`, `{"spec":{"nodeName":1}}`,
		`{"spec":{"overhead":{"cpu":"x"}}}`, `{"metadata":{"managedFields":[{"fieldsV1":1,"time":"x"}]}}`,
	} {
		require.False(t, fits(pod.plan, parsed(t, []byte(text)).root), text)
	}
}
