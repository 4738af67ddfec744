// Package podgen makes Pods up that are valid, and hard on whoever injects into them: names of containers, volumes,
// paths and variables collide with those of package sidecar on purpose.
package podgen

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// New is a Pod without annotations. The same random numbers make the same Pod.
func New(r *rand.Rand) *corev1.Pod {
	g := generator{r}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "generated-", Labels: map[string]string{"app": "generated"}},
		Spec: corev1.PodSpec{
			RestartPolicy:         pick(r, "", corev1.RestartPolicyAlways, corev1.RestartPolicyNever, corev1.RestartPolicyOnFailure),
			ShareProcessNamespace: pick(r, nil, nil, new(true)),
			HostPID:               r.IntN(20) == 0,
			ImagePullSecrets:      pick(r, nil, []corev1.LocalObjectReference{{Name: "own"}}, []corev1.LocalObjectReference{{Name: "platform-registry"}, {Name: "own"}}),
			HostAliases:           g.aliases(),
			SecurityContext:       g.podSecurity(),
		},
	}
	if pod.Spec.HostPID {
		pod.Spec.ShareProcessNamespace = nil
	}
	if r.IntN(2) == 0 {
		pod.Spec.TerminationGracePeriodSeconds = pick(r, new(int64(0)), new(int64(1)), new(int64(30)), new(int64(600)))
	}
	g.volumes(&pod.Spec)
	class := r.IntN(4)
	names := r.Perm(5)
	for i := range 1 + r.IntN(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, g.container(names[i], class, pod.Spec.Volumes))
	}
	if r.IntN(2) == 0 {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, g.initContainer(names[4], class, pod.Spec.Volumes))
	}
	if r.IntN(15) == 0 {
		pod.Spec.Resources = &corev1.ResourceRequirements{Limits: list("2", "2Gi"), Requests: list("1", "1Gi")}
	}
	return pod
}

type generator struct{ r *rand.Rand }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (g generator) podSecurity() *corev1.PodSecurityContext {
	switch g.r.IntN(4) {
	case 0:
		return &corev1.PodSecurityContext{RunAsUser: new(int64(1000)), RunAsNonRoot: new(true), FSGroup: new(int64(2000))}
	case 1:
		return &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	}
	return nil
}

func (g generator) aliases() []corev1.HostAlias {
	return pick(g.r, nil, nil,
		[]corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"mine.corp"}}},
		[]corev1.HostAlias{{IP: "10.0.0.9", Hostnames: []string{"a.corp"}}},
		[]corev1.HostAlias{{IP: "10.0.0.1"}, {IP: "10.0.0.1", Hostnames: []string{"a.corp"}}},
		[]corev1.HostAlias{{IP: "fd00::1", Hostnames: []string{"six.corp"}}},
	)
}

// volumes have names of ours now and then.
func (g generator) volumes(spec *corev1.PodSpec) {
	names := []string{"data", "logs", "config", "log-shipper-logs", "lxcfs-cpuinfo", "agent", "timezone"}
	for i, name := range names {
		if i < 3 && g.r.IntN(2) == 0 || g.r.IntN(40) == 0 {
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: pick(g.r,
				corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
				corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}},
				corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}},
				corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}}},
				corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/srv"}},
			)})
		}
	}
}

func (g generator) container(n, class int, volumes []corev1.Volume) corev1.Container {
	name := fmt.Sprintf("c%d", n)
	switch g.r.IntN(40) {
	case 0:
		name = []string{"log-shipper", "agent", "faketime", "cpu-shim", "timezone"}[n]
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12:
		name = []string{"app", "web", "worker", "cache", "queue"}[n]
	}
	c := corev1.Container{Name: name, Image: "registry.example.com/app:1", Resources: g.resources(class), Env: g.env(), SecurityContext: g.security()}
	paths := []string{"/var/log/app", "var/log/app", "/var/log", "/var/log/app/old", "/data", "/data/", "/proc/cpuinfo", "/opt", "/opt/faketime", "/run/agent", "/usr/share/zoneinfo", "/etc/app"}
	for _, v := range volumes {
		if i := g.r.IntN(len(paths)); v.PersistentVolumeClaim != nil && g.r.IntN(3) == 0 {
			c.VolumeDevices = append(c.VolumeDevices, corev1.VolumeDevice{Name: v.Name, DevicePath: paths[i]})
			paths = append(paths[:i], paths[i+1:]...)
		} else if g.r.IntN(3) > 0 {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: paths[i], SubPath: pick(g.r, "", "", "sub")})
			paths = append(paths[:i], paths[i+1:]...)
		}
	}
	if g.r.IntN(3) == 0 {
		c.LivenessProbe, c.ReadinessProbe = g.probe(), g.probe()
	}
	if g.r.IntN(6) == 0 {
		c.StartupProbe = g.probe()
	}
	return c
}

func (g generator) initContainer(n, class int, volumes []corev1.Volume) corev1.Container {
	c := g.container(n, class, volumes)
	if c.LivenessProbe != nil || c.StartupProbe != nil || g.r.IntN(2) == 0 {
		c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	}
	return c
}

func (g generator) probe() *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}}
}

// resources are of a class that all containers of the Pod have, or of none in particular.
func (g generator) resources(class int) corev1.ResourceRequirements {
	switch class {
	case 0:
		return corev1.ResourceRequirements{}
	case 1:
		return corev1.ResourceRequirements{Limits: list("1500m", "512Mi"), Requests: list("1500m", "512Mi")}
	case 2:
		return corev1.ResourceRequirements{Limits: list("2", "1Gi")}
	}
	return pick(g.r,
		corev1.ResourceRequirements{},
		corev1.ResourceRequirements{Requests: list("100m", "64Mi")},
		corev1.ResourceRequirements{Requests: list("100m", "64Mi"), Limits: list("1", "64Mi")},
		corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}},
	)
}

func list(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func (g generator) env() (env []corev1.EnvVar) {
	node := &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}
	for range g.r.IntN(5) {
		env = append(env, pick(g.r,
			corev1.EnvVar{Name: "OWN", Value: "$(NUM_CPUS) of $(OWN)"},
			corev1.EnvVar{Name: "NODE", ValueFrom: node},
			corev1.EnvVar{Name: "TZ", Value: "Asia/Tokyo"},
			corev1.EnvVar{Name: "NUM_CPUS", Value: "7"},
			corev1.EnvVar{Name: "LD_PRELOAD", Value: "/usr/lib/libjemalloc.so:/usr/lib/b.so"},
			corev1.EnvVar{Name: "JAVA_TOOL_OPTIONS", Value: "-Xmx1g  -XX:+UseG1GC"},
			corev1.EnvVar{Name: "JAVA_TOOL_OPTIONS", Value: "-XX:ActiveProcessorCount=3"},
			corev1.EnvVar{Name: "AGENT", Value: ""},
			corev1.EnvVar{Name: "FAKETIME", Value: "-1d"},
			corev1.EnvVar{Name: pick(g.r, "LD_PRELOAD", "OTHER", "OTHER"), ValueFrom: node},
		))
	}
	return env
}

func (g generator) security() *corev1.SecurityContext {
	switch g.r.IntN(5) {
	case 0:
		return &corev1.SecurityContext{RunAsUser: new(int64(0))}
	case 1:
		return &corev1.SecurityContext{Privileged: new(true)}
	case 2, 3: // what the restricted level wants
		return &corev1.SecurityContext{
			RunAsNonRoot: new(true), AllowPrivilegeEscalation: new(false),
			Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
	}
	return nil
}

// Annotations are wishes for every injector of package sidecar, most of which can be done, without the prefix.
func Annotations(r *rand.Rand) map[string]string {
	a := map[string]string{}
	maybe := func(name string, values ...string) bool {
		if r.IntN(2) == 0 {
			return false
		}
		a[name] = values[r.IntN(len(values))]
		return true
	}
	if maybe("log.paths", "/var/log/app/*.log", "/var/log/app/*.log,/data/x/*.log", "/data/logs/**/*.log", "/var/log/app/a.log\n/var/log/app/old/b.log") {
		maybe("log.json", "true", "false")
		maybe("log.multiline", "java", "pattern:^\\[", "none")
		maybe("log.drain", "5s", "90s")
		maybe("log.audit.paths", "/audit/*.json", "/var/log/app/audit/*.json")
		maybe("log.fields", "team=shop,cost=a$b")
	}
	if maybe("lxcfs", "true", "true", "false") {
		maybe("lxcfs.files", "cpuinfo,online", "meminfo")
	}
	if maybe("faketime", "+15d", "@2030-01-01 00:00:00 x2") {
		a["faketime.libc"] = "glibc"
		maybe("faketime.java", "true")
	}
	if maybe("cpus", "auto", "4") {
		maybe("cpus.java", "true")
		maybe("cpus.go", "true")
		maybe("cpus.shim", "glibc", "musl")
	}
	if maybe("timezone", "Europe/Berlin") {
		maybe("timezone.data", "true")
	}
	maybe("hosts", "10.0.0.1=b.corp,c.corp", "10.0.0.2=c.corp;fd00:0::1=d.corp;10.0.0.2=e.corp")
	maybe("debug", "probes", "probes,hold")
	maybe("sidecar.agent", "true", "false")
	return a
}
