package sidecar_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/sidecar"
)

// TestForgedRecordAgainstOthers is a Pod that another webhook has worked on, with a record that claims its work.
func TestForgedRecordAgainstOthers(t *testing.T) {
	set := newSet(t)
	pod := annotate(podOf(t, `
metadata: {generateName: web-}
spec:
  readinessGates: [{conditionType: example.com/registered}]
  initContainers:
  - {name: mesh-native, image: "mesh:1", restartPolicy: Always}
  containers:
  - name: app
    image: registry.example.com/web:1
    env: [{name: MESH, value: "on"}, {name: JAVA_TOOL_OPTIONS, value: "-Xmx1g -javaagent:/mesh.jar"}]
    volumeMounts: [{name: mesh-keys, mountPath: /keys}]
  - {name: mesh, image: "mesh:1"}
  volumes: [{name: mesh-keys, emptyDir: {}}, {name: mesh-data, emptyDir: {}}]
`), map[string]string{"timezone": "UTC"})
	want, _ := apply(t, set, pod, sidecar.Namespace{})
	forged := annotate(pod, map[string]string{"injected": `{"main":"app","containers":["mesh"],"initContainers":["mesh-native"],"volumes":["mesh-keys","mesh-data"],
		"readinessGates":["example.com/registered"],"annotations":["timezone"],"in":{"app":{"env":[{"name":"MESH","value":"on"}],
		"words":[{"name":"JAVA_TOOL_OPTIONS","word":"-javaagent:/mesh.jar"}],"mounts":[{"name":"mesh-keys","mountPath":"/keys"}]}}}`})
	got, _, err := set.Apply(forged, sidecar.Namespace{})
	require.NoError(t, err)
	require.Equal(t, encode(t, want), encode(t, got))
	back, err := set.Eject(forged)
	require.NoError(t, err)
	require.Equal(t, encode(t, pod), encode(t, back))
}

// TestCostIsLinear is Pods that the API server has not judged yet, as large as a request may be. With work by the square
// of their size, none of these would end before the test binary is killed.
func TestCostIsLinear(t *testing.T) {
	set := newSet(t)
	long := annotate(podOf(t, webPod), map[string]string{"log." + strings.Repeat("a", 1<<20) + ".pathz": "x"})
	_, _, err := set.Apply(long, sidecar.Namespace{})
	require.ErrorContains(t, err, "there is no such annotation; remove it")

	many := func(name string) []string { return strings.Split(strings.Repeat(name+",", 200_000)+name, ",") }
	hosts := annotate(podOf(t, webPod), map[string]string{"injected": record(t, map[string]any{"hostnames": []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: many("a")}}})})
	hosts.Spec.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: many("b")}}
	out, _, err := set.Apply(hosts, sidecar.Namespace{})
	require.NoError(t, err)
	require.Equal(t, hosts.Spec, out.Spec)

	stray := podOf(t, webPod)
	stray.Annotations = map[string]string{}
	for i := range 50_000 {
		stray.Annotations[fmt.Sprintf("%slog.s%d.json", prefix, i)] = "true"
	}
	for _, wants := range []map[string]string{{}, {"log.paths": "/logs/*.log"}} {
		_, _, err = set.Apply(annotate(stray, wants), sidecar.Namespace{})
		require.ErrorContains(t, err, "log.s0.json=\"true\": it does nothing without")
		require.Less(t, len(err.Error()), 64<<10)
		_, err = set.ParseLog(annotate(stray, wants).Annotations, nil)
		require.ErrorContains(t, err, "log.s0.json=\"true\": it does nothing without")
	}

	aliases, lines := podOf(t, webPod), ""
	for i := range 150_000 {
		aliases.Spec.HostAliases = append(aliases.Spec.HostAliases, corev1.HostAlias{IP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)})
	}
	for i := range 128 {
		lines += fmt.Sprintf("fd00::%x=h%d.corp\n", i+1, i)
	}
	out, _, err = set.Apply(annotate(aliases, map[string]string{"hosts": lines}), sidecar.Namespace{})
	require.NoError(t, err)
	require.Len(t, out.Spec.HostAliases, 150_128)

	mounts := podOf(t, webPod)
	for i := range 60_000 {
		mounts.Spec.Containers[0].VolumeMounts = append(mounts.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "v", MountPath: fmt.Sprint("/x/", i)})
	}
	_, _, err = set.Apply(annotate(mounts, map[string]string{"log.paths": "/var/log/app/*.log"}), sidecar.Namespace{})
	require.ErrorContains(t, err, "container app has 60000 mounts; write at most 1000")
	variables := podOf(t, webPod)
	variables.Spec.Containers[0].Env = append([]corev1.EnvVar{{Name: "A"}}, make([]corev1.EnvVar, 60_000)...)
	variables.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", MountPath: "/logs", SubPathExpr: strings.Repeat("$(A)", 400_000)}}
	_, _, err = set.Apply(annotate(variables, map[string]string{"log.paths": "/logs/*.log"}), sidecar.Namespace{})
	require.ErrorContains(t, err, "of variables that the log shipper can't have")

	containers := podOf(t, webPod)
	for i := range 100_000 {
		containers.Spec.Containers = append(containers.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i)})
	}
	for _, annotations := range []map[string]string{{"faketime": "+1d", "faketime.libc": "glibc"}, {"injected": `{"main":"app"}`}} {
		_, _, err = set.Apply(annotate(containers, annotations), sidecar.Namespace{})
		require.ErrorContains(t, err, "the Pod has 100002 containers; write at most 1000")
	}
}

func record(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// TestNestedVolumes: logs in a volume inside of another that has logs too can't both be seen by the shipper, whose
// mounts are read-only; the inner ones would silently not be read.
func TestNestedVolumes(t *testing.T) {
	pod := annotate(podOf(t, webPod), map[string]string{"log.paths": "/data/y/*.log", "log.z.paths": "/data/z/*.log"})
	pod.Spec.Volumes = []corev1.Volume{{Name: "outer"}, {Name: "inner"}}
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "outer", MountPath: "/data/"}, {Name: "inner", MountPath: "/data/z"}}
	_, _, err := newSet(t).Apply(pod, sidecar.Namespace{})
	require.ErrorContains(t, err, "log.z.paths=\"/data/z/*.log\": /data/z is in another volume than /data")
	pod.Spec.Containers[0].VolumeMounts = pod.Spec.Containers[0].VolumeMounts[:1]
	requireLaws(t, newSet(t), pod, sidecar.Namespace{})
}

// TestOrdinaryContainersKeepJobsOut: what the Pod asks for is an error, a default is left out with a reason.
func TestOrdinaryContainersKeepJobsOut(t *testing.T) {
	classic := shipper()
	classic.Classic = true
	set := newSet(t, agent(), classic)
	for name, value := range map[string]string{"sidecar.agent": "true", "log.paths": "/var/log/app/*.log", "log.x.paths": "/var/log/app/*.log"} {
		for _, policy := range []corev1.RestartPolicy{corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure} {
			job := podOf(t, webPod)
			job.Spec.RestartPolicy = policy
			_, _, err := set.Apply(annotate(job, map[string]string{name: value}), sidecar.Namespace{})
			require.ErrorContains(t, err, name+"=")
			require.ErrorContains(t, err, "restartPolicy "+string(policy)+", and an ordinary container beside its own would keep it from ending")
			out, outcome, err := set.Apply(job, sidecar.Namespace{Defaults: map[string]string{prefix + name: value}})
			require.NoError(t, err)
			require.Equal(t, encode(t, job), encode(t, out))
			require.Equal(t, sidecar.ReasonRestartPolicy, outcome.Skipped[0].Reason)
			require.Len(t, outcome.Warnings, 1)
		}
	}
	native := agent()
	native.Containers = nil
	job := annotate(podOf(t, webPod), map[string]string{"sidecar.agent": "true"})
	job.Spec.RestartPolicy = corev1.RestartPolicyNever
	require.NotNil(t, requireLaws(t, newSet(t, native), job, sidecar.Namespace{}))
}

// TestFakeTimeNotInInitContainers: the library comes behind the user's init containers.
func TestFakeTimeNotInInitContainers(t *testing.T) {
	pod := annotate(podOf(t, webPod), map[string]string{"faketime": "+1d", "faketime.libc": "glibc", "faketime.containers": "migrate"})
	pod.Spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "m"}}
	_, _, err := newSet(t).Apply(pod, sidecar.Namespace{})
	require.ErrorContains(t, err, "migrate is an init container, which runs before the library is there")
}

// TestCustomSidecarRestricted: the restricted level wants runAsNonRoot also beside a security context of the sidecar's.
func TestCustomSidecarRestricted(t *testing.T) {
	yes, user := true, int64(1000)
	custom := sidecar.Sidecar{Title: "agent", Containers: []corev1.Container{{Name: "agent", Image: "a:1", SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: &yes}}}}
	pod := annotate(podOf(t, webPod), map[string]string{"sidecar.agent": "true"})
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{RunAsNonRoot: &yes, RunAsUser: &user}
	out, _ := apply(t, newSet(t, custom), pod, sidecar.Namespace{Level: sidecar.LevelRestricted})
	s := out.Spec.Containers[2].SecurityContext
	require.Equal(t, &yes, s.RunAsNonRoot)
	require.Nil(t, s.RunAsUser)
	out, _ = apply(t, newSet(t, custom), pod, sidecar.Namespace{})
	require.Nil(t, out.Spec.Containers[2].SecurityContext.RunAsNonRoot, "its image may be root's")
}
