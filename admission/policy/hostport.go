package policy

import (
	"strconv"
	"strings"

	"github.com/kubewright/kubewright/admission"
)

// HostPort is the check "host-port": a container may bind the ports of its node that are on the allow-list, and no
// others. A host port ties the Pod to one per node and bypasses Services and most network policies.
//
// With hostNetwork, every containerPort of an init or app container counts as a host port: the API server copies it
// to hostPort in Pods but, since Kubernetes 1.28, not in Pod templates, and a Deployment must get the verdict that its
// Pods will get. A process on the host's network can bind ports it does not declare; [HostNamespaces] is the check
// against that.
//
// Without options it agrees with the check hostPorts of Pod Security Admission (baseline) on Pods as the API server
// defaults them.
type HostPort struct {
	// Allow lists ports ("8080") and inclusive ranges ("30000-32767"). Empty allows none.
	Allow []string `json:"allow,omitempty"`
}

// Check validates the options and returns the check.
func (o HostPort) Check() (Check, error) {
	p := problems{check: nameHostPort}
	c := hostPorts{text: list(o.Allow)}
	for i, text := range o.Allow {
		r, ok := parsePortRange(text)
		if !ok {
			p.add("allow[%d] %s: write a port from 1 to 65535, or a range such as 30000-32767", i, quote(text))
		}
		c.allowed = append(c.allowed, r)
	}
	return p.done(Check{Name: nameHostPort, Evaluate: c.evaluate})
}

type hostPorts struct {
	allowed []portRange
	text    string // the allow-list, for messages
}

type portRange struct{ first, last int32 }

func parsePortRange(s string) (portRange, bool) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	ok := err1 == nil && err2 == nil && 0 < first && first <= last
	return portRange{int32(first), int32(last)}, ok
}

func (c hostPorts) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameHostPort}
	for ctr := range s.Containers() {
		for i := range ctr.Ports {
			port, field := ctr.Ports[i].HostPort, ".hostPort"
			// The API server's defaulting leaves ephemeral containers alone.
			if port == 0 && s.Spec.HostNetwork && ctr.Kind != Ephemeral {
				port, field = ctr.Ports[i].ContainerPort, ".containerPort"
			}
			if port != 0 && !c.allows(port) {
				r.add(ctr.Field("ports["+strconv.Itoa(i)+"]"+field), "%s", c.message(port, field))
			}
		}
	}
	return r.findings
}

func (c hostPorts) allows(port int32) bool {
	for _, r := range c.allowed {
		if r.first <= port && port <= r.last {
			return true
		}
	}
	return false
}

func (c hostPorts) message(port int32, field string) string {
	what, remove := "hostPort "+strconv.Itoa(int(port)), "remove it"
	if field == ".containerPort" {
		what = "containerPort " + strconv.Itoa(int(port)) + " is a host port because of hostNetwork, and"
		remove = "remove hostNetwork" // not the port: the process would bind it all the same
	}
	if c.text == "" {
		return what + " is not allowed: " + remove + " and expose the port with a Service"
	}
	return what + " is not one of " + c.text + ": use one of these, or " + remove + " and expose the port with a Service"
}
