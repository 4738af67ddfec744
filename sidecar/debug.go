package sidecar

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Debug keeps a Pod that is ill for inspection. Liveness and startup probes go, so that the kubelet does not restart it;
// readiness probes stay, because a Pod without one is ready and gets traffic. It can also be held out of Services
// whatever its probes say. [Set.Eject] brings the probes back.
type Debug struct{}

const (
	debugKey  = "debug"
	debugGate = "debug-hold" // behind the prefix
)

// Name is "debug".
func (Debug) Name() string { return "debug" }

func (Debug) rank() int { return 0 }

func (Debug) validate() []error { return nil }

func (Debug) keys() []Key {
	return []Key{{
		Name: debugKey, Values: "`probes`, `hold` or both",
		Doc:   "`probes` takes liveness and startup probes away; `hold` does so too, and keeps the Pod out of Services by a readiness gate that nothing opens.",
		parse: someOf("probes", "hold"),
	}}
}

func (Debug) asked(v *values) bool { return v.has(debugKey) }

func (d Debug) inject(e *edit) {
	for _, c := range e.allContainers() {
		if c.LivenessProbe == nil && c.StartupProbe == nil {
			continue
		}
		in := e.record.in(c.Name)
		in.Liveness, in.Startup = c.LivenessProbe, c.StartupProbe
		c.LivenessProbe, c.StartupProbe = nil, nil
	}
	if slices.Contains(get(e.values, debugKey, []string(nil)), "hold") {
		gate := corev1.PodReadinessGate{ConditionType: corev1.PodConditionType(e.prefix + "/" + debugGate)}
		if !slices.Contains(e.pod.Spec.ReadinessGates, gate) {
			e.pod.Spec.ReadinessGates = append(e.pod.Spec.ReadinessGates, gate)
			e.record.ReadinessGates = append(e.record.ReadinessGates, string(gate.ConditionType))
		}
		e.warn("debug: the Pod never gets ready, so it gets no traffic, and a rollout waits for it")
	}
	e.applied(d.Name())
}
