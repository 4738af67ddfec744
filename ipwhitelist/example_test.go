package ipwhitelist_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

const keyText = "ipw1.billing.1.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8.84dd530e"

func config(mode ipwhitelist.Mode) ipwhitelist.Config {
	return ipwhitelist.Config{
		Version: 1,
		Callers: []ipwhitelist.Caller{{
			Name: "billing", Mode: mode,
			Keys: []ipwhitelist.Key{{ID: "billing.1", Secret: keyText, State: ipwhitelist.Active}},
		}},
		Rules: []ipwhitelist.Rule{{Name: "egress-proxy-a", Prefixes: []string{"203.0.113.7"}, Callers: []string{"billing"}}},
	}
}

// A caller behind a whitelisted address, before and after it signs, and after its address has left the list.
func Example() {
	guard, err := ipwhitelist.New(config(ipwhitelist.ModeEither), ipwhitelist.Options{Realm: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := guard.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, _ := ipwhitelist.FromContext(r.Context())
		fmt.Printf("admitted by %s, caller %q, rule %q\n", id.Via, id.Caller, id.Rule)
	}))
	call := func(signed bool) {
		r := httptest.NewRequest(http.MethodGet, "https://orders.example.com/v1/orders/42", http.NoBody)
		r.RemoteAddr = "203.0.113.7:41000"
		if signed {
			sign(r)
		}
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	}
	call(false)
	call(true)
	fmt.Println(guard.Replace(config(ipwhitelist.ModeSignature)))
	call(true)
	call(false)
	// Output:
	// admitted by ip, caller "", rule "egress-proxy-a"
	// 200
	// admitted by signature, caller "billing", rule "egress-proxy-a"
	// 200
	// <nil>
	// admitted by signature, caller "billing", rule "egress-proxy-a"
	// 200
	// 401 {"type":"about:blank","status":401,"title":"request not authenticated","reason":"missing"}
}

var nonces int

// sign does what the caller's httpsig.Transport does.
func sign(r *http.Request) {
	key, err := httpsig.ParseKey(keyText)
	if err != nil {
		panic(err)
	}
	nonces++
	signed, err := httpsig.Sign(httpsig.FromServer(r), nil, key, httpsig.Params{
		Created: time.Now(), Nonce: fmt.Sprintf("example-nonce-%08d", nonces),
	})
	if err != nil {
		panic(err)
	}
	signed.AddTo(r.Header)
}

// What is measured says whether the next step is safe.
func ExampleReport_Readiness() {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	report := ipwhitelist.Report{
		Since: now.Add(-9 * day), Until: now,
		Callers: []ipwhitelist.CallerUsage{{Name: "billing", Mode: ipwhitelist.ModeReport, Signed: ipwhitelist.Event{Count: 48210, Last: now}}},
		Rules: []ipwhitelist.RuleUsage{{
			Name: "egress-proxy-a", Callers: []string{"billing"},
			IPOnly: ipwhitelist.Event{Count: 3, Last: now.Add(-day)},
			Paths:  []ipwhitelist.Sample{{Value: "/v1/export", Count: 3}}, UserAgents: []ipwhitelist.Sample{{Value: "curl/7.88.1", Count: 3}},
		}},
	}
	r := report.Readiness("billing", ipwhitelist.Criteria{})
	fmt.Println(r.From, "to", r.To, r.Ready)
	fmt.Println(r.Blockers[0])
	// Output:
	// report to signature false
	// rule egress-proxy-a: 3 requests relied on its address alone, the last at 2026-11-20T00:00:00Z, most often "/v1/export" by "curl/7.88.1"
}
