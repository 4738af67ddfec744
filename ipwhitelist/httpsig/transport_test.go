package httpsig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// server verifies what it gets, and answers as told.
type server struct {
	*httptest.Server
	mu       sync.Mutex // between handlers: one may have lost its connection to the next
	now      time.Time
	requests []*http.Request
	bodies   []string
	errs     []error
	answer   func(w http.ResponseWriter, r *http.Request, n int)
}

func newServer(t *testing.T, start func(*httptest.Server)) *server {
	t.Helper()
	s := &server{now: vectorTime()}
	k := sharedSecret(t)
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		_, err := Verify(FromServer(r), k, s.now, Window{})
		s.requests, s.bodies, s.errs = append(s.requests, r), append(s.bodies, string(body)), append(s.errs, err)
		if s.answer != nil {
			s.answer(w, r, len(s.requests))
		}
	}))
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

func (s *server) options(t *testing.T) TransportOptions {
	k := sharedSecret(t)
	return TransportOptions{
		Base: s.Client().Transport, Hosts: []string{s.Listener.Addr().String()}, Clock: vectorTime,
		Key: func() (*Key, error) { return k, nil },
	}
}

func newTransport(t *testing.T, o TransportOptions) *Transport {
	t.Helper()
	tr, err := NewTransport(o)
	require.NoError(t, err)
	return tr
}

func do(t *testing.T, rt http.RoundTripper, req *http.Request) (status int, answer string) {
	t.Helper()
	res, err := (&http.Client{Transport: rt}).Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return req
}

func problem(w http.ResponseWriter, reason string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, `{"status":401,"reason":%q}`, reason)
}

func TestTransportSigns(t *testing.T) {
	s := newServer(t, (*httptest.Server).Start)
	tr := newTransport(t, s.options(t))
	for _, body := range []io.Reader{nil, strings.NewReader("hello"), io.MultiReader(strings.NewReader("hello")), http.NoBody, strings.NewReader(""), io.MultiReader()} {
		req := newRequest(t, http.MethodPost, s.URL+"/a%2Fb?x=1;y", body)
		req.Header.Set("Content-Type", "text/plain")
		before := req.Header.Clone()
		do(t, tr, req)
		require.Equal(t, before, req.Header, "the caller's request is left alone")
	}
	require.Equal(t, make([]error, 6), s.errs)
	require.Equal(t, []string{"", "hello", "hello", "", "", ""}, s.bodies)
	for i, r := range s.requests {
		require.Equal(t, s.bodies[i] != "", r.Header.Get("Content-Digest") != "")
		require.Equal(t, int64(len(s.bodies[i])), r.ContentLength)
	}
	// A request without a header map, an old digest and old signatures.
	u, err := url.Parse(s.URL)
	require.NoError(t, err)
	res, err := tr.RoundTrip(&http.Request{URL: u})
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	req := newRequest(t, http.MethodGet, s.URL, nil)
	req.Header = http.Header{"Content-Digest": {"x"}, "Signature": {"a=:AQID:"}, "Signature-Input": {"a=()"}}
	do(t, tr, req)
	require.Equal(t, make([]error, 8), s.errs)
}

// Redirects to another host carry no signature, and each hop has its own.
func TestTransportSignsListedHostsOnly(t *testing.T) {
	var seen http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Header }))
	defer other.Close()
	s := newServer(t, (*httptest.Server).Start)
	s.answer = func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 1:
			http.Redirect(w, r, "/second", http.StatusTemporaryRedirect)
		case 2:
			http.Redirect(w, r, other.URL+"/third", http.StatusTemporaryRedirect)
		}
	}
	do(t, newTransport(t, s.options(t)), newRequest(t, http.MethodPost, s.URL+"/first", strings.NewReader("hello")))
	require.Equal(t, []error{nil, nil}, s.errs)
	require.NotEqual(t, s.requests[0].Header.Get("Signature-Input"), s.requests[1].Header.Get("Signature-Input"))
	require.NotNil(t, seen)
	for _, name := range []string{"Signature", "Signature-Input", "Content-Digest"} {
		require.NotContains(t, seen, name)
	}
	// With a scheme, for that scheme alone.
	o := s.options(t)
	o.Hosts = []string{"https://" + s.Listener.Addr().String()}
	do(t, newTransport(t, o), newRequest(t, http.MethodGet, s.URL, nil))
	require.ErrorIs(t, s.errs[len(s.errs)-1], ErrMissing)
	o.Hosts = []string{"http://" + s.Listener.Addr().String()}
	do(t, newTransport(t, o), newRequest(t, http.MethodGet, s.URL, nil))
	require.NoError(t, s.errs[len(s.errs)-1])
}

func TestReplayedIsSignedAgain(t *testing.T) {
	for method, sends := range map[string]int{"GET": 2, "HEAD": 1, "POST": 1, "DELETE": 1, "OPTIONS": 2} {
		s := newServer(t, (*httptest.Server).Start)
		s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				problem(w, "replayed")
			}
		}
		status, body := do(t, newTransport(t, s.options(t)), newRequest(t, method, s.URL, nil))
		require.Len(t, s.requests, sends, method)
		require.Equal(t, sends == 1, status == 401)
		if sends == 1 && method != "HEAD" {
			require.JSONEq(t, `{"status":401,"reason":"replayed"}`, body, "the caller reads all of the answer")
			continue
		}
		if sends == 2 {
			require.NotEqual(t, s.requests[0].Header.Get("Signature"), s.requests[1].Header.Get("Signature"))
		}
	}
	s := newServer(t, (*httptest.Server).Start)
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) { problem(w, "replayed") }
	do(t, newTransport(t, s.options(t)), newRequest(t, "GET", s.URL, nil))
	require.Len(t, s.requests, 2, "once more, not for ever")
}

// net/http resends a POST with an Idempotency-Key, too, and with the same nonce: to the server the second one is replayed,
// though the first answer was lost.
func TestReplayedWithAnIdempotencyKeyIsSignedAgain(t *testing.T) {
	s := newServer(t, (*httptest.Server).Start)
	s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
		switch n {
		case 2: // carried out, and the connection dies
			panic(http.ErrAbortHandler)
		case 3:
			problem(w, "replayed")
		}
	}
	tr := newTransport(t, s.options(t))
	for range 2 { // the first one keeps a connection alive
		req := newRequest(t, http.MethodPost, s.URL, strings.NewReader("hello"))
		req.Header.Set("Idempotency-Key", "order-7")
		status, _ := do(t, tr, req)
		require.Equal(t, 200, status)
	}
	require.Len(t, s.requests, 4)
	require.Equal(t, s.requests[1].Header["Signature"], s.requests[2].Header["Signature"], "resent below us")
	require.NotEqual(t, s.requests[2].Header["Signature"], s.requests[3].Header["Signature"])
	require.Equal(t, "hello", s.bodies[3])
	req := newRequest(t, http.MethodPost, s.URL, nil)
	req.Header["X-Idempotency-Key"] = nil // says that it can be repeated, and is not sent
	require.True(t, repeatable(req))
}

func TestOtherAnswersAreTheCallers(t *testing.T) {
	for _, answer := range []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { problem(w, "invalid") },
		func(w http.ResponseWriter) { problem(w, "expired") }, // no LearnOffset
		func(w http.ResponseWriter) { http.Error(w, `{"reason":"replayed"}`, http.StatusUnauthorized) },
		func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/problem+json")
			http.Error(w, `{`, http.StatusUnauthorized)
		},
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
	} {
		s := newServer(t, (*httptest.Server).Start)
		s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) { answer(w) }
		do(t, newTransport(t, s.options(t)), newRequest(t, "GET", s.URL, nil))
		require.Len(t, s.requests, 1)
	}
}

func TestClockOffsetIsLearned(t *testing.T) {
	for _, c := range []struct {
		name   string
		start  func(*httptest.Server)
		offset time.Duration
		learns bool
	}{
		{"ahead", (*httptest.Server).StartTLS, 10 * time.Minute, true},
		{"behind", (*httptest.Server).StartTLS, -10 * time.Minute, true},
		{"too far", (*httptest.Server).StartTLS, 16 * time.Minute, false},
		{"without TLS", (*httptest.Server).Start, 10 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, c.start)
			s.now = vectorTime().Add(c.offset)
			s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
				w.Header().Set("Date", s.now.UTC().Format(http.TimeFormat))
				if errors.Is(s.errs[n-1], ErrTime) {
					problem(w, "expired")
				}
			}
			o := s.options(t)
			o.LearnOffset = true
			tr := newTransport(t, o)
			for i := range 2 {
				status, _ := do(t, tr, newRequest(t, http.MethodPost, s.URL, io.MultiReader(strings.NewReader("hello"))))
				require.Equal(t, c.learns, status == 200)
				if c.learns {
					require.Len(t, s.requests, 2+i, "learned once")
					require.Equal(t, c.offset, tr.Offset())
					require.Equal(t, "hello", s.bodies[len(s.bodies)-1])
				} else {
					require.Len(t, s.requests, 1+i)
					require.Zero(t, tr.Offset())
				}
			}
		})
	}
	// A server that says expired whatever the time: not learned. One without a date: nothing to learn from.
	for _, date := range []string{vectorTime().Add(time.Minute).UTC().Format(http.TimeFormat), "soon"} {
		s := newServer(t, (*httptest.Server).StartTLS)
		s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Date", date)
			problem(w, "expired")
		}
		o := s.options(t)
		o.LearnOffset = true
		tr := newTransport(t, o)
		do(t, tr, newRequest(t, http.MethodGet, s.URL, nil))
		require.Zero(t, tr.Offset())
	}
}

func TestTransportErrors(t *testing.T) {
	s := newServer(t, (*httptest.Server).Start)
	closed := 0
	body := func(r io.Reader) io.ReadCloser {
		return struct {
			io.Reader
			io.Closer
		}{r, closer(func() error { closed++; return nil })}
	}
	noKey := errors.New("no key")
	for name, c := range map[string]struct {
		change func(*TransportOptions, *http.Request)
		says   string
	}{
		"no key":      {func(o *TransportOptions, _ *http.Request) { o.Key = func() (*Key, error) { return nil, noKey } }, "no key to sign with"},
		"a nil key":   {func(o *TransportOptions, _ *http.Request) { o.Key = func() (*Key, error) { return nil, nil } }, "no key to sign with"},
		"no nonce":    {func(o *TransportOptions, _ *http.Request) { o.Random = iotest.ErrReader(noKey) }, "nonce"},
		"too long":    {func(o *TransportOptions, _ *http.Request) { o.MaxBody = 4 }, "more than 4 bytes"},
		"opaque":      {func(_ *TransportOptions, r *http.Request) { r.URL.Opaque = "//x/y" }, "Opaque"},
		"broken body": {func(_ *TransportOptions, r *http.Request) { r.Body = body(iotest.ErrReader(noKey)) }, "no key"},
		"broken copy": {func(_ *TransportOptions, r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return nil, noKey }
		}, "for its digest"},
		"broken copy 2": {func(_ *TransportOptions, r *http.Request) {
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(noKey)), nil }
		}, "for its digest"},
		"canceled": {func(_ *TransportOptions, r *http.Request) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			*r = *r.WithContext(ctx)
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }
		}, "canceled"},
		"two types": {func(_ *TransportOptions, r *http.Request) { r.Header["Content-Type"] = []string{"a", "b"} }, "stands 2 times"},
	} {
		t.Run(name, func(t *testing.T) {
			closed = 0
			o := s.options(t)
			req := newRequest(t, http.MethodPost, s.URL, nil)
			req.Body = body(strings.NewReader("hello"))
			c.change(&o, req)
			res, err := newTransport(t, o).RoundTrip(req) //nolint:bodyclose // an error
			require.ErrorContains(t, err, c.says)
			require.Nil(t, res)
			require.Empty(t, s.requests)
			require.Equal(t, 1, closed, "RoundTrip closes the body")
		})
	}
	tr, err := NewTransport(TransportOptions{Hosts: []string{"a b", "ftp://x"}, Cover: []string{"host"}, Lifetime: -1})
	for _, says := range []string{"Key is nil", `"a b"`, `"ftp://x"`, `"host"`, "whole seconds"} {
		require.ErrorContains(t, err, says)
	}
	require.Nil(t, tr)
	_, err = NewTransport(TransportOptions{})
	require.ErrorContains(t, err, "list the hosts")
}

type closer func() error

func (c closer) Close() error { return c() }

// The body is sent as it was hashed, also when it has to be sent again.
func TestBodyIsSentAgain(t *testing.T) {
	s := newServer(t, (*httptest.Server).StartTLS)
	s.now = vectorTime().Add(5 * time.Minute)
	s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
		w.Header().Set("Date", s.now.UTC().Format(http.TimeFormat))
		if n == 1 {
			problem(w, "expired")
		}
	}
	o := s.options(t)
	o.LearnOffset = true
	do(t, newTransport(t, o), newRequest(t, http.MethodPost, s.URL, bytes.NewReader(bytes.Repeat([]byte("x"), 1<<20))))
	require.Len(t, s.bodies, 2)
	require.Equal(t, s.bodies[0], s.bodies[1])
	require.NoError(t, s.errs[1])
	// If it can't be had again, the caller has the first answer.
	s.requests, s.bodies, s.errs = nil, nil, nil
	req := newRequest(t, http.MethodPost, s.URL, strings.NewReader("hello"))
	n := 0
	get := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) {
		if n++; n > 1 {
			return nil, errors.New("gone")
		}
		return get()
	}
	status, body := do(t, newTransport(t, o), req)
	require.Equal(t, 401, status)
	require.Contains(t, body, "expired")
}
