package httpsig

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// derived are the components that every signature covers. Others of RFC 9421, such as @target-uri, are not understood:
// a server can't know them for sure behind a proxy.
var derived = [...]string{"@method", "@authority", "@path", "@query"} //nolint:gochecknoglobals // constant

// ifPresent are the fields that must be covered when the request has them, because they change what it means.
var ifPresent = [...]field{ //nolint:gochecknoglobals // constant
	{"content-digest", "Content-Digest"},
	{"content-type", "Content-Type"},
	{"content-encoding", "Content-Encoding"},
	{"authorization", "Authorization"},
	{"idempotency-key", "Idempotency-Key"},
	{"x-http-method-override", "X-Http-Method-Override"},
}

// field is a header field as it is in the signature base and as it is in an http.Header.
type field struct{ name, canonical string }

// Fields is a list of header fields that are signed when a request has them, beside those that the profile always
// signs. The zero value is empty. It is immutable.
type Fields struct{ list []field }

// NewFields checks names. They may be in any case.
func NewFields(names ...string) (Fields, error) {
	var f Fields
	for _, name := range names {
		lower := strings.ToLower(name)
		if !fieldName(lower) {
			return Fields{}, fmt.Errorf("%w: %q is no name of a field that can be signed", ErrHeader, shorten(name))
		}
		if slices.Contains(altered[:], lower) {
			return Fields{}, fmt.Errorf("%w: %q is added or altered on the way and can't be signed", ErrHeader, name)
		}
		one := newField(lower)
		if !slices.Contains(f.list, one) && !slices.Contains(ifPresent[:], one) {
			f.list = append(f.list, one)
		}
	}
	return f, nil
}

// altered are fields that transports and proxies add or change.
var altered = [...]string{ //nolint:gochecknoglobals // constant
	"accept-encoding", "connection", "content-length", "forwarded", "host", "te", "trailer", "transfer-encoding", "upgrade",
	"user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "date",
}

func newField(lower string) field { return field{lower, http.CanonicalHeaderKey(lower)} }

// canonical avoids http.CanonicalHeaderKey, which allocates, for the usual names.
func canonical(lower string) string {
	for i := range ifPresent {
		if ifPresent[i].name == lower {
			return ifPresent[i].canonical
		}
	}
	return http.CanonicalHeaderKey(lower)
}

// fieldName reports whether s is a field that a signature may cover. A signature that covers signatures is nonsense.
func fieldName(s string) bool {
	return s != "" && len(s) <= 64 && all(s, nameByte) && s != "signature" && s != "signature-input"
}
