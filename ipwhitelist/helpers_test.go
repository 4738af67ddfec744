package ipwhitelist

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

const (
	host    = "orders.svc.example.com"
	proxy   = "203.0.113.7:40000" // of the rule egress-a
	nowhere = "198.51.100.9:40000"
	shared  = "192.0.2.1:40000" // of the rule egress-b, for billing and shop
)

// world is a guard with its callers, on a clock of its own.
type world struct {
	t        testing.TB
	g        *Guard
	config   Config
	now      time.Time
	keys     map[string]*httpsig.Key // billing.1 …
	apiKey   string
	replay   *countingReplay
	mu       sync.Mutex
	observed []Decision
}

type countingReplay struct {
	Replay
	mu    sync.Mutex
	calls int
	err   error
}

func (c *countingReplay) Add(ctx context.Context, n Nonce) (bool, error) {
	c.mu.Lock()
	c.calls++
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return false, err
	}
	return c.Replay.Add(ctx, n)
}

func newKey(t testing.TB, id string) (string, *httpsig.Key) {
	t.Helper()
	text, err := httpsig.GenerateKey(id, rand.Reader)
	require.NoError(t, err)
	k, err := httpsig.ParseKey(text)
	require.NoError(t, err)
	return text, k
}

// newWorld makes a guard of which billing has a mode, a key of each state and an API key; shop is in mode either; intruder
// has a key that the provider does not know.
func newWorld(t testing.TB, mode Mode, change ...func(*Config, *Options)) *world {
	t.Helper()
	w := &world{t: t, now: time.Unix(1_800_000_000, 0), keys: map[string]*httpsig.Key{}}
	billing, shop := Caller{Name: "billing", Mode: mode}, Caller{Name: "shop", Mode: ModeEither}
	for _, s := range []State{Next, Active, Retiring, Disabled} {
		text, k := newKey(t, "billing."+string(s))
		w.keys[k.ID()] = k
		billing.Keys = append(billing.Keys, Key{ID: k.ID(), Secret: Secret(text), State: s, NotAfter: w.now.Add(time.Hour)})
	}
	text, k := newKey(t, "shop.1")
	w.keys["shop.1"] = k
	shop.Keys = []Key{{ID: "shop.1", Alg: "hmac-sha256", Secret: Secret(text), State: Active}}
	_, w.keys["intruder"] = newKey(t, "intruder")
	_, w.keys["forged"] = newKey(t, "billing.active") // another secret under a known name
	apiText, api, err := GenerateAPIKey("billing.k1", rand.Reader)
	require.NoError(t, err)
	w.apiKey, billing.APIKeys = apiText, []APIKey{api}
	w.config = Config{
		Version: 1, Callers: []Caller{billing, shop}, Authorities: []string{host}, TrustedProxies: []string{"10.9.0.5"},
		Rules: []Rule{
			{Name: "egress-a", Prefixes: []string{"203.0.113.7/32"}, Callers: []string{"billing"}, Deprecated: "2026-10-01", RemoveAfter: "2027-01-15"},
			{Name: "egress-b", Prefixes: []string{"192.0.2.0/24"}, Callers: []string{"billing", "shop"}},
		},
	}
	memory, err := NewMemoryReplay(0, 0, 0)
	require.NoError(t, err)
	w.replay = &countingReplay{Replay: memory}
	o := Options{Replay: w.replay, Realm: "orders", Clock: func() time.Time { return w.now }, Observer: func(_ *http.Request, d Decision) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.observed = append(w.observed, d)
	}}
	for _, f := range change {
		f(&w.config, &o)
	}
	w.g, err = New(w.config, o)
	require.NoError(t, err)
	return w
}

// request is an unsigned request from an address.
func request(from, method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, bytes.NewReader([]byte(body)))
	if body == "" {
		r = httptest.NewRequest(method, target, http.NoBody)
	}
	r.Host, r.RemoteAddr = host, from
	return r
}

// sign signs a request as it stands, with a key by name.
func (w *world) sign(r *http.Request, key string) *http.Request {
	w.t.Helper()
	var body []byte
	if r.ContentLength != 0 {
		var err error
		body, err = io.ReadAll(r.Body)
		require.NoError(w.t, err)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	nonce, err := httpsig.NewNonce(rand.Reader)
	require.NoError(w.t, err)
	signed, err := httpsig.Sign(httpsig.FromServer(r), body, w.keys[key], httpsig.Params{Created: w.now, Nonce: nonce})
	require.NoError(w.t, err)
	signed.AddTo(r.Header)
	return r
}

// do runs a request through a route, to a handler that reads the body.
func (w *world) do(o Route, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.g.Route(o, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		id, ok := FromContext(r.Context())
		if err != nil || !ok {
			rw.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(rw, errors.Join(err).Error())
			return
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"caller": id.Caller, "via": id.Via, "key": id.Key, "rule": id.Rule, "body": string(body)})
	})).ServeHTTP(rec, r)
	return rec
}

// last is the decision that was observed last.
func (w *world) last() Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w.t, w.observed)
	return w.observed[len(w.observed)-1]
}

func reasonOf(t testing.TB, rec *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, "application/problem+json", rec.Header().Get("Content-Type"))
	var p struct {
		Type, Title, Reason string
		Status              int
	}
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &p))
	require.Equal(t, rec.Code, p.Status)
	require.Equal(t, "no-store", rec.Header().Get("Cache-Control"))
	return p.Reason
}

// countingBody counts what is read of it.
type countingBody struct {
	io.Reader
	read, closed int
}

func (c *countingBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func (c *countingBody) Close() error { c.closed++; return nil }
