package policy

import "github.com/kubewright/kubewright/admission"

// HostNamespaces is the check "host-namespaces": a Pod must not share the network, process or IPC namespace of its
// node.
//
// Without options it agrees with the check hostNamespaces of Pod Security Admission (baseline).
type HostNamespaces struct {
	// Each of these allows one namespace. AllowHostNetwork does not allow ports: that is [HostPort]'s to say.
	AllowHostNetwork bool `json:"allowHostNetwork,omitempty"`
	AllowHostPID     bool `json:"allowHostPID,omitempty"`
	AllowHostIPC     bool `json:"allowHostIPC,omitempty"`
}

// Check returns the check; there are no wrong options.
func (o HostNamespaces) Check() (Check, error) {
	return Check{Name: nameHostNamespaces, Evaluate: o.evaluate}, nil
}

func (o HostNamespaces) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameHostNamespaces}
	if s.Spec.HostNetwork && !o.AllowHostNetwork {
		r.add(s.Path+".hostNetwork", "hostNetwork true shares the node's network: remove it and use a Service")
	}
	if s.Spec.HostPID && !o.AllowHostPID {
		r.add(s.Path+".hostPID", "hostPID true shows all processes of the node: remove it, or use shareProcessNamespace")
	}
	if s.Spec.HostIPC && !o.AllowHostIPC {
		r.add(s.Path+".hostIPC", "hostIPC true shares the node's memory segments: remove it, or use an emptyDir with medium Memory")
	}
	return r.findings
}
