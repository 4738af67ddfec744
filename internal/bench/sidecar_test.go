package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/sidecar"
)

// wishful is the review of BenchmarkReview, of a Pod that asks for three injectors.
func wishful(tb testing.TB) []byte {
	body, err := os.ReadFile("../../admission/testdata/review.json")
	require.NoError(tb, err)
	const before = `"annotations":{`
	require.Contains(tb, string(body), before)
	return bytes.Replace(body, []byte(before), []byte(before+`"sidecar.kubewright.io/log.paths":"/srv/orders/*.log","sidecar.kubewright.io/cpus":"2","sidecar.kubewright.io/cpus.java":"true","sidecar.kubewright.io/timezone":"Europe/Berlin",`), 1)
}

func injecting(tb testing.TB) func(*corev1.Pod) {
	set, err := sidecar.New("", sidecar.CPUCount{}, sidecar.TimeZone{}, sidecar.Filebeat{
		Image:  "registry.example.com/filebeat:8.19.3",
		Output: sidecar.Output{Kafka: &sidecar.Kafka{Hosts: []string{"kafka.example.com:9092"}, Topic: "logs"}},
	})
	require.NoError(tb, err)
	return func(pod *corev1.Pod) {
		out, outcome, err := set.Apply(pod, sidecar.Namespace{})
		if err != nil || len(outcome.Applied) != 3 {
			panic(err)
		}
		*pod = *out
	}
}

func mutating(tb testing.TB, f func(*corev1.Pod)) *admission.Kind[corev1.Pod] {
	tb.Helper()
	return pods().Mutate("change", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		f(pod)
		return nil
	})
}

// BenchmarkSidecars is a whole review by HTTP: of a webhook that changes a label, an annotation and a variable of each
// container, and of one with three injectors; both as kubewright and as controller-runtime do it.
func BenchmarkSidecars(b *testing.B) {
	body := wishful(b)
	for _, c := range []struct {
		work string
		f    func(*corev1.Pod)
	}{{"plain", change}, {"three-injectors", injecting(b)}} {
		b.Run(c.work+"/kubewright", func(b *testing.B) {
			reviewOf(b, ours(b, admission.Options{}, mutating(b, c.f)), body)
		})
		b.Run(c.work+"/controller-runtime", func(b *testing.B) { reviewOf(b, theirsMutating(c.f), body) })
	}
}

// The Pod of both webhooks is the same, and it is injected.
func TestSidecarsSameResult(t *testing.T) {
	body, f := wishful(t), injecting(t)
	mine := patched(t, ours(t, admission.Options{}, mutating(t, f)), body)
	require.JSONEq(t, patched(t, theirsMutating(f), body), mine)
	pod := &corev1.Pod{}
	require.NoError(t, json.Unmarshal([]byte(mine), pod))
	require.Equal(t, "log-shipper", pod.Spec.InitContainers[len(pod.Spec.InitContainers)-1].Name)
}
