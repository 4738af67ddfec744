package sidecar_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/sidecar"
)

func apply(t *testing.T, set *sidecar.Set, pod *corev1.Pod, ns sidecar.Namespace) (*corev1.Pod, sidecar.Outcome) {
	t.Helper()
	out := requireLaws(t, set, pod, ns)
	_, outcome, err := set.Apply(pod, ns)
	require.NoError(t, err)
	require.NotNil(t, out)
	return out, outcome
}

// TestSkips is every reason for not getting what was asked for. Each is a warning too.
func TestSkips(t *testing.T) {
	everything := map[string]string{"log.paths": "/x/y/*.log", "lxcfs": "true", "timezone": "UTC"}
	for name, c := range map[string]struct {
		set  *sidecar.Set
		ns   sidecar.Namespace
		pod  func(*corev1.Pod)
		more map[string]string
		want map[string]sidecar.Reason
	}{
		"opted out":   {more: map[string]string{"inject": "false"}, want: map[string]sidecar.Reason{"log": sidecar.ReasonOptedOut, "lxcfs": sidecar.ReasonOptedOut, "timezone": sidecar.ReasonOptedOut}},
		"disabled":    {ns: sidecar.Namespace{Disabled: []string{"log"}}, want: map[string]sidecar.Reason{"log": sidecar.ReasonDisabled}},
		"baseline":    {ns: sidecar.Namespace{Level: sidecar.LevelBaseline}, want: map[string]sidecar.Reason{"lxcfs": sidecar.ReasonPodSecurity}},
		"absent":      {set: newSet(t, sidecar.TimeZone{}), want: map[string]sidecar.Reason{"log": sidecar.ReasonNotConfigured, "lxcfs": sidecar.ReasonNotConfigured}},
		"Windows":     {pod: func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"kubernetes.io/os": "windows"} }, want: map[string]sidecar.Reason{"log": sidecar.ReasonWindows, "lxcfs": sidecar.ReasonWindows, "timezone": sidecar.ReasonWindows}},
		"mirror":      {pod: func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }, want: map[string]sidecar.Reason{"log": sidecar.ReasonMirror, "lxcfs": sidecar.ReasonMirror, "timezone": sidecar.ReasonMirror}},
		"no target":   {more: map[string]string{"lxcfs.skip": "app, proxy"}, want: map[string]sidecar.Reason{"lxcfs": sidecar.ReasonNoTarget}},
		"no CPUs":     {more: map[string]string{"cpus": "auto"}, pod: func(p *corev1.Pod) { p.Spec.Containers[0].Resources = corev1.ResourceRequirements{} }, want: map[string]sidecar.Reason{"cpus": sidecar.ReasonNoTarget}},
		"nobody asks": {ns: sidecar.Namespace{Disabled: []string{"debug"}}, want: map[string]sidecar.Reason{}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := podOf(t, webPod)
			if c.pod != nil {
				c.pod(pod)
			}
			set := c.set
			if set == nil {
				set = newSet(t)
			}
			_, outcome := apply(t, set, annotate(annotate(pod, everything), c.more), c.ns)
			got := map[string]sidecar.Reason{}
			for _, s := range outcome.Skipped {
				got[s.Injector] = s.Reason
				require.Contains(t, outcome.Warnings, s.Injector+" was not injected: "+s.Detail)
				require.NotContains(t, outcome.Applied, s.Injector)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestDefaults(t *testing.T) {
	set := newSet(t)
	defaults := map[string]string{prefix + "timezone": "Asia/Tokyo", prefix + "log.topic": "of-the-namespace", prefix + "lxcfs": "true", "other.example.com/timezone": "x"}
	out, outcome := apply(t, set, podOf(t, webPod), sidecar.Namespace{Defaults: defaults})
	require.Equal(t, []string{"lxcfs", "timezone"}, outcome.Applied, "a default without log.paths waits for Pods that have it")
	require.Equal(t, corev1.EnvVar{Name: "TZ", Value: "Asia/Tokyo"}, out.Spec.Containers[0].Env[0])
	out, outcome = apply(t, set, annotate(podOf(t, webPod), map[string]string{"lxcfs": "false", "timezone": "UTC", "log.paths": "/x/y/z"}), sidecar.Namespace{Defaults: defaults})
	require.Equal(t, []string{"timezone", "log"}, outcome.Applied)
	require.Equal(t, "UTC", out.Spec.Containers[0].Env[0].Value)
	require.Contains(t, out.Annotations[prefix+"log.config"], "topic: 'of-the-namespace'")
}

// TestRemovedAnnotation: a copy of a Pod, without the annotation that asked, loses what it brought.
func TestRemovedAnnotation(t *testing.T) {
	set := newSet(t)
	pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/x/y/*.log"})
	out, _ := apply(t, set, pod, sidecar.Namespace{})
	delete(out.Annotations, prefix+"log.paths")
	out, outcome, err := set.Apply(out, sidecar.Namespace{})
	require.NoError(t, err)
	require.Empty(t, outcome.Applied)
	require.Equal(t, encode(t, podOf(t, webPod)), encode(t, out))
}

func TestClassic(t *testing.T) {
	f := shipper()
	f.Classic, f.Drain, f.Flush = true, metav1.Duration{Duration: 6 * time.Second}, metav1.Duration{Duration: 1500 * time.Millisecond}
	set := newSet(t, f)
	pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/x/y/*.log"})
	grace := int64(40)
	pod.Spec.TerminationGracePeriodSeconds = &grace
	out, _ := apply(t, set, pod, sidecar.Namespace{})
	require.Equal(t, []string{"app", "proxy", "log-shipper"}, names(out.Spec.Containers))
	c := out.Spec.Containers[2]
	require.Nil(t, c.RestartPolicy)
	require.Equal(t, "46", c.Command[len(c.Command)-1], "SIGTERM comes with the application's")
	require.Equal(t, int64(40+6+2+2), *out.Spec.TerminationGracePeriodSeconds)
	pod.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	_, _, err := set.Apply(pod, sidecar.Namespace{})
	require.ErrorContains(t, err, "would keep it from ending")
}

// TestGrace is what is hard about terminationGracePeriodSeconds.
func TestGrace(t *testing.T) {
	set := newSet(t)
	both := map[string]string{"log.paths": "/x/y/*.log", "sidecar.agent": "true"}
	for have, want := range map[int64]int64{0: 21, -5: 21, 1: 21, 30: 50, math.MaxInt64 - 1: math.MaxInt64} {
		pod := annotate(podOf(t, webPod), both)
		pod.Spec.TerminationGracePeriodSeconds = &have
		out, _ := apply(t, set, pod, sidecar.Namespace{})
		require.Equal(t, want, *out.Spec.TerminationGracePeriodSeconds)
		edited := int64(100) // by somebody, between two passes
		out.Spec.TerminationGracePeriodSeconds = &edited
		out, _, err := set.Apply(out, sidecar.Namespace{})
		require.NoError(t, err)
		require.Equal(t, int64(120), *out.Spec.TerminationGracePeriodSeconds, "raised from what it is now, once")
	}
}

// TestWords is what becomes of variables that are lists.
func TestWords(t *testing.T) {
	set := newSet(t)
	wishes := map[string]string{"faketime": "+1d", "faketime.libc": "musl", "cpus": "2", "cpus.shim": "musl", "cpus.java": "true"}
	for have, want := range map[string]string{
		"a.so":                           "a.so /opt/faketime/libfaketime.so /opt/cpu-shim/libcpus.so",
		"a.so:/opt/cpu-shim/libcpus.so":  "a.so:/opt/cpu-shim/libcpus.so /opt/faketime/libfaketime.so",
		"/opt/faketime/libfaketime.so b": "/opt/faketime/libfaketime.so b /opt/cpu-shim/libcpus.so",
	} {
		pod := annotate(podOf(t, webPod), wishes)
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "LD_PRELOAD", Value: "hidden"}, {Name: "LD_PRELOAD", Value: have}, {Name: "JAVA_TOOL_OPTIONS", Value: " -XX:ActiveProcessorCount=9 "}}
		out, _ := apply(t, set, pod, sidecar.Namespace{})
		env := out.Spec.Containers[0].Env
		require.Equal(t, []corev1.EnvVar{{Name: "LD_PRELOAD", Value: "hidden"}, {Name: "LD_PRELOAD", Value: want}, {Name: "JAVA_TOOL_OPTIONS", Value: " -XX:ActiveProcessorCount=9 "}}, env[len(env)-3:])
		require.Equal(t, corev1.EnvVar{Name: "LD_PRELOAD", Value: "/opt/faketime/libfaketime.so /opt/cpu-shim/libcpus.so"}, out.Spec.Containers[1].Env[0])

		for i := range out.Spec.Containers { // a mesh that preloads something too
			for j := range out.Spec.Containers[i].Env {
				if v := &out.Spec.Containers[i].Env[j]; v.Name == "LD_PRELOAD" && v.Value != "hidden" {
					v.Value += " mesh.so"
				}
			}
		}
		again, _, err := set.Apply(out, sidecar.Namespace{})
		require.NoError(t, err)
		third, _, err := set.Apply(again, sidecar.Namespace{})
		require.NoError(t, err)
		require.Equal(t, encode(t, again), encode(t, third))
		back, err := set.Eject(again)
		require.NoError(t, err)
		require.Equal(t, have+" mesh.so", back.Spec.Containers[0].Env[1].Value)
	}
}

// TestForgedRecord is a Pod that comes with a record of its own: it takes nothing away that is not the Set's.
func TestForgedRecord(t *testing.T) {
	set := newSet(t)
	pod := annotate(podOf(t, webPod), map[string]string{"timezone": "UTC", "injected": `{"main":"x","containers":["app","proxy"],"volumes":["x"],"terminationGracePeriodSeconds":{"from":1,"to":2},"in":{"app":null,"y":{"env":[{"name":"A"}]}},"hostnames":[{"ip":"1.1.1.1"}]}`})
	out, _, err := set.Apply(pod, sidecar.Namespace{})
	require.NoError(t, err)
	require.Equal(t, []string{"app", "proxy"}, names(out.Spec.Containers))
	pod.Annotations[prefix+"injected"] = "[]"
	_, err = set.Eject(pod)
	_, ok := errors.AsType[*sidecar.AnnotationError](err)
	require.True(t, ok)
}

// TestSharedVolume: a volume of ours that somebody else has mounted meanwhile stays as long as it is used.
func TestSharedVolume(t *testing.T) {
	set := newSet(t)
	out, _ := apply(t, set, annotate(podOf(t, webPod), map[string]string{"log.paths": "/x/y/*.log"}), sidecar.Namespace{})
	out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Name: "other", VolumeMounts: []corev1.VolumeMount{{Name: "log-shipper-logs", MountPath: "/z"}}})
	back, err := set.Eject(out)
	require.NoError(t, err)
	require.Len(t, back.Spec.Volumes, 1)
	_, _, err = set.Apply(out, sidecar.Namespace{})
	require.NoError(t, err)
}

func TestSubPathExpr(t *testing.T) {
	pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/var/log/app/*.log"})
	pod.Spec.Volumes = []corev1.Volume{{Name: "nfs", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "s", Path: "/p"}}}}
	c := &pod.Spec.Containers[0]
	c.Env = []corev1.EnvVar{{Name: "ME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}, {Name: "IN", Value: "x"}}
	c.VolumeMounts = []corev1.VolumeMount{{Name: "nfs", MountPath: "/var/log/app/", SubPathExpr: "$(IN)/$(ME)/$(ME)"}}
	out, outcome := apply(t, newSet(t), pod, sidecar.Namespace{})
	shipper := out.Spec.InitContainers[0]
	require.Contains(t, shipper.Env, c.Env[0])
	require.Contains(t, shipper.Env, c.Env[1])
	require.Contains(t, shipper.VolumeMounts, corev1.VolumeMount{Name: "nfs", MountPath: "/var/log/app", SubPathExpr: "$(IN)/$(ME)/$(ME)", ReadOnly: true})
	require.Contains(t, outcome.Warnings[0], "a network volume: files are told apart by their inodes")
}

// TestLXCFSParent lets a script on the node repair containers.
func TestLXCFSParent(t *testing.T) {
	set := newSet(t, sidecar.LXCFS{Dir: "/var/lib/lxcfs-mount/lxcfs", Parent: "/var/lib/lxcfs-mount", Files: []string{"uptime", "loadavg"}})
	pod := annotate(podOf(t, webPod), map[string]string{"lxcfs": "true"})
	yes := true
	pod.Spec.Containers[1].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
	out, _ := apply(t, set, pod, sidecar.Namespace{})
	propagation := corev1.MountPropagationHostToContainer
	require.Equal(t, []corev1.VolumeMount{
		{Name: "lxcfs-loadavg", MountPath: "/proc/loadavg", ReadOnly: true},
		{Name: "lxcfs-uptime", MountPath: "/proc/uptime", ReadOnly: true},
		{Name: "lxcfs-parent", MountPath: "/var/lib/lxcfs-mount", ReadOnly: true, MountPropagation: &propagation},
	}, out.Spec.Containers[0].VolumeMounts)
	require.Empty(t, out.Spec.Containers[1].VolumeMounts, "it reads the node's on purpose")
	require.Equal(t, "/var/lib/lxcfs-mount/lxcfs/proc/uptime", out.Spec.Volumes[2].HostPath.Path)
}

// TestCPUsOfThePod: a limit of the Pod as a whole bounds every container.
func TestCPUsOfThePod(t *testing.T) {
	pod := annotate(podOf(t, webPod), map[string]string{"cpus": "auto"})
	pod.Spec.Resources = &corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	out, _ := apply(t, newSet(t, sidecar.CPUCount{Variables: []string{"CPUS", "_NUM_CPUS"}}), pod, sidecar.Namespace{})
	for i, c := range out.Spec.Containers {
		require.Equal(t, []corev1.EnvVar{{Name: "CPUS", Value: "1"}, {Name: "_NUM_CPUS", Value: "1"}}, c.Env, "%d", i)
	}
}

func TestPlatformLimits(t *testing.T) {
	set := newSet(t, sidecar.TimeZone{Zones: []string{"UTC", "Europe/Berlin"}}, sidecar.CPUCount{})
	_, _, err := set.Apply(annotate(podOf(t, webPod), map[string]string{"timezone": "Asia/Tokyo", "timezone.data": "true", "cpus": "2", "cpus.shim": "musl"}), sidecar.Namespace{})
	require.ErrorContains(t, err, "the platform does not have that zone; write one of UTC, Europe/Berlin")
	require.ErrorContains(t, err, `cpus.shim="musl": this platform has no such library`)
	_, _, err = set.Apply(annotate(podOf(t, webPod), map[string]string{"timezone": "UTC", "timezone.data": "true"}), sidecar.Namespace{})
	require.ErrorContains(t, err, "this platform has no copy of the database")

	f := shipper()
	f.Output.Kafka.Topic = ""
	_, _, err = newSet(t, f).Apply(annotate(podOf(t, webPod), map[string]string{"log.paths": "/x/y/z"}), sidecar.Namespace{})
	require.ErrorContains(t, err, "stream default has no topic, and the platform has no default for it; add log.topic")
}

// TestSidecarLevels: a team's sidecar is skipped where Pod Security would refuse it.
func TestSidecarLevels(t *testing.T) {
	yes, no, root := true, false, int64(0)
	for name, c := range map[string]struct {
		with sidecar.Sidecar
		want sidecar.Level
	}{
		"plain":    {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c"}}}, sidecar.LevelRestricted},
		"root":     {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c", SecurityContext: &corev1.SecurityContext{RunAsUser: &root}}}}, sidecar.LevelBaseline},
		"as root":  {sidecar.Sidecar{InitContainers: []corev1.Container{{Name: "c", Image: "c", SecurityContext: &corev1.SecurityContext{RunAsNonRoot: &no}}}}, sidecar.LevelBaseline},
		"CHOWN":    {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c", SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"CHOWN"}}}}}}, sidecar.LevelBaseline},
		"admin":    {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c", SecurityContext: &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}}}}}, sidecar.LevelPrivileged},
		"all":      {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c", SecurityContext: &corev1.SecurityContext{Privileged: &yes}}}}, sidecar.LevelPrivileged},
		"port":     {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c", Ports: []corev1.ContainerPort{{HostPort: 1}}}}}, sidecar.LevelPrivileged},
		"hook":     {sidecar.Sidecar{Containers: []corev1.Container{{Name: "c", Image: "c", Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: "h"}}}, LivenessProbe: &corev1.Probe{}}}}, sidecar.LevelPrivileged},
		"hostPath": {sidecar.Sidecar{Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}}}}, sidecar.LevelPrivileged},
		"NFS":      {sidecar.Sidecar{Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}}}}}, sidecar.LevelBaseline},
	} {
		t.Run(name, func(t *testing.T) {
			c.with.Title = "s"
			for _, level := range []sidecar.Level{"", sidecar.LevelPrivileged, sidecar.LevelBaseline, sidecar.LevelRestricted} {
				_, outcome := apply(t, newSet(t, c.with), annotate(podOf(t, webPod), map[string]string{"sidecar.s": "true"}), sidecar.Namespace{Level: level})
				rank := map[sidecar.Level]int{sidecar.LevelBaseline: 1, sidecar.LevelRestricted: 2}
				require.Equal(t, rank[level] <= rank[c.want], len(outcome.Applied) == 1, "%q", level)
			}
		})
	}
}

func TestParseLog(t *testing.T) {
	f := shipper()
	f.Presets = map[string]sidecar.Multiline{"ours": {Pattern: `^\d`, Negate: true}}
	set := newSet(t, f)
	spec, err := set.ParseLog(nil, nil)
	require.NoError(t, err)
	require.Empty(t, spec.Streams)
	spec, err = set.ParseLog(map[string]string{prefix + "log.paths": "/a/b/*.log\n/a/b/c//d.log", prefix + "log.z.paths": "/z/z", prefix + "log.multiline": "ours"}, map[string]string{prefix + "log.drain": "9s"})
	require.NoError(t, err)
	m := &sidecar.Multiline{Pattern: `^\d`, Negate: true, Match: "after"}
	require.Equal(t, sidecar.LogSpec{Drain: 9 * time.Second, Streams: []sidecar.LogStream{
		{Name: "default", Paths: []string{"/a/b/*.log", "/a/b/c/d.log"}, Multiline: m},
		{Name: "z", Paths: []string{"/z/z"}, Multiline: m},
	}}, spec)
	_, err = set.ParseLog(map[string]string{prefix + "log.topic": "x", prefix + "cpus": "no"}, nil)
	require.ErrorContains(t, err, "it does nothing without")
	require.ErrorContains(t, err, "cpus")
}

// TestWrapperOfTheImage: for images without a shell, a program of the platform's takes its place, and nothing else is
// another.
func TestWrapperOfTheImage(t *testing.T) {
	f := shipper()
	pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/srv/log/*.log"})
	usual, _, err := newSet(t, f).Apply(pod, sidecar.Namespace{})
	require.NoError(t, err)
	f.Wrapper = []string{"/drain", "--verbose"}
	out := requireLaws(t, newSet(t, f), pod, sidecar.Namespace{})
	i := len(out.Spec.InitContainers) - 1
	require.Equal(t, []string{"/drain", "--verbose", "5"}, out.Spec.InitContainers[i].Command)
	require.Equal(t, "filebeat", out.Spec.InitContainers[i].Args[0])
	out.Spec.InitContainers[i].Command = usual.Spec.InitContainers[i].Command
	require.Equal(t, encode(t, usual), encode(t, out))
}
