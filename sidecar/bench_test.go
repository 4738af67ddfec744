package sidecar_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/sidecar"
)

// bigPod is the Pod of 7.5 KB that package admission is measured with.
func bigPod(b *testing.B) *corev1.Pod {
	text, err := os.ReadFile("../admission/testdata/review.json")
	require.NoError(b, err)
	review, pod := admissionv1.AdmissionReview{}, &corev1.Pod{}
	require.NoError(b, json.Unmarshal(text, &review))
	require.NoError(b, json.Unmarshal(review.Request.Object.Raw, pod))
	return pod
}

// BenchmarkApply is each injector alone, then what a Java service may ask for, and that again on its own result.
func BenchmarkApply(b *testing.B) {
	set := newSet(b)
	three := map[string]string{"log.paths": "/srv/orders/*.log", "cpus": "2", "cpus.java": "true", "timezone": "Europe/Berlin"}
	for _, c := range []struct {
		name        string
		annotations map[string]string
		again       bool
	}{
		{name: "nothing"},
		{name: "log", annotations: map[string]string{"log.paths": "/srv/orders/*.log"}},
		{name: "lxcfs", annotations: map[string]string{"lxcfs": "true"}},
		{name: "faketime", annotations: map[string]string{"faketime": "+15d", "faketime.libc": "glibc"}},
		{name: "cpus", annotations: map[string]string{"cpus": "2"}},
		{name: "timezone", annotations: map[string]string{"timezone": "Europe/Berlin"}},
		{name: "hosts", annotations: map[string]string{"hosts": "10.0.0.1=a.corp"}},
		{name: "debug", annotations: map[string]string{"debug": "probes"}},
		{name: "sidecar", annotations: map[string]string{"sidecar.agent": "true"}},
		{name: "three", annotations: three},
		{name: "three-again", annotations: three, again: true},
	} {
		b.Run(c.name, func(b *testing.B) {
			pod := annotate(bigPod(b), c.annotations)
			out, outcome, err := set.Apply(pod, sidecar.Namespace{})
			require.NoError(b, err)
			require.Equal(b, c.annotations == nil, len(outcome.Applied) == 0)
			if c.again {
				pod = out
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := set.Apply(pod, sidecar.Namespace{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApplyFloor is the deep copy, without which there is no Apply.
func BenchmarkApplyFloor(b *testing.B) {
	pod := bigPod(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = pod.DeepCopy()
	}
}
