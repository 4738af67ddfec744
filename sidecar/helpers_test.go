package sidecar_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/sidecar"
)

const prefix = sidecar.DefaultPrefix + "/"

// shipper is a log shipper as a platform would configure it.
func shipper() sidecar.Filebeat {
	return sidecar.Filebeat{
		Image:            "registry.example.com/filebeat:8.15.0",
		ImagePullSecrets: []string{"platform-registry"},
		Output: sidecar.Output{Kafka: &sidecar.Kafka{
			Hosts: []string{"kafka-0.example.com:9092"}, Topic: "logs", Username: "shipper",
			Password: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "log-credentials"}, Key: "password"},
		}},
	}
}

func library(name string) sidecar.Library {
	return sidecar.Library{
		Image: "registry.example.com/" + name + ":1",
		Paths: map[string]string{"glibc": "/lib/" + name + "-glibc.so", "musl": "/lib/" + name + "-musl.so"},
	}
}

// agent is a sidecar of a team's own, with something of everything.
func agent() sidecar.Sidecar {
	always := corev1.ContainerRestartPolicyAlways
	return sidecar.Sidecar{
		Title:          "agent",
		InitContainers: []corev1.Container{{Name: "agent-native", Image: "registry.example.com/agent:1", RestartPolicy: &always}},
		Containers: []corev1.Container{{
			Name: "agent", Image: "registry.example.com/agent:1",
			Env:          []corev1.EnvVar{{Name: "POD", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
			VolumeMounts: []corev1.VolumeMount{{Name: "agent", MountPath: "/run/agent"}},
			Resources:    corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
		}},
		Volumes:          []corev1.Volume{{Name: "agent", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		Env:              []corev1.EnvVar{{Name: "AGENT", Value: "/run/agent/socket"}, {Name: "AGENT_NODE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}},
		Mounts:           []corev1.VolumeMount{{Name: "agent", MountPath: "/run/agent"}},
		ImagePullSecrets: []string{"agent-registry"},
		GraceSeconds:     3,
	}
}

func all() []sidecar.Injector {
	shim := library("cpus")
	return []sidecar.Injector{
		shipper(),
		sidecar.LXCFS{},
		sidecar.FakeTime{Library: library("faketime")},
		sidecar.CPUCount{Shim: &shim},
		sidecar.TimeZone{Image: "registry.example.com/tzdata:2026a"},
		sidecar.HostAliases{},
		sidecar.Debug{},
		agent(),
	}
}

func newSet(t testing.TB, injectors ...sidecar.Injector) *sidecar.Set {
	t.Helper()
	if injectors == nil {
		injectors = all()
	}
	set, err := sidecar.New("", injectors...)
	require.NoError(t, err)
	return set
}

func podOf(t testing.TB, text string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), pod))
	return pod
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func annotate(pod *corev1.Pod, annotations map[string]string) *corev1.Pod {
	pod = pod.DeepCopy()
	if pod.Annotations == nil && len(annotations) > 0 {
		pod.Annotations = map[string]string{}
	}
	for name, value := range annotations {
		pod.Annotations[prefix+name] = value
	}
	return pod
}

const webPod = `
metadata: {generateName: web-}
spec:
  containers:
  - name: app
    image: registry.example.com/web:1
    resources: {limits: {cpu: 1500m, memory: 1Gi}}
  - name: proxy
    image: registry.example.com/proxy:1
`
