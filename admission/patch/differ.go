package patch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// Differ finds the patch between two values of a type, and checks patches for objects of that type. Make it once with
// [For], it holds what is known of the type; it is safe for concurrent use.
type Differ[T any] struct {
	core *core
}

// For returns the Differ of T, which is any type that encoding/json can marshal.
func For[T any]() *Differ[T] {
	return &Differ[T]{newCore(reflect.TypeFor[T]())}
}

// core is a Differ without its type parameter. Values are passed as pointers.
type core struct {
	typ  reflect.Type
	plan *plan
}

func newCore(t reflect.Type) *core {
	if t == reflect.TypeFor[unstructured.Unstructured]() {
		return &core{t, anyMapPlan}
	}
	return &core{t, planner{}.plan(t)}
}

func (c *core) new() any { return reflect.New(c.typ).Interface() }

// root returns the value that the plan is for.
func (c *core) root(v any) reflect.Value {
	if u, ok := v.(*unstructured.Unstructured); ok {
		return reflect.ValueOf(u.Object)
	}
	return reflect.ValueOf(v).Elem()
}

// Diff returns the patch that turns doc, the document that before was decoded from, into one that decodes to after.
// The patch is minimal in what it touches: it is the difference between the two typed values and not between two
// documents, so members that T does not know stay where they are, also in list elements that move, and a value that T
// writes in another form (a quantity, a zero value) is not an operation. metadata.managedFields is never
// touched, and the object's kind and apiVersion stay when after has none. It is deterministic: struct order, then sorted
// map keys.
//
// Members are written with "add", which replaces one that exists. A member that would be null is removed. Two nil or
// empty lists or maps are the same. Lists are aligned by the field that their patchMergeKey tag names, where its values
// are unique, and by equality otherwise; elements that changed place are moved. Where that
// would take very many operations on a very long list, the list is written whole, of the texts of its elements.
//
// An error means that a value has no JSON form.
func (d *Differ[T]) Diff(doc *Document, before, after *T) (Patch, error) {
	return d.core.diff(doc, before, after)
}

func (c *core) diff(doc *Document, before, after any) (Patch, error) {
	w := walk{doc: doc, path: make([]byte, 0, 128), source: make([]step, 0, 16)}
	w.value(c.plan, c.root(before), c.root(after), slot{element: true})
	return w.ops, w.err
}

// walk is the state of one Diff. The value at hand has two places: path is where it will be when the operations before
// have been applied, source is where it is in the document.
type walk struct {
	doc    *Document
	source []step
	path   []byte // a JSON Pointer
	out    encoder
	ops    Patch
	err    error
}

// step leads to a member by its name or, if index is not negative, to an element.
type step struct {
	name  string
	index int

	found    bool // value is what it leads to
	value    rawjson.Value
	elements []rawjson.Value          // of a list, once one was looked up
	members  map[string]rawjson.Value // of a large object, likewise
}

// enter goes from the value at hand to its member; leave goes back.
func (w *walk) enter(name string) (depth int) {
	depth = len(w.path)
	w.path = appendToken(w.path, name)
	w.source = append(w.source, step{name: name, index: -1})
	return depth
}

// enterElement goes to the element that was at index from and will be at index to.
func (w *walk) enterElement(from, to int) (depth int) {
	depth = len(w.path)
	w.path = appendIndex(w.path, to)
	w.source = append(w.source, step{index: from})
	return depth
}

func (w *walk) leave(depth int) {
	w.path = w.path[:depth]
	w.source = w.source[:len(w.source)-1]
}

// inDocument reports whether the value at hand is an object in the document.
func (w *walk) inDocument() bool { return w.find(len(w.source)).Kind() == '{' }

// find looks up the value to which the first n steps lead, and keeps what it finds for the values beside and below it.
func (w *walk) find(n int) rawjson.Value {
	if n == 0 {
		return w.doc.root
	}
	s := &w.source[n-1]
	if s.found {
		return s.value
	}
	parent := w.find(n - 1)
	switch {
	case n > 1:
		s.value = w.source[n-2].inside(s)
	case s.index < 0:
		s.value = parent.Member(s.name)
	default:
		s.value = parent.Element(s.index)
	}
	s.found = true
	return s.value
}

// inside looks up where a step leads from the value that this one has found.
func (s *step) inside(next *step) rawjson.Value {
	switch {
	case next.index >= 0:
		if s.elements == nil {
			s.elements = slices.Collect(s.value.Elements())
		}
		if next.index < len(s.elements) {
			return s.elements[next.index]
		}
		return rawjson.Value{}
	case s.value.Len() < manyMembers:
		return s.value.Member(next.name)
	case s.members == nil:
		s.members = make(map[string]rawjson.Value, s.value.Len())
		for name, value := range s.value.Members() {
			s.members[string(name)] = value
		}
	}
	return s.members[next.name]
}

// slot says how the value at hand is written.
type slot struct {
	element bool // of a list, or the whole document: not a member of an object
	quoted  bool // with the ",string" option
}

// op is the operation that writes the value.
func (s slot) op() string {
	if s.element {
		return Replace // where add would insert
	}
	return Add // replaces a member that exists
}

// set writes the value at hand.
func (w *walk) set(v reflect.Value, s slot) { w.write(s.op(), v, s.quoted) }

func (w *walk) write(op string, v reflect.Value, quoted bool) {
	if text := w.encode(v, quoted); w.err == nil {
		w.ops = append(w.ops, Operation{Op: op, Path: string(w.path), Value: text})
	}
}

// encode is the text of the value at hand, or nothing after an error.
func (w *walk) encode(v reflect.Value, quoted bool) json.RawMessage {
	if w.err != nil {
		return nil
	}
	text, err := w.out.encode(v, quoted)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", w.path, err)
	}
	return text
}

func (w *walk) remove() {
	w.ops = append(w.ops, Operation{Op: Remove, Path: string(w.path)})
}

// value appends the operations that turn a, into b. Both are of the plan's type.
func (w *walk) value(p *plan, a, b reflect.Value, s slot) {
	switch p.shape {
	case shapeStruct:
		w.structure(p, a, b, s)
	case shapePointer:
		w.pointer(p, a, b, s)
	case shapeList:
		w.list(p, "", a, b, s)
	case shapeMap:
		w.mapping(p, a, b, s)
	case shapeAny:
		w.dynamic(a, b, s)
	default:
		if !equal(p, a, b) {
			w.set(b, s)
		}
	}
}

// structure goes through the members. A struct that is zero may be missing from the document, so that its members have
// no parent there; then it is written whole.
func (w *walk) structure(p *plan, a, b reflect.Value, s slot) {
	if a.IsZero() && len(w.path) > 0 {
		if equal(p, a, b) {
			return
		}
		if !w.inDocument() {
			w.set(b, s)
			return
		}
	}
	for i := range p.fields {
		f := &p.fields[i]
		fa, fb := f.of(a), f.of(b)
		if !fa.IsValid() && !fb.IsValid() {
			continue
		}
		if fa.IsValid() && fb.IsValid() && f.plan.sameAtAGlance(fa, fb) {
			continue // most fields, at the price of no path
		}
		if w.stays(f.name, f.omitted(fb)) {
			continue
		}
		depth := w.enter(f.name)
		w.member(f, fa, fb)
		w.leave(depth)
	}
}

// stays reports whether a member of the value at hand is not to be changed: metadata.managedFields, which was not
// decoded, and what says which kind the object is when it is gone, because values that are built anew mostly lack it.
func (w *walk) stays(name string, gone bool) bool {
	switch name {
	case "kind", "apiVersion":
		return gone && len(w.path) == 0
	case "managedFields":
		return w.inMetadata()
	}
	return false
}

// inMetadata reports whether the value at hand is the object's metadata, which holds more than was decoded.
func (w *walk) inMetadata() bool { return string(w.path) == "/metadata" }

// member is value for a field, which may come or go.
func (w *walk) member(f *field, a, b reflect.Value) {
	s := slot{quoted: f.quoted}
	goneA, goneB := f.omitted(a), f.omitted(b)
	switch {
	case goneA && goneB:
	case goneB:
		if f.plan.shape != shapeStruct && !emptyCollection(a) {
			w.remove()
			return
		}
		if f.plan.shape == shapeStruct { // zero, by omitzero: what T does not know of it stays
			w.value(f.plan, a, reflect.Zero(f.plan.typ), s)
		}
	case !a.IsValid():
		w.set(b, s)
	case f.plan.shape == shapeList:
		w.list(f.plan, f.mergeKey, a, b, s)
	default:
		w.value(f.plan, a, b, s)
	}
}

// emptyCollection reports whether v is a list or map with nothing in it, which is as good as absent.
func emptyCollection(v reflect.Value) bool {
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

func (w *walk) pointer(p *plan, a, b reflect.Value, s slot) {
	switch {
	case a.IsNil() && b.IsNil():
	case a.IsNil() || b.IsNil():
		w.set(b, s)
	default:
		w.value(p.elem, a.Elem(), b.Elem(), s)
	}
}

// mapping compares by key, in sorted order.
func (w *walk) mapping(p *plan, a, b reflect.Value, s slot) {
	if (a.Len() == 0 || b.Len() == 0) && !w.inMetadata() {
		if a.Len() != b.Len() {
			w.set(b, s) // the object may be missing from the document, or null
		}
		return
	}
	if equalMap(p, a, b) {
		return
	}
	keys, err := changedKeys(p, a, b)
	if err != nil {
		w.err = err
		return
	}
	for _, k := range keys {
		va, vb := a.MapIndex(k.value), b.MapIndex(k.value)
		if w.stays(k.name, !vb.IsValid()) {
			continue
		}
		depth := w.enter(k.name)
		switch {
		case !vb.IsValid():
			w.remove()
		case !va.IsValid():
			w.set(vb, slot{})
		default:
			w.value(p.elem, va, vb, slot{})
		}
		w.leave(depth)
	}
}

// dynamic compares what two interfaces hold: decoded JSON, or values of some type that is written whole.
func (w *walk) dynamic(a, b reflect.Value, s slot) {
	switch va := a.Interface().(type) {
	case map[string]any:
		if vb, ok := reflect.TypeAssert[map[string]any](b); ok && (len(va) > 0 && len(vb) > 0 || w.inMetadata()) {
			w.mapping(anyMapPlan, reflect.ValueOf(va), reflect.ValueOf(vb), s)
			return
		}
	case []any:
		if vb, ok := reflect.TypeAssert[[]any](b); ok && len(va) > 0 && len(vb) > 0 {
			w.list(anyListPlan, "", reflect.ValueOf(va), reflect.ValueOf(vb), s)
			return
		}
	}
	if !equal(anyPlan, a, b) {
		w.set(b, s)
	}
}
