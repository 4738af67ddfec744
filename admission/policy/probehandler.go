package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// ProbeHandler is the check "probe-handler": probes ask over the network instead of starting processes. Every exec
// probe forks under the container runtime's shim: it takes CPU and memory from the container's own limits, fails
// when they run out (and then restarts a container that was only busy), leaves zombies behind if PID 1 does not reap
// them, and costs the node far more than a request.
//
// A probe without any handler that this package knows is a finding, since a kind of handler that came to the API later
// cannot be judged; so is a probe with several. Lifecycle handlers are not probes: exec is usual there.
type ProbeHandler struct {
	// Allow lists the handlers that probes may have: exec, grpc, httpGet, tcpSocket. Empty allows all but exec.
	Allow []string `json:"allow,omitempty"`
}

// Check validates the options and returns the check.
func (o ProbeHandler) Check() (Check, error) {
	p := problems{check: nameProbeHandler}
	known := []string{handlerExec, handlerGRPC, handlerHTTPGet, handlerTCP}
	for i, name := range o.Allow {
		if !slices.Contains(known, name) {
			p.add("allow[%d] %s: write one of %s", i, quote(name), list(known))
		}
	}
	c := probeHandlers{allowed: slices.Clone(o.Allow)}
	if len(o.Allow) == 0 {
		c.allowed = []string{handlerHTTPGet, handlerGRPC, handlerTCP}
	}
	return p.done(Check{Name: nameProbeHandler, Evaluate: c.evaluate})
}

type probeHandlers struct{ allowed []string }

func (c probeHandlers) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameProbeHandler}
	for ctr := range s.Containers() {
		for name, p := range ctr.probes() {
			c.judge(&r, ctr, name, p)
		}
	}
	return r.findings
}

func (c probeHandlers) judge(r *report, ctr Container, name string, p *corev1.Probe) {
	count := 0
	for h := range handlers(&p.ProbeHandler) {
		count++
		if !slices.Contains(c.allowed, h) {
			r.add(ctr.Field(name+"."+h), "%s: write one of %s", describe(h, p), list(c.allowed))
		}
	}
	switch {
	case count == 0:
		r.add(ctr.Field(name), "the probe has no handler that is known here: write one of %s", list(c.allowed))
	case count > 1:
		r.add(ctr.Field(name), "the probe has %d handlers (%s): keep one", count, list(slices.Collect(handlers(&p.ProbeHandler))))
	}
}

// describe names what a handler does. Of a command it shows the program only: arguments may hold passwords.
func describe(handler string, p *corev1.Probe) string {
	if handler != handlerExec {
		return handler + " is not allowed in probes"
	}
	program := ""
	if len(p.Exec.Command) > 0 {
		program = p.Exec.Command[0]
	}
	return "exec " + quote(program) + " starts a process in the container for every probe"
}
