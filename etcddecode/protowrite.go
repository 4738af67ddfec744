package etcddecode

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

// protoWriter writes a tree as the message that Kubernetes writes for the same object: fields in the order of their
// numbers, those that Go can't hold as nil also when they are empty, entries of maps by their keys. It writes what it
// knows; that nothing was left out is for its caller to check.
type protoWriter struct {
	*tree
	path []step
}

// errorf names the field. It does not quote its value, which may be a secret.
func (w *protoWriter) errorf(what string) error { return fmt.Errorf("%s: %s", pathText(w.path), what) }

func (w *protoWriter) message(id tables.MessageID, at int32) (dst []byte, err error) {
	fields := id.Fields()
	for i := range fields {
		f := &fields[i]
		if f.Has(tables.Inline) {
			inner, err := w.message(f.Message, at)
			if err != nil {
				return nil, err
			}
			if !f.Has(tables.Pointer) || len(inner) > 0 {
				dst = appendBytes(dst, int(f.Number), string(inner))
			}
			continue
		}
		child, ok := w.get(at, f.Name)
		w.path = append(w.path, step{name: f.Name})
		if dst, err = w.field(dst, f, child, ok && w.nodes[child].kind != kindNull); err != nil {
			return nil, err
		}
		w.path = w.path[:len(w.path)-1]
	}
	return dst, nil
}

// field writes a field whose value, if it is present, is at a node.
func (w *protoWriter) field(dst []byte, f *tables.Field, at int32, present bool) (_ []byte, err error) {
	switch {
	case !present && mayBeAbsent(f):
		return dst, nil
	case !present:
		at = -1
	case f.Has(tables.List):
		return w.list(dst, f, at)
	case f.Has(tables.Map):
		return w.mapping(dst, f, at)
	}
	return w.value(dst, int(f.Number), f, at)
}

// mayBeAbsent reports whether a field that is not in the manifest is not on the wire either. JSON has structs also when
// they are empty, unless they are tagged omitzero: one that is missing is of a later release than the manifest.
func mayBeAbsent(f *tables.Field) bool {
	for _, flag := range [...]tables.Flags{tables.List, tables.Map, tables.Pointer, tables.Removed} {
		if f.Has(flag) {
			return true
		}
	}
	return f.Kind == tables.Bytes || f.Kind == tables.Items || f.Kind == tables.Message && !f.Has(tables.OmitZero)
}

func (w *protoWriter) list(dst []byte, f *tables.Field, at int32) (_ []byte, err error) {
	if w.nodes[at].kind != kindList {
		return nil, w.errorf("not a list")
	}
	for i, c := 0, w.nodes[at].first; c != 0; i, c = i+1, w.nodes[c].next {
		w.path = append(w.path, step{index: i})
		if dst, err = w.value(dst, int(f.Number), f, c); err != nil {
			return nil, err
		}
		w.path = w.path[:len(w.path)-1]
	}
	return dst, nil
}

func (w *protoWriter) mapping(dst []byte, f *tables.Field, at int32) ([]byte, error) {
	if w.nodes[at].kind != kindMap {
		return nil, w.errorf("not an object")
	}
	children := w.children(nil, at)
	slices.SortFunc(children, func(a, b int32) int { return cmp.Compare(w.nodes[a].key, w.nodes[b].key) })
	for _, c := range children {
		key := w.nodes[c].key
		w.path = append(w.path, step{name: key})
		entry, err := w.value(appendBytes(nil, 1, key), 2, f, c)
		if err != nil {
			return nil, err
		}
		w.path = w.path[:len(w.path)-1]
		dst = appendBytes(dst, int(f.Number), string(entry))
	}
	return dst, nil
}

// value writes one value. A node of -1, or null, is the zero value.
func (w *protoWriter) value(dst []byte, number int, f *tables.Field, at int32) ([]byte, error) {
	n := &node{}
	if at >= 0 {
		n = &w.nodes[at]
	}
	switch f.Kind {
	case tables.Bool, tables.Int32, tables.Int64, tables.Uint64:
		v, err := w.integer(f.Kind, n)
		if err != nil {
			return nil, err
		}
		return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(number)<<3|wireVarint), v), nil
	case tables.Double:
		v := n.float()
		switch n.kind {
		case kindInt:
			v = float64(n.num)
		case kindFloat, kindNull:
		default:
			return nil, w.errorf("not a number")
		}
		return binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, uint64(number)<<3|wireFixed64), math.Float64bits(v)), nil
	}
	var body []byte
	var err error
	switch f.Kind {
	case tables.Message:
		if n.kind != kindMap && n.kind != kindNull {
			return nil, w.errorf("not an object")
		}
		if n.kind == kindNull {
			body, err = (&protoWriter{tree: &tree{nodes: []node{{kind: kindMap}}}}).message(f.Message, 0)
		} else {
			body, err = w.message(f.Message, at)
		}
	case tables.Raw:
		if n.kind != kindNull {
			body = appendBytes(nil, 1, string(w.appendJSON(nil, at)))
		}
	case tables.Items:
		inner := tables.Field{Number: 1, Kind: tables.String}
		if n.kind != kindNull {
			body, err = w.list(nil, &inner, at)
		}
	case tables.SchemaOrBool, tables.SchemaOrArray, tables.SchemaOrStrings:
		body, err = w.schema(f, n, at)
	default:
		body, err = w.text(f.Kind, n)
	}
	if err != nil {
		return nil, err
	}
	return appendBytes(dst, number, string(body)), nil
}

func (w *protoWriter) integer(kind tables.Kind, n *node) (uint64, error) {
	switch {
	case n.kind == kindNull:
		return 0, nil
	case kind == tables.Bool && n.kind == kindBool:
		return uint64(n.num), nil
	case kind == tables.Bool:
		return 0, w.errorf("not true or false")
	case n.kind != kindInt:
		return 0, w.errorf("not an integer")
	case kind == tables.Int32 && n.num != int64(int32(n.num)):
		return 0, w.errorf("more than 32 bits")
	case kind == tables.Uint64 && n.num < 0:
		return 0, w.errorf("negative")
	}
	return uint64(n.num), nil
}

// text writes the kinds that are strings in JSON, or a string or an integer.
func (w *protoWriter) text(kind tables.Kind, n *node) ([]byte, error) {
	if n.kind != kindString && n.kind != kindNull && (kind != tables.IntOrString || n.kind != kindInt) {
		return nil, w.errorf("not a string")
	}
	switch kind {
	case tables.String:
		return []byte(n.text), nil
	case tables.Bytes:
		b, err := base64.StdEncoding.DecodeString(n.text)
		if err != nil {
			return nil, w.errorf("not base64")
		}
		return b, nil
	case tables.Quantity:
		return appendBytes(nil, 1, cmp.Or(n.text, "0")), nil
	case tables.IntOrString:
		typ := byte(1)
		if n.kind != kindString {
			typ = 0
			if n.num != int64(int32(n.num)) {
				return nil, w.errorf("more than 32 bits")
			}
		}
		out := binary.AppendUvarint([]byte{1 << 3, typ, 2 << 3}, uint64(n.num))
		return appendBytes(out, 3, n.text), nil
	case tables.Duration:
		d, err := time.ParseDuration(cmp.Or(n.text, "0s"))
		if err != nil {
			return nil, w.errorf("not a duration such as 1m30s")
		}
		return binary.AppendUvarint([]byte{1 << 3}, uint64(d)), nil
	}
	return w.time(kind, n)
}

func (w *protoWriter) time(kind tables.Kind, n *node) ([]byte, error) {
	if n.kind == kindNull {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339Nano, n.text)
	if err != nil {
		return nil, w.errorf("not a time such as 2006-01-02T15:04:05Z")
	}
	nanos := 0
	if kind == tables.MicroTime {
		nanos = t.Nanosecond()
	}
	out := binary.AppendUvarint([]byte{1 << 3}, uint64(t.Unix()))
	return binary.AppendUvarint(append(out, 2<<3), uint64(nanos)), nil
}

func (w *protoWriter) schema(f *tables.Field, n *node, at int32) (out []byte, err error) {
	inner := tables.Field{Kind: tables.Message, Message: f.Message}
	switch {
	case f.Kind == tables.SchemaOrBool && n.kind == kindBool:
		return []byte{1 << 3, byte(n.num)}, nil
	case f.Kind == tables.SchemaOrBool && n.kind == kindMap:
		return w.value([]byte{1 << 3, 1}, 2, &inner, at)
	case n.kind == kindMap:
		return w.value(nil, 1, &inner, at)
	case n.kind == kindList && f.Kind == tables.SchemaOrArray:
		inner.Number = 2
		return w.list(nil, &inner, at)
	case n.kind == kindList && f.Kind == tables.SchemaOrStrings:
		return w.list(nil, &tables.Field{Number: 2, Kind: tables.String}, at)
	case n.kind == kindNull:
		return nil, nil
	}
	return nil, w.errorf("neither a schema nor its alternative")
}

// appendEnvelope wraps a message as the API server stores it.
func appendEnvelope(apiVersion, kind string, raw []byte) []byte {
	meta := appendBytes(appendBytes(nil, 1, apiVersion), 2, kind)
	out := appendBytes([]byte(magicProtobuf), 1, string(meta))
	out = appendBytes(out, 2, string(raw))
	return append(out, 3<<3|wireBytes, 0, 4<<3|wireBytes, 0)
}

// containsRedacted reports whether any text is the mark of a redacted value.
func (t *tree) containsRedacted() (key string, found bool) {
	for i := range t.nodes {
		if strings.Contains(t.nodes[i].text, RedactedText) || strings.Contains(t.nodes[i].key, RedactedText) {
			return t.nodes[i].key, true
		}
	}
	return "", false
}
