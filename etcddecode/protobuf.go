package etcddecode

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

// unknownMessage is the runtime.Unknown that wraps every protobuf object.
type unknownMessage struct{ apiVersion, kind, raw, encoding, contentType string }

func readUnknown(msg string) (u unknownMessage, err error) {
	for len(msg) > 0 {
		var f wireField
		if f, msg, err = nextField(msg); err != nil {
			return u, err
		}
		if f.typ != wireBytes {
			return u, errWire
		}
		switch f.number {
		case 1:
			if u.apiVersion, err = wireString(f.bytes, 1); err == nil {
				u.kind, err = wireString(f.bytes, 2)
			}
			if err != nil {
				return u, err
			}
		case 2:
			u.raw = f.bytes
		case 3:
			u.encoding = f.bytes
		case 4:
			u.contentType = f.bytes
		default:
			return u, errWire
		}
	}
	return u, nil
}

// protoReader reads messages into a tree by the tables. It gives JSON what encoding/json makes of the Go struct that
// the message unmarshals into: fields tagged omitempty are left out when empty, others are there when they were not
// stored.
type protoReader struct {
	*tree
	path []step
	// omitManaged leaves out metadata.managedFields, which are often half of an object, without a look.
	omitManaged bool
	// found is told of what the tree lacks.
	found func(path []step, reason Reason, raw string)
}

// managedFields is their number in ObjectMeta.
const managedFields = 17

// step is one element of a path: a field name, a key or number, or an index of the list before it.
type step struct {
	name  string
	index int
}

func pathText(path []step) string {
	var b strings.Builder
	for _, s := range path {
		switch {
		case s.name == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case strings.ContainsAny(s.name, ".[]/") || strings.ContainsFunc(s.name, unicode.IsControl):
			fmt.Fprintf(&b, "[%q]", s.name)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.name)
		}
	}
	return b.String()
}

func (r *protoReader) report(name string, reason Reason, raw string) {
	r.found(append(r.path, step{name: name}), reason, raw)
}

// seen is a set of fields of one message; no message has more.
type seen [3]uint64

func (s *seen) add(i int) (again bool) {
	again = s.has(i)
	s[i>>6] |= 1 << (i & 63)
	return again
}

func (s *seen) has(i int) bool { return s[i>>6]&(1<<(i&63)) != 0 }

// message adds the fields of a message to a map. It reports whether any differs from its zero value.
func (r *protoReader) message(parent int32, id tables.MessageID, msg string) (nonzero bool, err error) {
	if len(r.path) > maxDepth {
		return false, errTooDeep
	}
	fields := id.Fields()
	var present seen
	at := 0
	for len(msg) > 0 {
		var f wireField
		if f, msg, err = nextField(msg); err != nil {
			return false, err
		}
		if r.omitManaged && id == tables.ObjectMeta && f.number == managedFields && len(r.path) == 1 {
			continue
		}
		i := lookup(fields, f.number, at)
		if i < 0 || wireTypeOf(&fields[i]) != f.typ {
			if i < 0 || !r.packed(parent, &fields[i], &f) {
				r.report(strconv.Itoa(f.number), UnknownField, f.raw)
				nonzero = true
				continue
			}
			present.add(i)
			nonzero = true
			continue
		}
		at = i
		set, err := r.field(parent, &fields[i], &f, present.add(i))
		if err != nil {
			return false, err
		}
		nonzero = nonzero || set
	}
	return nonzero, r.defaults(parent, fields, &present)
}

// lookup finds a field by number. Fields usually come in the order of their numbers, so it starts where the last was.
func lookup(fields []tables.Field, number, from int) int {
	for i := from; i < len(fields); i++ {
		if int(fields[i].Number) == number {
			return i
		}
		if int(fields[i].Number) > number {
			break
		}
	}
	for i := range min(from, len(fields)) {
		if int(fields[i].Number) == number {
			return i
		}
	}
	return -1
}

func wireTypeOf(f *tables.Field) int {
	if f.Has(tables.Map) {
		return wireBytes
	}
	switch f.Kind {
	case tables.Bool, tables.Int32, tables.Int64, tables.Uint64:
		return wireVarint
	case tables.Double:
		return wireFixed64
	default:
		return wireBytes
	}
}

// packed reads a list of numbers in the encoding of proto3, which gogo accepts and does not write.
func (r *protoReader) packed(parent int32, field *tables.Field, f *wireField) bool {
	if f.typ != wireBytes || !field.Has(tables.List) || wireTypeOf(field) != wireVarint {
		return false
	}
	for rest := f.bytes; len(rest) > 0; {
		_, n := uvarint(rest)
		if n <= 0 {
			return false
		}
		rest = rest[n:]
	}
	list, err := r.container(parent, field.Name, kindList)
	for rest := f.bytes; len(rest) > 0 && err == nil; {
		num, n := uvarint(rest)
		rest = rest[n:]
		_, err = r.scalar(list, "", field, &wireField{num: num})
	}
	return err == nil
}

// container returns the list or map of a field, which its first element adds.
func (r *protoReader) container(parent int32, name string, kind kind) (int32, error) {
	if last := r.nodes[parent].last; last != 0 && r.nodes[last].key == name {
		return last, nil
	}
	if i, ok := r.get(parent, name); ok {
		return i, nil
	}
	return r.put(parent, node{key: name, kind: kind})
}

func (r *protoReader) put(parent int32, n node) (int32, error) {
	i := r.add(parent, n)
	if i < 0 {
		return 0, errTooLarge
	}
	return i, nil
}

// field adds one field. again says that it was there before.
func (r *protoReader) field(parent int32, field *tables.Field, f *wireField, again bool) (nonzero bool, err error) {
	if field.Has(tables.Removed) && !again {
		r.report(field.Name, RemovedField, "")
	}
	switch {
	case field.Has(tables.List):
		list, err := r.container(parent, field.Name, kindList)
		if err != nil {
			return false, err
		}
		r.path = append(r.path, step{name: field.Name}, step{index: int(r.nodes[list].count)})
		_, err = r.value(list, "", field, f)
		r.path = r.path[:len(r.path)-2]
		return true, err
	case field.Has(tables.Map):
		m, err := r.container(parent, field.Name, kindMap)
		if err != nil {
			return false, err
		}
		return true, r.entry(m, field, f)
	}
	if again {
		r.report(field.Name, RepeatedField, f.raw)
	}
	if field.Has(tables.Inline) {
		return r.message(parent, field.Message, f.bytes)
	}
	return r.single(parent, field, f)
}

// single adds a field that is neither list nor map, unless it is empty and JSON has it only when it isn't.
func (r *protoReader) single(parent int32, field *tables.Field, f *wireField) (nonzero bool, err error) {
	before := r.nodes[parent].last
	r.path = append(r.path, step{name: field.Name})
	nonzero, err = r.value(parent, field.Name, field, f)
	r.path = r.path[:len(r.path)-1]
	if err != nil || nonzero || field.Has(tables.Pointer) {
		return true, err
	}
	if field.Has(tables.OmitZero) || field.Has(tables.OmitEmpty) {
		r.cut(parent, before)
	}
	return false, nil
}

// entry adds an entry of a map: a message of 1 key and 2 value, either of which may be absent.
func (r *protoReader) entry(m int32, field *tables.Field, f *wireField) error {
	key := ""
	value := wireField{typ: wireBytes}
	single := *field
	single.Flags &^= tables.Map
	valueType := wireTypeOf(&single)
	for msg := f.bytes; len(msg) > 0; {
		part, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch {
		case part.number == 1 && part.typ == wireBytes:
			key = r.utf8(part.bytes, part.raw)
		case part.number == 2 && part.typ == valueType:
			value = part
		default:
			r.path = append(r.path, step{name: field.Name})
			r.report(strconv.Itoa(part.number), UnknownField, part.raw)
			r.path = r.path[:len(r.path)-1]
		}
	}
	r.path = append(r.path, step{name: field.Name}, step{name: key})
	_, err := r.value(m, key, field, &value)
	r.path = r.path[:len(r.path)-2]
	return err
}

// defaults adds null for what Go holds as nil and prints. All else that is not stored, the release that stored the
// object did not know: Kubernetes writes fields that can't be nil also when they are empty.
func (r *protoReader) defaults(parent int32, fields []tables.Field, present *seen) error {
	for i := range fields {
		if f := &fields[i]; f.Has(tables.Null) && !present.has(i) {
			if _, err := r.put(parent, node{key: f.Name, kind: kindNull}); err != nil {
				return err
			}
		}
	}
	return nil
}

// value adds the value of a field under a key, or as an element of a list.
func (r *protoReader) value(parent int32, key string, field *tables.Field, f *wireField) (nonzero bool, err error) {
	switch field.Kind {
	case tables.Message:
		m, err := r.put(parent, node{key: key, kind: kindMap})
		if err != nil {
			return false, err
		}
		return r.message(m, field.Message, f.bytes)
	case tables.String, tables.Bool, tables.Int32, tables.Int64, tables.Uint64, tables.Double, tables.Bytes:
		return r.scalar(parent, key, field, f)
	default:
		return r.special(parent, key, field, f)
	}
}

func (r *protoReader) scalar(parent int32, key string, field *tables.Field, f *wireField) (nonzero bool, err error) {
	n := node{key: key}
	switch field.Kind {
	case tables.String:
		n.kind, n.text = kindString, r.utf8(f.bytes, f.raw)
		nonzero = n.text != ""
	case tables.Bool:
		n.kind, nonzero = kindBool, f.num != 0
		if nonzero {
			n.num = 1
		}
	case tables.Int32:
		n.kind, n.num = kindInt, int64(int32(f.num))
		nonzero = n.num != 0
	case tables.Int64, tables.Uint64:
		n.kind, n.num = kindInt, int64(f.num)
		nonzero = n.num != 0
	case tables.Double:
		n = floatNode(key, math.Float64frombits(f.num))
		nonzero = n.float() != 0
	case tables.Bytes:
		n.kind, n.text = kindString, base64Text([]byte(f.bytes))
		nonzero = n.text != ""
	}
	_, err = r.put(parent, n)
	return nonzero, err
}

// utf8 returns s, with invalid bytes replaced as encoding/json replaces them.
func (r *protoReader) utf8(s, raw string) string {
	if utf8.ValidString(s) {
		return s
	}
	r.found(r.path, InvalidUTF8, raw)
	return strings.Map(func(c rune) rune { return c }, s) // decoding turns each bad byte into U+FFFD
}
