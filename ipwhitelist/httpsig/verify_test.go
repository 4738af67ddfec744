package httpsig

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTargets(t *testing.T) {
	for target, want := range map[string][2]string{
		"/":                     {"/", "?"},
		"/a?":                   {"/a", "?"},
		"/a":                    {"/a", "?"},
		"/a%2Fb?x=%2f":          {"/a%2Fb", "?x=%2f"},
		"/a|b;c?x;y&%zz":        {"/a|b;c", "?x;y&%zz"},
		"//evil/x?y?z":          {"//evil/x", "?y?z"},
		"http://h/x?y":          {"/x", "?y"},
		"HTTPS://h:1/x//":       {"/x//", "?"},
		"http://h":              {"/", "?"},
		"http://h?q=http://x/y": {"/", "?q=http://x/y"},
		"/x?http://h/y":         {"/x", "?http://h/y"},
	} {
		path, query, err := splitTarget(target)
		require.NoError(t, err, target)
		require.Equal(t, want, [2]string{path, query}, target)
	}
	for _, target := range []string{"", "*", "a", "?x", "/a b", "/a\n", "/ä", "/a#b", "ftp://h/x", "h:443", "/\x7f", "/" + strings.Repeat("a", maxBase)} {
		_, _, err := splitTarget(target)
		require.ErrorIs(t, err, ErrTarget, target)
	}
	_, _, err := splitTarget("")
	require.ErrorContains(t, err, "httptest.NewRequest")
	_, _, err = splitTarget("/\u00e4")
	require.ErrorContains(t, err, `"\xc3" in`)
}

func TestAuthority(t *testing.T) {
	for in, want := range map[string]string{
		"EXAMPLE.com:80": "example.com", "example.com:443": "example.com", "example.com": "example.com", "a:8443": "a:8443",
		"[2001:DB8::1]:443": "[2001:db8::1]", "[::1]": "[::1]", "a:80:80": "a:80", "example.com.": "example.com.",
		"example.com:": "example.com", "[::1]:": "[::1]", "2001:db8::": "2001:db8::",
	} {
		got, err := Authority(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, in := range []string{"", ":80", "a b", "user@host", "bücher.example", "[fe80::1%25eth0]", "a\n", strings.Repeat("a", 300)} {
		_, err := Authority(in)
		require.ErrorIs(t, err, ErrTarget, in)
	}
}

func TestLimits(t *testing.T) {
	r, k := signedVector(t)
	r.Header.Set("Authorization", strings.Repeat("x", maxBase+1))
	require.ErrorIs(t, verify(r, k), ErrHeader)
	r.Header.Set("Authorization", strings.Repeat("x", maxBase-10))
	require.ErrorIs(t, verify(r, k), ErrHeader)
	r, _ = signedVector(t)
	r.Trailers = true
	require.ErrorIs(t, verify(r, k), ErrCoverage)
	_, err := Sign(r, nil, k, Params{Created: vectorTime(), Nonce: vectorNonce})
	require.ErrorIs(t, err, ErrHeader)
}

func TestExtraFields(t *testing.T) {
	k := sharedSecret(t)
	extra, err := NewFields("X-Tenant", "x-tenant", "Content-Type")
	require.NoError(t, err)
	require.Len(t, extra.list, 1)
	r := vectors()[0].request()
	r.Header.Set("X-Tenant", " a\t b ")
	signed, err := Sign(r, nil, k, Params{Created: vectorTime(), Nonce: vectorNonce, Extra: extra})
	require.NoError(t, err)
	require.Contains(t, signed.SignatureInput, `"x-tenant"`)
	signed.AddTo(r.Header)
	require.NoError(t, verify(r, k))
	s, err := Parse(r.Header)
	require.NoError(t, err)
	require.Equal(t, []string{"@method", "@authority", "@path", "@query", "x-tenant"}, s.Components())
	r.Header.Set("X-Tenant", "b")
	require.ErrorIs(t, verify(r, k), ErrMAC)

	signed, err = Sign(vectors()[0].request(), nil, k, Params{Created: vectorTime(), Nonce: vectorNonce})
	require.NoError(t, err)
	signed.AddTo(r.Header)
	s, err = Parse(r.Header)
	require.NoError(t, err)
	require.ErrorIs(t, s.CheckCoverage(r, extra, false), ErrCoverage)
	require.NoError(t, s.CheckCoverage(r, Fields{}, false))
	r.Body = true
	require.ErrorIs(t, s.CheckCoverage(r, Fields{}, false), ErrCoverage)
	require.NoError(t, s.CheckCoverage(r, Fields{}, true))

	for _, name := range []string{"Host", "content-length", "Signature", "@method", "", "a b", strings.Repeat("a", 65), "Date"} {
		_, err := NewFields(name)
		require.ErrorIs(t, err, ErrHeader, name)
	}
	many, err := NewFields(strings.Split("a b c d e f g h i j k l m", " ")...)
	require.NoError(t, err)
	for _, f := range many.list {
		r.Header.Set(f.name, "1")
	}
	_, err = Sign(r, nil, k, Params{Created: vectorTime(), Nonce: vectorNonce, Extra: many})
	require.ErrorContains(t, err, "more than 16 components")
}

// A header that is used again does not keep the digest of the request before.
func TestAddToReplacesTheDigest(t *testing.T) {
	k := sharedSecret(t)
	r := Request{Method: "POST", Authority: "h", Target: "/", Header: http.Header{}, Body: true}
	for _, body := range []string{"a", ""} {
		r.Body = body != ""
		signed, err := Sign(r, []byte(body), k, Params{Created: vectorTime(), Nonce: vectorNonce})
		require.NoError(t, err)
		signed.AddTo(r.Header)
		_, err = Verify(r, k, vectorTime(), Window{})
		require.NoError(t, err, body)
	}
	require.Empty(t, r.Header["Content-Digest"])
}

func TestSignRefuses(t *testing.T) {
	k := sharedSecret(t)
	ok := Params{Created: vectorTime(), Nonce: vectorNonce}
	for name, f := range map[string]func(*Request, *Params){
		"no nonce":        func(_ *Request, p *Params) { p.Nonce = "" },
		"no lifetime":     func(_ *Request, p *Params) { p.Lifetime = -time.Second },
		"half a second":   func(_ *Request, p *Params) { p.Lifetime = time.Second / 2 },
		"before 1970":     func(_ *Request, p *Params) { p.Created = time.Unix(-5, 0) },
		"no method":       func(r *Request, _ *Params) { r.Method = "" },
		"a method's line": func(r *Request, _ *Params) { r.Method = "GET\n" },
		"no host":         func(r *Request, _ *Params) { r.Authority = "" },
		"no path":         func(r *Request, _ *Params) { r.Target = "" },
		"a raw line":      func(r *Request, _ *Params) { r.Target = "/a\n\"@query\": ?" },
		"not ASCII":       func(r *Request, _ *Params) { r.Header.Set("Content-Type", "text/plain; x=ä") },
		"two types":       func(r *Request, _ *Params) { r.Header["Content-Type"] = []string{"a", "b"} },
	} {
		r, p := vectors()[1].request(), ok
		f(&r, &p)
		signed, err := Sign(r, []byte("x"), k, p)
		require.Error(t, err, name)
		require.Zero(t, signed)
	}
}

func TestExplain(t *testing.T) {
	r, _ := signedVector(t)
	text, err := Explain(r)
	require.NoError(t, err)
	require.Contains(t, text, "@path ")
	require.Contains(t, text, "authorization (10 bytes)")
	require.Equal(t, 9, strings.Count(text, "\n"))
	require.NotContains(t, text, "Bearer")
	other := clone(r)
	other.Target = "/v1/Orders?dry=1&x=%2F"
	changed, err := Explain(other)
	require.NoError(t, err)
	a, b := strings.Split(text, "\n"), strings.Split(changed, "\n")
	for i := range a {
		require.Equal(t, strings.HasPrefix(a[i], "@path"), a[i] != b[i], a[i])
	}
	_, err = Explain(Request{})
	require.ErrorIs(t, err, ErrMissing)
	other.Target = "*"
	_, err = Explain(other)
	require.ErrorIs(t, err, ErrTarget)
	require.Contains(t, Accept(true), `"content-digest"`)
	require.NotContains(t, Accept(false), `content-digest`)
}
