package admissiontest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// structs finds the JSON objects that stand for Go structs. Objects that stand for maps or have a decoder of their own
// are left out: they have no unknown members.
type structs struct {
	visit     func(path string, object map[string]any)
	skipTwins bool // leave out list elements that nothing tells apart
	known     map[reflect.Type]map[string]member
}

// member is a field of a struct, as JSON has it.
type member struct {
	typ      reflect.Type
	mergeKey string
}

func newStructs(visit func(path string, object map[string]any)) *structs {
	return &structs{visit: visit, known: map[reflect.Type]map[string]member{}}
}

// someObject is what all Kubernetes objects have in common, for those whose type is not known.
type someObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct{} `json:"spec"`
}

func (s *structs) root(tree any, typ reflect.Type) {
	if typ == nil {
		typ = reflect.TypeFor[someObject]()
	}
	s.value("", tree, typ, "")
}

func (s *structs) value(path string, v any, typ reflect.Type, mergeKey string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if reflect.PointerTo(typ).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		switch typ.Kind() {
		case reflect.Struct:
			s.object(path, v, typ)
		case reflect.Map:
			for _, key := range sortedKeys(v) {
				s.value(path+"["+key+"]", v[key], typ.Elem(), "")
			}
		}
	case []any:
		if typ.Kind() == reflect.Slice {
			s.list(path, v, typ.Elem(), mergeKey)
		}
	}
}

func (s *structs) object(path string, object map[string]any, typ reflect.Type) {
	members := s.membersOf(typ)
	names := sortedKeys(object)
	s.visit(path, object)
	for _, name := range names {
		m, ok := members[name]
		if !ok || name == "managedFields" { // the API server's own, which it does not let webhooks change
			continue
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		s.value(at, object[name], m.typ, m.mergeKey)
	}
}

// list goes into elements under a name that stays theirs when they move: their merge key if it is unique, their
// content otherwise.
func (s *structs) list(path string, list []any, elem reflect.Type, mergeKey string) {
	names := keyNames(list, mergeKey)
	if names == nil {
		names = contentNames(list)
	}
	count := map[string]int{}
	for _, name := range names {
		count[name]++
	}
	for i, name := range names {
		if s.skipTwins && count[name] > 1 {
			continue
		}
		s.value(path+"["+name+"]", list[i], elem, "")
	}
}

// keyNames are the values of the merge key, or nil if they do not identify the elements.
func keyNames(list []any, mergeKey string) []string {
	if mergeKey == "" {
		return nil
	}
	seen := map[string]bool{"": true}
	names := make([]string, len(list))
	for i, v := range list {
		object, _ := v.(map[string]any)
		switch key := object[mergeKey].(type) {
		case string, json.Number:
			names[i] = fmt.Sprint(key)
		}
		if seen[names[i]] {
			return nil
		}
		seen[names[i]] = true
	}
	return names
}

func contentNames(list []any) []string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = string(encodeTree(withoutPlanted(v)))
	}
	return names
}

// withoutPlanted is a copy of a value as it was before members were planted.
func withoutPlanted(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, value := range v {
			if !strings.HasPrefix(name, unknownName) {
				out[name] = withoutPlanted(value)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutPlanted(v[i])
		}
		return out
	}
	return v
}

func (s *structs) membersOf(typ reflect.Type) map[string]member {
	if members, ok := s.known[typ]; ok {
		return members
	}
	members := map[string]member{}
	s.known[typ] = members
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inline := f.Type
		if inline.Kind() == reflect.Pointer {
			inline = inline.Elem()
		}
		switch {
		case f.Anonymous && name == "" && inline.Kind() == reflect.Struct:
			for n, m := range s.membersOf(inline) {
				if _, outer := members[n]; !outer {
					members[n] = m
				}
			}
		case f.IsExported() && name != "-":
			members[orDefault(name, f.Name)] = member{f.Type, f.Tag.Get("patchMergeKey")}
		}
	}
	return members
}
