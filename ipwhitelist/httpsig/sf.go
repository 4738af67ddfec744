package httpsig

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed is the error of signature headers that are not what RFC 9421 and RFC 9651 allow, or more than the limits.
var ErrMalformed = errors.New("malformed signature")

// reader goes through the text of a structured field (RFC 9651, 4.2) and keeps the first error. It is strict where two
// readers could understand different things, and does not build values that nobody asks for.
type reader struct {
	s   string
	pos int
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d", ErrMalformed, what, r.pos)
		r.pos = len(r.s)
	}
}

func (r *reader) end() bool { return r.pos >= len(r.s) }

// peek returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.end() {
		return 0
	}
	return r.s[r.pos]
}

func (r *reader) accept(c byte) bool {
	if r.end() || r.s[r.pos] != c {
		return false
	}
	r.pos++
	return true
}

func (r *reader) expect(c byte) {
	if !r.accept(c) {
		r.fail("no " + string(rune(c)))
	}
}

func (r *reader) spaces() int {
	start := r.pos
	for r.accept(' ') {
	}
	return r.pos - start
}

// optionalSpace is OWS, as allowed around the commas of a dictionary.
func (r *reader) optionalSpace() {
	r.pos += len(r.s[r.pos:]) - len(strings.TrimLeft(r.s[r.pos:], " \t"))
}

// comma moves to the next member of a dictionary and reports whether there is one.
func (r *reader) comma() bool {
	r.optionalSpace()
	if r.end() {
		return false
	}
	r.expect(',')
	r.optionalSpace()
	if r.end() {
		r.fail("a comma ends it")
	}
	return r.err == nil
}

// key is lcalpha or "*", then lcalpha, DIGIT, "_", "-", ".", "*".
func (r *reader) key() string {
	i := r.pos
	for ; i < len(r.s); i++ {
		c := r.s[i]
		first := 'a' <= c && c <= 'z' || c == '*'
		if !first && (i == r.pos || !isDigit(c) && c != '_' && c != '-' && c != '.') {
			break
		}
	}
	text := r.s[r.pos:i]
	r.pos = i
	if len(text) == 0 || len(text) > maxKey {
		r.fail("no name, or a long one,")
		return ""
	}
	return text
}

// str is a quoted string. Those with escapes are read but can be nothing that the profile knows.
func (r *reader) str() (value string, escaped bool) {
	r.expect('"')
	s, start := r.s, r.pos // a copy: this loop is most of the time of Parse
	for i := start; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			r.pos = i + 1
			return s[start:i], escaped
		case c < ' ' || c >= 0x7f:
			r.fail("a byte that no string may have")
			return "", false
		case c == '\\':
			escaped = true
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				r.fail("an escape that there is not")
				return "", false
			}
		}
	}
	r.fail("a string without an end")
	return "", false
}

// integer is a number of seconds: digits without sign, fraction or leading zero.
func (r *reader) integer() int64 {
	start := r.pos
	var n int64
	for !r.end() && isDigit(r.s[r.pos]) && r.pos-start < 15 {
		n = n*10 + int64(r.s[r.pos]-'0')
		r.pos++
	}
	if r.pos == start || isDigit(r.peek()) || r.peek() == '.' || n > 0 && r.s[start] == '0' || n == 0 && r.pos > start+1 {
		r.fail("no plain integer")
		return 0
	}
	return n
}

// binary is a byte sequence between colons, in base64 with its padding; the text between them, not decoded.
func (r *reader) binary() string {
	r.expect(':')
	length := strings.IndexByte(r.s[r.pos:], ':')
	if length < 0 || length%4 != 0 {
		r.fail("no base64 between colons")
		return ""
	}
	text := r.s[r.pos : r.pos+length]
	digits := strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	for i := range len(digits) {
		if c := digits[i]; !isAlpha(c) && !isDigit(c) && c != '+' && c != '/' {
			r.fail("a byte that is not base64")
			return ""
		}
	}
	r.pos += length + 1
	return text
}

// skipItem goes over a bare item of any type, in signatures that are not ours.
func (r *reader) skipItem() {
	switch c := r.peek(); {
	case c == '"':
		r.str()
	case c == ':':
		r.binary()
	case c == '?':
		r.pos++
		if !r.accept('0') && !r.accept('1') {
			r.fail("no boolean")
		}
	case c == '@':
		r.pos++
		r.number()
	case c == '-' || isDigit(c):
		r.number()
	case c == '*' || isAlpha(c):
		for !r.end() && (token(r.s[r.pos:r.pos+1]) || r.s[r.pos] == ':' || r.s[r.pos] == '/') {
			r.pos++
		}
	default:
		r.fail("no value")
	}
}

// number is an integer or a decimal: at most 15 digits, or 12 and a fraction of 3.
func (r *reader) number() {
	r.accept('-')
	whole := r.digits()
	if r.accept('.') {
		if fraction := r.digits(); whole > 12 || fraction < 1 || fraction > 3 {
			r.fail("no decimal")
		}
	}
	if whole < 1 || whole > 15 {
		r.fail("no number")
	}
}

func (r *reader) digits() int {
	start := r.pos
	for !r.end() && isDigit(r.s[r.pos]) {
		r.pos++
	}
	return r.pos - start
}

// skipParams goes over parameters of any kind.
func (r *reader) skipParams() {
	for r.err == nil && r.accept(';') {
		r.spaces()
		r.key()
		if r.accept('=') {
			r.skipItem()
		}
	}
}
