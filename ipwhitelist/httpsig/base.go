package httpsig

import (
	"fmt"
	"strconv"
)

// appendBase appends the signature base (RFC 9421, 2.5): one line for each component, then the parameters, without a
// newline at the end. Every way in which it could be ambiguous is an error: no value holds a newline, no field stands
// twice, no component is unknown.
func appendBase(b []byte, r *Request, s *Signature) ([]byte, error) {
	path, query, err := splitTarget(r.Target)
	if err != nil {
		return b, err
	}
	for _, name := range s.components[:s.n] {
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, `": `...)
		switch name {
		case "@path":
			b = append(b, path...)
		case "@query":
			b = append(b, query...)
		default:
			if b, err = appendValue(b, r, name); err != nil {
				return b, err
			}
		}
		b = append(b, '\n')
		if len(b) > maxBase {
			return b[:0], fmt.Errorf("%w: the signature base has more than %d bytes", ErrHeader, maxBase)
		}
	}
	b = append(b, `"@signature-params": `...)
	return append(b, s.input...), nil
}

func appendValue(b []byte, r *Request, name string) ([]byte, error) {
	switch name {
	case "@method":
		if !token(r.Method) {
			return b, fmt.Errorf("%w: method %q", ErrTarget, shorten(r.Method))
		}
		return append(b, r.Method...), nil
	case "@authority":
		return appendAuthority(b, r.Authority)
	case "content-digest":
		if r.digest != "" {
			return append(b, r.digest...), nil
		}
	}
	value, present, err := single(r.Header, canonical(name))
	if err == nil && !present {
		err = fmt.Errorf("%w: %s is signed, and the request does not have it", ErrHeader, name)
	}
	return append(b, value...), err
}

// appendInput appends the value of Signature-Input without its label, in the one strict form (RFC 9651, 4.1).
func (s *Signature) appendInput(b []byte) []byte {
	b = append(b, '(')
	for i, name := range s.components[:s.n] {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, '"')
	}
	b = append(b, ')')
	for _, p := range s.params[:s.nparams] {
		switch p {
		case 'c':
			b = strconv.AppendInt(append(b, ";created="...), s.Created, 10)
		case 'e':
			b = strconv.AppendInt(append(b, ";expires="...), s.Expires, 10)
		case 'n':
			b = appendString(append(b, ";nonce="...), s.Nonce)
		case 'k':
			b = appendString(append(b, ";keyid="...), s.KeyID)
		case 'a':
			b = appendString(append(b, ";alg="...), s.Alg)
		case 't':
			b = appendString(append(b, ";tag="...), Tag)
		}
	}
	return b
}

// appendString quotes what is known to need no escape.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
