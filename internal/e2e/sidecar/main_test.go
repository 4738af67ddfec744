// Package sidecar proves package sidecar against the real thing: the API server's validation and quality of service,
// Kubernetes' Pod Security evaluator, the library that Filebeat reads its configuration with, and controllers whose Pods
// go through a webhook.
package sidecar

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/sidecar"
)

// shared is the cluster of all tests here.
var shared = cluster.Shared{Options: cluster.Options{ControllerManager: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

const prefix = sidecar.DefaultPrefix + "/"

func library(name string) sidecar.Library {
	return sidecar.Library{Image: "registry.example.com/" + name + ":1", Paths: map[string]string{"glibc": "/lib/glibc.so", "musl": "/lib/musl.so"}}
}

func shipper() sidecar.Filebeat {
	return sidecar.Filebeat{
		Image: "registry.example.com/filebeat:8.19.3", ImagePullSecrets: []string{"platform-registry"},
		Output: sidecar.Output{Kafka: &sidecar.Kafka{
			Hosts: []string{"kafka.example.com:9092"}, Topic: "logs", Username: "o'neil",
			Password: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "log-shipper"}, Key: "password"},
		}},
	}
}

// injectors are all there are, with a log shipper of one kind.
func injectors(f sidecar.Filebeat) []sidecar.Injector {
	shim := library("cpus")
	return []sidecar.Injector{
		f,
		sidecar.LXCFS{},
		sidecar.FakeTime{Library: library("faketime")},
		sidecar.CPUCount{Shim: &shim},
		sidecar.TimeZone{Image: "registry.example.com/tzdata:1"},
		sidecar.HostAliases{},
		sidecar.Debug{},
		sidecar.Sidecar{
			Title:        "agent",
			Containers:   []corev1.Container{{Name: "agent", Image: "registry.example.com/agent:1", VolumeMounts: []corev1.VolumeMount{{Name: "agent", MountPath: "/run/agent"}}}},
			Volumes:      []corev1.Volume{{Name: "agent", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Mounts:       []corev1.VolumeMount{{Name: "agent", MountPath: "/run/agent"}},
			GraceSeconds: 3,
		},
	}
}

func newSet(t testing.TB, f sidecar.Filebeat) *sidecar.Set {
	t.Helper()
	set, err := sidecar.New("", injectors(f)...)
	require.NoError(t, err)
	return set
}

func annotate(pod *corev1.Pod, wishes map[string]string) *corev1.Pod {
	pod = pod.DeepCopy()
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	for name, value := range wishes {
		pod.Annotations[prefix+name] = value
	}
	return pod
}

func encode(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}
