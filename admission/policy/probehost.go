package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// ProbeHost is the check "probe-host": httpGet and tcpSocket handlers of probes and lifecycle hooks must not name a
// host. The kubelet sends these requests from the node's network, so a host makes it a proxy into networks that the
// Pod cannot reach. Unset, the host is the Pod's own address.
//
// Without options it agrees with the check hostProbesAndHostLifecycle of Pod Security Admission (baseline, as of policy
// version 1.34).
type ProbeHost struct {
	// Allow lists hosts that may be named, compared as written. Pods with hostNetwork that listen on the loopback
	// interface only need 127.0.0.1.
	Allow []string `json:"allow,omitempty"`
}

// Check validates the options and returns the check.
func (o ProbeHost) Check() (Check, error) {
	p := problems{check: nameProbeHost}
	if i := slices.Index(o.Allow, ""); i >= 0 {
		p.add(`allow[%d] "": an unset host is always allowed, write a host such as 127.0.0.1`, i)
	}
	o.Allow = slices.Clone(o.Allow)
	return p.done(Check{Name: nameProbeHost, Evaluate: o.evaluate})
}

func (o ProbeHost) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameProbeHost}
	for c := range s.Containers() {
		for name, p := range c.probes() {
			o.judge(&r, c, name, p.HTTPGet, p.TCPSocket)
		}
		if c.Lifecycle == nil {
			continue
		}
		if h := c.Lifecycle.PostStart; h != nil {
			o.judge(&r, c, "lifecycle.postStart", h.HTTPGet, h.TCPSocket)
		}
		if h := c.Lifecycle.PreStop; h != nil {
			o.judge(&r, c, "lifecycle.preStop", h.HTTPGet, h.TCPSocket)
		}
	}
	return r.findings
}

func (o ProbeHost) judge(r *report, c Container, field string, http *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction) {
	if http != nil && !o.allows(http.Host) {
		r.add(c.Field(field+".httpGet.host"), "host %s %s", quote(http.Host), o.advice())
	}
	if tcp != nil && !o.allows(tcp.Host) {
		r.add(c.Field(field+".tcpSocket.host"), "host %s %s", quote(tcp.Host), o.advice())
	}
}

func (o ProbeHost) allows(host string) bool {
	return host == "" || slices.Contains(o.Allow, host)
}

func (o ProbeHost) advice() string {
	const advice = "makes the kubelet ask another address: remove it, the default is the Pod's own"
	if len(o.Allow) == 0 {
		return advice
	}
	return advice + ", or use one of " + list(o.Allow)
}
