// Package rawjson finds values in JSON text without decoding them: one pass checks the text and notes where every value
// starts and ends, after which any of them is looked up without reading the text again. What it hands out aliases the
// text.
//
// It accepts what encoding/json accepts: the grammar of RFC 8259, strings that need not be UTF-8, and values nested up
// to 10,000 deep.
package rawjson

import (
	"encoding/binary"
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
	count      int32 // of an object's members or an array's elements; of a string 1 if it is not plain
}

// Parse returns the one value of the text.
func Parse(text []byte) (Value, error) {
	if len(text) > math.MaxInt32 {
		return Value{}, fmt.Errorf("JSON text of %d bytes is too long", len(text))
	}
	expected := 16 + len(text)/8
	if len(text) > 0 && text[0] == '"' {
		expected = 1 // a patch may add a long string
	}
	x := &index{text: text, spans: make([]span, 0, expected)}
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
			name, plain := Value{v.x, n}.Plain()
			if !plain {
				name = unquote(Value{v.x, n}.Text())
			}
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

// Len is the number of members or elements.
func (v Value) Len() int {
	if k := v.Kind(); k != '{' && k != '[' {
		return 0
	}
	return int(v.x.spans[v.n].count)
}

// Plain returns the contents of a string that has neither escapes nor bytes outside of ASCII, so that they are its text
// without the quotes.
func (v Value) Plain() ([]byte, bool) {
	if v.Kind() != '"' || v.x.spans[v.n].count != 0 {
		return nil, false
	}
	text := v.Text()
	return text[1 : len(text)-1], true
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
	n := len(x.spans)
	x.spans = append(x.spans, span{start: int32(i)})
	var err error
	var count int32
	switch c := x.at(i); c {
	case '"':
		i, count, err = x.skipString(i)
	case '{', '[':
		if depth == maxDepth {
			return 0, fmt.Errorf("JSON text nests deeper than %d values", maxDepth)
		}
		i, count, err = x.container(i, depth+1, c+2) // in ASCII the closing bracket is two behind the opening one
	case 't':
		i, err = x.skipWord(i, "true")
	case 'f':
		i, err = x.skipWord(i, "false")
	case 'n':
		i, err = x.skipWord(i, "null")
	default:
		i, err = x.skipNumber(i)
	}
	if err != nil {
		return 0, err
	}
	s := &x.spans[n]
	s.end, s.next, s.count = int32(i), int32(len(x.spans)), count
	return i, nil
}

// container notes what is in an object or array and returns the offset behind it and the number of members or elements.
func (x *index) container(i, depth int, closing byte) (int, int32, error) {
	i = x.space(i + 1)
	if x.at(i) == closing {
		return i + 1, 0, nil
	}
	for count := int32(1); ; count++ {
		var err error
		if closing == '}' {
			if i, err = x.name(i); err != nil {
				return 0, 0, err
			}
		}
		if i, err = x.value(i, depth); err != nil {
			return 0, 0, err
		}
		switch i = x.space(i); x.at(i) {
		case closing:
			return i + 1, count, nil
		case ',':
			i = x.space(i + 1)
		default:
			return 0, 0, x.unexpected(i, "a comma or "+string(rune(closing)))
		}
	}
}

// name notes the name of a member and returns the offset of its value.
func (x *index) name(i int) (int, error) {
	if x.at(i) != '"' {
		return 0, x.unexpected(i, "a member name")
	}
	end, odd, err := x.skipString(i)
	if err != nil {
		return 0, err
	}
	x.spans = append(x.spans, span{int32(i), int32(end), int32(len(x.spans) + 1), odd})
	if i = x.space(end); x.at(i) != ':' {
		return 0, x.unexpected(i, "a colon")
	}
	return x.space(i + 1), nil
}

// skipString returns the offset behind the string that starts at i, and 1 if it is not plain.
func (x *index) skipString(i int) (end int, odd int32, err error) {
	for i++; ; i++ {
		for i+8 <= len(x.text) && isPlain(binary.LittleEndian.Uint64(x.text[i:])) {
			i += 8
		}
		switch c := x.at(i); {
		case c == '"':
			return i + 1, odd, nil
		case c == '\\':
			odd = 1
			if i, err = x.skipEscape(i); err != nil {
				return 0, 0, err
			}
		case c < 0x20:
			return 0, 0, x.unexpected(i, "a character of a string")
		case c >= 0x80:
			odd = 1
		}
	}
}

// isPlain reports whether none of eight bytes is a quote, a backslash, a control character or outside of ASCII. It may
// say no of bytes that are plain.
func isPlain(w uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := w^(ones*'"'), w^(ones*'\\')
	return (w|(w-ones*0x20)|(quote-ones)|(backslash-ones))&high == 0
}

// skipEscape returns the offset of the last byte of the escape that starts at i.
func (x *index) skipEscape(i int) (int, error) {
	i++
	switch x.at(i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i, nil
	case 'u':
		for range 4 {
			i++
			if c := x.at(i); (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0, x.unexpected(i, "a hexadecimal digit of an escape")
			}
		}
		return i, nil
	}
	return 0, x.unexpected(i, "an escape")
}

func (x *index) skipWord(i int, word string) (int, error) {
	for j := range len(word) {
		if x.at(i+j) != word[j] {
			return 0, x.unexpected(i+j, word)
		}
	}
	return i + len(word), nil
}

// skipNumber returns the offset behind the number that starts at i.
func (x *index) skipNumber(i int) (int, error) {
	if x.at(i) == '-' {
		i++
	}
	digits := func() error {
		if c := x.at(i); c < '0' || c > '9' {
			return x.unexpected(i, "a value")
		}
		for c := x.at(i); c >= '0' && c <= '9'; c = x.at(i) {
			i++
		}
		return nil
	}
	if x.at(i) == '0' {
		i++
	} else if err := digits(); err != nil {
		return 0, err
	}
	if x.at(i) == '.' {
		i++
		if err := digits(); err != nil {
			return 0, err
		}
	}
	if x.at(i)|0x20 == 'e' {
		i++
		if c := x.at(i); c == '+' || c == '-' {
			i++
		}
		if err := digits(); err != nil {
			return 0, err
		}
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

// unquote returns the contents of a string that is not plain.
func unquote(quoted []byte) []byte {
	var s string
	_ = json.Unmarshal(quoted, &s) // Parse has checked it
	return []byte(s)
}
