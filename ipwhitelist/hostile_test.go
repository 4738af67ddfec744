package ipwhitelist

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// Who replays a request and goes away at once makes the memory fail with its own context; it must not get the benefit of
// ReplayFailOpen.
func TestAClientThatGoesAwayIsNoFailureOfTheMemory(t *testing.T) {
	w := newWorld(t, ModeSignature, func(_ *Config, o *Options) { o.ReplayFailOpen = true })
	w.g.o.Replay = contextReplay{w.replay}
	r := w.sign(request(nowhere, "POST", "/v1", "pay"), "billing.active")
	require.Equal(t, 200, w.do(Route{}, r.Clone(t.Context())).Code)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	again := r.Clone(gone)
	again.Body = io.NopCloser(strings.NewReader("pay"))
	require.Equal(t, 401, w.do(Route{}, again).Code)
	require.Equal(t, ReasonReplayed, w.last().Reason)
}

// contextReplay fails like a client of a store does when its context has ended.
type contextReplay struct{ Replay }

func (c contextReplay) Add(ctx context.Context, n Nonce) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return c.Replay.Add(ctx, n)
}

// net/http gives handlers the trailers of HTTP/1.1 also when they were not announced.
func TestTrailersThatWereNotAnnounced(t *testing.T) {
	w := newWorld(t, ModeSignature)
	for _, o := range []Route{{}, {Stream: true}} {
		s := httptest.NewServer(w.g.Route(o, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			_, _ = fmt.Fprint(rw, r.Trailer, err)
		})))
		t.Cleanup(s.Close)
		got := raw(t, s, "POST /v1 HTTP/1.1\r\nHost: "+host+"\r\nTransfer-Encoding: chunked\r\n"+w.lines("POST", "/v1", "abc")+"\r\n3\r\nabc\r\n0\r\nX-Role: admin\r\n\r\n")
		require.NotContains(t, got, "admin")
	}
}

// No limit is a limit, too.
func TestTheLargestBodyLimits(t *testing.T) {
	w := newWorld(t, ModeSignature)
	for _, o := range []Route{{MaxBody: math.MaxInt64}, {MaxBody: math.MaxInt64, Stream: true}} {
		require.Equal(t, 200, w.do(o, w.sign(request(nowhere, "POST", "/v1", "abc"), "billing.active")).Code)
	}
	o := Route{MaxBody: math.MaxInt64, UnsignedBody: true}
	require.Equal(t, 200, w.do(o, w.unsignedBody(nowhere, "abc")).Code)
}

// unsignedBody is a request whose signature does not cover its body.
func (w *world) unsignedBody(from, body string) *http.Request {
	bare := w.sign(request(from, "POST", "/v1", ""), "billing.active")
	r := request(from, "POST", "/v1", body)
	r.Header = bare.Header
	return r
}

// In mode ip a signature changes nothing; in others, a body that is too large for it is refused before the handler runs.
func TestUnsignedBodiesThatAreTooLarge(t *testing.T) {
	o := Route{UnsignedBody: true, MaxBody: 2}
	w := newWorld(t, ModeIP)
	require.Equal(t, 200, w.do(o, w.unsignedBody(proxy, "abc")).Code)
	w = newWorld(t, ModeSignature)
	require.Equal(t, 413, w.do(o, w.unsignedBody(nowhere, "abc")).Code)
}

// A time of time.Now knows how much time has passed, also when the clock is set meanwhile; the times of signatures do not.
func TestMemoryReplayGoesByTheWallClock(t *testing.T) {
	m := memory(t, 0, 0, 0)
	now := time.Now()
	require.Contains(t, now.String(), " m=")
	_, err := m.Add(t.Context(), Nonce{"k", "n", now, now.Add(time.Minute)})
	require.NoError(t, err)
	require.NotContains(t, m.turned.String(), " m=")
}

// The step to mode signature breaks a caller that still uses its API key, unless that is allowed.
func TestReadinessOfCallersWithAPIKeys(t *testing.T) {
	w := newWorld(t, ModeReport)
	for range 100 {
		w.do(Route{}, w.sign(request(nowhere, "GET", "/v1", ""), "billing.active"))
	}
	w.now = w.now.Add(8 * 24 * time.Hour)
	require.True(t, w.g.Report().Readiness("billing", Criteria{}).Ready)
	r := request(nowhere, "GET", "/v1", "")
	r.Header.Set("Authorization", "ApiKey "+w.apiKey)
	w.do(Route{}, r)
	not := w.g.Report().Readiness("billing", Criteria{})
	require.False(t, not.Ready)
	require.Contains(t, not.Blockers[0], "allow_api_key")
	w.config.Callers[0].AllowAPIKey = true
	require.NoError(t, w.g.Replace(w.config))
	require.True(t, w.g.Report().Readiness("billing", Criteria{}).Ready)
}

// A rule with another name has been watched under it only since then: silence before proves nothing.
func TestReadinessAfterARuleWasRenamed(t *testing.T) {
	w := newWorld(t, ModeReport)
	w.config.Rules[1].Callers = []string{"shop"}
	require.NoError(t, w.g.Replace(w.config))
	for range 100 {
		w.do(Route{}, w.sign(request(nowhere, "GET", "/v1", ""), "billing.active"))
	}
	w.now = w.now.Add(8 * 24 * time.Hour)
	w.do(Route{}, request(proxy, "GET", "/v1", ""))
	require.Contains(t, w.g.Report().Readiness("billing", Criteria{}).Blockers[0], "relied on its address")
	w.config.Rules[0].Name = "renamed"
	require.NoError(t, w.g.Replace(w.config))
	for _, r := range []Report{w.g.Report(), MergeReports(w.g.Report())} {
		require.Contains(t, fmt.Sprint(r.Readiness("billing", Criteria{}).Blockers), "rule renamed: observed since")
	}
	first := w.g.Report()
	w.now = w.now.Add(7 * 24 * time.Hour)
	require.True(t, w.g.Report().Readiness("billing", Criteria{}).Ready)
	second := w.g.Report()
	second.Since, second.Rules[1].Since = first.Until, first.Until // a process that began when the first one ended
	require.True(t, MergeReports(first, second).Readiness("billing", Criteria{}).Ready)
}

// A request that was not made by a server may have no body.
func TestRequestsWithoutABody(t *testing.T) {
	w := newWorld(t, ModeSignature)
	r := w.sign(request(nowhere, "POST", "/v1", "abc"), "billing.active")
	r.Body = nil
	require.Equal(t, 401, w.do(Route{}, r).Code)
}

// A kubelet swaps a mount while it is read: a key that moves from one entry to the other must not be missed.
func TestSecretsThatChangeWhileTheyAreRead(t *testing.T) {
	text, _ := newKey(t, "billing.2")
	older, _ := newKey(t, "billing.1")
	before := fstest.MapFS{"billing/mode": {Data: []byte("either")}, "billing/active": {Data: []byte(older)}, "billing/next": {Data: []byte(text)}}
	after := fstest.MapFS{"billing/mode": {Data: []byte("either")}, "billing/active": {Data: []byte(text + "\n" + older)}}
	for swap := range 8 {
		callers, err := CallersFromFS(&swapping{before, after, swap})
		require.NoError(t, err)
		require.Len(t, callers[0].Keys, 2, "after %d", swap)
	}
}

// swapping is one file system for so many files, then another one.
type swapping struct {
	before, after fs.FS
	left          int
}

func (s *swapping) Open(name string) (fs.File, error) {
	if s.left--; s.left < 0 {
		return s.after.Open(name)
	}
	return s.before.Open(name)
}
