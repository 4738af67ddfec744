package httpsig

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// signedVector is P2 with all fields that are covered when present.
func signedVector(t testing.TB) (Request, *Key) {
	t.Helper()
	k := sharedSecret(t)
	v := vectors()[1]
	r := v.request()
	r.Header.Set("Authorization", "Bearer abc")
	r.Header.Set("Idempotency-Key", "42")
	signed, err := Sign(r, []byte(v.body), k, Params{Created: vectorTime(), Nonce: vectorNonce})
	require.NoError(t, err)
	signed.AddTo(r.Header)
	return r, k
}

func clone(r Request) Request {
	r.Header = r.Header.Clone()
	return r
}

func verify(r Request, k *Key) error {
	_, err := Verify(r, k, vectorTime(), Window{})
	return err
}

// Each byte of each part, changed in each bit or removed, is another message.
func TestEveryByteCounts(t *testing.T) {
	r, k := signedVector(t)
	require.NoError(t, verify(r, k))
	mutations := 0
	try := func(what string, m Request, text, changed string) {
		if strings.EqualFold(text, changed) && what == "authority" { // the case of the host does not matter
			return
		}
		mutations++
		require.Error(t, verify(m, k), "%s: %q for %q", what, changed, text)
	}
	each := func(text string, f func(changed string)) {
		for i := range len(text) {
			for bit := range 8 {
				f(text[:i] + string([]byte{text[i] ^ 1<<bit}) + text[i+1:])
			}
			f(text[:i] + text[i+1:])
			f(text[:i] + "x" + text[i:])
		}
	}
	each(r.Method, func(c string) { m := clone(r); m.Method = c; try("method", m, r.Method, c) })
	each(r.Authority, func(c string) { m := clone(r); m.Authority = c; try("authority", m, r.Authority, c) })
	each(r.Target, func(c string) { m := clone(r); m.Target = c; try("target", m, r.Target, c) })
	for name := range r.Header {
		value := r.Header.Get(name)
		each(value, func(c string) {
			if strings.Trim(c, " \t") == strings.Trim(value, " \t") {
				return
			}
			m := clone(r)
			m.Header[name] = []string{c}
			try(name, m, value, c)
		})
	}
	require.Greater(t, mutations, 4000)
}

func TestEveryFieldIsNeeded(t *testing.T) {
	r, k := signedVector(t)
	for name := range r.Header {
		m := clone(r)
		delete(m.Header, name)
		require.Error(t, verify(m, k), "without %s", name)
		m = clone(r)
		m.Header[name] = append(m.Header[name], m.Header[name][0])
		require.Error(t, verify(m, k), "%s twice", name)
		m.Header[name] = []string{"", r.Header[name][0]}
		if name != "Signature" && name != "Signature-Input" {
			require.ErrorIs(t, verify(m, k), ErrHeader, "%s twice, empty once", name)
		}
		m.Header[name] = []string{r.Header[name][0] + "\n"}
		require.Error(t, verify(m, k))
	}
	for _, added := range []string{"Content-Encoding", "X-Http-Method-Override"} {
		m := clone(r)
		m.Header.Set(added, "gzip")
		require.ErrorIs(t, verify(m, k), ErrCoverage, "%s, which is not signed", added)
	}
}

// resign signs whatever a test writes in Signature-Input, with the right key, by a model of the base that is not the
// code under test.
func resign(t testing.TB, r *Request, components []string, params string) {
	t.Helper()
	var base strings.Builder
	quoted := make([]string, len(components))
	for i, c := range components {
		quoted[i] = `"` + c + `"`
		name, value, _ := strings.Cut(c, `";`)
		_ = value
		fmt.Fprintf(&base, "%s: %s\n", quoted[i], modelValue(r, name))
	}
	input := "(" + strings.Join(quoted, " ") + ")" + params
	fmt.Fprintf(&base, "\"@signature-params\": %s", input)
	k := sharedSecret(t)
	w := k.pool.Get().(*work)
	w.base = append(w.base[:0], base.String()...)
	w.sign()
	mac := b64(w.sum[:])
	r.Header.Set("Signature-Input", "ipw="+input)
	r.Header.Set("Signature", "ipw=:"+mac+":")
}

func modelValue(r *Request, name string) string {
	path, query, _ := strings.Cut(r.Target, "?")
	switch name {
	case "@method":
		return r.Method
	case "@authority":
		return strings.ToLower(r.Authority)
	case "@path":
		return path
	case "@query":
		return "?" + query
	}
	return r.Header.Get(name)
}

// With the right key, but against the profile. Each case says which sentinel refuses it.
func TestProfile(t *testing.T) {
	good := []string{"@method", "@authority", "@path", "@query"}
	const p = vectorParams
	change := func(from, to string) string {
		require.Contains(t, p, from)
		return strings.Replace(p, from, to, 1)
	}
	for _, c := range []struct {
		name       string
		components []string
		params     string
		err        error
	}{
		{"good", good, p, nil},
		{"another order", []string{"@query", "@path", "@method", "@authority"}, p, nil},
		{"parameters in another order", good, `;tag="ipwhitelist-v1";keyid="test-shared-secret";nonce="AAECAwQFBgcICQoLDA0ODw";expires=1618884533;created=1618884473`, nil},
		{"alg that is the key's", good, p + `;alg="hmac-sha256"`, nil},
		{"no method", good[1:], p, ErrCoverage},
		{"no authority", []string{"@method", "@path", "@query"}, p, ErrCoverage},
		{"no path", []string{"@method", "@authority", "@query"}, p, ErrCoverage},
		{"no query", good[:3], p, ErrCoverage},
		{"nothing", nil, p, ErrCoverage},
		{"a component twice", append(good, "@method"), p, ErrMalformed},
		{"a field that is not there", append(good, "x-absent"), p, ErrHeader},
		{"@target-uri", append(good, "@target-uri"), p, ErrMalformed},
		{"@request-target", append(good, "@request-target"), p, ErrMalformed},
		{"@scheme", append(good, "@scheme"), p, ErrMalformed},
		{"@status", append(good, "@status"), p, ErrMalformed},
		{"@signature-params", append(good, "@signature-params"), p, ErrMalformed},
		{"an upper case field", append(good, "X-Here"), p, ErrMalformed},
		{"signature covers itself", append(good, "signature-input"), p, ErrMalformed},
		{"a component parameter", []string{"@method", "@authority", "@path", `@query";req;x="`}, p, ErrMalformed},
		{"17 components", append(good, strings.Split("a b c d e f g h i j k l m", " ")...), p, ErrMalformed},
		{"another alg", good, p + `;alg="hmac-sha512"`, ErrMalformed},
		{"alg as a token", good, p + `;alg=hmac-sha256`, ErrMalformed},
		{"alg empty", good, p + `;alg=""`, ErrMalformed},
		{"an unknown parameter", good, p + `;context="x"`, ErrMalformed},
		{"no created", good, change(";created=1618884473", ""), ErrMalformed},
		{"no expires", good, change(";expires=1618884533", ""), ErrMalformed},
		{"no nonce", good, change(`;nonce="AAECAwQFBgcICQoLDA0ODw"`, ""), ErrMalformed},
		{"no keyid", good, change(`;keyid="test-shared-secret"`, ""), ErrMalformed},
		{"no tag", good, change(`;tag="ipwhitelist-v1"`, ""), ErrMissing},
		{"another tag", good, change("ipwhitelist-v1", "ipwhitelist-v2"), ErrMissing},
		{"tag as a token", good, change(`"ipwhitelist-v1"`, "ipwhitelist-v1"), ErrMissing},
		{"created as a string", good, change("1618884473", `"boom"`), ErrMalformed},
		{"created as a decimal", good, change("1618884473", "1618884473.0"), ErrMalformed},
		{"created as a boolean", good, change("created=1618884473", "created"), ErrMalformed},
		{"created as a date", good, change("1618884473", "@1618884473"), ErrMalformed},
		{"created below zero", good, change("1618884473", "-1"), ErrMalformed},
		{"created with a leading zero", good, change("1618884473", "01618884473"), ErrMalformed},
		{"created of 16 digits", good, change("1618884473", "1618884473000000"), ErrMalformed},
		{"created twice", good, p + ";created=1618884473", ErrMalformed},
		{"tag twice", good, p + `;tag="ipwhitelist-v1"`, ErrMalformed},
		{"keyid twice", good, p + `;keyid="test-shared-secret"`, ErrMalformed},
		{"a short nonce", good, change(vectorNonce, "AAECAwQFBgcICQo"), ErrMalformed},
		{"a long nonce", good, change(vectorNonce, strings.Repeat("A", 65)), ErrMalformed},
		{"a nonce with a space", good, change(vectorNonce, "AAECAwQFBgcICQo DA0ODw"), ErrMalformed},
		{"a nonce as bytes", good, change(`"`+vectorNonce+`"`, ":"+vectorNonce+"==:"), ErrMalformed},
		{"a keyid with an escape", good, change("test-shared-secret", `test\"`), ErrMalformed},
		{"a keyid in upper case", good, change("test-shared-secret", "TEST"), ErrMalformed},
		{"another keyid", good, change("test-shared-secret", "other"), ErrMAC},
		{"an empty keyid", good, change("test-shared-secret", ""), ErrMalformed},
		{"a lifetime of 301 s", good, change("1618884533", "1618884774"), ErrTime},
		{"a lifetime of 300 s", good, change("1618884533", "1618884773"), nil},
		{"expires before created", good, change("1618884533", "1618884472"), ErrTime},
		{"expires with created", good, change("1618884533", "1618884473"), ErrTime},
		{"something behind", good, p + " x", ErrMalformed},
		{"a comma behind", good, p + ",", ErrMalformed},
		{"a long parameter name", good, p + ";" + strings.Repeat("a", 65) + "=1", ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Request{Method: "GET", Authority: "Example.com", Target: "/a?b", Header: http.Header{}}
			resign(t, &r, c.components, c.params)
			require.ErrorIs(t, verify(r, sharedSecret(t)), c.err)
			if c.err == nil {
				r.Target = "/a?c"
				require.ErrorIs(t, verify(r, sharedSecret(t)), ErrMAC)
			}
		})
	}
}

// Under one and the same MAC, every other list of components is another message: one dropped, one twice, any order.
func TestEveryComponentCounts(t *testing.T) {
	r, k := signedVector(t)
	input := r.Header.Get("Signature-Input")
	list, params, _ := strings.Cut(strings.TrimPrefix(input, "ipw=("), ")")
	components := strings.Split(list, " ")
	require.Len(t, components, 8)
	tried := 0
	try := func(changed []string) {
		tried++
		m := clone(r)
		m.Header.Set("Signature-Input", "ipw=("+strings.Join(changed, " ")+")"+params)
		require.Error(t, verify(m, k), "%s", changed)
	}
	for i := range components {
		try(slices.Delete(slices.Clone(components), i, i+1))
		try(append(slices.Clone(components), components[i]))
		for j := range i {
			swapped := slices.Clone(components)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			try(swapped)
		}
	}
	try(append(slices.Clone(components), `"x-absent"`))
	require.Equal(t, 8+8+28+1, tried)
	all := strings.Split(strings.TrimPrefix(params, ";"), ";")
	require.Len(t, all, 5)
	for i := range all {
		for j := range i {
			swapped := slices.Clone(all)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			m := clone(r)
			m.Header.Set("Signature-Input", "ipw=("+list+");"+strings.Join(swapped, ";"))
			require.ErrorIs(t, verify(m, k), ErrMAC, "parameters are signed in their order")
		}
	}
}

// White space that RFC 9651 allows is not signed: what is signed is the one strict form.
func TestWhiteSpaceIsNotSigned(t *testing.T) {
	r, k := signedVector(t)
	input := r.Header.Get("Signature-Input")
	for _, loose := range []string{
		strings.Replace(input, "(", "(  ", 1), strings.Replace(input, ")", " )", 1), strings.Replace(input, `" "`, `"   "`, 1),
		strings.Replace(input, ";", ";  ", 1), strings.ReplaceAll(input, ";", "; "), " " + input + " ",
	} {
		m := clone(r)
		m.Header.Set("Signature-Input", loose)
		require.NoError(t, verify(m, k), loose)
	}
	for _, broken := range []string{strings.Replace(input, ";", " ;", 1), strings.Replace(input, "=", " =", 1), strings.Replace(input, `" "`, "\"\t\"", 1)} {
		m := clone(r)
		m.Header.Set("Signature-Input", broken)
		require.ErrorIs(t, verify(m, k), ErrMalformed, broken)
	}
}

// Each parameter with a value of each type that is not its own, signed with the right key.
func TestParametersOfOtherTypes(t *testing.T) {
	good := []string{"@method", "@authority", "@path", "@query"}
	values := map[string]string{"a string": `"x y"`, "a token": "abc", "an integer": "-7", "a decimal": "1.5", "bytes": ":AQID:", "a boolean": "?1", "a date": "@1618884473", "a display string": `%"x"`, "a list": `("a")`, "nothing": ""}
	params := strings.Split(strings.TrimPrefix(vectorParams, ";"), ";")
	for i, p := range append(params, `alg="hmac-sha256"`) {
		name, _, _ := strings.Cut(p, "=")
		for kind, value := range values {
			changed := append(slices.Clone(params), "")[:max(len(params), i+1)]
			changed[i] = name + "=" + value
			r := Request{Method: "GET", Authority: "example.com", Target: "/", Header: http.Header{}}
			resign(t, &r, good, ";"+strings.Join(changed, ";"))
			err := verify(r, sharedSecret(t))
			require.ErrorIs(t, anyOf(err, ErrMalformed, ErrMissing), errRefused, "%s as %s", name, kind)
			changed[i] = name
			resign(t, &r, good, ";"+strings.Join(changed, ";"))
			require.ErrorIs(t, anyOf(verify(r, sharedSecret(t)), ErrMalformed, ErrMissing), errRefused, "%s as true", name)
		}
	}
}

func TestTime(t *testing.T) {
	s := Signature{Created: 1000, Expires: 1060}
	for _, c := range []struct {
		now int64
		w   Window
		ok  bool
	}{
		{970, Window{}, true},
		{969, Window{}, false}, // the future
		{1090, Window{}, true},
		{1091, Window{}, false},
		{1030, Window{MaxAge: 10 * time.Second}, true},
		{1041, Window{MaxAge: 10 * time.Second}, false},
		{999, Window{Skew: -1}, false},
		{1000, Window{Skew: -1}, true},
		{1060, Window{Skew: -1}, true},
		{1061, Window{Skew: -1}, false},
		{1000, Window{MaxLifetime: 59 * time.Second}, false},
	} {
		err := s.CheckTime(time.Unix(c.now, 0), c.w)
		require.Equal(t, c.ok, err == nil, "%+v: %v", c, err)
		if err != nil {
			require.ErrorIs(t, err, ErrTime)
			continue
		}
		require.LessOrEqual(t, s.Until(c.w).Sub(time.Unix(c.now, 0)), c.w.Retention())
	}
	require.ErrorIs(t, s.CheckTime(time.Unix(1090, 1), Window{}), ErrTime, "not one nanosecond later")
}

// Several signatures: one with our tag counts, whatever it and the others are called.
func TestSeveralSignatures(t *testing.T) {
	r, k := signedVector(t)
	input, sig := r.Header.Get("Signature-Input"), r.Header.Get("Signature")
	const other = `sig1=("@method" "x-a";key="b" "@query-param";name="q");created=1.5;a=?1;b=:AQID:;c=tok/en:*;d=@-12;tag="other";keyid="A B"`
	const otherSig = "sig1=:AQID:"
	rename := func(s string) string { return strings.Replace(s, "ipw=", "renamed=", 1) }
	for _, c := range []struct {
		name       string
		inputs     []string
		signatures []string
		err        error
	}{
		{"renamed by an intermediary", []string{rename(input)}, []string{rename(sig)}, nil},
		{"another before", []string{other + ", " + input}, []string{otherSig + "," + sig}, nil},
		{"another behind, on a line of its own", []string{input, other}, []string{otherSig, sig}, nil},
		{"another without a Signature", []string{input, other}, []string{sig}, nil},
		{"renamed in one field", []string{rename(input)}, []string{sig}, ErrMalformed},
		{"ours twice", []string{input, rename(input)}, []string{sig, rename(sig)}, ErrMalformed},
		{"ours twice with one label", []string{input, input}, []string{sig}, ErrMalformed},
		{"two values for our label", []string{input}, []string{sig, sig}, ErrMalformed},
		{"another's label twice", []string{input, other, other}, []string{sig}, ErrMalformed},
		{"only another", []string{other}, []string{otherSig}, ErrMissing},
		{"another that is broken", []string{input, "x=(\"a\""}, []string{sig}, ErrMalformed},
		{"another that is no list", []string{input, "x=1"}, []string{sig}, ErrMalformed},
		{"another whose value is no bytes", []string{input}, []string{sig, "x=1"}, ErrMalformed},
		{"five", []string{input, "a=();tag=\"x\", b=(), c=(), d=()"}, []string{sig}, ErrMalformed},
		{"no Signature", []string{input}, nil, ErrMalformed},
		{"no Signature-Input", nil, []string{sig}, ErrMissing},
		{"empty lines", []string{""}, []string{""}, ErrMissing},
		{"9 KiB", []string{input, strings.Repeat("x", 9<<10)}, []string{sig}, ErrMalformed},
		{"a parameter on our value", []string{input}, []string{sig + ";a=1"}, ErrMalformed},
		{"other base64 of the same bytes", []string{input}, []string{strings.Replace(sig, "=:", ":", 2)}, ErrMalformed},
		{"a short MAC", []string{input}, []string{"ipw=:AQID:"}, ErrMalformed},
		{"an empty MAC", []string{input}, []string{"ipw=::"}, ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := clone(r)
			m.Header["Signature-Input"], m.Header["Signature"] = c.inputs, c.signatures
			require.ErrorIs(t, verify(m, k), c.err)
		})
	}
	require.True(t, Present(r.Header))
	require.False(t, Present(http.Header{}))
}

// Base64 has several texts for 32 bytes, of which one is accepted: else a signature would have several forms.
func TestOneTextForOneMAC(t *testing.T) {
	var mac [32]byte
	text := b64(mac[:])
	require.True(t, decodeMAC(&mac, text))
	require.False(t, decodeMAC(&mac, text[:42]+"B="))
	require.False(t, decodeMAC(&mac, text[:20]+"\n"+text[21:]))
	require.False(t, decodeMAC(&mac, text[:20]+"\r\n\r\n"+text[24:]), "line breaks for a whole group")
}
