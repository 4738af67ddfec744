package httpsig

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Request is what a signature is about: the parts of a request as they are on the wire. [FromServer] and [FromClient]
// take them from a net/http request; a program with another client fills the fields itself.
type Request struct {
	Method string
	// Authority is host or host:port. Case and the ports 80 and 443 do not matter: a server behind something that ends
	// TLS can't know which of the two is the default (RFC 9421, 2.2.3).
	Authority string
	// Target is the request target as sent, "/v1/orders?dry=1": never decoded and encoded again. The absolute form
	// "http://host/path" is understood.
	Target string
	Header http.Header
	// Body says whether there is one, or might be: a request with a body must have its digest signed.
	Body bool
	// Trailers says whether some are announced. They can't be signed.
	Trailers bool

	digest string // what Content-Digest will be, when signing
}

// maxBase bounds what is hashed for a stranger: the signature base, and each value in it, so that at most twice as much is
// looked at.
const maxBase = 16 << 10

// Errors of requests that can't have a signature, whoever sends them.
var (
	ErrTarget = errors.New("request target")
	ErrHeader = errors.New("header field")
)

// FromServer returns the parts of a request that a server received. The target is RequestURI, since URL.Path is decoded
// and URL.EscapedPath is not always what was sent; so middleware like http.StripPrefix may come first. It does not look
// at Forwarded or X-Forwarded-Host.
func FromServer(r *http.Request) Request {
	return Request{
		Method: r.Method, Authority: r.Host, Target: r.RequestURI, Header: r.Header,
		Body:     r.ContentLength != 0, // -1 is chunked, or HTTP/2 without a length
		Trailers: len(r.Trailer) > 0,   // those that are announced: others come with the end of the body
	}
}

// FromClient returns the parts of a request that net/http is about to send.
func FromClient(r *http.Request) (Request, error) {
	if r.URL == nil || r.URL.Opaque != "" {
		return Request{}, fmt.Errorf("%w: a URL without a path, or with Opaque, can't be signed: set URL.Path and URL.RawPath", ErrTarget)
	}
	q := Request{Method: r.Method, Authority: r.Host, Target: r.URL.RequestURI(), Header: r.Header}
	if q.Authority == "" {
		q.Authority = r.URL.Host
	}
	if q.Method == "" {
		q.Method = http.MethodGet
	}
	q.Body = r.Body != nil && r.Body != http.NoBody
	q.Trailers = len(r.Trailer) > 0
	return q, nil
}

// appendAuthority appends the normalised authority.
func appendAuthority(b []byte, authority string) ([]byte, error) {
	host := authority
	if len(host) > 255+len(":65535") {
		return b, fmt.Errorf("%w: a host of %d bytes", ErrTarget, len(host))
	}
	for _, port := range [...]string{":80", ":443", ":"} { // an empty port is the default one (RFC 3986, 6.2.3)
		if rest, ok := strings.CutSuffix(host, port); ok && !strings.HasSuffix(rest, ":") { // not the end of a bare IPv6 address
			host = rest
			break
		}
	}
	if host == "" {
		return b, fmt.Errorf("%w: no host", ErrTarget)
	}
	if i := span(host, hostByte); i < len(host) {
		return b, fmt.Errorf("%w: %q in host %q: write it in ASCII, without user or zone", ErrTarget, host[i:i+1], shorten(authority))
	}
	start := len(b)
	b = append(b, host...)
	for i, c := range b[start:] {
		if 'A' <= c && c <= 'Z' {
			b[start+i] += 'a' - 'A'
		}
	}
	return b, nil
}

// Authority returns the form of an authority that is signed: lower case, without the ports 80 and 443.
func Authority(authority string) (string, error) {
	b, err := appendAuthority(nil, authority)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// splitTarget returns @path and @query of a request target, undecoded (RFC 9421, 2.2.6 and 2.2.7). An absent query is
// "?", like an empty one.
func splitTarget(target string) (path, query string, err error) {
	if len(target) > maxBase {
		return "", "", fmt.Errorf("%w: %d bytes, more than %d", ErrTarget, len(target), maxBase)
	}
	if i := span(target, targetByte); i < len(target) {
		return "", "", fmt.Errorf("%w: %q in %q: percent-encode it", ErrTarget, target[i:i+1], shorten(target))
	}
	if target == "" {
		return "", "", fmt.Errorf("%w: it is empty: servers and httptest.NewRequest set RequestURI, http.NewRequest does not", ErrTarget)
	}
	path, query = target, "?"
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	if len(path) > 0 && path[0] == '/' {
		return path, query, nil
	}
	scheme, rest, ok := strings.Cut(path, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", fmt.Errorf("%w: %q does not begin with /", ErrTarget, shorten(target))
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:], query, nil
	}
	return "/", query, nil
}

// single returns the value of a field that must stand on exactly one line, without the white space around it. Several
// lines could be joined differently by whoever reads them (RFC 9421, 7.5.6).
func single(h http.Header, canonical string) (value string, present bool, err error) {
	values := h[canonical]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
	default:
		return "", true, fmt.Errorf("%w: %s stands %d times, and a signed field may stand once", ErrHeader, canonical, len(values))
	}
	if len(values[0]) > maxBase {
		return "", true, fmt.Errorf("%w: %s has %d bytes, more than %d", ErrHeader, canonical, len(values[0]), maxBase)
	}
	value = strings.Trim(values[0], " \t")
	if i := span(value, valueByte); i < len(value) {
		return "", true, fmt.Errorf("%w: %q in %s: only printable ASCII can be signed", ErrHeader, value[i:i+1], canonical)
	}
	return value, true, nil
}

// token reports whether s is an RFC 9110 token, as methods are.
func token(s string) bool { return s != "" && all(s, tokenByte) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// shorten keeps what others sent from filling a message.
func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
