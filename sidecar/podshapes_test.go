package sidecar_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubewright/kubewright/sidecar"
)

// initContainer is one of a Pod's by name.
func initContainer(t *testing.T, pod *corev1.Pod, name string) *corev1.Container {
	t.Helper()
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == name {
			return &pod.Spec.InitContainers[i]
		}
	}
	require.Fail(t, "no init container "+name)
	return nil
}

// TestRootForbiddenAndNobodyNamed: the kubelet starts no image of root's then, and none whose user is a name, so that
// such a Pod would wait for its log shipper for ever.
func TestRootForbiddenAndNobodyNamed(t *testing.T) {
	yes, no, root, user := true, false, int64(0), int64(4711)
	wants := map[string]string{"log.paths": "/var/log/app/*.log", "timezone": "UTC", "timezone.data": "true"}
	for name, test := range map[string]struct {
		pod  *corev1.PodSecurityContext
		app  *corev1.SecurityContext
		want *int64 // of our containers
	}{
		"by the Pod":             {&corev1.PodSecurityContext{RunAsNonRoot: &yes}, nil, new(int64(1000))},
		"by the container":       {nil, &corev1.SecurityContext{RunAsNonRoot: &yes}, new(int64(1000))},
		"not by the container":   {&corev1.PodSecurityContext{RunAsNonRoot: &yes}, &corev1.SecurityContext{RunAsNonRoot: &no}, nil},
		"the Pod names one":      {&corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user}, nil, nil},
		"the application is one": {&corev1.PodSecurityContext{RunAsNonRoot: &yes}, &corev1.SecurityContext{RunAsUser: &user}, &user},
		"root is allowed":        {nil, &corev1.SecurityContext{RunAsUser: &root}, &root},
		"nothing is said":        {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			pod := annotate(podOf(t, webPod), wants)
			pod.Spec.SecurityContext, pod.Spec.Containers[0].SecurityContext = test.pod, test.app
			out := requireLaws(t, newSet(t), pod, sidecar.Namespace{})
			for _, own := range []string{"log-shipper", "timezone"} {
				require.Equal(t, test.want, initContainer(t, out, own).SecurityContext.RunAsUser, own)
			}
			if test.want != nil {
				require.Equal(t, &root, initContainer(t, out, "log-shipper").SecurityContext.RunAsGroup, "which may read the image's files")
			}
		})
	}
}

// TestAppArmorOfTheApplication: a profile that was written for the application would keep the shipper from starting.
func TestAppArmorOfTheApplication(t *testing.T) {
	pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/var/log/app/*.log"})
	profile := "web"
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &profile}}
	out := requireLaws(t, newSet(t), pod, sidecar.Namespace{})
	require.Equal(t, &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}, initContainer(t, out, "log-shipper").SecurityContext.AppArmorProfile)
	pod.Spec.SecurityContext.AppArmorProfile = &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	out = requireLaws(t, newSet(t), pod, sidecar.Namespace{})
	require.Nil(t, initContainer(t, out, "log-shipper").SecurityContext.AppArmorProfile, "a node without AppArmor refuses Pods that name one")
}

// TestGuaranteedCPU: what was to have no limit gets one that it can work with; a limit of the platform's counts.
func TestGuaranteedCPU(t *testing.T) {
	cpu := func(text string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(text)}
	}
	for want, resources := range map[string]corev1.ResourceRequirements{
		"200m": {Requests: cpu("50m")},
		"300m": {Requests: cpu("300m")},
		"50m":  {Requests: cpu("20m"), Limits: cpu("50m")},
	} {
		f := shipper()
		f.Resources = resources
		pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/var/log/app/*.log"})
		pod.Spec.Containers = pod.Spec.Containers[:1] // which is Guaranteed
		out := requireLaws(t, newSet(t, f), pod, sidecar.Namespace{})
		own := initContainer(t, out, "log-shipper").Resources
		require.Equal(t, want, own.Limits.Cpu().String())
		require.Equal(t, want, own.Requests.Cpu().String())
	}
}

// TestRelativeMountPath: the kubelet mounts "var/log/app" at /var/log/app. An empty volume at the same place would be
// the one that the application or the shipper does not see.
func TestRelativeMountPath(t *testing.T) {
	for _, at := range []string{"var/log/app", "var/log/app/", "/var//log/app", "var/log"} {
		pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/var/log/app/*.log"})
		pod.Spec.Volumes = []corev1.Volume{{Name: "logs"}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "logs", MountPath: at}}
		out := requireLaws(t, newSet(t), pod, sidecar.Namespace{})
		require.Equal(t, pod.Spec.Containers[0].VolumeMounts, out.Spec.Containers[0].VolumeMounts)
		require.Equal(t, "logs", initContainer(t, out, "log-shipper").VolumeMounts[2].Name)
	}
}

// TestDoubts: what is valid, and loses logs or the application.
func TestDoubts(t *testing.T) {
	warnings := func(pod *corev1.Pod, wants map[string]string) []string {
		_, outcome := apply(t, newSet(t), annotate(pod, wants), sidecar.Namespace{})
		return outcome.Warnings
	}
	pod := podOf(t, webPod)
	require.Equal(t, []string{"log: /app/logs counts as a file, and the log shipper gets the directory /app; if it is a directory, write /app/logs/*.log"},
		warnings(pod, map[string]string{"log.paths": "/app/logs\n/var/log/app/*\n/var/log/app/app.log"}))

	always := corev1.ContainerRestartPolicyAlways
	pod.Spec.InitContainers = []corev1.Container{{Name: "mesh", Image: "mesh:1", RestartPolicy: &always}, {Name: "migrate", Image: "m:1"}}
	require.Equal(t, []string{"log: container mesh is a native sidecar, which ends after the log shipper: what it writes last is not shipped"},
		warnings(pod, map[string]string{"log.paths": "/var/log/mesh/*.log", "log.container": "mesh"}))
	require.Empty(t, warnings(pod, map[string]string{"log.paths": "/var/log/mesh/*.log", "log.container": "migrate"}))

	_, _, err := newSet(t).Apply(annotate(pod, map[string]string{"log.paths": "/app/logs/."}), sidecar.Namespace{})
	require.ErrorContains(t, err, "it is a directory; write which files, such as /app/logs/*.log")
}

// TestWhereADefaultIsFrom: who made the Pod has not written it, and has to know where to look. Opting out helps, also
// against a default that nobody understands.
func TestWhereADefaultIsFrom(t *testing.T) {
	for name, value := range map[string]string{"log.pahts": "/x/*.log", "timezone": "/etc", "log.paths": "/proc/x/*.log", "sidecar.agent": "yes", "faketime": "+1d"} {
		ns := sidecar.Namespace{Defaults: map[string]string{prefix + name: value}}
		_, _, err := newSet(t).Apply(podOf(t, webPod), ns)
		require.ErrorContains(t, err, "(the Pod has it by default, from its namespace or owner: change it there, or write "+prefix+"inject=false in the Pod)")
		problem := &sidecar.AnnotationError{}
		require.ErrorAs(t, err, &problem)
		require.True(t, problem.Default)

		out := annotate(podOf(t, webPod), map[string]string{"inject": "false"})
		apply(t, newSet(t), out, ns)

		_, _, err = newSet(t).Apply(annotate(podOf(t, webPod), map[string]string{name: value}), sidecar.Namespace{})
		require.ErrorAs(t, err, &problem)
		require.False(t, problem.Default)
		require.NotContains(t, err.Error(), "by default")
	}
	_, _, err := newSet(t).Apply(annotate(podOf(t, webPod), map[string]string{"inject": "false", "timezone": "/etc"}), sidecar.Namespace{})
	require.Error(t, err, "what the Pod itself says wrong stays an error")
	_, outcome := apply(t, newSet(t), annotate(podOf(t, webPod), map[string]string{"inject": "false", "faketime.libc": "glibc"}), sidecar.Namespace{})
	require.Empty(t, outcome.Applied, "what nothing is done with need not do anything")
}

// TestTwoSidecarsOfOneName: nobody can rename what the platform has named.
func TestTwoSidecarsOfOneName(t *testing.T) {
	other := agent()
	other.Title = "agent-next"
	_, _, err := newSet(t, agent(), other).Apply(annotate(podOf(t, webPod), map[string]string{"sidecar.agent": "true", "sidecar.agent-next": "true"}), sidecar.Namespace{})
	for _, what := range []string{"volume named agent", "container named agent", "container named agent-native"} {
		require.ErrorContains(t, err, fmt.Sprintf(`sidecar.agent-next="true": it needs a %s, and so does another annotation of the Pod; leave one of the two out`, what))
	}
}

// TestBlockDevices: the API server refuses a Pod with a mount where a block device is.
func TestBlockDevices(t *testing.T) {
	with := func(at string, wants map[string]string) *corev1.Pod {
		pod := annotate(podOf(t, webPod), wants)
		pod.Spec.Volumes = []corev1.Volume{{Name: "disk", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "disk"}}}}
		pod.Spec.Containers[0].VolumeDevices = []corev1.VolumeDevice{{Name: "disk", DevicePath: at}}
		return pod
	}
	for at, wants := range map[string]map[string]string{
		"/var/log/app":  {"log.paths": "/var/log/app/*.log"},
		"/opt/faketime": {"faketime": "+1d", "faketime.libc": "glibc"},
		"/run/agent":    {"sidecar.agent": "true"},
	} {
		_, _, err := newSet(t).Apply(with(at, wants), sidecar.Namespace{})
		require.ErrorContains(t, err, "container app has a")
		require.ErrorContains(t, err, at)
	}
	for at, wants := range map[string]map[string]string{
		"/proc/cpuinfo":       {"lxcfs": "true"},
		"/usr/share/zoneinfo": {"timezone": "UTC", "timezone.data": "true"},
	} {
		out := requireLaws(t, newSet(t), with(at, wants), sidecar.Namespace{})
		for _, m := range out.Spec.Containers[0].VolumeMounts {
			require.NotEqual(t, at, m.MountPath)
		}
		require.NotEmpty(t, out.Spec.Containers[1].VolumeMounts, "the other container has it")
	}
}

// TestInjectorsByPointer: a Set of pointers, or of structs around the injectors, knows its own work again.
func TestInjectorsByPointer(t *testing.T) {
	type mine struct{ sidecar.Sidecar }
	type own struct{ *sidecar.CPUCount }
	presets := shipper()
	presets.Presets = map[string]sidecar.Multiline{"ours": {Pattern: "^x"}}
	custom, counts := agent(), sidecar.CPUCount{Variables: []string{"CORES"}}
	pod := annotate(podOf(t, webPod), map[string]string{"sidecar.agent": "true", "cpus": "2", "log.paths": "/var/log/app/*.log", "log.multiline": "ours"})
	want, _ := apply(t, newSet(t, presets, custom, counts), pod, sidecar.Namespace{})
	for _, set := range []*sidecar.Set{newSet(t, &presets, &custom, &counts), newSet(t, &presets, mine{custom}, own{&counts})} {
		require.Equal(t, encode(t, want), encode(t, requireLaws(t, set, pod, sidecar.Namespace{})))
		spec, err := set.ParseLog(pod.Annotations, nil)
		require.NoError(t, err)
		require.Equal(t, "^x", spec.Streams[0].Multiline.Pattern)
		spec, err = set.ParseLog(annotate(pod, map[string]string{"inject": "false"}).Annotations, nil)
		require.NoError(t, err)
		require.Empty(t, spec.Streams)
	}
	set := newSet(t, &counts)
	counts.Variables = nil
	out, _ := apply(t, set, annotate(podOf(t, webPod), map[string]string{"cpus": "2"}), sidecar.Namespace{})
	require.Equal(t, "CORES", out.Spec.Containers[0].Env[0].Name, "the Set is immutable")
	_, err := sidecar.New("", (*sidecar.Filebeat)(nil))
	require.EqualError(t, err, "sidecar: an injector is nil")
}
