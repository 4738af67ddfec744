package etcddecode

import (
	"strconv"
	"time"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

// special adds a value whose JSON is not that of its message.
func (r *protoReader) special(parent int32, key string, field *tables.Field, f *wireField) (nonzero bool, err error) {
	switch field.Kind {
	case tables.Time, tables.MicroTime:
		return r.time(parent, key, field.Kind, f)
	case tables.Raw:
		return r.raw(parent, key, f)
	case tables.SchemaOrBool, tables.SchemaOrArray, tables.SchemaOrStrings:
		return true, r.schema(parent, key, field, f)
	}
	if field.Kind == tables.Items {
		return r.items(parent, key, f.bytes)
	}
	parts, err := r.parts(f.bytes, partTypes(field.Kind))
	if err != nil {
		return false, err
	}
	n := node{key: key, kind: kindString}
	switch field.Kind {
	case tables.Duration:
		n.text = time.Duration(parts.num[1]).String()
		nonzero = parts.num[1] != 0
	case tables.Quantity:
		if n.text = parts.text[1]; n.text == "" {
			n.text = "0"
		}
		nonzero = n.text != "0"
	case tables.IntOrString:
		if n.text = parts.text[3]; parts.num[1] == 0 {
			n = node{key: key, kind: kindInt, num: int64(int32(parts.num[2]))}
		}
		nonzero = n.kind == kindString || n.num != 0
	}
	_, err = r.put(parent, n)
	return nonzero, err
}

// partTypes are the wire types of the fields 1, 2 and 3 of the small messages.
func partTypes(kind tables.Kind) string {
	switch kind {
	case tables.Quantity:
		return "\x02"
	case tables.Duration:
		return "\x00"
	case tables.IntOrString:
		return "\x00\x00\x02"
	default: // the times
		return "\x00\x00"
	}
}

// small holds the fields 1 to 3 of a message.
type small struct {
	num  [4]uint64
	text [4]string
}

func (r *protoReader) parts(msg string, types string) (s small, err error) {
	for len(msg) > 0 {
		var f wireField
		if f, msg, err = nextField(msg); err != nil {
			return s, err
		}
		if f.number > len(types) || f.typ != int(types[f.number-1]) {
			r.report(strconv.Itoa(f.number), UnknownField, f.raw)
			continue
		}
		s.num[f.number] = f.num
		if f.bytes != "" {
			s.text[f.number] = r.utf8(f.bytes, f.raw)
		}
	}
	return s, nil
}

// time adds a metav1.Time or MicroTime. An empty message is the zero time, null in JSON; the API drops what a time has
// below a second, and a MicroTime below a microsecond.
func (r *protoReader) time(parent int32, key string, kind tables.Kind, f *wireField) (nonzero bool, err error) {
	if f.bytes == "" {
		_, err := r.put(parent, node{key: key, kind: kindNull})
		return false, err
	}
	parts, err := r.parts(f.bytes, partTypes(kind))
	if err != nil {
		return false, err
	}
	nanos := int64(int32(parts.num[2]))
	layout, unit := time.RFC3339, int64(time.Second)
	if kind == tables.MicroTime {
		layout, unit = "2006-01-02T15:04:05.000000Z07:00", int64(time.Microsecond)
	}
	if nanos%unit != 0 {
		r.found(r.path, PrecisionLost, f.raw)
	}
	var buf [40]byte
	t := time.Unix(int64(parts.num[1]), nanos-nanos%unit).UTC()
	if t.IsZero() {
		_, err := r.put(parent, node{key: key, kind: kindNull})
		return false, err
	}
	text := string(t.AppendFormat(buf[:0], layout))
	_, err = r.put(parent, node{key: key, kind: kindString, text: text})
	return true, err
}

// raw adds what a message of one bytes field holds as JSON.
func (r *protoReader) raw(parent int32, key string, f *wireField) (nonzero bool, err error) {
	text := ""
	for msg := f.bytes; len(msg) > 0; {
		var part wireField
		if part, msg, err = nextField(msg); err != nil {
			return false, err
		}
		if part.number != 1 || part.typ != wireBytes {
			r.report(strconv.Itoa(part.number), UnknownField, part.raw)
			continue
		}
		text = part.bytes
	}
	if text == "" {
		_, err := r.put(parent, node{key: key, kind: kindNull})
		return false, err
	}
	before, count := r.nodes[parent].last, len(r.nodes)
	err = readJSON(r.tree, parent, key, text, func(_ int, reason Reason) { r.found(r.path, reason, "") })
	if err == nil {
		return true, nil
	}
	if len(r.nodes) > count {
		r.cut(parent, before)
	}
	r.found(r.path, NotJSON, "")
	_, err = r.put(parent, node{key: key, kind: kindString, text: base64Text([]byte(text))})
	return true, err
}

// items adds a list of strings, which a message wraps because protobuf has no lists of lists.
func (r *protoReader) items(parent int32, key, msg string) (nonzero bool, err error) {
	list, err := r.put(parent, node{key: key, kind: kindList})
	if err != nil {
		return false, err
	}
	for len(msg) > 0 {
		var f wireField
		if f, msg, err = nextField(msg); err != nil {
			return false, err
		}
		if f.number != 1 || f.typ != wireBytes {
			r.report(strconv.Itoa(f.number), UnknownField, f.raw)
			continue
		}
		if _, err := r.put(list, node{kind: kindString, text: r.utf8(f.bytes, f.raw)}); err != nil {
			return false, err
		}
	}
	if r.nodes[list].count == 0 {
		r.nodes[list].kind = kindNull
	}
	return true, nil
}

// schema adds one of the unions of a CustomResourceDefinition: a JSONSchemaProps, or else a bool, schemas or strings.
func (r *protoReader) schema(parent int32, key string, field *tables.Field, f *wireField) error {
	var schema *wireField
	list := node{key: key, kind: kindList}
	me, allows := int32(-1), false
	inner := tables.Field{Kind: tables.Message, Message: field.Message}
	for msg := f.bytes; len(msg) > 0; {
		part, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		msg = rest
		switch {
		case field.Kind == tables.SchemaOrBool && part.number == 1 && part.typ == wireVarint:
			allows = part.num != 0
		case part.typ == wireBytes && (part.number == 1) != (field.Kind == tables.SchemaOrBool) && part.number <= 2:
			schema = &part
		case part.typ == wireBytes && part.number == 2:
			if me < 0 {
				if me, err = r.put(parent, list); err != nil {
					return err
				}
			}
			if field.Kind == tables.SchemaOrStrings {
				_, err = r.put(me, node{kind: kindString, text: r.utf8(part.bytes, part.raw)})
			} else {
				_, err = r.value(me, "", &inner, &part)
			}
			if err != nil {
				return err
			}
		default:
			r.report(strconv.Itoa(part.number), UnknownField, part.raw)
		}
	}
	var err error
	switch {
	case me >= 0 && schema != nil:
		r.found(r.path, RepeatedField, schema.raw)
	case me >= 0:
	case schema != nil:
		_, err = r.value(parent, key, &inner, schema)
	case field.Kind == tables.SchemaOrBool && allows:
		_, err = r.put(parent, node{key: key, kind: kindBool, num: 1})
	case field.Kind == tables.SchemaOrBool:
		_, err = r.put(parent, node{key: key, kind: kindBool})
	default:
		_, err = r.put(parent, node{key: key, kind: kindNull})
	}
	return err
}
