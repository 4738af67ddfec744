package ipwhitelist

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// alwaysNew is a memory that has none, for a guard that is asked again and again.
type alwaysNew struct{ calls int }

func (a *alwaysNew) Add(context.Context, Nonce) (bool, error) { a.calls++; return true, nil }

// signedSeeds are requests as they are on the wire, and what was signed of them: method, target and body.
type signedSeeds struct {
	g      *Guard
	memory *alwaysNew
	raw    [][]byte
	signed map[string]bool
}

func newSignedSeeds(t testing.TB) *signedSeeds {
	t.Helper()
	now := time.Unix(1_800_000_000, 0)
	text, err := httpsig.GenerateKey("billing.1", strings.NewReader("0123456789abcdefghijklmnopqrstuv"))
	require.NoError(t, err)
	key, err := httpsig.ParseKey(text)
	require.NoError(t, err)
	s := &signedSeeds{memory: &alwaysNew{}, signed: map[string]bool{}}
	s.g, err = New(Config{
		Version: 1, Authorities: []string{host}, TrustedProxies: []string{"10.9.0.5"},
		Callers: []Caller{{Name: "billing", Mode: ModeSignature, Keys: []Key{{ID: "billing.1", Secret: Secret(text), State: Active}}}},
	}, Options{Replay: s.memory, Clock: func() time.Time { return now }})
	require.NoError(t, err)
	for _, c := range []struct{ method, target, body string }{{"GET", "/a%2Fb", ""}, {"GET", "/a?x=1;y", ""}, {"POST", "/v1/orders", `{"n":1}`}} {
		r := httpsig.Request{Method: c.method, Authority: host, Target: c.target, Header: http.Header{}}
		fields, err := httpsig.Sign(r, []byte(c.body), key, httpsig.Params{Created: now, Nonce: "AAECAwQFBgcICQoLDA0ODw"})
		require.NoError(t, err)
		fields.AddTo(r.Header)
		var b bytes.Buffer
		_, _ = fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", c.method, c.target, host, len(c.body))
		require.NoError(t, r.Header.Write(&b))
		b.WriteString("\r\n" + c.body)
		s.raw = append(s.raw, b.Bytes())
		s.signed[c.method+" "+c.target+" "+c.body] = true
	}
	return s
}

// check sends bytes to the guard, and reports whether they were admitted.
func (s *signedSeeds) check(t *testing.T, data []byte) bool {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
	if err != nil {
		return false
	}
	r.RemoteAddr = nowhere
	calls := s.memory.calls
	in, d := s.g.Check(r, Route{})
	if in == nil {
		require.NotEmpty(t, d.Reason)
		require.Zero(t, d.Identity)
		require.Equal(t, calls, s.memory.calls, "no nonce is used up")
		return false
	}
	require.Equal(t, "billing", d.Identity.Caller)
	body, err := io.ReadAll(in.Body)
	require.NoError(t, err)
	target := r.RequestURI
	if _, rest, ok := strings.Cut(target, "://"); ok && target[0] != '/' { // the absolute form
		target = rest[strings.IndexByte(rest, '/'):]
	}
	require.True(t, s.signed[r.Method+" "+strings.TrimSuffix(target, "?")+" "+string(body)], "%q %q %q", r.Method, target, body)
	return true
}

func TestSignedSeedsAreAdmitted(t *testing.T) {
	s := newSignedSeeds(t)
	require.Len(t, s.raw, 3)
	for _, data := range s.raw {
		require.True(t, s.check(t, data), "%s", data)
	}
}

// FuzzGuard is the law: of all the bytes that a server can be sent, those are admitted that were signed. Its seeds are
// signed, so that it begins where it is close.
func FuzzGuard(f *testing.F) {
	s := newSignedSeeds(f)
	for _, data := range s.raw {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { s.check(t, data) })
}
