package patch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// mutator changes a random part of a value of any type, as a mutating function might.
type mutator struct{ r *rand.Rand }

func newMutator(seed uint64) *mutator { return &mutator{rand.New(rand.NewPCG(seed, 42))} }

const maxMutateDepth = 14

func (m *mutator) mutate(v reflect.Value, depth int) {
	if depth > maxMutateDepth || !v.CanSet() {
		return
	}
	if m.known(v) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.NumField() > 0 {
			m.mutate(v.Field(m.r.IntN(v.NumField())), depth+1)
		}
	case reflect.Pointer:
		m.pointer(v, depth)
	case reflect.Slice:
		m.slice(v, depth)
	case reflect.Map:
		m.mapping(v, depth)
	case reflect.String:
		v.SetString([]string{"", "x", "a/b~c", "é\"\\\n<&>", fmt.Sprint("s", m.r.IntN(100))}[m.r.IntN(5)])
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(m.r.IntN(100)))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(m.r.IntN(100)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(m.r.IntN(100)) / 4)
	}
}

// known sets values whose Go form has rules of its own.
func (m *mutator) known(v reflect.Value) bool {
	switch p := v.Addr().Interface().(type) {
	case *resource.Quantity:
		*p = resource.MustParse([]string{"0", "1", "1000m", "0.5", "1Gi", "1024Mi", "2.5Gi", "1k"}[m.r.IntN(8)])
	case *metav1.Time:
		*p = []metav1.Time{{}, metav1.Unix(int64(m.r.IntN(2e9)), 0)}[m.r.IntN(2)]
	case *metav1.MicroTime:
		*p = metav1.NewMicroTime(time.UnixMicro(int64(m.r.IntN(2e9))))
	case *intstr.IntOrString:
		*p = []intstr.IntOrString{intstr.FromInt32(8), intstr.FromString("50%"), {}}[m.r.IntN(3)]
	case *runtime.RawExtension:
		*p = runtime.RawExtension{Raw: []byte([]string{`{"kind":"X"}`, `{"apiVersion":"v1","kind":"Y","z":[1]}`}[m.r.IntN(2)])}
	case *metav1.FieldsV1, *[]metav1.ManagedFieldsEntry, *metav1.TypeMeta, *json.RawMessage:
	default:
		return false
	}
	return true
}

func (m *mutator) pointer(v reflect.Value, depth int) {
	switch {
	case v.IsNil():
		v.Set(reflect.New(v.Type().Elem()))
		if m.r.IntN(2) == 0 {
			m.mutate(v.Elem(), depth+1)
		}
	case m.r.IntN(4) == 0:
		v.SetZero()
	default:
		m.mutate(v.Elem(), depth+1)
	}
}

func (m *mutator) slice(v reflect.Value, depth int) {
	n := v.Len()
	if n == 0 || m.r.IntN(4) == 0 {
		e := reflect.New(v.Type().Elem()).Elem()
		if e.Kind() == reflect.Pointer {
			e.Set(reflect.New(e.Type().Elem()))
		}
		m.mutate(e, depth+1)
		at := m.r.IntN(n + 1)
		out := reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, n+1), v.Slice(0, at))
		v.Set(reflect.AppendSlice(reflect.Append(out, e), v.Slice(at, n)))
		return
	}
	switch i := m.r.IntN(n); m.r.IntN(7) {
	case 0:
		out := reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, n), v.Slice(0, i))
		v.Set(reflect.AppendSlice(out, v.Slice(i+1, n)))
	case 1:
		v.Set([]reflect.Value{reflect.Zero(v.Type()), reflect.MakeSlice(v.Type(), 0, 0)}[m.r.IntN(2)])
	case 2:
		out := reflect.MakeSlice(v.Type(), 0, n)
		for _, j := range m.r.Perm(n) {
			out = reflect.Append(out, v.Index(j))
		}
		v.Set(out)
	case 3: // a copy, that shares pointers with its original as careless code's do
		v.Set(reflect.Append(v, v.Index(i)))
	default:
		m.mutate(v.Index(i), depth+1)
	}
}

func (m *mutator) mapping(v reflect.Value, depth int) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	key := reflect.New(v.Type().Key()).Elem()
	if key.Kind() != reflect.String {
		return
	}
	key.SetString([]string{"", "a", "example.com/x~y", "b"}[m.r.IntN(4)])
	if keys := v.MapKeys(); len(keys) > 0 && m.r.IntN(3) == 0 {
		v.SetMapIndex(keys[m.r.IntN(len(keys))], reflect.Value{})
		return
	}
	value := reflect.New(v.Type().Elem()).Elem()
	m.mutate(value, depth+1)
	v.SetMapIndex(key, value)
}
