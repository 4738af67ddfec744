package patch

import (
	"encoding/json"
	"errors"
	"reflect"

	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

// fits reports whether a value decodes strictly into the plan's type: no member is unknown or stands twice, and everything
// is of the type that it should be. It is decoder without the values, which nobody would look at: a patch that adds a
// container of 3 KB is checked in the time of a few allocations. False means that it isn't sure.
func fits(p *plan, x rawjson.Value) bool {
	switch p.decoding {
	case byItself:
		return reflect.New(p.typ).Interface().(json.Unmarshaler).UnmarshalJSON(x.Text()) == nil
	case byLibrary:
		return decodeStrictly(p, x) == nil
	}
	if x.Kind() == 'n' {
		return true // null leaves the zero value
	}
	switch p.shape {
	case shapeStruct:
		return fitsStruct(p, x)
	case shapePointer:
		return fits(p.elem, x)
	case shapeList:
		return fitsList(p, x)
	case shapeMap:
		return fitsMap(p, x)
	}
	if p.typ.Kind() == reflect.String {
		return x.Kind() == '"'
	}
	return scalar(reflect.New(p.typ).Elem(), x)
}

// decodeStrictly decodes with the library that API servers use, and takes for an error what it only reports.
func decodeStrictly(p *plan, x rawjson.Value) error {
	problems, err := kjson.UnmarshalStrict(x.Text(), reflect.New(p.typ).Interface())
	if err != nil {
		return err
	}
	return errors.Join(problems...)
}

func fitsStruct(p *plan, x rawjson.Value) bool {
	if x.Kind() != '{' {
		return false
	}
	var seen fieldSet
	for name, value := range x.Members() {
		f := p.byName[string(name)]
		if f == nil || f.quoted || f.hidden || !seen.add(f.number) || !fits(f.plan, value) {
			return false
		}
	}
	return true
}

func fitsList(p *plan, x rawjson.Value) bool {
	if x.Kind() != '[' {
		return false
	}
	for e := range x.Elements() {
		if !fits(p.elem, e) {
			return false
		}
	}
	return true
}

func fitsMap(p *plan, x rawjson.Value) bool {
	if x.Kind() != '{' {
		return false
	}
	seen := make(map[string]struct{}, x.Len())
	for name, value := range x.Members() {
		seen[string(name)] = struct{}{}
		if !fits(p.elem, value) {
			return false
		}
	}
	return len(seen) == x.Len()
}
