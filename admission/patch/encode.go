package patch

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"unicode/utf8"
)

// encoder writes the values of a patch one behind the other: many small buffers would be half of what a patch allocates.
// It is json.Marshal without the escapes that HTML needs, which only make patches hard to read.
type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

func (e *encoder) encode(v reflect.Value, quoted bool) (json.RawMessage, error) {
	if v.Kind() == reflect.String && v.Type() == reflect.TypeFor[string]() && !quoted {
		return appendString(nil, v.String()), nil
	}
	if e.json == nil {
		e.json = json.NewEncoder(&e.buf)
		e.json.SetEscapeHTML(false)
	}
	i := v.Interface()
	if v.CanAddr() {
		i = v.Addr().Interface() // for marshalers with pointer receivers
	}
	start := e.buf.Len()
	if err := e.json.Encode(i); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(e.buf.Bytes()[start:], []byte("\n"))
	if quoted && string(text) != "null" {
		return appendString(nil, string(text)), nil
	}
	return slices.Clip(text), nil
}

// marshal is encode for one value.
func marshal(v reflect.Value) (json.RawMessage, error) {
	var e encoder
	return e.encode(v, false)
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(dst[:start], quote(s)...)
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func quote(s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always has a JSON form
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
