package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// ProbeRequired is the check "probe-required": the app containers of a long-running workload have the probes without
// which a rollout cannot tell a working Pod from a broken one. Pods of Jobs and CronJobs, and other Pods that end (see
// [Subject]), need none; neither do init, sidecar and ephemeral containers.
type ProbeRequired struct {
	// Require lists the probes: readiness, liveness, startup. Empty requires readiness and liveness.
	Require []string `json:"require,omitempty"`
}

// Check validates the options and returns the check.
func (o ProbeRequired) Check() (Check, error) {
	p := problems{check: nameProbeRequired}
	for i, name := range o.Require {
		if !slices.Contains([]string{"liveness", "readiness", "startup"}, name) {
			p.add("require[%d] %s: write one of liveness, readiness, startup", i, quote(name))
		}
	}
	all := len(o.Require) == 0
	c := requiredProbes{
		liveness:  all || slices.Contains(o.Require, "liveness"),
		readiness: all || slices.Contains(o.Require, "readiness"),
		startup:   slices.Contains(o.Require, "startup"),
	}
	return p.done(Check{Name: nameProbeRequired, Evaluate: c.evaluate})
}

type requiredProbes struct{ liveness, readiness, startup bool }

func (c requiredProbes) evaluate(s Subject) []admission.Finding {
	if !s.LongRunning {
		return nil
	}
	r := report{rule: nameProbeRequired}
	for ctr := range s.Containers() {
		if ctr.Kind != App {
			continue
		}
		wantProbe(&r, ctr, c.liveness, "livenessProbe", ctr.LivenessProbe)
		wantProbe(&r, ctr, c.readiness, "readinessProbe", ctr.ReadinessProbe)
		wantProbe(&r, ctr, c.startup, "startupProbe", ctr.StartupProbe)
	}
	return r.findings
}

func wantProbe(r *report, c Container, required bool, field string, p *corev1.Probe) {
	if required && p == nil {
		r.add(c.Field(field), "a container that runs for long needs a %s: write one with httpGet or grpc", field)
	}
}
