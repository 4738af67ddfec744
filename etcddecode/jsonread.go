package etcddecode

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads a JSON text (RFC 8259) into a tree the way the API server reads one: integers that fit are
// integers, other numbers are float64, invalid UTF-8 becomes U+FFFD.
type jsonReader struct {
	text string
	at   int
	tree *tree
	// changed is told of what the tree can't hold as it was written: where it stands and what it is.
	changed func(offset int, reason Reason)
}

// readJSON adds the JSON value to the parent. Nothing but white space may follow it.
func readJSON(t *tree, parent int32, key, text string, changed func(offset int, reason Reason)) error {
	r := jsonReader{text: text, tree: t, changed: changed}
	if err := r.value(parent, key, 0); err != nil {
		return err
	}
	r.space()
	if r.at < len(text) {
		return r.errorf("something follows the JSON value")
	}
	return nil
}

// errorf says where something is wrong. It never quotes the text, which may be a Secret.
func (r *jsonReader) errorf(what string) error { return r.fail(errors.New(what)) }

func (r *jsonReader) fail(err error) error {
	return fmt.Errorf("%w at byte %d of %d of the JSON", err, r.at, len(r.text))
}

func (r *jsonReader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *jsonReader) value(parent int32, key string, depth int) error {
	r.space()
	if r.at == len(r.text) {
		return r.errorf("the text ends where a value should be")
	}
	if depth > maxDepth {
		return r.fail(errTooDeep)
	}
	switch c := r.text[r.at]; {
	case c == '{':
		return r.object(parent, key, depth)
	case c == '[':
		return r.array(parent, key, depth)
	case c == '"':
		s, err := r.str()
		if err != nil {
			return err
		}
		return r.add(parent, node{key: key, kind: kindString, text: s})
	case c == '-' || c >= '0' && c <= '9':
		return r.number(parent, key)
	}
	for word, n := range words {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			n.key = key
			return r.add(parent, n)
		}
	}
	return r.errorf("no JSON value")
}

//nolint:gochecknoglobals // constant
var words = map[string]node{"null": {kind: kindNull}, "true": {kind: kindBool, num: 1}, "false": {kind: kindBool}}

func (r *jsonReader) add(parent int32, n node) error {
	if r.tree.add(parent, n) < 0 {
		return r.fail(errTooLarge)
	}
	return nil
}

func (r *jsonReader) object(parent int32, key string, depth int) error {
	me := int32(len(r.tree.nodes))
	if err := r.add(parent, node{key: key, kind: kindMap}); err != nil {
		return err
	}
	r.at++
	if r.next('}') {
		return nil
	}
	var known keySet
	for {
		r.space()
		if r.at == len(r.text) || r.text[r.at] != '"' {
			return r.errorf("no key")
		}
		at := r.at
		k, err := r.str()
		if err != nil {
			return err
		}
		if known.has(r.tree, me, k) {
			r.changed(at, RepeatedField)
		}
		if !r.next(':') {
			return r.errorf("no colon after a key")
		}
		if err := r.value(me, k, depth+1); err != nil {
			return err
		}
		if r.next('}') {
			return nil
		}
		if !r.next(',') {
			return r.errorf("no comma between fields")
		}
	}
}

// keySet says which keys a map has so far. The zero keySet looks at the map itself, as long as that is short.
type keySet map[string]bool

func (s *keySet) has(t *tree, m int32, key string) bool {
	n := &t.nodes[m]
	if *s == nil && n.count <= 16 {
		for i := n.first; i != 0; i = t.nodes[i].next {
			if t.nodes[i].key == key {
				return true
			}
		}
		return false
	}
	if *s == nil {
		*s = keySet{}
		for i := n.first; i != 0; i = t.nodes[i].next {
			(*s)[t.nodes[i].key] = true
		}
	}
	before := (*s)[key]
	(*s)[key] = true
	return before
}

func (r *jsonReader) array(parent int32, key string, depth int) error {
	me := int32(len(r.tree.nodes))
	if err := r.add(parent, node{key: key, kind: kindList}); err != nil {
		return err
	}
	r.at++
	if r.next(']') {
		return nil
	}
	for {
		if err := r.value(me, "", depth+1); err != nil {
			return err
		}
		if r.next(']') {
			return nil
		}
		if !r.next(',') {
			return r.errorf("no comma between elements")
		}
	}
}

// next skips white space and then c, if it is there.
func (r *jsonReader) next(c byte) bool {
	r.space()
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) number(parent int32, key string) error {
	start := r.at
	integer, ok := r.scanNumber()
	if !ok {
		return r.errorf("no JSON number")
	}
	literal := r.text[start:r.at]
	if integer {
		if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
			return r.add(parent, node{key: key, kind: kindInt, num: i})
		}
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return r.errorf("a number that no float64 holds")
	}
	if integer && strconv.FormatFloat(f, 'f', 0, 64) != literal {
		r.changed(start, PrecisionLost)
	}
	return r.add(parent, floatNode(key, f))
}

func (r *jsonReader) scanNumber() (integer, ok bool) {
	r.skip('-')
	switch {
	case r.skip('0'):
	case r.digits() == 0:
		return false, false
	}
	integer = true
	if r.skip('.') {
		integer = false
		if r.digits() == 0 {
			return false, false
		}
	}
	if r.skip('e') || r.skip('E') {
		integer = false
		if !r.skip('+') {
			r.skip('-')
		}
		if r.digits() == 0 {
			return false, false
		}
	}
	return integer, true
}

func (r *jsonReader) skip(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) digits() int {
	start := r.at
	for r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9' {
		r.at++
	}
	return r.at - start
}

// str reads a string; without escapes it is a part of the text.
func (r *jsonReader) str() (string, error) {
	r.at++
	start := r.at
	for i := start; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[start:i], nil
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf:
			return r.slowString(start)
		}
	}
	return "", r.errorf("a string does not end")
}

func (r *jsonReader) slowString(start int) (string, error) {
	var b []byte
	for i := start; i < len(r.text); {
		c := r.text[i]
		switch {
		case c == '"':
			r.at = i + 1
			return string(b), nil
		case c < ' ':
			r.at = i
			return "", r.errorf("a control character in a string")
		case c == '\\':
			var n int
			if b, n = appendEscape(b, r.text[i:]); n == 0 {
				r.at = i
				return "", r.errorf("no such escape in a string")
			}
			i += n
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			char, n := utf8.DecodeRuneInString(r.text[i:])
			if char == utf8.RuneError && n == 1 {
				r.changed(i, InvalidUTF8)
			}
			b = utf8.AppendRune(b, char)
			i += n
		}
	}
	return "", r.errorf("a string does not end")
}

// appendEscape decodes the escape at the start of s and returns its length, 0 if there is none.
func appendEscape(b []byte, s string) (out []byte, n int) {
	if len(s) < 2 {
		return b, 0
	}
	if s[1] == 'u' {
		return appendUnicodeEscape(b, s)
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := strings.IndexByte(from, s[1])
	if i < 0 {
		return b, 0
	}
	return append(b, to[i]), 2
}

func appendUnicodeEscape(b []byte, s string) (out []byte, n int) {
	char, ok := hex4(s)
	if !ok {
		return b, 0
	}
	if utf16.IsSurrogate(char) {
		if low, ok := hex4(s[6:]); ok {
			if pair := utf16.DecodeRune(char, low); pair != utf8.RuneError {
				return utf8.AppendRune(b, pair), 12
			}
		}
		char = utf8.RuneError
	}
	return utf8.AppendRune(b, char), 6
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(v), err == nil
}
