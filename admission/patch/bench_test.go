package patch_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission/patch"
)

func benchPod(b *testing.B) (*patch.Document, *corev1.Pod, *corev1.Pod) {
	b.Helper()
	raw, err := os.ReadFile("../testdata/pod.json")
	require.NoError(b, err)
	doc, err := patch.Parse(raw)
	require.NoError(b, err)
	before, err := patch.For[corev1.Pod]().Decode(doc)
	require.NoError(b, err)
	after := before.DeepCopy()
	after.Annotations["example.com/injected"] = "true"
	after.Labels["example.com/team"] = "checkout"
	for i := range after.Spec.Containers {
		c := &after.Spec.Containers[i]
		c.Env = append(c.Env, corev1.EnvVar{Name: "NUM_CPUS", Value: "2"})
	}
	return doc, before, after
}

func BenchmarkDiff(b *testing.B) {
	doc, before, after := benchPod(b)
	d := patch.For[corev1.Pod]()
	b.ReportAllocs()
	for b.Loop() {
		if p, err := d.Diff(doc, before, after); err != nil || len(p) != 4 {
			b.Fatal(p, err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	doc, before, after := benchPod(b)
	d := patch.For[corev1.Pod]()
	p, err := d.Diff(doc, before, after)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Check(doc, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	doc, before, after := benchPod(b)
	d := patch.For[corev1.Pod]()
	p, err := d.Diff(doc, before, after)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Verify(doc, p, after); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	doc, _, _ := benchPod(b)
	d := patch.For[corev1.Pod]()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	raw, err := os.ReadFile("../testdata/pod.json")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := patch.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDeepCopy(b *testing.B) {
	_, before, _ := benchPod(b)
	b.ReportAllocs()
	for b.Loop() {
		before.DeepCopy()
	}
}

// BenchmarkDecodeLibrary is what Decode is measured by.
func BenchmarkDecodeLibrary(b *testing.B) {
	raw, err := os.ReadFile("../testdata/pod.json")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		var pod corev1.Pod
		if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &pod); err != nil {
			b.Fatal(err)
		}
	}
}
