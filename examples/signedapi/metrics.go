package main

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// metrics are what Prometheus may know. All labels are names of the configuration or of a closed set: nothing that a
// client can choose becomes one.
type metrics struct {
	registry     *prometheus.Registry
	decisions    *prometheus.CounterVec
	failures     *prometheus.CounterVec
	shadow       *prometheus.CounterVec
	shadowFailed *prometheus.CounterVec
	replays      *prometheus.CounterVec
	nonceFull    *prometheus.CounterVec
	verify       prometheus.Histogram
	unresolved   prometheus.Counter
	clock        prometheus.Histogram
	reloadErrors prometheus.Counter
	reloaded     prometheus.Gauge
}

const namespace = "ipwhitelist"

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	}
	m := &metrics{
		registry:     prometheus.NewRegistry(),
		decisions:    prometheus.NewCounterVec(counter("decisions_total", "Requests, by proven caller, rule of the address, what admitted them, result and mode."), []string{"caller", "rule", "by", "result", "mode"}),
		failures:     prometheus.NewCounterVec(counter("credential_failures_total", "Credentials that were not accepted, by the caller whose key it claims to be, and reason."), []string{"caller", "reason"}),
		shadow:       prometheus.NewCounterVec(counter("shadow_total", "Good credentials of callers in mode ip."), []string{"caller"}),
		shadowFailed: prometheus.NewCounterVec(counter("shadow_failures_total", "Credentials that were not accepted, of requests that their address admitted."), []string{"caller"}),
		replays:      prometheus.NewCounterVec(counter("replay_total", "Nonces that were used before."), []string{"caller"}),
		nonceFull:    prometheus.NewCounterVec(counter("nonce_full_total", "Nonces for which the memory had no room."), []string{"caller"}),
		verify: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "verify_seconds", Help: "How long checks took, with the body and the memory of nonces.",
			Buckets: []float64{5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2, 0.1, 1},
		}),
		unresolved:   prometheus.NewCounter(counter("ip_unresolved_total", "Requests whose client's address is not known.")),
		reloadErrors: prometheus.NewCounter(counter("reload_errors_total", "Configurations that were not loaded.")),
		clock: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "clock_offset_seconds", Help: "How far the clocks of callers are ahead, by proven signatures.",
			Buckets: []float64{-30, -10, -5, -2, -1, 0, 1, 2, 5, 10, 30},
		}),
		reloaded: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "config_loaded_timestamp_seconds", Help: "When the configuration last changed."}),
	}
	m.reloaded.SetToCurrentTime()
	m.registry.MustRegister(m.decisions, m.failures, m.shadow, m.shadowFailed, m.replays, m.nonceFull, m.verify, m.unresolved, m.clock, m.reloadErrors, m.reloaded,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) decision(d ipwhitelist.Decision) {
	by, result := string(d.Identity.Via), "allowed"
	if by == "" {
		by = "none"
	}
	if !d.Allowed {
		result = "refused"
	}
	m.decisions.WithLabelValues(d.Identity.Caller, d.Rule, by, result, string(d.Mode)).Inc()
	m.verify.Observe(d.Took.Seconds())
	if d.Reason != "" && d.Reason != ipwhitelist.ReasonMissing {
		m.failure(d)
	}
	if d.Shadow != "" {
		m.shadow.WithLabelValues(d.Shadow).Inc()
	}
	if !d.Client.IsValid() {
		m.unresolved.Inc()
	}
	if d.Identity.Via == ipwhitelist.ViaSignature || d.Shadow != "" {
		m.clock.Observe(d.Clock.Seconds())
	}
}

func (m *metrics) failure(d ipwhitelist.Decision) {
	m.failures.WithLabelValues(d.Caller, string(d.Reason)).Inc()
	switch {
	case d.Reason == ipwhitelist.ReasonReplayed:
		m.replays.WithLabelValues(d.Caller).Inc()
	case errors.Is(d.Err, ipwhitelist.ErrReplayFull):
		m.nonceFull.WithLabelValues(d.Caller).Inc()
	}
	if d.Identity.Via == ipwhitelist.ViaIP {
		m.shadowFailed.WithLabelValues(d.Caller).Inc()
	}
}

func (m *metrics) reload(err error) {
	if err != nil {
		m.reloadErrors.Inc()
		return
	}
	m.reloaded.SetToCurrentTime()
}

// watchNonces adds the size of the process's own memory of nonces. That of a Redis is for its own exporter to tell.
func (m *metrics) watchNonces(memory *ipwhitelist.MemoryReplay) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: namespace, Name: "nonce_entries", Help: "Nonces that this process remembers."},
		func() float64 { return float64(memory.Len()) },
	))
}

// watch adds what the guard counts itself, read when it is scraped.
func (m *metrics) watch(report func() ipwhitelist.Report) {
	m.registry.MustRegister(&usage{report: report})
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// usage turns a report into metrics.
type usage struct{ report func() ipwhitelist.Report }

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// Describe sends nothing: an unchecked collector, since callers and rules change with the configuration.
func (*usage) Describe(chan<- *prometheus.Desc) {}

func (u *usage) Collect(ch chan<- prometheus.Metric) {
	r := u.report()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	ipOnly := description("ip_only_total", "Requests that their address alone admitted.", "rule")
	lastSeen := description("ip_only_last_seen_timestamp_seconds", "When an address alone last admitted a request.", "rule")
	since := description("rule_observed_since_timestamp_seconds", "Since when all addresses of the rule are watched, by this process.", "rule")
	for _, rule := range r.Rules {
		count(ipOnly, rule.IPOnly.Count, rule.Name)
		gauge(since, float64(rule.Since.Unix()), rule.Name)
		if rule.IPOnly.Count > 0 {
			gauge(lastSeen, float64(rule.IPOnly.Last.Unix()), rule.Name)
		}
	}
	uses := description("key_uses_total", "Right signatures and API keys, by key; also of disabled ones.", "caller", "key", "state")
	for _, k := range r.Keys {
		count(uses, k.Used.Count, k.Caller, k.ID, string(k.State))
	}
	u.collectCallers(r, count, gauge)
}

func (*usage) collectCallers(r ipwhitelist.Report, count func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	mode := description("caller_mode", "1 for the mode of each caller.", "caller", "mode", "override")
	failed := description("caller_failed_total", "Credentials that failed and came from an address of the caller.", "caller")
	suspect := description("caller_suspect_total", "Right credentials that were not accepted, and do not hold up a step: sent again, from elsewhere, for routes of others.", "caller")
	ready := description("caller_ready", "1 if what this process has seen since it started is enough for the caller's next step.", "caller", "to")
	for _, c := range r.Callers {
		override := ""
		if c.Override.ActiveAt(r.Until) {
			override = string(c.Override.Mode)
		}
		gauge(mode, 1, c.Name, string(c.Mode), override)
		count(failed, c.Failed.Count, c.Name)
		count(suspect, c.Suspect.Count, c.Name)
		if next := r.Readiness(c.Name, ipwhitelist.Criteria{}); next.To != "" {
			value := 0.0
			if next.Ready {
				value = 1
			}
			gauge(ready, value, c.Name, string(next.To))
		}
	}
}
