package httpsig

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
	"github.com/stretchr/testify/require"
)

// FuzzParse compares with a parser of structured fields by others: what Parse accepts means the same there.
func FuzzParse(f *testing.F) {
	seeds := []string{
		`ipw=("@method" "@authority" "@path" "@query")` + vectorParams,
		`sig1=("@method" "x-a";key="b");a=?1;b=:AQID:;c=tok/en:*;d=@-12;e=1.5;tag="other", ipw=("@method")` + vectorParams,
		`ipw=( "@method"  "x-b" );created=0;expires=1;nonce="aaaaaaaaaaaaaaaa";keyid="a";alg="hmac-sha256";tag="ipwhitelist-v1"`,
		`ipw=()` + vectorParams + ` , a=("\"\\")`,
		`ipw=();tag="ipwhitelist-v1";tag`, `*a=();x=*b`, `a=("b" );c`, `a=("b");c="d`, "a=()\t,\tb=()",
	}
	const mac = "ipw=:XrthErmr9oXyi12XRIgOzXKRGgUH76MHIkBMmTtIA4I=:"
	require.NotEmpty(f, seeds)
	for _, s := range seeds {
		f.Add(s, mac)
	}
	f.Add(seeds[0], mac+", a=:AQID:;x=1")
	k := sharedSecret(f)
	f.Fuzz(func(t *testing.T, input, signature string) {
		r := Request{Method: "GET", Authority: "a", Target: "/", Header: http.Header{"Signature-Input": {input}, "Signature": {signature}}}
		s, err := Parse(r.Header)
		if err != nil {
			require.Nil(t, s)
			require.True(t, errors.Is(err, ErrMalformed) || errors.Is(err, ErrMissing), err)
			return
		}
		require.ErrorIs(t, anyOf(k.Verify(r, s), ErrMAC, ErrHeader), errRefused)
		label, list := oracle(t, input)
		require.Len(t, list.Items, s.n)
		for i, item := range list.Items {
			require.Equal(t, s.components[i], item.Value)
			require.Empty(t, item.Params.Names())
		}
		param := func(name string) any {
			v, _ := list.Params.Get(name)
			return v
		}
		require.Equal(t, []any{s.Created, s.Expires, s.Nonce, s.KeyID, Tag},
			[]any{param("created"), param("expires"), param("nonce"), param("keyid"), param("tag")})
		text, err := httpsfv.Marshal(list)
		require.NoError(t, err)
		require.Equal(t, text, s.input, "the one strict form")
		require.Equal(t, text, string(s.appendInput(nil)))

		values, err := httpsfv.UnmarshalDictionary([]string{signature})
		require.NoError(t, err)
		value, ok := values.Get(label)
		require.True(t, ok)
		require.Equal(t, s.mac[:], value.(httpsfv.Item).Value)
	})
}

var errRefused = errors.New("refused")

// anyOf makes one error of several that are expected.
func anyOf(err error, expected ...error) error {
	for _, e := range expected {
		if errors.Is(err, e) {
			return errRefused
		}
	}
	return err
}

// oracle returns the member with our tag.
func oracle(t *testing.T, input string) (string, httpsfv.InnerList) {
	t.Helper()
	d, err := httpsfv.UnmarshalDictionary([]string{input})
	require.NoError(t, err, input)
	var label string
	var found httpsfv.InnerList
	for _, name := range d.Names() {
		m, _ := d.Get(name)
		list, ok := m.(httpsfv.InnerList)
		require.True(t, ok)
		if tag, _ := list.Params.Get("tag"); tag == Tag {
			require.Empty(t, label, "two of ours")
			label, found = name, list
		}
	}
	require.NotEmpty(t, label, input)
	return label, found
}

// FuzzVerify checks the law for any request: what Sign signs verifies, and for no other request.
func FuzzVerify(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.method, v.authority, v.target, v.contentType, v.body, "GET", "a", "/", "x", "")
	}
	f.Add("GET", "a", "/x?y", "", "", "GET", "A:80", "http://b/x?y", " ", "")
	k := sharedSecret(f)
	f.Fuzz(func(t *testing.T, method, authority, target, contentType, body, method2, authority2, target2, contentType2, body2 string) {
		signed := func(method, authority, target, contentType, body string) (Request, Signed, error) {
			r := vector{method: method, authority: authority, target: target, contentType: contentType, body: body}.request()
			s, err := Sign(r, []byte(body), k, Params{Created: vectorTime(), Nonce: vectorNonce})
			return r, s, err
		}
		a, signedA, err := signed(method, authority, target, contentType, body)
		if err != nil {
			return
		}
		b, signedB, err := signed(method2, authority2, target2, contentType2, body2)
		if err != nil {
			return
		}
		signedA.AddTo(a.Header)
		require.NoError(t, verify(a, k))
		base := func(r Request, digest string) string {
			path, query, err := splitTarget(r.Target)
			require.NoError(t, err)
			host, err := Authority(r.Authority)
			require.NoError(t, err)
			ct, has, err := single(r.Header, "Content-Type")
			require.NoError(t, err)
			if has {
				ct = "has " + ct
			}
			return r.Method + "\n" + host + "\n" + path + "\n" + query + "\n" + ct + "\n" + digest
		}
		same := base(a, signedA.ContentDigest) == base(b, signedB.ContentDigest)
		Signed{signedB.ContentDigest, signedA.SignatureInput, signedA.Signature}.AddTo(b.Header)
		require.Equal(t, same, verify(b, k) == nil, "%q\n%q", a, b)
	})
}

// FuzzDecodeText reads the text of keys, as a stranger sends it with Authorization: ApiKey. There is one text for one key.
func FuzzDecodeText(f *testing.F) {
	var secret [secretSize]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	good := EncodeText(KeyPrefix, "billing.2026-11.1", secret)
	for _, s := range []string{good, good[1:], good[:len(good)-1], KeyPrefix + "...", strings.ToUpper(good), good + "\n", KeyPrefix + ".a." + good} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, secret, err := DecodeText(KeyPrefix, text)
		if err != nil {
			require.ErrorIs(t, err, ErrKey)
			require.Empty(t, id)
			require.Zero(t, secret)
			return
		}
		require.True(t, ValidKeyID(id))
		require.Equal(t, text, EncodeText(KeyPrefix, id, secret))
	})
}
