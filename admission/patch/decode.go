package patch

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// Decode decodes a document as the API server does: member names match by case, and members that T does not know are
// ignored. metadata.managedFields is left out: no admission function should change it, and it can be a large part of
// the document.
//
// Documents like those that API servers send are decoded from what Parse has noted, in a third of the time that
// sigs.k8s.io/json takes. Whatever is out of the ordinary (a value of another type, a member that stands twice) is left
// to that library, and so are all errors.
func (d *Differ[T]) Decode(doc *Document) (*T, error) {
	v, err := d.core.decode(doc)
	if err != nil {
		return nil, err
	}
	return v.(*T), nil
}

func (c *core) decode(doc *Document) (any, error) {
	v := c.new()
	fast := decoder{skip: doc.root.Member("metadata").Member("managedFields")}
	if c.plan.shape == shapeStruct && fast.value(c.plan, reflect.ValueOf(v).Elem(), doc.root) {
		return v, nil
	}
	v = c.new()
	if err := kjson.UnmarshalCaseSensitivePreserveInts(doc.withoutManagedFields(), v); err != nil {
		return nil, err
	}
	return v, nil
}

// withoutManagedFields returns the text with metadata.managedFields null, or the text itself if it has none.
func (d *Document) withoutManagedFields() []byte {
	fields := d.root.Member("metadata").Member("managedFields")
	raw := d.root.Text()
	if fields.IsNull() {
		return raw
	}
	start := fields.Offset() - d.root.Offset()
	end := start + len(fields.Text())
	out := make([]byte, 0, len(raw)-(end-start)+len("null"))
	out = append(out, raw[:start]...)
	out = append(out, "null"...)
	return append(out, raw[end:]...)
}

// decoder fills zero values. Its methods report false when they are not sure to do what sigs.k8s.io/json does; the
// value is then of no use.
type decoder struct {
	skip rawjson.Value // a member that is left out
}

// decoding says how a type is decoded.
type decoding uint8

const (
	byShape   decoding = iota // as its shape says
	byItself                  // by its method UnmarshalJSON
	byLibrary                 // by sigs.k8s.io/json
)

func decodingOf(t reflect.Type, s shape) decoding {
	textUnmarshaler := reflect.TypeFor[encoding.TextUnmarshaler]()
	switch {
	case t.Kind() == reflect.Pointer:
		return byShape
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		if t.Name() == "" {
			return byLibrary // which does not call methods that a type without a name got from embedding
		}
		return byItself
	case reflect.PointerTo(t).Implements(textUnmarshaler), s == shapeOpaque, s == shapeAny:
		return byLibrary
	case s == shapeMap && (t.Key().Kind() != reflect.String || reflect.PointerTo(t.Key()).Implements(textUnmarshaler)):
		return byLibrary
	}
	return byShape
}

func (d *decoder) value(p *plan, v reflect.Value, x rawjson.Value) bool {
	switch p.decoding {
	case byItself:
		return v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(x.Text()) == nil
	case byLibrary:
		return kjson.UnmarshalCaseSensitivePreserveInts(x.Text(), v.Addr().Interface()) == nil
	}
	if x.Kind() == 'n' {
		return true // null leaves the zero value
	}
	switch p.shape {
	case shapeStruct:
		return d.structure(p, v, x)
	case shapePointer:
		to := reflect.New(p.elem.typ)
		if !d.value(p.elem, to.Elem(), x) {
			return false
		}
		v.Set(to)
		return true
	case shapeList:
		return d.list(p, v, x)
	case shapeMap:
		return d.mapping(p, v, x)
	}
	return scalar(v, x)
}

func (d *decoder) structure(p *plan, v reflect.Value, x rawjson.Value) bool {
	if x.Kind() != '{' {
		return false
	}
	var seen fieldSet
	for name, value := range x.Members() {
		f := p.byName[string(name)]
		if f == nil {
			continue
		}
		if !seen.add(f.number) || f.quoted {
			return false
		}
		if value == d.skip {
			continue
		}
		to, ok := f.settable(v)
		if !ok || !d.value(f.plan, to, value) {
			return false
		}
	}
	return true
}

// fieldSet is the members of an object that were seen.
type fieldSet [4]uint64

// add reports false for a field that is in the set, or has no place in it.
func (s *fieldSet) add(number int) bool {
	word, bit := number/64, uint64(1)<<(number%64)
	if word >= len(s) || s[word]&bit != 0 {
		return false
	}
	s[word] |= bit
	return true
}

// settable returns the field's value in a struct, making the embedded structs on the way to it.
func (f *field) settable(v reflect.Value) (reflect.Value, bool) {
	for i, x := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if !v.CanSet() {
					return reflect.Value{}, false
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return v, true
}

func (d *decoder) list(p *plan, v reflect.Value, x rawjson.Value) bool {
	if x.Kind() != '[' {
		return false
	}
	list := reflect.MakeSlice(p.typ, x.Len(), x.Len())
	i := 0
	for e := range x.Elements() {
		if !d.value(p.elem, list.Index(i), e) {
			return false
		}
		i++
	}
	v.Set(list)
	return true
}

func (d *decoder) mapping(p *plan, v reflect.Value, x rawjson.Value) bool {
	if x.Kind() != '{' {
		return false
	}
	if to, ok := reflect.TypeAssert[*map[string]string](v.Addr()); ok {
		return plainStrings(to, x)
	}
	m := reflect.MakeMapWithSize(p.typ, x.Len())
	for name, value := range x.Members() {
		e := reflect.New(p.elem.typ).Elem()
		if !utf8.Valid(name) || !d.value(p.elem, e, value) {
			return false
		}
		m.SetMapIndex(reflect.ValueOf(string(name)).Convert(p.typ.Key()), e)
	}
	v.Set(m)
	return true
}

// plainStrings is mapping for labels and annotations.
func plainStrings(to *map[string]string, x rawjson.Value) bool {
	m := make(map[string]string, x.Len())
	for name, value := range x.Members() {
		s, ok := text(value)
		if !ok {
			return false
		}
		m[string(name)] = s
	}
	*to = m
	return true
}

// text decodes a string.
func text(x rawjson.Value) (string, bool) {
	if s, ok := x.Plain(); ok {
		return string(s), true
	}
	var s string
	return s, x.Kind() == '"' && json.Unmarshal(x.Text(), &s) == nil
}

func scalar(v reflect.Value, x rawjson.Value) bool {
	switch v.Kind() {
	case reflect.String:
		s, ok := text(x)
		v.SetString(s)
		return ok
	case reflect.Bool:
		v.SetBool(x.Kind() == 't')
		return x.Kind() == 't' || x.Kind() == 'f'
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(string(x.Text()), 10, v.Type().Bits())
		v.SetInt(n)
		return err == nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n, err := strconv.ParseUint(string(x.Text()), 10, v.Type().Bits())
		v.SetUint(n)
		return err == nil
	case reflect.Float32, reflect.Float64:
		if x.Kind() == '"' {
			return false
		}
		n, err := strconv.ParseFloat(string(x.Text()), v.Type().Bits())
		v.SetFloat(n)
		return err == nil
	}
	return false
}
