package etcddecode

import (
	"fmt"
	"iter"
	"math"
	"slices"
)

// Fidelity says how much of a value its output has.
type Fidelity uint8

const (
	// Typed objects are all there: every field is known, and so are the fields that only JSON has.
	Typed Fidelity = iota + 1
	// TypedWithLoss objects lack something that [Object.Findings] name.
	TypedWithLoss
	// Schemaless objects are of a kind that no table has, or are no objects. Fields but metadata have numbers instead
	// of names, and what their bytes mean is a guess.
	Schemaless
)

// String is the fidelity in words.
func (f Fidelity) String() string {
	switch f {
	case Typed:
		return "typed"
	case TypedWithLoss:
		return "typed with loss"
	case Schemaless:
		return "schemaless"
	}
	return fmt.Sprintf("fidelity %d", uint8(f))
}

// Object is a decoded value. Reading it from several goroutines is safe.
type Object struct {
	// Key is the key that the value was decoded with. The part that is a token, in those of OpenShift, is redacted.
	Key string
	// APIVersion and Kind are those it was stored with. They are empty for text and for JSON that lacks them.
	APIVersion, Kind string
	Format           Format
	Encryption       Encryption
	Fidelity         Fidelity
	// Redacted says that something was replaced by [RedactedText].
	Redacted bool

	tree     tree
	findings []Finding
	more     int
}

func (o *Object) reset() {
	*o = Object{tree: tree{nodes: o.tree.nodes[:0]}}
}

// Namespace returns metadata.namespace.
func (o *Object) Namespace() string { return o.tree.text("metadata", "namespace") }

// Name returns metadata.name.
func (o *Object) Name() string { return o.tree.text("metadata", "name") }

// Text returns the string at a path of keys, such as "metadata", "uid". ok is false if there is none.
func (o *Object) Text(path ...string) (s string, ok bool) {
	i, ok := o.tree.find(path...)
	if !ok || o.tree.nodes[i].kind != kindString {
		return "", false
	}
	return o.tree.nodes[i].text, true
}

// Labels yields metadata.labels in the order they are stored in.
func (o *Object) Labels() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		m, ok := o.tree.find("metadata", "labels")
		if !ok {
			return
		}
		for i := o.tree.nodes[m].first; i != 0; i = o.tree.nodes[i].next {
			if n := &o.tree.nodes[i]; n.kind == kindString && !yield(n.key, n.text) {
				return
			}
		}
	}
}

// Owner returns kind and name of the owner that controls the object (metadata.ownerReferences).
func (o *Object) Owner() (name string, ok bool) {
	refs, ok := o.tree.find("metadata", "ownerReferences")
	if !ok {
		return "", false
	}
	for i := o.tree.nodes[refs].first; i != 0; i = o.tree.nodes[i].next {
		if c, ok := o.tree.get(i, "controller"); ok && o.tree.nodes[c].num != 0 {
			kind, _ := o.tree.get(i, "kind")
			name, _ := o.tree.get(i, "name")
			return o.tree.nodes[kind].text + "/" + o.tree.nodes[name].text, true
		}
	}
	return "", false
}

// Findings returns what the output lacks and what a new API server would drop, at most 1000 of them, and how many
// more there are.
func (o *Object) Findings() (list []Finding, more int) { return slices.Clone(o.findings), o.more }

// AppendJSON appends the object as encoding/json writes a map: compact, keys in the order of their bytes. A text
// value becomes a JSON string.
func (o *Object) AppendJSON(dst []byte) []byte {
	if len(o.tree.nodes) == 0 {
		return append(dst, "null"...)
	}
	return o.tree.appendJSON(dst, 0)
}

// Unstructured returns the object as maps, lists, strings, bools, int64 and float64, or nil if it is none. It shares
// no map or list with the object.
func (o *Object) Unstructured() map[string]any {
	if len(o.tree.nodes) == 0 || o.tree.nodes[0].kind != kindMap {
		return nil
	}
	m, _ := o.tree.any(0).(map[string]any)
	return m
}

func (t *tree) any(i int32) any {
	n := &t.nodes[i]
	switch n.kind {
	case kindBool:
		return n.num != 0
	case kindInt:
		return n.num
	case kindFloat:
		return math.Float64frombits(uint64(n.num))
	case kindString:
		return n.text
	case kindList:
		list := make([]any, 0, n.count)
		for c := n.first; c != 0; c = t.nodes[c].next {
			list = append(list, t.any(c))
		}
		return list
	case kindMap:
		m := make(map[string]any, n.count)
		for c := n.first; c != 0; c = t.nodes[c].next {
			m[t.nodes[c].key] = t.any(c)
		}
		return m
	}
	return nil
}
