package patch

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// shape is how a Go type appears in JSON.
type shape uint8

const (
	shapeScalar   shape = iota // bool, integer, float, string
	shapeOpaque                // has its own JSON form (RawExtension, Time, IntOrString, []byte …): written whole
	shapeQuantity              // opaque, and equal when the amounts are
	shapeStruct
	shapePointer
	shapeList // a slice
	shapeMap
	shapeAny // an interface: whatever JSON was decoded into it
)

// plan is what is known of a type before any value is seen. Plans of recursive types refer to each other.
type plan struct {
	typ      reflect.Type
	shape    shape
	decoding decoding
	elem     *plan // of a pointer, list or map
	fields   []field
	byName   map[string]*field
}

// field is a member of a struct's JSON object.
type field struct {
	name      string
	number    int // in the plan
	index     []int
	plan      *plan
	omitEmpty bool
	omitZero  bool
	isZero    bool   // has an IsZero method that omitzero obeys
	quoted    bool   // the ",string" option
	hidden    bool   // in a struct embedded by a pointer that decoders can't set, as its type is not exported
	mergeKey  string // of a list: the member that identifies its elements
	tagged    bool
}

// planner makes the plans of one type and all types that it holds.
type planner map[reflect.Type]*plan

func (ps planner) plan(t reflect.Type) *plan {
	if p, ok := ps[t]; ok {
		return p
	}
	p := &plan{typ: t}
	ps[t] = p
	switch {
	case t == reflect.TypeFor[resource.Quantity]():
		p.shape = shapeQuantity
	case marshals(t):
		p.shape = shapeOpaque
	default:
		ps.fill(p)
	}
	p.decoding = decodingOf(t, p.shape)
	return p
}

// marshals reports whether encoding/json leaves t's form, or what may be in it, to t.
func marshals(t reflect.Type) bool {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return false // what is behind it decides
	}
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]()) ||
		p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) ||
		t == reflect.TypeFor[json.Number]()
}

func (ps planner) fill(p *plan) {
	switch t := p.typ; t.Kind() {
	case reflect.Struct:
		p.shape = shapeStruct
		p.fields = ps.fieldsOf(t)
		p.byName = make(map[string]*field, len(p.fields))
		for i := range p.fields {
			p.fields[i].number = i
			p.byName[p.fields[i].name] = &p.fields[i]
		}
	case reflect.Pointer:
		p.shape = shapePointer
		p.elem = ps.plan(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && !marshals(t.Elem()) {
			p.shape = shapeOpaque // base64
			return
		}
		p.shape = shapeList
		p.elem = ps.plan(t.Elem())
	case reflect.Map:
		p.shape = shapeMap
		p.elem = ps.plan(t.Elem())
	case reflect.Interface:
		p.shape = shapeAny
	case reflect.Array:
		p.shape = shapeOpaque // of fixed length: no element comes or goes
	default:
		p.shape = shapeScalar
	}
}

// fieldsOf returns the members of a struct as encoding/json sees them: embedded structs are flattened, the shallower
// of two fields with one name wins, then the tagged one, and where that is undecided none of them exists.
func (ps planner) fieldsOf(t reflect.Type) []field {
	found := ps.collect(nil, t, nil, map[reflect.Type]bool{})
	best := make(map[string]int, len(found))
	for i := range found {
		j, ok := best[found[i].name]
		switch {
		case !ok:
			best[found[i].name] = i
		case j < 0 || dominates(&found[j], &found[i]):
		case dominates(&found[i], &found[j]):
			best[found[i].name] = i
		}
	}
	out := make([]field, 0, len(best))
	for i := range found {
		if best[found[i].name] == i && !ambiguous(found, i) {
			found[i].hidden = hidden(t, found[i].index)
			out = append(out, found[i])
		}
	}
	return out
}

func hidden(t reflect.Type, index []int) bool {
	for _, i := range index {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		f := t.Field(i)
		if f.Anonymous && !f.IsExported() && f.Type.Kind() == reflect.Pointer {
			return true
		}
		t = f.Type
	}
	return false
}

// dominates reports whether a hides b, which has the same name.
func dominates(a, b *field) bool {
	if len(a.index) != len(b.index) {
		return len(a.index) < len(b.index)
	}
	return a.tagged && !b.tagged
}

func ambiguous(found []field, i int) bool {
	for j := range found {
		if j != i && found[j].name == found[i].name && !dominates(&found[i], &found[j]) {
			return true
		}
	}
	return false
}

// collect appends the fields of t, which is reached through index. Types on the way are in open: a struct that embeds
// a pointer to itself adds nothing new.
func (ps planner) collect(dst []field, t reflect.Type, index []int, open map[reflect.Type]bool) []field {
	if open[t] {
		return dst
	}
	open[t] = true
	defer delete(open, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		tag := sf.Tag.Get("json")
		embedded := sf.Type
		if embedded.Kind() == reflect.Pointer {
			embedded = embedded.Elem()
		}
		embeds := sf.Anonymous && embedded.Kind() == reflect.Struct
		if tag == "-" || !sf.IsExported() && !embeds {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clip(index), i)
		if embeds && name == "" {
			dst = ps.collect(dst, embedded, at, open)
			continue
		}
		dst = append(dst, ps.field(sf, name, options, at))
	}
	return dst
}

func (ps planner) field(sf reflect.StructField, name, options string, index []int) field {
	f := field{name: name, index: index, plan: ps.plan(sf.Type), tagged: name != "", mergeKey: sf.Tag.Get("patchMergeKey")}
	if name == "" {
		f.name = sf.Name
	}
	for o := range strings.SplitSeq(options, ",") {
		switch o {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
			f.isZero = sf.Type.Implements(reflect.TypeFor[interface{ IsZero() bool }]())
		case "string":
			f.quoted = f.plan.shape == shapeScalar || f.plan.shape == shapePointer && f.plan.elem.shape == shapeScalar
		}
	}
	return f
}

// of returns the field's value in a struct, or the zero Value when an embedded pointer on the way is nil.
func (f *field) of(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v
}

// omitted reports whether the member does not appear in the JSON of a struct in which the field has this value. Beyond
// encoding/json's rules that holds for nil, whose "null" schemas refuse and decoders read as absent.
func (f *field) omitted(v reflect.Value) bool {
	if !v.IsValid() {
		return true
	}
	if isNull(f.plan, v) {
		return true
	}
	if f.omitZero && (f.isZero && v.Interface().(interface{ IsZero() bool }).IsZero() || !f.isZero && v.IsZero()) {
		return true
	}
	if !f.omitEmpty {
		return false
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Interface:
		return false
	case reflect.Map, reflect.Slice, reflect.Array, reflect.String:
		return v.Len() == 0
	}
	return v.IsZero()
}

// isNull reports whether v is null in JSON: nil, or the zero value of a type like Time, or a pointer to that.
func isNull(p *plan, v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || isNull(p.elem, v.Elem())
	case reflect.Interface, reflect.Map, reflect.Slice:
		return v.IsNil()
	}
	if p.shape != shapeOpaque || !v.IsZero() {
		return false
	}
	text, err := marshal(v)
	return err == nil && string(text) == "null"
}

// mapKey is the member name of a map key.
func mapKey(k reflect.Value) (string, error) {
	if k.Kind() == reflect.String {
		return k.String(), nil
	}
	if tm, ok := reflect.TypeAssert[encoding.TextMarshaler](k); ok {
		text, err := tm.MarshalText()
		return string(text), err
	}
	switch {
	case k.CanInt():
		return strconv.FormatInt(k.Int(), 10), nil
	case k.CanUint():
		return strconv.FormatUint(k.Uint(), 10), nil
	}
	return "", fmt.Errorf("map key of type %s has no JSON form", k.Type())
}
