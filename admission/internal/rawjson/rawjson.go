// Package rawjson finds values in JSON text without decoding them: one pass notes where every value starts and ends,
// after which any of them is looked up without reading the text again. What it hands out aliases the text.
//
// It checks the structure (brackets, commas, colons, strings that end) and not the whole grammar: numbers, literals and
// escapes are the decoder's to judge. Nothing panics on any input, and nesting is bounded as in encoding/json.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
)

// maxDepth is encoding/json's limit for nested values.
const maxDepth = 10000

var errEnd = errors.New("unexpected end of JSON text")

// Value is a value in a text that Parse has looked through. The zero Value is one that is not there.
type Value struct {
	x *index
	n int32
}

// index holds the values of a text, and the names of members before theirs, in text order.
type index struct {
	text  []byte
	spans []span
}

type span struct {
	start, end int32 // offsets into the text
	next       int32 // the number of the span behind this value and all that is in it
}

// Parse returns the one value of the text.
func Parse(text []byte) (Value, error) {
	if len(text) > math.MaxInt32 {
		return Value{}, fmt.Errorf("JSON text of %d bytes is too long", len(text))
	}
	x := &index{text: text, spans: make([]span, 0, 16+len(text)/12)}
	end, err := x.value(x.space(0), 0)
	if err != nil {
		return Value{}, err
	}
	if end = x.space(end); end < len(text) {
		return Value{}, x.unexpected(end, "the end of the text")
	}
	return Value{x, 0}, nil
}

// Exists reports whether the value is there.
func (v Value) Exists() bool { return v.x != nil }

// Kind is the first byte of the value, which tells its JSON type: '{', '[', '"', 't', 'f', 'n', or that of a number. It
// is 0 for a value that is not there.
func (v Value) Kind() byte {
	if v.x == nil {
		return 0
	}
	return v.x.text[v.x.spans[v.n].start]
}

// Text is the value's text, which is nil if the value is not there.
func (v Value) Text() []byte {
	if v.x == nil {
		return nil
	}
	s := v.x.spans[v.n]
	return v.x.text[s.start:s.end]
}

// Offset is where the text of the value starts in the text that was parsed.
func (v Value) Offset() int { return int(v.x.spans[v.n].start) }

// IsNull reports whether the value is null or not there.
func (v Value) IsNull() bool { return v.x == nil || v.Kind() == 'n' }

// Members yields the members of an object, with unescaped names, in text order; of other values it yields nothing.
func (v Value) Members() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if v.Kind() != '{' {
			return
		}
		for n, end := v.n+1, v.x.spans[v.n].next; n < end; n = v.x.spans[n].next {
			name := unquote(Value{v.x, n}.Text())
			if n++; !yield(name, Value{v.x, n}) {
				return
			}
		}
	}
}

// Elements yields the elements of an array; of other values it yields nothing.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != '[' {
			return
		}
		for n, end := v.n+1, v.x.spans[v.n].next; n < end; n = v.x.spans[n].next {
			if !yield(Value{v.x, n}) {
				return
			}
		}
	}
}

// Member returns the last member of that name, which is the one that decoders keep.
func (v Value) Member(name string) Value {
	var found Value
	for key, value := range v.Members() {
		if string(key) == name {
			found = value
		}
	}
	return found
}

// Element returns the element at an index.
func (v Value) Element(index int) Value {
	for value := range v.Elements() {
		if index == 0 {
			return value
		}
		index--
	}
	return Value{}
}

// value notes the value that starts at i, and all in it, and returns the offset behind it.
func (x *index) value(i, depth int) (int, error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("JSON text nests deeper than %d values", maxDepth)
	}
	n := len(x.spans)
	x.spans = append(x.spans, span{start: int32(i)})
	var err error
	switch x.at(i) {
	case 0:
		return 0, errEnd
	case '"':
		i, err = x.skipString(i)
	case '{':
		i, err = x.container(i, depth, '}')
	case '[':
		i, err = x.container(i, depth, ']')
	default:
		i, err = x.skipScalar(i)
	}
	if err != nil {
		return 0, err
	}
	x.spans[n].end, x.spans[n].next = int32(i), int32(len(x.spans))
	return i, nil
}

func (x *index) container(i, depth int, closing byte) (int, error) {
	i = x.space(i + 1)
	if x.at(i) == closing {
		return i + 1, nil
	}
	for {
		var err error
		if closing == '}' {
			if i, err = x.name(i); err != nil {
				return 0, err
			}
		}
		if i, err = x.value(i, depth+1); err != nil {
			return 0, err
		}
		switch i = x.space(i); x.at(i) {
		case closing:
			return i + 1, nil
		case ',':
			i = x.space(i + 1)
		default:
			return 0, x.unexpected(i, "a comma or "+string(rune(closing)))
		}
	}
}

// name notes the name of a member and returns the offset of its value.
func (x *index) name(i int) (int, error) {
	if x.at(i) != '"' {
		return 0, x.unexpected(i, "a member name")
	}
	end, err := x.skipString(i)
	if err != nil {
		return 0, err
	}
	x.spans = append(x.spans, span{int32(i), int32(end), int32(len(x.spans) + 1)})
	if i = x.space(end); x.at(i) != ':' {
		return 0, x.unexpected(i, "a colon")
	}
	return x.space(i + 1), nil
}

// skipString returns the offset behind the string that starts at i.
func (x *index) skipString(i int) (int, error) {
	start := i + 1
	for i = start; ; i++ {
		n := bytes.IndexByte(x.text[i:], '"')
		if n < 0 {
			return 0, errEnd
		}
		i += n
		escapes := 0
		for b := i - 1; b >= start && x.text[b] == '\\'; b-- {
			escapes++
		}
		if escapes%2 == 0 {
			return i + 1, nil
		}
	}
}

// skipScalar returns the offset behind a number, true, false or null.
func (x *index) skipScalar(i int) (int, error) {
	start := i
	for i < len(x.text) {
		c := x.text[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E' {
			i++
			continue
		}
		break
	}
	if i == start {
		return 0, x.unexpected(i, "a value")
	}
	return i, nil
}

// at returns the byte at an offset, or 0, which no JSON text has outside of its strings, at the end.
func (x *index) at(i int) byte {
	if i >= len(x.text) {
		return 0
	}
	return x.text[i]
}

func (x *index) space(i int) int {
	for i < len(x.text) && (x.text[i] == ' ' || x.text[i] == '\n' || x.text[i] == '\t' || x.text[i] == '\r') {
		i++
	}
	return i
}

func (x *index) unexpected(i int, want string) error {
	if i >= len(x.text) {
		return errEnd
	}
	return fmt.Errorf("invalid character %q at offset %d of the JSON text, where %s should be", x.text[i], i, want)
}

// unquote returns the contents of a string, which alias it unless it has escapes. A string that decoders refuse is
// returned as it stands, so that it is no name that anyone looks for.
func unquote(quoted []byte) []byte {
	plain := true
	for _, c := range quoted {
		if c == '\\' || c < 0x20 || c >= 0x80 {
			plain = false
			break
		}
	}
	if plain {
		return quoted[1 : len(quoted)-1]
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return quoted
	}
	return []byte(s)
}
