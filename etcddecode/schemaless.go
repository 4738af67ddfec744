package etcddecode

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

// schemaless adds the fields of a message whose type nobody knows: the key is the field's number, a number that
// stands more than once is a list. What the bytes of a field are is a guess: text, a message, or else base64.
func (r *protoReader) schemaless(parent int32, msg string) error {
	if len(r.path) > maxDepth {
		return errTooDeep
	}
	times := map[int]int{}
	for rest := msg; len(rest) > 0; {
		f, after, err := nextField(rest)
		if err != nil {
			return err
		}
		times[f.number]++
		rest = after
	}
	lists := map[int]int32{}
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		msg = rest
		to, key := parent, strconv.Itoa(f.number)
		if times[f.number] > 1 {
			list, ok := lists[f.number]
			if !ok {
				if list, err = r.put(parent, node{key: key, kind: kindList}); err != nil {
					return err
				}
				lists[f.number] = list
			}
			to, key = list, ""
		}
		if err := r.guess(to, key, &f); err != nil {
			return err
		}
	}
	return nil
}

func (r *protoReader) guess(parent int32, key string, f *wireField) error {
	if f.typ != wireBytes {
		_, err := r.put(parent, node{key: key, kind: kindInt, num: int64(f.num)})
		return err
	}
	isText := utf8.ValidString(f.bytes) && !strings.ContainsFunc(f.bytes, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' && c != '\r' })
	oneLine := isText && !strings.ContainsAny(f.bytes, "\n\r\t")
	if !oneLine && isMessage(f.bytes) {
		m, err := r.put(parent, node{key: key, kind: kindMap})
		if err != nil {
			return err
		}
		r.path = append(r.path, step{name: strconv.Itoa(f.number)})
		err = r.schemaless(m, f.bytes)
		r.path = r.path[:len(r.path)-1]
		return err
	}
	text := f.bytes
	if !isText {
		text = "base64:" + base64Text([]byte(f.bytes))
	}
	_, err := r.put(parent, node{key: key, kind: kindString, text: text})
	return err
}

// isMessage reports whether bytes can be read as fields with numbers that people use.
func isMessage(msg string) bool {
	for rest := msg; len(rest) > 0; {
		f, after, err := nextField(rest)
		if err != nil || f.number > 10000 {
			return false
		}
		rest = after
	}
	return len(msg) > 0
}

// unknownKind reads the message of a kind without a table. The first field of every kind that is stored is its
// metadata.
func (r *protoReader) unknownKind(root int32, msg string) error {
	if len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return err
		}
		if f.number == 1 && f.typ == wireBytes && isObjectMeta(f.bytes) {
			meta := tables.Field{Name: "metadata", Number: 1, Message: tables.ObjectMeta, Kind: tables.Message}
			if _, err := r.single(root, &meta, &f); err != nil {
				return err
			}
			msg = rest
		}
	}
	return r.schemaless(root, msg)
}

// isObjectMeta reports whether all fields of a message are such as ObjectMeta has.
func isObjectMeta(msg string) bool {
	fields := tables.ObjectMeta.Fields()
	for len(msg) > 0 {
		f, rest, err := nextField(msg)
		if err != nil {
			return false
		}
		if i := lookup(fields, f.number, 0); i < 0 || wireTypeOf(&fields[i]) != f.typ {
			return false
		}
		msg = rest
	}
	return true
}
