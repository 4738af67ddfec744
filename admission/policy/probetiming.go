package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// ProbeTiming is the check "probe-timing": probes neither overlap themselves, nor load the node, nor restart a container
// for a hiccup, nor wait for ever. Unset values count as the API's defaults: timeout 1 s, period 10 s, 3 failures.
//
//   - timeoutSeconds <= periodSeconds, in every probe: the kubelet runs one at a time, so a longer timeout stretches
//     the period in silence.
//   - MinPeriodSeconds <= periodSeconds in liveness and readiness probes, which run for as long as the container. A
//     startup probe ends with its first success and may run every second.
//   - periodSeconds <= MaxPeriodSeconds, in every probe. Longer periods are mostly milliseconds written by mistake.
//   - failureThreshold × periodSeconds >= MinRestartSeconds in liveness and startup probes (for the latter plus
//     initialDelaySeconds): they restart the container, so a shorter time turns a full garbage collection, a throttled
//     CPU or a slow node into an outage.
//   - initialDelaySeconds + failureThreshold × periodSeconds <= MaxStartupSeconds in startup probes: until then nobody
//     learns that the container hangs.
type ProbeTiming struct {
	MinPeriodSeconds  int32 `json:"minPeriodSeconds,omitempty"`  // 0 means 2
	MaxPeriodSeconds  int32 `json:"maxPeriodSeconds,omitempty"`  // 0 means 300
	MinRestartSeconds int32 `json:"minRestartSeconds,omitempty"` // 0 means 10
	MaxStartupSeconds int32 `json:"maxStartupSeconds,omitempty"` // 0 means 3600
}

// Check validates the options and returns the check.
func (o ProbeTiming) Check() (Check, error) {
	p := problems{check: nameProbeTiming}
	p.negative("minPeriodSeconds", int64(o.MinPeriodSeconds))
	p.negative("maxPeriodSeconds", int64(o.MaxPeriodSeconds))
	p.negative("minRestartSeconds", int64(o.MinRestartSeconds))
	p.negative("maxStartupSeconds", int64(o.MaxStartupSeconds))
	c := timingBounds{
		minPeriod:  orDefault(o.MinPeriodSeconds, 2),
		maxPeriod:  orDefault(o.MaxPeriodSeconds, 300),
		minRestart: orDefault(o.MinRestartSeconds, 10),
		maxStartup: orDefault(o.MaxStartupSeconds, 3600),
	}
	if c.minPeriod > c.maxPeriod {
		p.add("minPeriodSeconds %d is more than maxPeriodSeconds %d", c.minPeriod, c.maxPeriod)
	}
	if c.minRestart > c.maxStartup {
		p.add("minRestartSeconds %d is more than maxStartupSeconds %d: no startup probe could meet both", c.minRestart, c.maxStartup)
	}
	return p.done(Check{Name: nameProbeTiming, Evaluate: c.evaluate})
}

// orDefault widens v, so that sums and products of what a probe says do not overflow.
func orDefault(v int32, value int64) int64 {
	if v == 0 {
		return value
	}
	return int64(v)
}

type timingBounds struct{ minPeriod, maxPeriod, minRestart, maxStartup int64 }

func (b timingBounds) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameProbeTiming}
	for c := range s.Containers() {
		for name, p := range c.probes() {
			b.period(&r, c, name, p)
			b.patience(&r, c, name, p)
		}
	}
	return r.findings
}

func (b timingBounds) period(r *report, c Container, name string, p *corev1.Probe) {
	timeout, period := orDefault(p.TimeoutSeconds, 1), orDefault(p.PeriodSeconds, 10)
	if timeout > period {
		r.add(c.Field(name+".timeoutSeconds"), "timeoutSeconds %d is more than periodSeconds %d: write %d or less",
			timeout, period, period)
	}
	if period < b.minPeriod && name != "startupProbe" {
		r.add(c.Field(name+".periodSeconds"), "periodSeconds %d probes too often: write %d or more", period, b.minPeriod)
	}
	if period > b.maxPeriod {
		r.add(c.Field(name+".periodSeconds"), "periodSeconds %d probes too rarely: write %d or less", period, b.maxPeriod)
	}
}

// patience judges how long a probe may fail before the container is restarted.
func (b timingBounds) patience(r *report, c Container, name string, p *corev1.Probe) {
	if name == "readinessProbe" { // does not restart anything
		return
	}
	failures, period := orDefault(p.FailureThreshold, 3), orDefault(p.PeriodSeconds, 10)
	total := failures * period
	if name == "startupProbe" {
		total += int64(p.InitialDelaySeconds)
	}
	if total < b.minRestart {
		r.add(c.Field(name+".failureThreshold"),
			"failureThreshold %d × periodSeconds %d restarts the container after %d s: allow it %d s or more",
			failures, period, total, b.minRestart)
	}
	if name == "startupProbe" && total > b.maxStartup {
		r.add(c.Field(name+".failureThreshold"),
			"failureThreshold %d × periodSeconds %d lets the container hang for %d s at start: allow it %d s or less",
			failures, period, total, b.maxStartup)
	}
}
