package ipwhitelist

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The table of the migration: which of an unsigned request, a good signature, an API key and a bad signature are
// admitted in each mode, from the caller's address, from one that it shares, and from elsewhere.
func TestModes(t *testing.T) {
	type admits struct{ unsigned, signed, apiKey, bad string } // via, or the status
	for _, c := range []struct {
		mode                 Mode
		own, shared, strange admits
	}{
		{ModeIP, admits{"ip", "ip", "ip", "ip"}, admits{"ip", "ip", "ip", "ip"}, admits{"401", "403", "403", "401"}},
		{ModeEither, admits{"ip", "signature", "apikey", "ip"}, admits{"ip", "signature", "apikey", "ip"}, admits{"401", "signature", "apikey", "401"}},
		{ModeReport, admits{"ip", "signature", "apikey", "ip"}, admits{"ip", "signature", "apikey", "ip"}, admits{"401", "signature", "apikey", "401"}},
		{ModeSignature, admits{"401", "signature", "403", "401"}, admits{"ip", "signature", "ip", "ip"}, admits{"401", "signature", "403", "401"}},
		{ModeBoth, admits{"401", "signature", "403", "401"}, admits{"ip", "signature", "ip", "ip"}, admits{"401", "403", "403", "401"}},
	} {
		for from, want := range map[string]admits{proxy: c.own, shared: c.shared, nowhere: c.strange} {
			w := newWorld(t, c.mode)
			unsigned := func() *http.Request { return request(from, "GET", "/v1", "") }
			withKey := unsigned()
			withKey.Header.Set("Authorization", "apikey  "+w.apiKey)
			for name, one := range map[string]struct {
				r    *http.Request
				want string
			}{
				"unsigned": {unsigned(), want.unsigned},
				"signed":   {w.sign(unsigned(), "billing.next"), want.signed},
				"API key":  {withKey, want.apiKey},
				"bad":      {w.sign(unsigned(), "forged"), want.bad},
			} {
				rec := w.do(Route{}, one.r)
				d := w.last()
				got := fmt.Sprint(rec.Code)
				if rec.Code == 200 {
					got = string(d.Identity.Via)
					require.Equal(t, d.Identity.Via == ViaIP, d.Identity.Caller == "", "an address proves no caller")
					require.Equal(t, d.Identity.Via == ViaIP, d.Identity.Key == "")
				}
				require.Equal(t, one.want, got, "%s, %s from %s: %v", c.mode, name, from, d.Err)
				require.Equal(t, d.Reason == "", d.Err == nil)
			}
		}
	}
}

func TestAPIKeyInModeSignature(t *testing.T) {
	w := newWorld(t, ModeSignature, func(c *Config, _ *Options) { c.Callers[0].AllowAPIKey = true })
	require.Equal(t, 200, w.do(Route{}, withAPIKey(w.apiKey)).Code)
	c := w.config
	c.Callers[0].APIKeys[0].State = Disabled
	require.NoError(t, w.g.Replace(c))
	require.Equal(t, 401, w.do(Route{}, withAPIKey(w.apiKey)).Code)
	require.Equal(t, ReasonKeyDisabled, w.last().Reason)
}

// A caller in mode signature can be impersonated from an address that stays open for others, until handlers ask for
// a proof.
func TestRequireCaller(t *testing.T) {
	w := newWorld(t, ModeSignature)
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h := w.g.Handler(RequireCaller(ok))
	for code, r := range map[int]*http.Request{
		403: request(shared, "GET", "/", ""),
		204: w.sign(request(shared, "GET", "/", ""), "billing.active"),
	} {
		rec := recorder(h, r)
		require.Equal(t, code, rec.Code)
	}
	require.Equal(t, 403, recorder(RequireCaller(ok), request(shared, "GET", "/", "")).Code, "without a guard")
	// Routes for callers by name do not take an address for one either.
	rec := w.do(Route{Callers: []string{"billing", "shop"}}, request(shared, "GET", "/", ""))
	require.Equal(t, 401, rec.Code)
}

func TestReportModeTellsAndRefusesTheCanary(t *testing.T) {
	w := newWorld(t, ModeReport, func(c *Config, _ *Options) { c.Rules[0].CanaryPercent = 10 })
	denied := 0
	for range 1000 {
		rec := w.do(Route{}, request(proxy, "GET", "/v1/legacy", ""))
		require.Equal(t, "Fri, 15 Jan 2027 00:00:00 GMT", rec.Header().Get("Sunset"))
		require.Equal(t, "@1790812800", rec.Header().Get("Deprecation"))
		if rec.Code == 401 {
			denied++
		}
	}
	require.Equal(t, 100, denied)
	rule := w.g.Report().Rules[0]
	require.Equal(t, []uint64{900, 100, 0}, []uint64{rule.IPOnly.Count, rule.Canary.Count, rule.Refused.Count})
	require.Equal(t, []Sample{{"/v1/legacy", 1000}}, rule.Paths, "whom the canary refused is who has to be found")
	// Not while another caller of the rule is not that far, and not for those who sign.
	rec := w.do(Route{}, request(shared, "GET", "/", ""))
	require.Equal(t, 200, rec.Code)
	require.Empty(t, rec.Header().Get("Deprecation"))
	rec = w.do(Route{}, w.sign(request(proxy, "GET", "/", ""), "billing.active"))
	require.Empty(t, rec.Header().Get("Sunset"))
}

func TestOverride(t *testing.T) {
	w := newWorld(t, ModeSignature, func(c *Config, _ *Options) {
		start := time.Unix(1_800_000_000, 0)
		c.Callers[0].Override = &Override{Mode: ModeEither, From: start, Until: start.Add(24 * time.Hour), Reason: "INC-7"}
	})
	require.Equal(t, 200, w.do(Route{}, request(proxy, "GET", "/", "")).Code)
	require.Equal(t, ModeEither, w.last().Mode)
	require.Equal(t, "INC-7", w.g.Report().Callers[0].Override.Reason)
	w.now = w.now.Add(24 * time.Hour)
	require.Equal(t, 401, w.do(Route{}, request(proxy, "GET", "/", "")).Code)
	w.now = w.now.Add(-25 * time.Hour)
	require.Equal(t, 401, w.do(Route{}, request(proxy, "GET", "/", "")).Code)
}

// What the address of a client is, and when it is none.
func TestAddresses(t *testing.T) {
	w := newWorld(t, ModeEither)
	get := func(from string, header ...string) int {
		r := request(from, "GET", "/", "")
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return w.do(Route{}, r).Code
	}
	require.Equal(t, 200, get(proxy))
	require.Equal(t, 200, get("[::ffff:203.0.113.7]:1"))
	require.Equal(t, 200, get("10.9.0.5:1", "X-Forwarded-For", "203.0.113.7"))
	require.Equal(t, 401, get("10.9.0.5:1", "X-Forwarded-For", "203.0.113.7, 198.51.100.1"))
	require.Equal(t, 401, get("10.9.0.5:1"))
	require.Equal(t, 401, get(nowhere, "X-Forwarded-For", "203.0.113.7", "X-Real-Ip", "203.0.113.7", "Forwarded", "for=203.0.113.7", "X_forwarded_for", "203.0.113.7"))
	require.Equal(t, 401, get(proxy, "Early-Data", "1"), "0-RTT data can be replayed by anyone")
	require.Equal(t, 401, get("@"))
	require.EqualValues(t, 3, w.g.Report().Unresolved)
	require.Equal(t, 200, w.do(Route{}, w.sign(request("@", "GET", "/", ""), "billing.active")).Code, "a signature needs no address")
}

func TestIdentity(t *testing.T) {
	w := newWorld(t, ModeEither)
	rec := w.do(Route{}, w.sign(request(proxy, "POST", "/", "hello"), "billing.retiring"))
	require.JSONEq(t, `{"caller":"billing","via":"signature","key":"billing.retiring","rule":"egress-a","body":"hello"}`, rec.Body.String())
	d := w.last()
	require.Equal(t, "203.0.113.7", d.Identity.Client.String())
	require.Equal(t, "billing", d.Caller)
	rec = w.do(Route{}, request(proxy, "POST", "/", "hello"))
	require.JSONEq(t, `{"caller":"","via":"ip","key":"","rule":"egress-a","body":"hello"}`, rec.Body.String())
	_, ok := FromContext(t.Context())
	require.False(t, ok)
}

// A proxy that changes Host is told to the guard, not guessed.
func TestRewrittenHost(t *testing.T) {
	w := newWorld(t, ModeEither, func(_ *Config, o *Options) { o.Authority = "Orders.svc.example.com:443" })
	r := w.sign(request(nowhere, "GET", "/", ""), "billing.active")
	r.Host = "10.0.0.7:8080"
	require.Equal(t, 200, w.do(Route{}, r).Code)
	w = newWorld(t, ModeEither, func(c *Config, _ *Options) { c.Authorities = nil })
	r = w.sign(request(nowhere, "GET", "/", ""), "billing.active")
	r.Host = "10.0.0.7:8080"
	require.Equal(t, 401, w.do(Route{}, r).Code)
	r.Host = strings.ToUpper(host)
	require.Equal(t, 200, w.do(Route{}, r).Code)
}

func TestReplayStoreFailures(t *testing.T) {
	for _, open := range []bool{false, true} {
		w := newWorld(t, ModeEither, func(_ *Config, o *Options) { o.ReplayFailOpen = open })
		w.replay.err = errTest
		want := 503
		if open {
			want = 200
		}
		require.Equal(t, want, w.do(Route{}, w.sign(request(nowhere, "GET", "/", ""), "billing.active")).Code)
		require.Equal(t, ReasonUnavailable, w.last().Reason)
		require.ErrorIs(t, w.last().Err, errTest)
		// The address admits what it would have admitted anyway, and the body is whole.
		rec := w.do(Route{}, w.sign(request(proxy, "POST", "/", "hello"), "billing.active"))
		require.Equal(t, 200, rec.Code)
		require.Contains(t, rec.Body.String(), `"body":"hello"`)
	}
}
