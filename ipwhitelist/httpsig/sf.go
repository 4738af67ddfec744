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
	text := r.s[r.pos:]
	text = text[:span(text, keyByte)]
	if len(text) == 0 || len(text) > maxKey || text[0] != '*' && (text[0] < 'a' || text[0] > 'z') {
		r.fail("no name, or a long one,")
		return ""
	}
	r.pos += len(text)
	return text
}

// str is a quoted string; what stands between the quotes. Those with escapes are read, as they stand, but can be nothing
// that the profile knows.
func (r *reader) str() string {
	r.expect('"')
	start := r.pos
	for r.pos += span(r.s[r.pos:], stringByte); !r.accept('"'); r.pos += span(r.s[r.pos:], stringByte) {
		switch {
		case r.end():
			r.fail("a string without an end")
		case !r.accept('\\'):
			r.fail("a byte that no string may have")
		case !r.accept('"') && !r.accept('\\'):
			r.fail("an escape that there is not")
		}
		if r.err != nil {
			return ""
		}
	}
	return r.s[start : r.pos-1]
}

// colons goes over a byte sequence and returns what stands between its colons.
func (r *reader) colons() string {
	r.expect(':')
	length := strings.IndexByte(r.s[r.pos:], ':')
	if length < 0 {
		r.fail("no base64 between colons")
		return ""
	}
	text := r.s[r.pos : r.pos+length]
	r.pos += length + 1
	return text
}

// binary is a byte sequence: base64 with its padding.
func (r *reader) binary() {
	text := r.colons()
	digits := strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	if len(text)%4 != 0 || !all(digits, base64Byte) {
		r.fail("a byte sequence that is not base64")
	}
}

// item goes over a bare item of any type and returns its text.
func (r *reader) item() string {
	start := r.pos
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
	if r.err != nil {
		return ""
	}
	return r.s[start:r.pos]
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
	n := span(r.s[r.pos:], digitByte)
	r.pos += n
	return n
}

// skipParams goes over parameters of any kind.
func (r *reader) skipParams() {
	for r.err == nil && r.accept(';') {
		r.spaces()
		r.key()
		if r.accept('=') {
			r.item()
		}
	}
}
