package policy

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// Capabilities is the check "capabilities": a container may add the Linux capabilities of the runtimes' default set, and
// those that are allowed here. Names are compared exactly: the API takes NET_ADMIN, not CAP_NET_ADMIN.
//
// Without options it agrees with the check capabilities_baseline of Pod Security Admission, with Restricted alone with
// capabilities_restricted (as of policy version 1.25).
type Capabilities struct {
	// Allow lists further capabilities that may be added, such as NET_ADMIN. ALL allows every one.
	Allow []string `json:"allow,omitempty"`
	// Restricted requires every container to drop ALL, and lets it add NET_BIND_SERVICE and those of Allow only. Pods
	// that say os.name: windows are exempt: they cannot set capabilities.
	Restricted bool `json:"restricted,omitempty"`
}

// Check validates the options and returns the check.
func (o Capabilities) Check() (Check, error) {
	p := problems{check: nameCapabilities}
	for i, name := range o.Allow {
		if !isCapability(name) {
			p.add("allow[%d] %s: write a capability in upper case without CAP_, such as NET_ADMIN", i, quote(name))
		}
	}
	o.Allow = slices.Clone(o.Allow)
	return p.done(Check{Name: nameCapabilities, Evaluate: o.evaluate})
}

// isCapability checks the form only: new kernels bring new names.
func isCapability(name string) bool {
	return !strings.HasPrefix(name, "CAP_") && only(name, inCapability)
}

func inCapability(c byte) bool { return isUpper(c) || isDigit(c) || c == '_' }

const capabilityAll corev1.Capability = "ALL"

func (o Capabilities) evaluate(s Subject) []admission.Finding {
	if o.Restricted && isWindows(s.Spec) {
		return nil
	}
	r := report{rule: nameCapabilities}
	for c := range s.Containers() {
		var caps corev1.Capabilities
		if c.SecurityContext != nil && c.SecurityContext.Capabilities != nil {
			caps = *c.SecurityContext.Capabilities
		}
		if o.Restricted && !slices.Contains(caps.Drop, capabilityAll) {
			r.add(c.Field("securityContext.capabilities.drop"), `capabilities are kept: write drop: ["ALL"]`)
		}
		for i, name := range caps.Add {
			if !o.allows(name) {
				r.add(c.Field("securityContext.capabilities.add["+strconv.Itoa(i)+"]"),
					"capability %s may not be added: remove it, or use one of %s", quote(string(name)), o.alternatives())
			}
		}
	}
	return r.findings
}

func (o Capabilities) allows(name corev1.Capability) bool {
	if slices.Contains(o.Allow, string(name)) || slices.Contains(o.Allow, string(capabilityAll)) {
		return true
	}
	if o.Restricted {
		return name == "NET_BIND_SERVICE"
	}
	return inDefaultSet(name)
}

// inDefaultSet reports whether the container runtimes grant the capability anyway. NET_RAW, which they grant too, is
// left out, as in the Pod Security Standards: it lets a container forge packets.
func inDefaultSet(name corev1.Capability) bool {
	switch name {
	case "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
		"NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT":
		return true
	}
	return false
}

func (o Capabilities) alternatives() string {
	names := slices.Clone(o.Allow)
	if o.Restricted {
		return list(append(names, "NET_BIND_SERVICE"))
	}
	return list(append(names, "the runtime's default set"))
}
