package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// What a decision counts, beside what TestServe sees.
func TestMetricsOfFailures(t *testing.T) {
	m := newMetrics()
	full := &ipwhitelist.Error{Reason: ipwhitelist.ReasonUnavailable, Err: ipwhitelist.ErrReplayFull}
	for _, d := range []ipwhitelist.Decision{
		{Caller: "billing", Reason: ipwhitelist.ReasonReplayed, Took: 3 * time.Millisecond},
		{Caller: "billing", Reason: ipwhitelist.ReasonUnavailable, Err: full},
		{Caller: "billing", Reason: ipwhitelist.ReasonMAC, Allowed: true, Identity: ipwhitelist.Identity{Via: ipwhitelist.ViaIP}},
		{Reason: ipwhitelist.ReasonMissing, Allowed: true, Identity: ipwhitelist.Identity{Via: ipwhitelist.ViaIP}},
	} {
		m.decision(d)
	}
	rec := httptest.NewRecorder()
	m.handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, says := range []string{
		`ipwhitelist_replay_total{caller="billing"} 1`, `ipwhitelist_nonce_full_total{caller="billing"} 1`,
		`ipwhitelist_shadow_failures_total{caller="billing"} 1`, "ipwhitelist_verify_seconds_count 4", "ipwhitelist_verify_seconds_sum 0.003",
		`ipwhitelist_credential_failures_total{caller="billing",reason="mac"} 1`,
	} {
		require.Contains(t, rec.Body.String(), says)
	}
}

// A path that begins with two slashes goes to the provider as it came, and not to another host.
func TestProxyKeepsTargets(t *testing.T) {
	got := make(chan string, 1)
	up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Host + " " + r.RequestURI }))
	defer up.Close()
	door := httptest.NewServer(&httputil.ReverseProxy{Rewrite: rewrite(up.Listener.Addr().String())})
	defer door.Close()
	for _, target := range []string{"/v1/a%2Fb?x=;y", "//evil.example.com/v1/a%2Fb?x=%2f", "/a|b", "/v1/../x//y"} {
		c, err := net.Dial("tcp", door.Listener.Addr().String())
		require.NoError(t, err)
		_, err = c.Write([]byte("GET " + target + " HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n"))
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, c)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		require.Equal(t, "orders "+target, <-got)
	}
}
