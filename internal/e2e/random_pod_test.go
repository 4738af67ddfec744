package e2e

import (
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
)

// newRiskyPod is a Pod of everything that Pod Security looks at, and of what is easily mistaken for it. Not all of them
// are valid: a verdict must not depend on validation having come first.
func newRiskyPod(r *rand.Rand) *corev1.Pod {
	spec := corev1.PodSpec{
		HostNetwork: r.IntN(5) == 0, HostPID: r.IntN(8) == 0, HostIPC: r.IntN(8) == 0,
		HostUsers: maybe(r, true, false),
		OS:        pick(r, nil, nil, nil, &corev1.PodOS{Name: corev1.Linux}, &corev1.PodOS{Name: corev1.Windows}),
	}
	for range r.IntN(2) {
		spec.InitContainers = append(spec.InitContainers, newRiskyContainer(r))
	}
	for range r.IntN(3) {
		spec.Containers = append(spec.Containers, newRiskyContainer(r))
	}
	for range r.IntN(2) {
		spec.EphemeralContainers = append(spec.EphemeralContainers, corev1.EphemeralContainer{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon(newRiskyContainer(r)),
		})
	}
	if r.IntN(3) == 0 {
		spec.SecurityContext = &corev1.PodSecurityContext{WindowsOptions: newWindowsOptions(r)}
	}
	if r.IntN(2) == 0 {
		v := corev1.Volume{Name: "v"}
		if r.IntN(3) == 0 {
			v.HostPath = &corev1.HostPathVolumeSource{Path: pick(r, "", "/", "x", "/etc")}
		}
		spec.Volumes = append(spec.Volumes, v)
	}
	return &corev1.Pod{Spec: spec}
}

func newRiskyContainer(r *rand.Rand) corev1.Container {
	c := corev1.Container{
		Name:          pick(r, "a", "b", ""),
		RestartPolicy: maybe(r, corev1.ContainerRestartPolicyAlways),
		LivenessProbe: newHostProbe(r), ReadinessProbe: newHostProbe(r), StartupProbe: newHostProbe(r),
	}
	if r.IntN(2) == 0 {
		c.SecurityContext = newRiskyContext(r)
	}
	if r.IntN(3) == 0 {
		c.Lifecycle = &corev1.Lifecycle{PostStart: newHostHook(r), PreStop: newHostHook(r)}
	}
	for range r.IntN(3) {
		c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: r.Int32N(3), HostPort: pick[int32](r, 0, 0, 0, 80, -1)})
	}
	return c
}

func newRiskyContext(r *rand.Rand) *corev1.SecurityContext {
	s := &corev1.SecurityContext{
		Privileged:               rarely(r, maybe(r, true, false)),
		AllowPrivilegeEscalation: maybe(r, false, false, false, true),
		ProcMount:                rarely(r, maybe(r, corev1.DefaultProcMount, corev1.UnmaskedProcMount, "")),
		WindowsOptions:           rarely(r, newWindowsOptions(r)),
	}
	if r.IntN(2) == 0 {
		s.Capabilities = &corev1.Capabilities{}
		for range r.IntN(3) {
			s.Capabilities.Add = append(s.Capabilities.Add,
				pick[corev1.Capability](r, "CHOWN", "NET_BIND_SERVICE", "NET_BIND_SERVICE", "NET_ADMIN", "ALL", "NET_RAW", "CAP_CHOWN", "chown", ""))
		}
		for range r.IntN(3) {
			s.Capabilities.Drop = append(s.Capabilities.Drop, pick[corev1.Capability](r, "ALL", "ALL", "CHOWN", "all"))
		}
	}
	return s
}

func newWindowsOptions(r *rand.Rand) *corev1.WindowsSecurityContextOptions {
	return pick(r, nil, &corev1.WindowsSecurityContextOptions{HostProcess: maybe(r, true, false)})
}

func newHostProbe(r *rand.Rand) *corev1.Probe {
	return rarely(r, &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: newGet(r), TCPSocket: newDial(r)}})
}

func newHostHook(r *rand.Rand) *corev1.LifecycleHandler {
	return rarely(r, &corev1.LifecycleHandler{HTTPGet: newGet(r), TCPSocket: newDial(r)})
}

func newGet(r *rand.Rand) *corev1.HTTPGetAction {
	return rarely(r, &corev1.HTTPGetAction{Host: pick(r, "", "", "192.0.2.1", "localhost")})
}

func newDial(r *rand.Rand) *corev1.TCPSocketAction {
	return rarely(r, &corev1.TCPSocketAction{Host: pick(r, "", "", "192.0.2.1", "localhost")})
}

// rarely is p once in three times, or else nil.
func rarely[T any](r *rand.Rand, p *T) *T {
	if r.IntN(3) > 0 {
		return nil
	}
	return p
}
