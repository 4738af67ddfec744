package policy

import (
	"iter"

	corev1 "k8s.io/api/core/v1"
)

// probes walks over the probes that the container has, by field name. Containers that need no probe, and those that may
// not have one, are walked too: what is written is judged, wherever it is.
func (c Container) probes() iter.Seq2[string, *corev1.Probe] {
	return func(yield func(string, *corev1.Probe) bool) {
		if c.LivenessProbe != nil && !yield("livenessProbe", c.LivenessProbe) {
			return
		}
		if c.ReadinessProbe != nil && !yield("readinessProbe", c.ReadinessProbe) {
			return
		}
		if c.StartupProbe != nil {
			yield("startupProbe", c.StartupProbe)
		}
	}
}

// The kinds of probe handlers, as the API spells them.
const (
	handlerExec    = "exec"
	handlerHTTPGet = "httpGet"
	handlerTCP     = "tcpSocket"
	handlerGRPC    = "grpc"
)

// handlers walks over the handlers that a probe has. The API server takes exactly one; none means that its kind is
// newer than this package's Go types.
func handlers(h *corev1.ProbeHandler) iter.Seq[string] {
	return func(yield func(string) bool) {
		if h.Exec != nil && !yield(handlerExec) {
			return
		}
		if h.HTTPGet != nil && !yield(handlerHTTPGet) {
			return
		}
		if h.TCPSocket != nil && !yield(handlerTCP) {
			return
		}
		if h.GRPC != nil {
			yield(handlerGRPC)
		}
	}
}
