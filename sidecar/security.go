package sidecar

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Level is a level of the Pod Security Standards, as in the label pod-security.kubernetes.io/enforce of a namespace.
type Level string

// The levels. The empty Level, and any other word, counts as LevelPrivileged.
const (
	LevelPrivileged Level = "privileged"
	LevelBaseline   Level = "baseline"
	LevelRestricted Level = "restricted"
)

// strictness orders levels.
func (l Level) strictness() int {
	switch l {
	case LevelBaseline:
		return 1
	case LevelRestricted:
		return 2
	}
	return 0
}

// confined is the security context of a container of ours: all that the restricted level wants, and the user of the
// container that it serves. Whether that is root is for the Pod to say; adding runAsNonRoot here would keep a Pod of
// root's from starting.
func (e *edit) confined(serves *corev1.Container) *corev1.SecurityContext {
	no, yes := false, true
	s := &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no,
		ReadOnlyRootFilesystem:   &yes,
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if serves != nil && serves.SecurityContext != nil {
		s.RunAsUser = clonePointer(serves.SecurityContext.RunAsUser)
		s.RunAsNonRoot = clonePointer(serves.SecurityContext.RunAsNonRoot)
		s.SELinuxOptions = serves.SecurityContext.SELinuxOptions.DeepCopy()
	}
	if whole := e.pod.Spec.SecurityContext; whole != nil && whole.AppArmorProfile != nil && whole.AppArmorProfile.Type == corev1.AppArmorProfileTypeLocalhost {
		// It was written for the application, and may keep a shell from starting.
		s.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	}
	return s
}

// anyUser is the user of a container of ours whose image may run as any user, where the Pod forbids root and names
// nobody: the kubelet starts nothing as root then, nor as a user whom the image gives a name instead of a number
// (elastic/beats#41197). 1000 is that of Filebeat's image.
func (e *edit) anyUser(s *corev1.SecurityContext) {
	forbidden := s.RunAsNonRoot
	if whole := e.pod.Spec.SecurityContext; forbidden == nil && whole != nil {
		forbidden = whole.RunAsNonRoot
	}
	if forbidden != nil && *forbidden && e.runsAs(s) == nil {
		user := int64(1000)
		s.RunAsUser = &user
	}
}

// runsAs is the UID that a container of ours gets, or nil if its image decides.
func (e *edit) runsAs(s *corev1.SecurityContext) *int64 {
	if s.RunAsUser != nil || e.pod.Spec.SecurityContext == nil {
		return s.RunAsUser
	}
	return e.pod.Spec.SecurityContext.RunAsUser
}

// levelOf is the strictest level under which a container of a team's own may run, once what it leaves open is confined.
func levelOf(c *corev1.Container) Level {
	level := LevelRestricted
	lower := func(to Level, when bool) {
		if when && to.strictness() < level.strictness() {
			level = to
		}
	}
	lower(LevelPrivileged, slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 }))
	for _, h := range handlersOf(c) {
		lower(LevelPrivileged, h.HTTPGet != nil && h.HTTPGet.Host != "" || h.TCPSocket != nil && h.TCPSocket.Host != "")
	}
	s := c.SecurityContext
	if s == nil {
		return level
	}
	lower(LevelPrivileged, s.Privileged != nil && *s.Privileged)
	lower(LevelPrivileged, s.ProcMount != nil && *s.ProcMount != corev1.DefaultProcMount)
	lower(LevelPrivileged, s.SELinuxOptions != nil || s.AppArmorProfile != nil && s.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined)
	lower(LevelPrivileged, s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined)
	lower(LevelPrivileged, s.WindowsOptions != nil)
	lower(LevelBaseline, s.AllowPrivilegeEscalation != nil && *s.AllowPrivilegeEscalation)
	lower(LevelBaseline, s.RunAsUser != nil && *s.RunAsUser == 0 || s.RunAsNonRoot != nil && !*s.RunAsNonRoot)
	if s.Capabilities != nil {
		lower(LevelBaseline, !slices.Contains(s.Capabilities.Drop, "ALL"))
		for _, add := range s.Capabilities.Add {
			lower(LevelBaseline, add != "NET_BIND_SERVICE")
			lower(LevelPrivileged, !slices.Contains(baselineCapabilities(), add))
		}
	}
	return level
}

func handlersOf(c *corev1.Container) (out []corev1.LifecycleHandler) {
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			out = append(out, corev1.LifecycleHandler{HTTPGet: p.HTTPGet, TCPSocket: p.TCPSocket})
		}
	}
	if c.Lifecycle != nil {
		for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if h != nil {
				out = append(out, *h)
			}
		}
	}
	return out
}

// baselineCapabilities are those that the baseline level lets containers add.
func baselineCapabilities() []corev1.Capability {
	return []corev1.Capability{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

// levelOfVolume is the strictest level under which a volume may be used.
func levelOfVolume(v *corev1.Volume) Level {
	s := &v.VolumeSource
	switch {
	case s.HostPath != nil:
		return LevelPrivileged
	case *s == (corev1.VolumeSource{}) || s.ConfigMap != nil || s.CSI != nil || s.DownwardAPI != nil || s.EmptyDir != nil || s.Ephemeral != nil ||
		s.PersistentVolumeClaim != nil || s.Projected != nil || s.Secret != nil || s.Image != nil:
		return LevelRestricted
	}
	return LevelBaseline
}
