package ipwhitelist

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/clientip"
)

const week = 7 * 24 * time.Hour

// reportWorld is a world in which billing is ready for mode signature, and alone at its rule.
func reportWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, ModeReport)
	w.config.Rules[1].Callers = []string{"shop"}
	for i := range w.config.Callers[0].Keys {
		w.config.Callers[0].Keys[i].NotAfter = w.now.Add(100 * week)
	}
	w.replaceConfig()
	for range 100 {
		require.Equal(t, 200, w.do(Route{}, w.sign(request(nowhere, "GET", "/v1", ""), "billing.active")).Code)
	}
	w.now = w.now.Add(week + time.Second)
	require.Empty(t, w.blockers())
	return w
}

func (w *world) replaceConfig() {
	w.t.Helper()
	require.NoError(w.t, w.g.Replace(w.config))
}

func (w *world) blockers() []string { return w.g.Report().Readiness("billing", Criteria{}).Blockers }

// Whoever has seen a request of the caller can send what he likes of it from his own address, for as long as it is
// good: nothing of that holds up the caller's migration, in no mode; it is told.
func TestWhoHasSeenARequestCannotHoldUpAMigration(t *testing.T) {
	for _, mode := range []Mode{ModeIP, ModeEither, ModeReport} {
		t.Run(string(mode), func(t *testing.T) {
			w := reportWorld(t)
			w.config.Callers[0].Mode = mode
			w.replaceConfig()
			seen := w.sign(request(proxy, "POST", "/v1", "pay"), "billing.active")
			spoil := func(change func(*clonedRequest)) int {
				r := &clonedRequest{seen.Clone(t.Context())}
				r.RemoteAddr, r.Body = "198.51.100.66:4711", io.NopCloser(strings.NewReader("pay"))
				change(r)
				return w.do(Route{}, r.Request).Code
			}
			before := func() { // the caller's own request has not come yet
				spoil(func(r *clonedRequest) { r.setBody("paX") })
				spoil(func(r *clonedRequest) { r.setBody(strings.Repeat("x", 2<<20)) })
				spoil(func(r *clonedRequest) { r.Header.Set("Authorization", "Bearer x") })
				spoil(func(r *clonedRequest) { r.URL.Path, r.RequestURI = "/v2", "/v2" })
			}
			before()
			seen.Body = io.NopCloser(strings.NewReader("pay"))
			require.Equal(t, 200, w.do(Route{}, seen).Code)
			before()
			require.NotEqual(t, 200, spoil(func(*clonedRequest) {}), "a replay")
			w.now = w.now.Add(time.Hour)
			require.NotEqual(t, 200, spoil(func(*clonedRequest) {}), "expired")

			report := w.g.Report()
			ready := report.Readiness("billing", Criteria{})
			require.Empty(t, ready.Blockers)
			require.Contains(t, fmt.Sprint(ready.Notes), "hold nothing up")
			require.Zero(t, report.Callers[0].Failed.Count)
			require.Positive(t, report.Callers[0].Suspect.Count)
		})
	}
}

type clonedRequest struct{ *http.Request }

func (r *clonedRequest) setBody(s string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(s)), int64(len(s))
}

// From the caller's own address, failures are its own, since they would be refused after the step; but for replays: the
// signature was right, and if the address admitted them, the rule's count says so.
func TestFailuresFromTheCallersAddress(t *testing.T) {
	w := reportWorld(t)
	r := w.sign(request(proxy, "GET", "/v1", ""), "billing.active")
	require.Equal(t, 200, w.do(Route{}, r).Code)
	require.Equal(t, 200, w.do(Route{}, r).Code, "by its address")
	require.Equal(t, ReasonReplayed, w.last().Reason)
	report := w.g.Report()
	require.Equal(t, map[Reason]uint64{ReasonReplayed: 1}, report.Callers[0].Suspects)
	require.Empty(t, report.Callers[0].Failures)
	require.Len(t, w.blockers(), 1)
	require.Contains(t, w.blockers()[0], "relied on its address")
	w.now = w.now.Add(week + time.Second)
	require.Empty(t, w.blockers())
	w.do(Route{}, w.sign(request(proxy, "GET", "/v1", ""), "forged"))
	require.Contains(t, fmt.Sprint(w.blockers()), "1 credentials failed")
}

// An address that a rule gets has not been watched under it: silence before proves nothing. What it had already, in
// however many prefixes, has.
func TestAnAddressIsWatchedFromItsFirstDayOn(t *testing.T) {
	for _, c := range []struct {
		name     string
		prefixes string // of egress-a, instead of 203.0.113.0/24
		other    string // of egress-b, instead of 203.0.113.128/25
		restarts bool
	}{
		{"the same", "203.0.113.0/24", "203.0.113.128/25", false},
		{"another order, in other words", "::ffff:203.0.113.0/120", "203.0.113.128/25", false},
		{"one more", "203.0.113.0/24 198.51.100.1", "203.0.113.128/25", true},
		{"one more, IPv6", "203.0.113.0/24 2001:db8::/64", "203.0.113.128/25", true},
		{"a larger one", "203.0.112.0/23", "203.0.113.128/25", true},
		{"a part", "203.0.113.7", "203.0.113.128/25", false},
		{"in two halves", "203.0.113.0/26 203.0.113.64/26", "203.0.113.128/25", false},
		{"what another rule gives up", "203.0.113.0/24", "203.0.113.129", true},
		{"what another rule takes", "203.0.113.0/24", "203.0.113.128/25 203.0.113.0/26", false},
		{"what another rule gives and takes", "203.0.113.0/24", "203.0.113.0/25", true},
		{"another address", "203.0.114.7", "203.0.113.128/25", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := reportWorld(t)
			set := func(a, b string) {
				w.config.Rules[0].Prefixes, w.config.Rules[1].Prefixes = strings.Fields(a), strings.Fields(b)
				w.replaceConfig()
			}
			set("203.0.113.0/24", "203.0.113.128/25")
			w.now = w.now.Add(week + time.Second)
			require.Empty(t, w.blockers())
			set(c.prefixes, c.other)
			if !c.restarts {
				require.Empty(t, w.blockers())
				return
			}
			since := w.now.UTC().Format(time.RFC3339)
			require.Len(t, w.blockers(), 1)
			require.Contains(t, w.blockers()[0], "rule egress-a: observed since "+since)
			require.Equal(t, w.blockers(), MergeReports(w.g.Report()).Readiness("billing", Criteria{}).Blockers)
			w.now = w.now.Add(week)
			require.Empty(t, w.blockers())
		})
	}
}

// A prefix that was taken out and comes back has a gap in its observation.
func TestAnAddressThatComesBack(t *testing.T) {
	w := reportWorld(t)
	both := []string{"203.0.113.7", "203.0.113.8"}
	for _, prefixes := range [][]string{both, both[:1], both} {
		w.config.Rules[0].Prefixes = prefixes
		w.replaceConfig()
		w.now = w.now.Add(week + time.Second)
		require.Empty(t, w.blockers())
	}
	w.config.Rules[0].Prefixes = both[:1]
	w.replaceConfig()
	w.config.Rules[0].Prefixes = both
	w.replaceConfig()
	require.NotEmpty(t, w.blockers())
}

// Reports of several processes: one that has started with an address which the one before did not know, and one that got
// it while it ran.
func TestMergedReportsOfRulesThatGrew(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	one := func(from, to, since int, prefixes ...string) Report {
		return Report{Since: at(from), Until: at(to), Rules: []RuleUsage{{Name: "r", Since: at(since), Prefixes: prefixes}}}
	}
	const a, b = "203.0.113.0/24", "198.51.100.1/32"
	for _, c := range []struct {
		name    string
		reports []Report
		since   int
	}{
		{"restarted", []Report{one(0, 10, 0, a), one(10, 20, 10, a)}, 0},
		{"restarted with a part", []Report{one(0, 10, 0, a), one(10, 20, 10, "203.0.113.7/32")}, 0},
		{"restarted with more", []Report{one(0, 10, 0, a), one(10, 20, 10, b, a)}, 10},
		{"and again", []Report{one(0, 10, 0, a), one(10, 20, 10, b, a), one(20, 30, 20, b, a)}, 10},
		{"more while it ran", []Report{one(0, 10, 0, a), one(10, 20, 15, b, a), one(20, 30, 20, b, a)}, 15},
		{"two replicas", []Report{one(0, 20, 15, b, a), one(1, 20, 16, b, a)}, 16},
		{"a third one", []Report{one(0, 20, 15, b, a), one(1, 20, 16, b, a), one(18, 20, 18, b, a)}, 16},
		{"a gap", []Report{one(0, 10, 0, a), one(11, 20, 11, a)}, 11},
		{"of a version without prefixes", []Report{one(0, 10, 0), one(10, 20, 10, a)}, 10},
		{"that can't be read", []Report{one(0, 10, 0, "x"), one(10, 20, 10, a)}, 10},
		{"that stand twice", []Report{one(0, 10, 0, a, a), one(10, 20, 10, a)}, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, at(c.since), MergeReports(c.reports...).Rules[0].Since)
		})
	}
}

// The edges of prefixes are all there is to look at: the answer is that of a look at each address.
func TestWithinAgreesWithALookAtEachAddress(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func() (texts []string, list []netip.Prefix) {
		for i := range rng.IntN(4) {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(rng.IntN(256))}), 24+rng.IntN(9)).Masked()
			if i == 0 || p != list[0] {
				texts, list = append(texts, p.String()), append(list, p)
			}
		}
		return texts, list
	}
	in := func(list []netip.Prefix, a netip.Addr) bool {
		for _, p := range list {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	yes := 0
	for range 1000 {
		innerTexts, inner := random()
		outerTexts, outer := random()
		if _, _, ok := parsePrefixes(innerTexts); !ok {
			continue
		}
		if _, _, ok := parsePrefixes(outerTexts); !ok {
			continue
		}
		want := true
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			want = want && (!in(inner, a) || in(outer, a))
		}
		require.Equal(t, want, within(innerTexts, outerTexts), "%v in %v", inner, outer)
		if want {
			yes++
		}
	}
	require.Greater(t, yes, 50)
	for text, want := range map[string]string{
		"0.0.0.0/0": "255.255.255.255", "::/0": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "10.0.0.0/15": "10.1.255.255", "2001:db8::1/128": "2001:db8::1",
	} {
		p, err := clientip.ParsePrefix(text)
		require.NoError(t, err)
		require.Equal(t, want, last(p).String())
	}
	require.True(t, within([]string{"255.255.255.255/32"}, []string{"0.0.0.0/0"}))
	require.False(t, within([]string{"::/0"}, []string{"0.0.0.0/0"}))
}
