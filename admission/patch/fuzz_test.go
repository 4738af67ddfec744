package patch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"
)

type fuzzInner struct {
	Name string         `json:"name,omitempty"`
	N    *int64         `json:"n,omitempty"`
	L    []fuzzInner    `json:"l,omitempty" patchMergeKey:"name"`
	U    []fuzzInner    `json:"u"`
	M    map[string]any `json:"m,omitempty"`
}

// fuzzed has what Go types have, in few letters, so that a fuzzer finds it.
type fuzzed struct {
	metav1.TypeMeta `json:",inline"`
	fuzzInner       `json:",inline"`
	S               []string             `json:"s,omitempty"`
	I               fuzzInner            `json:"i"`
	P               *fuzzInner           `json:"p,omitempty"`
	K               map[string]fuzzInner `json:"k,omitempty"`
	T               metav1.Time          `json:"t"`
	B               []byte               `json:"b,omitempty"`
	A               any                  `json:"a,omitempty"`
	Q               int                  `json:"q,omitempty,string"`
}

// Any two documents of a type: the patch from one to the other applies to the first and gives the second.
func FuzzDiff(f *testing.F) {
	pod := `{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"}],"ports":[{"containerPort":1}]},{"name":"b","future":1}],"volumes":[{"name":"v","emptyDir":{}}]}}`
	f.Add([]byte(pod), []byte(`{"spec":{"containers":[{"name":"s"},{"name":"b"},{"name":"a","resources":{"limits":{"cpu":"1"}}}]}}`))
	f.Add([]byte(`{"l":[{"name":"a"},{"name":"b","x":1}],"u":[{"n":1},{"n":2}],"s":["a","b","a"],"i":{"x":1},"a":{"l":[1,{"z":2}]}}`),
		[]byte(`{"l":[{"name":"b"},{"name":"a","n":0}],"u":[{"n":2},{"n":3,"name":"q"}],"s":["b","a"],"i":{"m":{"a":null}},"k":{"":{}},"q":"5","t":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"p":{"u":null},"k":{"a":{"n":1}},"b":"aGk="}`), []byte(`{"p":{"u":[]},"k":{"a":{"u":[{}]}},"a":[[]]}`))
	cores := []*core{
		newCore(reflect.TypeFor[corev1.Pod]()),
		newCore(reflect.TypeFor[fuzzed]()),
		newCore(reflect.TypeFor[unstructured.Unstructured]()),
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		for _, c := range cores {
			before, after := fuzzDecode(c, first), fuzzDecode(c, second)
			if before == nil || after == nil || !sameType(t, first, second) {
				continue
			}
			if _, err := json.Marshal(after); err != nil {
				continue // a time out of the range that has a JSON form, say
			}
			if _, err := json.Marshal(before); err != nil {
				continue
			}
			prove(t, c, first, before, after)
		}
	})
}

// sameType reports whether two documents say that they are of one kind: no patch leads from one to another.
func sameType(t *testing.T, first, second []byte) bool {
	a, b := parsed(t, first).root, parsed(t, second).root
	return bytes.Equal(a.Member("kind").Text(), b.Member("kind").Text()) &&
		bytes.Equal(a.Member("apiVersion").Text(), b.Member("apiVersion").Text())
}

// fuzzDecode returns nil for what no API server sends: what does not decode, or has a member twice.
func fuzzDecode(c *core, text []byte) any {
	doc, err := Parse(text)
	if err != nil || doc.root.Kind() != '{' {
		return nil
	}
	var anything any
	if problems, err := kjson.UnmarshalStrict(text, &anything); err != nil || len(problems) > 0 {
		return nil
	}
	v, err := c.decode(doc)
	if err != nil {
		return nil
	}
	return v
}

// Any document decodes as sigs.k8s.io/json decodes it, or not, as it does, and so is what it checks without decoding.
func FuzzDecode(f *testing.F) {
	for _, raw := range corpus(f) {
		f.Add(raw)
	}
	f.Add([]byte(`{"name":"\u00e4\ud800","n":1,"l":[{},null],"u":[],"m":{"a":[1.5,"x"]},"s":[null],"k":{"a":null},"q":"5","t":null,"b":"aGk=","a":1e3}`))
	f.Add([]byte(`{"metadata":{"managedFields":[1],"labels":{"\xff":"\xff"}},"spec":{"priority":1e2,"containers":[{"ports":[{"containerPort":99999999999}]}]}}`))
	cores := []*core{newCore(reflect.TypeFor[corev1.Pod]()), newCore(reflect.TypeFor[fuzzed]())}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := Parse(text)
		if err != nil {
			return
		}
		for _, c := range cores {
			requireFitsIsRight(t, c, text)
			got, err := c.decode(doc)
			want := c.new()
			wantErr := kjson.UnmarshalCaseSensitivePreserveInts(doc.withoutManagedFields(), want)
			if err != nil || wantErr != nil {
				require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
				continue
			}
			require.Equal(t, want, got)
		}
	})
}

// Any document and any patch: no panic, and what the cheap check accepts is right.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"spec":{"containers":[{"name":"a"},{"name":"b"}]}}`), []byte(`[{"op":"move","from":"/spec/containers/1","path":"/spec/containers/0"},{"op":"add","path":"/spec/containers/0/env","value":[]}]`))
	f.Add([]byte(`{"metadata":{"labels":{"a":"b"}}}`), []byte(`[{"op":"replace","path":"/metadata/labels/a","value":"c"},{"op":"remove","path":"/metadata/labels/a"}]`))
	f.Add([]byte(`{}`), []byte(`[{"op":"add","path":"","value":{}}]`))
	c := newCore(reflect.TypeFor[corev1.Pod]())
	f.Fuzz(func(t *testing.T, text, ops []byte) {
		var p Patch
		if json.Unmarshal(ops, &p) != nil || fuzzDecode(c, text) == nil {
			return
		}
		for _, o := range p {
			if o.Op != Add && o.Op != Remove && o.Op != Replace && o.Op != Move {
				return
			}
		}
		if c.check(parsed(t, text), p) == nil {
			checkIsRight(t, c, text, p)
		}
	})
}
