package policy

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// Privileged is the check "privileged": no container may leave the isolation of containers as a whole. It forbids
// privileged containers, an unmasked /proc (procMount other than Default, unless the Pod has a user namespace of its own:
// hostUsers false) and Windows HostProcess containers.
//
// Without options its verdict is that of three checks of Pod Security Admission together: privileged, procMount (as of
// policy version 1.35) and windowsHostProcess, all baseline. With RequireNoEscalation it adds allowPrivilegeEscalation
// (restricted, as of policy version 1.25).
type Privileged struct {
	// RequireNoEscalation requires allowPrivilegeEscalation: false in every container, except in Pods that say
	// os.name: windows, where the field must not be set.
	RequireNoEscalation bool `json:"requireNoEscalation,omitempty"`
}

// Check returns the check; there are no wrong options.
func (o Privileged) Check() (Check, error) {
	return Check{Name: namePrivileged, Evaluate: o.evaluate}, nil
}

func (o Privileged) evaluate(s Subject) []admission.Finding {
	r := report{rule: namePrivileged}
	if sc := s.Spec.SecurityContext; sc != nil && hostProcess(sc.WindowsOptions) {
		r.add(s.Path+".securityContext.windowsOptions.hostProcess", hostProcessMessage)
	}
	userNamespace := s.Spec.HostUsers != nil && !*s.Spec.HostUsers
	for c := range s.Containers() {
		privileged(&r, c, userNamespace)
		if o.RequireNoEscalation && !isWindows(s.Spec) {
			noEscalation(&r, c)
		}
	}
	return r.findings
}

const hostProcessMessage = "hostProcess true runs the container as a process of the node: remove it"

func privileged(r *report, c Container, userNamespace bool) {
	sc := c.SecurityContext
	if sc == nil {
		return
	}
	if sc.Privileged != nil && *sc.Privileged {
		r.add(c.Field("securityContext.privileged"),
			"privileged true gives the container the whole node: remove it, and add the capabilities it needs")
	}
	if pm := sc.ProcMount; pm != nil && *pm != corev1.DefaultProcMount && !userNamespace {
		r.add(c.Field("securityContext.procMount"),
			"procMount %s shows what the runtime hides in /proc: remove it, or set hostUsers: false", quote(string(*pm)))
	}
	if hostProcess(sc.WindowsOptions) {
		r.add(c.Field("securityContext.windowsOptions.hostProcess"), hostProcessMessage)
	}
}

func noEscalation(r *report, c Container) {
	state := "unset, which means true"
	if sc := c.SecurityContext; sc != nil && sc.AllowPrivilegeEscalation != nil {
		if !*sc.AllowPrivilegeEscalation {
			return
		}
		state = "true"
	}
	r.add(c.Field("securityContext.allowPrivilegeEscalation"),
		"allowPrivilegeEscalation is %s: write allowPrivilegeEscalation: false", state)
}

func hostProcess(w *corev1.WindowsSecurityContextOptions) bool {
	return w != nil && w.HostProcess != nil && *w.HostProcess
}

// isWindows reports whether the Pod says it is for Windows, whose API validation forbids Linux' security fields.
func isWindows(spec *corev1.PodSpec) bool {
	return spec.OS != nil && spec.OS.Name == corev1.Windows
}
