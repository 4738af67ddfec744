package sidecar

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// overlay puts what we want over what is there: fields that we leave empty stay as they are, and so do elements of
// lists that we don't know. The API server fills in defaults, the ServiceAccount plugin adds a mount to every
// container, LimitRanger adds resources, and a mesh its variables; none of that may be undone when we are called again.
func overlay[T any](want, have T) T {
	w := reflect.ValueOf(&want).Elem()
	fill(w, reflect.ValueOf(&have).Elem())
	return want
}

// covers reports whether have is want, give or take what others filled in.
func covers[T any](want, have T) bool { return reflect.DeepEqual(overlay(want, have), have) }

func fill(want, have reflect.Value) {
	switch v := want.Interface().(type) {
	case corev1.EnvVar: // an empty value is a value
		if v.ValueFrom == nil {
			return
		}
	case intstr.IntOrString:
		return
	}
	if want.IsZero() {
		want.Set(have)
		return
	}
	switch want.Kind() {
	case reflect.Pointer:
		if have.IsNil() {
			return
		}
		own := reflect.New(want.Type().Elem()) // want may be shared
		own.Elem().Set(want.Elem())
		fill(own.Elem(), have.Elem())
		want.Set(own)
	case reflect.Struct:
		if !exported(want.Type()) { // such as resource.Quantity, which is one value
			return
		}
		for i := range want.NumField() {
			fill(want.Field(i), have.Field(i))
		}
	case reflect.Map:
		fillMap(want, have)
	case reflect.Slice:
		fillSlice(want, have)
	}
}

func exported(t reflect.Type) bool {
	for f := range t.Fields() {
		if !f.IsExported() {
			return false
		}
	}
	return true
}

func fillMap(want, have reflect.Value) {
	own := reflect.MakeMap(want.Type())
	for _, m := range []reflect.Value{have, want} {
		for it := m.MapRange(); it.Next(); {
			own.SetMapIndex(it.Key(), it.Value())
		}
	}
	want.Set(own)
}

// fillSlice works on lists of structs that have a name. Ours take the places that they have, foreign ones stay, and
// what is missing comes last. Other lists are one value.
func fillSlice(want, have reflect.Value) {
	key := keyOf(want.Type().Elem())
	if key == "" {
		return
	}
	own := reflect.MakeSlice(want.Type(), 0, want.Len()+have.Len())
	placed := make([]bool, want.Len())
	for i := range have.Len() {
		element := have.Index(i)
		if j := find(want, key, element); j >= 0 && !placed[j] {
			placed[j] = true
			merged := reflect.New(want.Type().Elem()).Elem()
			merged.Set(want.Index(j))
			fill(merged, element)
			element = merged
		}
		own = reflect.Append(own, element)
	}
	for j, done := range placed {
		if !done {
			own = reflect.Append(own, want.Index(j))
		}
	}
	want.Set(own)
}

func keyOf(t reflect.Type) string {
	if t.Kind() == reflect.Struct {
		for _, key := range []string{"MountPath", "DevicePath", "ContainerPort", "Name", "Path", "Key"} {
			if _, ok := t.FieldByName(key); ok {
				return key
			}
		}
	}
	return ""
}

func find(list reflect.Value, key string, element reflect.Value) int {
	for j := range list.Len() {
		if list.Index(j).FieldByName(key).Equal(element.FieldByName(key)) {
			return j
		}
	}
	return -1
}
