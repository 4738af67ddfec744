package httpsig

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rfcKey is test-shared-secret of RFC 9421, B.1.5.
const rfcKey = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="

func sharedSecret(t testing.TB) *Key {
	t.Helper()
	secret, err := base64.StdEncoding.DecodeString(rfcKey)
	require.NoError(t, err)
	k, err := NewKey("test-shared-secret", secret)
	require.NoError(t, err)
	return k
}

// The hmac-sha256 example of RFC 9421, B.2.5. It covers other components than the profile, by the same base.
func TestRFC9421B25(t *testing.T) {
	s := &Signature{n: 3, input: `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`}
	copy(s.components[:], []string{"date", "@authority", "content-type"})
	r := Request{Authority: "example.com", Target: "/foo?param=Value&Pet=dog", Header: http.Header{
		"Date": {"Tue, 20 Apr 2021 02:07:55 GMT"}, "Content-Type": {"application/json"},
	}}
	base, err := appendBase(nil, &r, s)
	require.NoError(t, err)
	require.Equal(t, `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`, string(base))
	require.True(t, decodeMAC(&s.mac, "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="))
	require.NoError(t, sharedSecret(t).Verify(r, s))
}

// vector is a request of the profile whose signature other implementations of RFC 9421 agree on.
type vector struct {
	name, method, authority, target, body, contentType string
	base, signature                                    string
}

const (
	vectorNonce  = "AAECAwQFBgcICQoLDA0ODw"
	vectorParams = `;created=1618884473;expires=1618884533;nonce="AAECAwQFBgcICQoLDA0ODw";keyid="test-shared-secret";tag="ipwhitelist-v1"`
)

func vectors() []vector {
	return []vector{
		{"P1", "GET", "orders.svc.example.com", "/v1/orders/42", "", "", `"@method": GET
"@authority": orders.svc.example.com
"@path": /v1/orders/42
"@query": ?
"@signature-params": ("@method" "@authority" "@path" "@query")` + vectorParams, "XrthErmr9oXyi12XRIgOzXKRGgUH76MHIkBMmTtIA4I="},
		{"P2", "POST", "orders.svc.example.com", "/v1/orders?dry=1&x=%2F", `{"hello": "world"}`, "application/json", `"@method": POST
"@authority": orders.svc.example.com
"@path": /v1/orders
"@query": ?dry=1&x=%2F
"content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
"content-type": application/json
"@signature-params": ("@method" "@authority" "@path" "@query" "content-digest" "content-type")` + vectorParams, "zVV0VA1d4cPx6I/WYBRqXfSFJRf0A+ePeFiOg1wYQZA="},
		{"P3", "DELETE", "Orders.svc.example.com:8443", "/v1/a%2Fb", "", "", `"@method": DELETE
"@authority": orders.svc.example.com:8443
"@path": /v1/a%2Fb
"@query": ?
"@signature-params": ("@method" "@authority" "@path" "@query")` + vectorParams, "aEXee1rbiS/m2bhDk7zWPUULvGjD5XNeJw04ZbSSsi8="},
	}
}

func (v vector) request() Request {
	r := Request{Method: v.method, Authority: v.authority, Target: v.target, Header: http.Header{}, Body: v.body != ""}
	if v.contentType != "" {
		r.Header.Set("Content-Type", v.contentType)
	}
	return r
}

func vectorTime() time.Time { return time.Unix(1618884473, 0) }

func TestVectors(t *testing.T) {
	k := sharedSecret(t)
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			r := v.request()
			signed, err := Sign(r, []byte(v.body), k, Params{Created: vectorTime(), Nonce: vectorNonce})
			require.NoError(t, err)
			require.Equal(t, "ipw=:"+v.signature+":", signed.Signature)
			require.NotContains(t, r.Header, "Signature", "the header given is not changed")
			signed.AddTo(r.Header)
			s, err := Verify(r, k, vectorTime().Add(time.Minute), Window{})
			require.NoError(t, err)
			base, err := appendBase(nil, &r, s)
			require.NoError(t, err)
			require.Equal(t, v.base, string(base))
			require.Equal(t, "ipw="+v.base[strings.LastIndex(v.base, ": ")+2:], signed.SignatureInput)
			require.Equal(t, v.body != "", s.Covers("content-digest"))
		})
	}
}

// RFC 9530: the examples of the document, and the empty body.
func TestDigests(t *testing.T) {
	for body, want := range map[string]string{
		`{"hello": "world"}`:       "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
		"{\"hello\": \"world\"}\n": "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
		"":                         "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	} {
		sum := sha256.Sum256([]byte(body))
		require.Equal(t, "sha-256=:"+want+":", Digest(sum))
		require.NoError(t, CheckDigest(" sha-256=:"+want+":\t", sum))
	}
	sum := sha256.Sum256([]byte(`{"hello": "world"}`))
	sum512 := sha512.Sum512([]byte(`{"hello": "world"}`))
	for _, value := range []string{
		"", "sha-256", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE:",
		"sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", "SHA-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
		"sha-512=:" + base64.StdEncoding.EncodeToString(sum512[:]) + ":",
		Digest(sum) + ", " + Digest(sum), Digest(sum) + ";a=1",
	} {
		require.ErrorIs(t, CheckDigest(value, sum), ErrDigest, value)
	}
}
