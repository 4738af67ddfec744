package staticip

import (
	"bytes"
	"encoding/json"
	"iter"
)

// This file walks over JSON that is known to be valid ([json.Valid]) without decoding it: what a Pod's annotation lists
// must stay byte for byte, and decoding it several times would be most of the work of an admission.

// afterSpace returns the first position from i on that is no white space.
func afterSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// afterString returns the position behind the string that starts at i.
func afterString(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(b))
}

// afterValue returns the position behind the value that starts at i.
func afterValue(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = afterString(b, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + 1 - min(-depth, 1) // below 0, the bracket closes what is around a number
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// elements returns the elements of a list.
func elements(list []byte) (out []json.RawMessage) {
	for i := afterSpace(list, 0) + 1; i < len(list); i++ { // over the bracket, then over each comma
		first := afterSpace(list, i)
		last := afterValue(list, first)
		if last > first {
			out = append(out, list[first:last:last])
		}
		i = afterSpace(list, last)
	}
	return out
}

// members walks over the names, with their quotes, and the values of an object.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := afterSpace(object, 0) + 1; i < len(object); i++ {
			first := afterSpace(object, i)
			if first >= len(object) || object[first] != '"' {
				return
			}
			last := afterString(object, first)
			start := afterSpace(object, afterSpace(object, last)+1) // over the colon
			end := afterValue(object, start)
			if !yield(object[first:last], object[min(start, end):end]) {
				return
			}
			i = afterSpace(object, end)
		}
	}
}

// plain returns the text of a string of printable ASCII without escapes.
func plain(token []byte) ([]byte, bool) {
	if len(token) < 2 || token[0] != '"' {
		return nil, false
	}
	text := token[1 : len(token)-1]
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\\' {
			return nil, false
		}
	}
	return text, true
}

// named reports whether the name of a member is, for package json, that of a field.
func named(token []byte, field string) bool {
	name, ok := plain(token)
	if !ok {
		var text string
		if json.Unmarshal(token, &text) != nil {
			return false
		}
		name = []byte(text)
	}
	return bytes.EqualFold(name, []byte(field))
}
