package elastic

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// errJSON is what every malformed reply ends in; the position is added by whoever knows what was expected.
var errJSON = errors.New("malformed JSON")

// maxDepth bounds the nesting of a reply, as encoding/json does.
const maxDepth = 1000

// scanner reads JSON of which most is of no interest, in place. It accepts what encoding/json accepts.
type scanner struct {
	text  []byte
	at    int
	depth int
}

// next skips white space and returns the byte that follows, 0 at the end.
func (s *scanner) next() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take consumes one expected byte.
func (s *scanner) take(c byte) bool {
	if s.next() != c {
		return false
	}
	s.at++
	return true
}

// more is between the elements of an array or the members of an object: it consumes what closes it, or the comma unless
// first, and says whether one follows.
func (s *scanner) more(closing byte, first bool) (bool, error) {
	if s.take(closing) {
		s.depth--
		return false, nil
	}
	if !first && !s.take(',') {
		return false, errJSON
	}
	return true, nil
}

func (s *scanner) open(c byte) error {
	if s.depth++; s.depth > maxDepth || !s.take(c) {
		return errJSON
	}
	return nil
}

// object calls f for each member, with the key as it is written, between its quotes. f consumes the value.
func (s *scanner) object(f func(key []byte) error) error {
	if err := s.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.more('}', first)
		if err != nil || !more {
			return err
		}
		key, err := s.rawString()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return errJSON
		}
		if err := f(key[1 : len(key)-1]); err != nil {
			return err
		}
	}
}

// array calls f for each element, which f consumes.
func (s *scanner) array(f func() error) error {
	if err := s.open('['); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.more(']', first)
		if err != nil || !more {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// skip consumes any value.
func (s *scanner) skip() error {
	switch s.next() {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, err := s.rawString()
		return err
	}
	return s.scalar()
}

// scalar consumes a number or a literal.
func (s *scanner) scalar() error {
	start := s.at
	for s.at < len(s.text) && isScalar[s.text[s.at]] {
		s.at++
	}
	switch token := s.text[start:s.at]; string(token) {
	case "true", "false", "null":
		return nil
	case "":
		return errJSON
	default:
		if c := token[0]; (c != '-' && (c < '0' || c > '9')) || !json.Valid(token) {
			return errJSON
		}
		return nil
	}
}

// integer consumes a value and returns it if it is a whole number of at most nine digits, and else -1.
func (s *scanner) integer() (int, error) {
	s.next()
	start := s.at
	n := 0
	for s.at < len(s.text) && s.at-start < 9 && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		n = n*10 + int(s.text[s.at]-'0')
		s.at++
	}
	if s.at > start && (s.text[start] != '0' || s.at == start+1) && s.at < len(s.text) && !isScalar[s.text[s.at]] {
		return n, nil
	}
	s.at = start
	return -1, s.skip()
}

// str consumes a value and returns it if it is a string, and else "".
func (s *scanner) str() (string, error) {
	if s.next() != '"' {
		return "", s.skip()
	}
	raw, err := s.rawString()
	if err != nil {
		return "", err
	}
	return unquote(raw)
}

func unquote(raw []byte) (string, error) {
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", errJSON
	}
	return v, nil
}

// rawString consumes a string and returns it with its quotes and escapes.
func (s *scanner) rawString() ([]byte, error) {
	if s.next() != '"' {
		return nil, errJSON
	}
	start := s.at
	for i := start + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return s.text[start:s.at], nil
		case c < 0x20:
			return nil, errJSON
		case c == '\\':
			n := escape(s.text[i+1:])
			if n == 0 {
				return nil, errJSON
			}
			i += n
		}
	}
	return nil, errJSON
}

// escape is the length of an escape sequence behind its backslash, 0 if it is none.
func escape(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(text) < 5 {
			return 0
		}
		for _, c := range text[1:5] {
			if !isHex[c] {
				return 0
			}
		}
		return 5
	}
	return 0
}

// Bytes of numbers and literals, and of hexadecimal digits.
var isScalar, isHex = set("0123456789+-.eEtrufalsn"), set("0123456789abcdefABCDEF") //nolint:gochecknoglobals // constants

func set(chars string) (t [256]bool) {
	for i := range len(chars) {
		t[chars[i]] = true
	}
	return t
}

// clip cuts what an error or a dead letter quotes.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
