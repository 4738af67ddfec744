package admission_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

var podKind = corev1.SchemeGroupVersion.WithKind("Pod")

func BenchmarkReview(b *testing.B) {
	mutating := admission.For[corev1.Pod](podKind).Mutate("annotate", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		pod.Annotations["example.com/injected"] = "true"
		pod.Labels["example.com/team"] = "checkout"
		for i := range pod.Spec.Containers {
			c := &pod.Spec.Containers[i]
			c.Env = append(c.Env, corev1.EnvVar{Name: "NUM_CPUS", Value: "2"})
		}
		return nil
	})
	unchanged := admission.For[corev1.Pod](podKind).Mutate("nothing", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error { return nil })
	validating := admission.For[corev1.Pod](podKind).Validate("allow", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, _ *corev1.Pod) []admission.Finding {
		if pod.Spec.HostNetwork {
			return []admission.Finding{{Field: "spec.hostNetwork", Message: "remove it"}}
		}
		return nil
	})
	for _, c := range []struct {
		name         string
		registration admission.Registration
		full         bool
	}{{"mutating", mutating, false}, {"mutating-full-verification", mutating, true}, {"unchanged", unchanged, false}, {"validating", validating, false}} {
		b.Run(c.name, func(b *testing.B) {
			h, err := admission.NewHandler(admission.Options{FullVerification: c.full, Logger: slog.New(slog.DiscardHandler)}, c.registration)
			require.NoError(b, err)
			body, err := os.ReadFile("testdata/review.json")
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/?timeout=10s", nil)
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
