package ipwhitelist

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// A caller in mode ip that signs relies on its address as if it did not. Behind a rule which does not list it, nothing but
// the count of the rule tells that the rule is still needed.
func TestACallerInModeIPUnderAnothersRule(t *testing.T) {
	w := newWorld(t, ModeIP, func(c *Config, _ *Options) {
		c.Callers[1].Mode = ModeReport
		c.Rules = []Rule{{Name: "egress-shop", Prefixes: []string{"203.0.113.7/32"}, Callers: []string{"shop"}}}
	})
	w.now = w.now.Add(8 * 24 * time.Hour)
	for range 100 {
		require.Equal(t, 200, w.do(Route{}, w.sign(request(proxy, "GET", "/", ""), "shop.1")).Code)
	}
	require.True(t, w.g.Report().Readiness("shop", Criteria{}).Ready)
	w.config.Callers[0].Keys[1].NotAfter = time.Time{}
	require.NoError(t, w.g.Replace(w.config))
	require.Equal(t, 200, w.do(Route{}, w.sign(request(proxy, "GET", "/v1/invoices", ""), "billing.active")).Code)
	require.Equal(t, "billing", w.last().Shadow)
	got := w.g.Report().Readiness("shop", Criteria{})
	require.Contains(t, fmt.Sprint(got.Blockers), `1 requests relied on its address alone`)
	require.Contains(t, fmt.Sprint(got.Blockers), "/v1/invoices")
	w.config.Callers[1].Mode = ModeSignature // what the step would have done
	require.NoError(t, w.g.Replace(w.config))
	require.Equal(t, 403, w.do(Route{}, w.sign(request(proxy, "GET", "/v1/invoices", ""), "billing.active")).Code)
}

// What a route would refuse of a body, were the signature to count, shows before it does.
func TestBodiesThatAreTooLargeShowInModeIP(t *testing.T) {
	for name, c := range map[string]struct {
		o      Route
		signed string
	}{
		"a stream": {Route{Stream: true, MaxBody: 9}, "0123456789"},
		"a body":   {Route{MaxBody: 9}, "0123456789"},
		"unsigned": {Route{UnsignedBody: true, MaxBody: 9}, ""},
	} {
		w := newWorld(t, ModeIP)
		send := func() string {
			r := w.sign(request(proxy, "PUT", "/", c.signed), "billing.active")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("0123456789")), -1
			return w.do(c.o, r).Body.String()
		}
		require.Contains(t, send(), "0123456789", name)
		r := w.g.Report()
		require.Equal(t, map[Reason]uint64{ReasonTooLarge: 1}, r.Callers[0].Failures, name)
		require.Contains(t, fmt.Sprint(r.Readiness("billing", Criteria{}).Blockers), "too-large 1", name)
		w.config.Callers[0].Mode = ModeEither
		require.NoError(t, w.g.Replace(w.config))
		send()
		require.Equal(t, map[Reason]uint64{ReasonTooLarge: 2}, w.g.Report().Callers[0].Failures, name)
	}
}

// What readiness says beside yes and no, and whose steps others' overrides and canaries touch.
func TestReadinessTellsWhatItCannotJudge(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	ago := func(d time.Duration, n uint64) Event { return Event{n, now.Add(-d), now.Add(-d)} }
	for _, c := range []struct {
		name          string
		mode          Mode
		change        func(*Report)
		blocker, note string
	}{
		{"a monthly job", ModeReport, func(r *Report) { r.Rules[0].IPOnly = ago(8*day, 5) }, "", "before the quiet time: rule a: 5 requests relied on its address alone, the last at 2026-11-13"},
		{"failed long ago", ModeReport, func(r *Report) { r.Callers[0].Failed = ago(8*day, 5) }, "", "5 credentials failed, the last at 2026-11-13"},
		{"API key long ago", ModeReport, func(r *Report) { r.Callers[0].APIKey = ago(8*day, 5) }, "", "set allow_api_key"},
		{"a key that ends", ModeReport, func(r *Report) {
			r.Keys = []KeyUsage{{ID: "billing.1", Caller: "billing", NotAfter: now.Add(day), Used: ago(0, 9)}, {ID: "old", Caller: "billing", NotAfter: now, Used: ago(8*day, 9)}}
		}, "", "[key billing.1, last used at 2026-11-21T00:00:00Z, ends at 2026-11-22T00:00:00Z]"},
		{"the canary begins", ModeEither, func(r *Report) { r.Rules[0].CanaryPercent, r.Rules[0].IPOnly = 20, ago(0, 5) }, "5 requests relied on its address alone", "its canary begins to refuse 20 %"},
		{"the canary begins for nobody", ModeEither, func(r *Report) { r.Rules[0].CanaryPercent = 20 }, "", "its canary begins"},
		{"the canary waits for others", ModeEither, func(r *Report) {
			r.Rules[0].CanaryPercent, r.Rules[0].IPOnly, r.Rules[0].Callers = 20, ago(0, 5), []string{"billing", "shop"}
		}, "", "[]"},
		{"no canary", ModeEither, func(r *Report) { r.Rules[0].IPOnly = ago(0, 5) }, "", "[]"},
		{"another could take the same step at the same time", ModeReport, func(r *Report) {
			r.Rules[0].IPOnly, r.Rules[0].Callers, r.Callers[1].Mode = ago(0, 5), []string{"billing", "shop"}, ModeReport
		}, "5 requests relied on its address alone", "[]"},
		{"another's override closes the rule", ModeReport, func(r *Report) {
			r.Rules[0].IPOnly, r.Rules[0].Callers = ago(0, 5), []string{"billing", "shop"}
			r.Callers[1].Override = &Override{ModeSignature, now.Add(-time.Hour), now.Add(time.Hour), "INC-7"}
		}, "5 requests relied on its address alone", "[]"},
		{"another's override opens the rule for a while", ModeReport, func(r *Report) {
			r.Rules[0].IPOnly, r.Rules[0].Callers = ago(0, 5), []string{"billing", "shop"}
			r.Callers[1].Mode = ModeSignature
			r.Callers[1].Override = &Override{ModeEither, now.Add(-time.Hour), now.Add(time.Hour), "INC-7"}
		}, "5 requests relied on its address alone", "[]"},
	} {
		r := Report{
			Since: now.Add(-10 * day), Until: now,
			Callers: []CallerUsage{{Name: "billing", Mode: c.mode, Signed: ago(0, 1000)}, {Name: "shop", Mode: ModeEither}},
			Rules:   []RuleUsage{{Name: "a", Callers: []string{"billing"}}},
		}
		c.change(&r)
		got := r.Readiness("billing", Criteria{})
		require.Contains(t, fmt.Sprint(got.Notes), c.note, c.name)
		require.Equal(t, c.blocker == "", got.Ready, "%s: %v", c.name, got.Blockers)
		require.Contains(t, fmt.Sprint(got.Blockers), c.blocker, c.name)
		require.Equal(t, got, r.Readiness("billing", Criteria{Quiet: -time.Hour}), "a negative time is no time at all")
	}
}

// What is refused, or breaks, whatever the mode is, does not hold a step up.
func TestWhatNoStepChanges(t *testing.T) {
	for _, mode := range []Mode{ModeIP, ModeEither, ModeReport} {
		w := newWorld(t, mode)
		w.now = w.now.Add(8 * 24 * time.Hour)
		for i := range w.config.Callers[0].Keys {
			w.config.Callers[0].Keys[i].NotAfter = w.now.Add(time.Hour)
		}
		require.NoError(t, w.g.Replace(w.config))
		for range 100 {
			w.do(Route{}, w.sign(request(proxy, "GET", "/", ""), "billing.active"))
		}
		w.do(Route{Callers: []string{"shop"}}, w.sign(request(proxy, "GET", "/admin", ""), "billing.active"))
		require.Equal(t, ReasonCaller, w.last().Reason)
		w.do(Route{Callers: []string{"billing"}}, w.sign(request(proxy, "GET", "/v1/own", ""), "billing.active"))
		if mode == ModeIP {
			require.Equal(t, ReasonAddress, w.last().Reason)
		}
		r := w.g.Report()
		require.Zero(t, r.Callers[0].Failed, "%s: %v", mode, r.Callers[0].Failures)
		require.True(t, r.Readiness("billing", Criteria{}).Ready, mode)

		body := w.sign(request(proxy, "POST", "/", "0123456789"), "billing.active")
		body.Body = io.NopCloser(io.MultiReader(strings.NewReader("0123"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		w.do(Route{}, body)
		require.Zero(t, w.g.Report().Callers[0].Failed, "%s: %v", mode, w.g.Report().Callers[0].Failures)
	}
}

func TestReportsCarryWhatReadinessNeeds(t *testing.T) {
	w := newWorld(t, ModeReport, func(c *Config, _ *Options) { c.Rules[0].CanaryPercent = 7 })
	r := w.g.Report()
	require.Equal(t, 7, r.Rules[0].CanaryPercent)
	require.Equal(t, w.now.Add(time.Hour).UTC(), r.Keys[0].NotAfter.UTC())
	require.Equal(t, r.Keys, MergeReports(r).Keys)
	require.Equal(t, r.Rules[0].CanaryPercent, MergeReports(r).Rules[0].CanaryPercent)
}

// What would fail now and then in production fails when the guard is made.
func TestOptionsThatCannotWork(t *testing.T) {
	memory, err := NewMemoryReplay(0, 0, 0)
	require.NoError(t, err)
	_, err = New(Config{Version: 1}, Options{Replay: memory, Window: httpsig.Window{Skew: time.Minute}, ReplayTimeout: -1})
	require.ErrorContains(t, err, "nonces are remembered for 2m0s, and signatures of the window are good for up to 3m0s")
	require.ErrorContains(t, err, "replay timeout")
	g, err := New(Config{Version: 1}, Options{Replay: memory})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Watch(ctx, 0, nil, nil)
}
