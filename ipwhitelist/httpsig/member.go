package httpsig

import "fmt"

// member is one member of Signature-Input on its way through. Whose it is, its tag says, which mostly stands last. So it
// is read as if it were ours, and what the profile does not allow is an objection, which counts only if it is.
type member struct {
	*Signature
	tag       string
	objection error
	loose     bool   // there is white space that the one strict form does not have
	letters   uint32 // of the parameters that were there: bit 0 is a
}

func (m *member) object(r *reader, what string) {
	if m.objection == nil {
		m.objection = fmt.Errorf("%w: %s before byte %d", ErrMalformed, what, r.pos)
	}
}

// read reads an inner list with its parameters (RFC 9421, 2.3).
func (m *member) read(r *reader) {
	start := r.pos
	r.expect('(')
	for between := 0; r.err == nil; between = 1 {
		spaces := r.spaces()
		if r.accept(')') {
			m.loose = m.loose || spaces > 0
			break
		}
		if spaces < between {
			r.fail("no space between components")
		}
		m.loose = m.loose || spaces > between
		m.component(r)
	}
	for r.err == nil && r.accept(';') {
		m.param(r)
	}
	if r.err != nil || m.tag != Tag {
		return
	}
	const required = 1<<('c'-'a') | 1<<('e'-'a') | 1<<('n'-'a') | 1<<('k'-'a') | 1<<('t'-'a')
	if m.letters&required != required {
		m.object(r, "created, expires, nonce, keyid or tag is missing")
	}
	m.input = r.s[start:r.pos]
	if m.loose {
		m.input = string(m.appendInput(nil))
	}
}

func (m *member) component(r *reader) {
	name := r.str()
	if r.peek() == ';' {
		m.object(r, "a parameter of a component")
		r.skipParams()
	}
	switch {
	case !known(name):
		m.object(r, "component "+shorten(name)+", which the profile does not know,")
	case m.Covers(name):
		m.object(r, "a component that stands twice")
	case m.n == maxComponents:
		m.object(r, "more than 16 components")
	default:
		m.components[m.n] = name
		m.n++
	}
}

func known(component string) bool {
	switch component {
	case "@method", "@authority", "@path", "@query":
		return true
	}
	return fieldName(component)
}

// param reads a parameter. A tag that stands twice is the last one, as in RFC 9651, and an objection if it is ours.
func (m *member) param(r *reader) {
	m.loose = r.spaces() > 0 || m.loose
	name, value := r.key(), ""
	if r.accept('=') {
		value = r.item()
	}
	text, letter, ok := unquoted(value), byte(0), false
	switch name {
	case "created":
		letter = 'c'
		m.Created, ok = seconds(value)
	case "expires":
		letter = 'e'
		m.Expires, ok = seconds(value)
	case "nonce":
		letter, m.Nonce, ok = 'n', text, isNonce(text)
	case "keyid":
		letter, m.KeyID, ok = 'k', text, ValidKeyID(text)
	case "alg":
		letter, m.Alg, ok = 'a', text, text == "hmac-sha256"
	case "tag":
		letter, m.tag, ok = 't', text, true
	}
	switch {
	case !ok:
		m.object(r, "parameter "+shorten(name)+", which the profile does not know, or not with this value,")
	case m.letters&(1<<(letter-'a')) != 0:
		m.object(r, "a parameter that stands twice")
	default:
		m.letters |= 1 << (letter - 'a')
		m.params[m.nparams] = letter
		m.nparams++
	}
}

// unquoted returns what stands between the quotes of a string, as it stands there; "" for other types.
func unquoted(item string) string {
	if len(item) < 2 || item[0] != '"' {
		return ""
	}
	return item[1 : len(item)-1]
}

// seconds is a number of seconds: digits without sign, fraction or leading zero.
func seconds(item string) (n int64, ok bool) {
	if item == "" || len(item) > 15 || item[0] == '0' && len(item) > 1 {
		return 0, false
	}
	for i := range len(item) {
		if !isDigit(item[i]) {
			return 0, false
		}
		n = n*10 + int64(item[i]-'0')
	}
	return n, true
}

func isNonce(s string) bool {
	return len(s) >= minNonce && len(s) <= maxNonce && all(s, nonceByte)
}
