package ipwhitelist

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	w := newWorld(t, ModeEither)
	start := w.now
	w.do(Route{}, w.sign(request(proxy, "GET", "/v1", ""), "billing.active"))
	for i := range 30 {
		w.now = w.now.Add(time.Second)
		r := request(proxy, "GET", fmt.Sprintf("/v1/legacy/%d", min(i, 20)), "")
		r.Header.Set("User-Agent", "legacy-cron/"+strings.Repeat("x", 300))
		w.do(Route{}, r)
	}
	w.do(Route{}, w.sign(request(proxy, "GET", "/", ""), "forged"))
	w.do(Route{}, w.sign(request(nowhere, "GET", "/", ""), "forged"))
	w.do(Route{}, w.sign(request(nowhere, "GET", "/", ""), "billing.disabled"))
	w.do(Route{}, withAPIKey(w.apiKey))
	r := w.g.Report()
	require.Equal(t, start.UTC(), r.Since)
	require.Equal(t, w.now.UTC(), r.Until)

	billing := r.Callers[0]
	require.Equal(t, []string{"billing", "shop"}, []string{billing.Name, r.Callers[1].Name})
	require.EqualValues(t, 1, billing.Signed.Count)
	require.EqualValues(t, 1, billing.APIKey.Count)
	require.Equal(t, map[Reason]uint64{ReasonMAC: 1}, billing.Failures, "a stranger's failures are not billing's")
	require.Equal(t, map[Reason]uint64{ReasonMAC: 1, ReasonKeyDisabled: 1}, r.Unknown)

	rule := r.Rules[0]
	require.Equal(t, Event{31, start.Add(time.Second).UTC(), w.now.UTC()}, rule.IPOnly)
	require.Equal(t, []Sample{{"203.0.113.7", 31}}, rule.Addresses)
	require.Len(t, rule.Paths, 10, "bounded")
	require.Equal(t, "/v1/legacy/20", rule.Paths[0].Value, "and the most frequent are kept")
	require.Len(t, rule.UserAgents[0].Value, 128)
	used := map[string]uint64{}
	for _, k := range r.Keys {
		used[k.ID] = k.Used.Count
	}
	require.Equal(t, map[string]uint64{
		"billing.active": 1, "billing.disabled": 1, "billing.k1": 1, "billing.next": 0, "billing.retiring": 0, "shop.1": 0,
	}, used)

	text, err := json.Marshal(r)
	require.NoError(t, err)
	var again Report
	require.NoError(t, json.Unmarshal(text, &again))
	require.Empty(t, cmp.Diff(r, again))
	require.Equal(t, text, must(json.Marshal(w.g.Report())), "same bytes")
}

func TestMergeReports(t *testing.T) {
	require.Zero(t, MergeReports())
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	one := func(from, to int, mode Mode, n uint64) Report {
		e := Event{n, at(from), at(to)}
		return Report{
			Since: at(from), Until: at(to), Unresolved: n, Unknown: map[Reason]uint64{ReasonMAC: n},
			Callers: []CallerUsage{{Name: "billing", Mode: mode, Signed: e, APIKey: e, Failed: e, Failures: map[Reason]uint64{ReasonTime: n}, Suspect: e, Suspects: map[Reason]uint64{ReasonDigest: n}}},
			Rules:   []RuleUsage{{Name: "r", Callers: []string{"billing"}, IPOnly: e, Canary: e, Refused: e, Paths: []Sample{{fmt.Sprint("/", from), n}, {"/x", n}}}},
			Keys:    []KeyUsage{{ID: "k", State: Active, Used: e}},
		}
	}
	a, b, c := one(0, 10, ModeIP, 1), one(5, 20, ModeEither, 2), one(20, 30, ModeReport, 4)
	m := MergeReports(c, a, b)
	require.Equal(t, m, MergeReports(a, b, c), "the order does not matter")
	all := Event{7, at(0), at(30)}
	require.Empty(t, cmp.Diff(Report{
		Since: at(0), Until: at(30), Unresolved: 7, Unknown: map[Reason]uint64{ReasonMAC: 7},
		Callers: []CallerUsage{{Name: "billing", Mode: ModeReport, Signed: all, APIKey: all, Failed: all, Failures: map[Reason]uint64{ReasonTime: 7}, Suspect: all, Suspects: map[Reason]uint64{ReasonDigest: 7}}},
		Rules:   []RuleUsage{{Name: "r", Callers: []string{"billing"}, IPOnly: all, Canary: all, Refused: all, Paths: []Sample{{"/x", 7}, {"/20", 4}, {"/5", 2}, {"/0", 1}}}},
		Keys:    []KeyUsage{{ID: "k", State: Active, Used: all}},
	}, m))
	require.Equal(t, at(21), MergeReports(a, b, one(21, 30, ModeIP, 1)).Since, "nobody looked for an hour")
	require.EqualValues(t, 1, a.Unknown[ReasonMAC], "what was given is not changed")
	b.Callers = nil
	require.EqualValues(t, 5, MergeReports(a, b, c).Callers[0].Signed.Count)
}

func TestReadiness(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	ago := func(d time.Duration, n uint64) Event { return Event{n, now.Add(-d), now.Add(-d)} }
	for _, c := range []struct {
		name   string
		mode   Mode
		change func(*Report)
		says   string // a blocker; "" is ready
		note   string
	}{
		{"ip, nothing proven", ModeIP, func(r *Report) { r.Callers[0].Signed = Event{} }, "0 requests were proven, and 1 are needed", ""},
		{"ip", ModeIP, func(r *Report) { r.Callers[0].Signed = ago(0, 1); r.Since = now.Add(-time.Hour) }, "", ""},
		{"ip, failing", ModeIP, func(r *Report) {
			r.Callers[0].Failed, r.Callers[0].Failures = ago(day, 3), map[Reason]uint64{ReasonMAC: 2, ReasonTime: 1}
		}, "3 credentials failed, the last at 2026-11-20T00:00:00Z: time 1, mac 2", ""},
		{"either", ModeEither, nil, "", ""},
		{"either, few", ModeEither, func(r *Report) { r.Callers[0].Signed = ago(0, 99) }, "99 requests were proven, and 100", ""},
		{"either by API key", ModeEither, func(r *Report) { r.Callers[0].Signed, r.Callers[0].APIKey = Event{}, ago(0, 200) }, "", ""},
		{"either, failed long ago", ModeEither, func(r *Report) { r.Callers[0].Failed = ago(8*day, 3) }, "", ""},
		{"report", ModeReport, nil, "", ""},
		{"report, not watched for long", ModeReport, func(r *Report) { r.Since = now.Add(-6 * day) }, "observed since 2026-11-15T00:00:00Z: wait until 2026-11-22T00:00:00Z", ""},
		{"report, address relied on", ModeReport, func(r *Report) {
			r.Rules[0].IPOnly = ago(day, 5)
			r.Rules[0].Paths, r.Rules[0].UserAgents = []Sample{{"/v1/legacy", 5}}, []Sample{{"cron", 5}}
		}, `rule a: 5 requests relied on its address alone, the last at 2026-11-20T00:00:00Z, most often "/v1/legacy" by "cron"`, ""},
		{"report, relied on long ago", ModeReport, func(r *Report) { r.Rules[0].IPOnly = ago(8*day, 5) }, "", ""},
		{"report, the canary relied on it", ModeReport, func(r *Report) { r.Rules[0].Canary = ago(day, 5) }, "rule a: 5 requests relied on its address alone, the last at 2026-11-20T00:00:00Z", ""},
		{"report, an address since yesterday", ModeReport, func(r *Report) { r.Rules[0].Since = now.Add(-day) }, "rule a: observed since 2026-11-20T00:00:00Z: wait until 2026-11-27T00:00:00Z", ""},
		{"report, replayed", ModeReport, func(r *Report) {
			r.Callers[0].Suspect, r.Callers[0].Suspects = ago(0, 5), map[Reason]uint64{ReasonReplayed: 3, ReasonDigest: 2}
		}, "", "5 right credentials were not accepted, and hold nothing up, the last at 2026-11-21T00:00:00Z: digest 2, replayed 3"},
		{"report, others keep the rule", ModeReport, func(r *Report) {
			r.Rules[0].Callers = []string{"billing", "shop"}
			r.Rules[0].IPOnly = ago(0, 5)
		}, "", "rule a stays open for shop"},
		{"report, API key", ModeReport, func(r *Report) { r.Callers[0].APIKey = ago(0, 200) }, "200 requests had an API key, the last at 2026-11-21T00:00:00Z: set allow_api_key", ""},
		{"report, API key long ago", ModeReport, func(r *Report) { r.Callers[0].APIKey = ago(8*day, 200) }, "", ""},
		{"report, API key alone", ModeReport, func(r *Report) { r.Callers[0].Signed, r.Callers[0].APIKey = Event{}, ago(8*day, 200) }, "0 requests were proven", ""},
		{"report, API key alone, allowed", ModeReport, func(r *Report) {
			r.Callers[0].Signed, r.Callers[0].APIKey, r.Callers[0].AllowAPIKey = Event{}, ago(0, 200), true
		}, "", ""},
		{"signature", ModeSignature, nil, "", "end of the way"},
		{"overridden", ModeEither, func(r *Report) {
			r.Callers[0].Override = &Override{ModeIP, now.Add(-time.Hour), now.Add(time.Hour), "INC-7"}
		}, "", "an override has it in mode ip until 2026-11-21T01:00:00Z: INC-7"},
		{"unknown", ModeIP, func(r *Report) { r.Callers[0].Name = "x" }, `there is no caller "billing"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Report{
				Since: now.Add(-10 * day), Until: now,
				Callers: []CallerUsage{{Name: "billing", Mode: c.mode, Signed: ago(0, 1000)}, {Name: "shop", Mode: ModeEither}},
				Rules:   []RuleUsage{{Name: "a", Callers: []string{"billing"}}, {Name: "b", Callers: []string{"shop"}, IPOnly: ago(0, 9)}},
			}
			if c.change != nil {
				c.change(&r)
			}
			got := r.Readiness("billing", Criteria{})
			require.Contains(t, fmt.Sprint(got.Notes), c.note)
			if c.says == "" {
				require.Equal(t, c.mode != ModeSignature, got.Ready, "%v", got.Blockers)
				require.Empty(t, got.Blockers)
				require.Equal(t, c.mode.following(), got.To)
				return
			}
			require.False(t, got.Ready)
			require.Len(t, got.Blockers, 1)
			require.Contains(t, got.Blockers[0], c.says)
		})
	}
}

// A migration, by what the guard itself measures.
func TestMigration(t *testing.T) {
	w := newWorld(t, ModeIP)
	criteria := Criteria{Quiet: 20 * time.Minute, MinRequests: 10}
	sign := func(n int) {
		for range n {
			rec := w.do(Route{}, w.sign(request(proxy, "GET", "/", ""), "billing.active"))
			require.Equal(t, http.StatusOK, rec.Code)
		}
	}
	move := func(to Mode) {
		r := w.g.Report().Readiness("billing", criteria)
		require.True(t, r.Ready, "%s: %v", to, r.Blockers)
		require.Equal(t, to, r.To)
		w.config.Callers[0].Mode = to
		require.NoError(t, w.g.Replace(w.config))
	}
	require.False(t, w.g.Report().Readiness("billing", criteria).Ready)
	sign(1)
	move(ModeEither)
	require.False(t, w.g.Report().Readiness("billing", criteria).Ready)
	w.now = w.now.Add(20 * time.Minute)
	sign(10)
	move(ModeReport)
	require.Equal(t, 200, w.do(Route{}, request(proxy, "GET", "/cron", "")).Code)
	require.Contains(t, w.g.Report().Readiness("billing", criteria).Blockers[0], "/cron")
	w.now = w.now.Add(20*time.Minute + time.Second)
	move(ModeSignature)
	sign(1)
	require.Equal(t, 401, w.do(Route{}, request(proxy, "GET", "/cron", "")).Code)
	require.EqualValues(t, 1, w.g.Report().Rules[0].Refused.Count)
}
