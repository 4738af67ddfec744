package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// TerminationGrace is the check "termination-grace": a Pod gets time to end its work, but cannot hold up the drain of
// its node. It bounds terminationGracePeriodSeconds of the Pod and of its probes, which override the Pod's when they
// restart the container. Unset, the Pod's is 30, and a probe's is the Pod's.
type TerminationGrace struct {
	// MinSeconds is the least; 0 means 1: with a period of 0 the process is killed at once, and the Pod's name is free
	// for another before the node has confirmed its end.
	MinSeconds int64 `json:"minSeconds,omitempty"`
	// MaxSeconds is the most; 0 means 600, for which the cluster autoscaler waits by default.
	MaxSeconds int64 `json:"maxSeconds,omitempty"`
}

// Check validates the options and returns the check.
func (o TerminationGrace) Check() (Check, error) {
	p := problems{check: nameTerminationGrace}
	p.negative("minSeconds", o.MinSeconds)
	p.negative("maxSeconds", o.MaxSeconds)
	if o.MinSeconds == 0 {
		o.MinSeconds = 1
	}
	if o.MaxSeconds == 0 {
		o.MaxSeconds = 600
	}
	if o.MinSeconds > o.MaxSeconds {
		p.add("minSeconds %d is more than maxSeconds %d", o.MinSeconds, o.MaxSeconds)
	}
	return p.done(Check{Name: nameTerminationGrace, Evaluate: o.evaluate})
}

func (o TerminationGrace) evaluate(s Subject) []admission.Finding {
	const field = "terminationGracePeriodSeconds"
	r := report{rule: nameTerminationGrace}
	seconds, unset := int64(corev1.DefaultTerminationGracePeriodSeconds), " (unset)"
	if p := s.Spec.TerminationGracePeriodSeconds; p != nil {
		seconds, unset = *p, ""
	}
	if !o.within(seconds) {
		r.add(s.Path+"."+field, "%s %d%s is out of bounds: write %d to %d", field, seconds, unset, o.MinSeconds, o.MaxSeconds)
	}
	for c := range s.Containers() {
		for name, probe := range c.probes() {
			if p := probe.TerminationGracePeriodSeconds; p != nil && !o.within(*p) {
				r.add(c.Field(name+"."+field), "%s %d is out of bounds: write %d to %d", field, *p, o.MinSeconds, o.MaxSeconds)
			}
		}
	}
	return r.findings
}

func (o TerminationGrace) within(seconds int64) bool {
	return o.MinSeconds <= seconds && seconds <= o.MaxSeconds
}
