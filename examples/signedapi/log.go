package main

import (
	"cmp"
	"log/slog"
	"net/http"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// observe counts and logs decisions: refusals and failures of callers at info, the many others at debug.
func (p *provider) observe(r *http.Request, d ipwhitelist.Decision) {
	p.metrics.decision(d)
	level := slog.LevelDebug
	if d.Reason != "" && (d.Reason != ipwhitelist.ReasonMissing || !d.Allowed) {
		level = slog.LevelInfo
	}
	if !p.log.Enabled(r.Context(), level) {
		return
	}
	args := []any{"allowed", d.Allowed, "via", d.Identity.Via, "caller", d.Caller, "rule", d.Rule, "client", d.Client, "mode", d.Mode, "method", r.Method, "path", cut(r.URL.Path)}
	if d.Reason != "" {
		args = append(args, "reason", d.Reason, "error", d.Err)
	}
	// What the caller's side can compare with "signedapi sign -explain". Of unknown keys, too: the answer is on its way
	// when this is done, and must not tell them by its time.
	if d.Reason == ipwhitelist.ReasonMAC || d.Reason == ipwhitelist.ReasonUnknownKey {
		parts := httpsig.FromServer(r)
		parts.Authority = cmp.Or(p.o.authority, parts.Authority)
		if base, err := httpsig.Explain(parts); err == nil {
			args = append(args, "base", base)
		}
	}
	p.log.Log(r.Context(), level, "decision", args...)
}

// cut bounds a line of the log.
func cut(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
