package patch

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Plans of decoded JSON, whatever it is.
//
//nolint:gochecknoglobals // immutable
var (
	anyPlan     = &plan{typ: reflect.TypeFor[any](), shape: shapeAny}
	anyMapPlan  = &plan{typ: reflect.TypeFor[map[string]any](), shape: shapeMap, elem: anyPlan}
	anyListPlan = &plan{typ: reflect.TypeFor[[]any](), shape: shapeList, elem: anyPlan}
)

// equal reports whether a and b, of the plan's type, mean the same JSON: nil and empty lists and maps do, and so do
// quantities of the same amount.
func equal(p *plan, a, b reflect.Value) bool {
	switch p.shape {
	case shapeScalar:
		return equalScalar(a, b)
	case shapeQuantity:
		return quantity(a).Cmp(*quantity(b)) == 0
	case shapeStruct:
		return equalStruct(p, a, b, nil)
	case shapePointer:
		if a.IsNil() || b.IsNil() {
			return isNull(p, a) && isNull(p, b)
		}
		return equal(p.elem, a.Elem(), b.Elem())
	case shapeList:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equal(p.elem, a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case shapeMap:
		return equalMap(p, a, b)
	}
	return equalOpaque(a, b)
}

func quantity(v reflect.Value) *resource.Quantity {
	if v.CanAddr() {
		return v.Addr().Interface().(*resource.Quantity)
	}
	q := v.Interface().(resource.Quantity)
	return &q
}

// sameAtAGlance reports whether two values are the same, where that takes no walk.
func (p *plan) sameAtAGlance(a, b reflect.Value) bool {
	switch p.shape {
	case shapeScalar:
		return equalScalar(a, b)
	case shapePointer:
		return a.IsNil() && b.IsNil()
	case shapeList, shapeMap:
		return a.Len() == 0 && b.Len() == 0
	}
	return false
}

// equalStruct compares all members but one.
func equalStruct(p *plan, a, b reflect.Value, except *field) bool {
	for i := range p.fields {
		f := &p.fields[i]
		if f == except {
			continue
		}
		if !equalMember(f, f.of(a), f.of(b)) {
			return false
		}
	}
	return true
}

func equalMember(f *field, a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() {
		return f.omitted(a) && f.omitted(b)
	}
	return equal(f.plan, a, b)
}

func equalMap(p *plan, a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	switch ma := a.Interface().(type) { // the maps that objects have most of, without reflection
	case map[string]string:
		return maps.Equal(ma, b.Interface().(map[string]string))
	case corev1.ResourceList:
		return maps.EqualFunc(ma, b.Interface().(corev1.ResourceList), func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
	}
	for it := a.MapRange(); it.Next(); {
		vb := b.MapIndex(it.Key())
		if !vb.IsValid() || !equal(p.elem, it.Value(), vb) {
			return false
		}
	}
	return true
}

func equalScalar(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		return a.String() == b.String()
	case reflect.Bool:
		return a.Bool() == b.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return a.Int() == b.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return a.Uint() == b.Uint()
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float()
	}
	return false // has no JSON form: let marshalling say so
}

// equalOpaque compares what is written whole: the Go values first, because that is cheap, then the JSON texts, because
// Go values of different representation (a time in another zone, a number in an interface) may be the same JSON.
func equalOpaque(a, b reflect.Value) bool {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return true
	}
	ta, errA := marshal(a)
	tb, errB := marshal(b)
	return errA == nil && errB == nil && (bytes.Equal(ta, tb) || sameJSON(ta, tb))
}

// sameJSON compares texts that may say the same with other escapes or in another order: what a RawExtension holds stays as
// it was written, and the API server's patch library puts escapes of its own for & and <.
func sameJSON(a, b []byte) bool {
	va, okA := decodeAny(a)
	vb, okB := decodeAny(b)
	return okA && okB && reflect.DeepEqual(va, vb)
}

func decodeAny(text []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // or large numbers would be the same
	err := d.Decode(&v)
	return v, err == nil
}

// mapEntry is a key with its name in JSON.
type mapEntry struct {
	name  string
	value reflect.Value
}

// changedKeys returns the keys of a and b whose values differ, sorted by name.
func changedKeys(p *plan, a, b reflect.Value) ([]mapEntry, error) {
	var keys []mapEntry
	add := func(k reflect.Value) error {
		name, err := mapKey(k)
		keys = append(keys, mapEntry{name, k})
		return err
	}
	for it := a.MapRange(); it.Next(); {
		if vb := b.MapIndex(it.Key()); !vb.IsValid() || !equal(p.elem, it.Value(), vb) {
			if err := add(it.Key()); err != nil {
				return nil, err
			}
		}
	}
	for it := b.MapRange(); it.Next(); {
		if !a.MapIndex(it.Key()).IsValid() {
			if err := add(it.Key()); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(keys, func(x, y mapEntry) int { return strings.Compare(x.name, y.name) })
	return keys, nil
}

// appendIndex appends an array index as a token of a JSON Pointer.
func appendIndex(dst []byte, i int) []byte {
	return strconv.AppendInt(append(dst, '/'), int64(i), 10)
}
