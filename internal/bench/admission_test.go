package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubewright/kubewright/admission"
)

// The work of the benchmarks: one annotation, one label, one variable for each container.
func change(pod *corev1.Pod) {
	pod.Annotations["example.com/injected"] = "true"
	pod.Labels["example.com/team"] = "checkout"
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		c.Env = append(c.Env, corev1.EnvVar{Name: "NUM_CPUS", Value: "2"})
	}
}

func prepend(pod *corev1.Pod) {
	pod.Spec.Containers = append([]corev1.Container{{Name: "shipper", Image: "registry.example.com/shipper:1"}}, pod.Spec.Containers...)
}

func nothing(*corev1.Pod) {}

type defaulter func(*corev1.Pod)

func (d defaulter) Default(_ context.Context, pod *corev1.Pod) error {
	d(pod)
	return nil
}

type validator struct{}

func (validator) ValidateCreate(context.Context, *corev1.Pod) (ctrl.Warnings, error) { return nil, nil }

func (validator) ValidateUpdate(context.Context, *corev1.Pod, *corev1.Pod) (ctrl.Warnings, error) {
	return nil, nil
}

func (validator) ValidateDelete(context.Context, *corev1.Pod) (ctrl.Warnings, error) { return nil, nil }

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		panic(err)
	}
	return s
}

func theirsMutating(f func(*corev1.Pod)) http.Handler {
	return ctrl.WithDefaulter[*corev1.Pod](scheme(), defaulter(f))
}

func ours(b testing.TB, o admission.Options, k admission.Registration) http.Handler {
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := admission.NewHandler(o, k)
	require.NoError(b, err)
	return h
}

func pods() *admission.Kind[corev1.Pod] {
	return admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod"))
}

func oursMutating(b testing.TB, full bool, f func(*corev1.Pod)) http.Handler {
	return ours(b, admission.Options{FullVerification: full}, pods().
		Mutate("change", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
			f(pod)
			return nil
		}))
}

// BenchmarkReview answers one AdmissionReview of 8 KB for a Pod of 7.4 KB, from the HTTP request to the HTTP response.
func BenchmarkReview(b *testing.B) {
	allow := func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod, *corev1.Pod) []admission.Finding {
		return nil
	}
	for _, c := range []struct {
		work, by string
		handler  http.Handler
	}{
		{"mutating", "kubewright", oursMutating(b, false, change)},
		{"mutating", "kubewright-full-verification", oursMutating(b, true, change)},
		{"mutating", "controller-runtime", theirsMutating(change)},
		{"prepend-sidecar", "kubewright", oursMutating(b, false, prepend)},
		{"prepend-sidecar", "controller-runtime", theirsMutating(prepend)},
		{"unchanged", "kubewright", oursMutating(b, false, nothing)},
		{"unchanged", "controller-runtime", theirsMutating(nothing)},
		{"validating", "kubewright", ours(b, admission.Options{}, pods().Validate("allow", allow))},
		{"validating", "controller-runtime", ctrl.WithValidator[*corev1.Pod](scheme(), validator{})},
	} {
		b.Run(c.work+"/"+c.by, func(b *testing.B) { review(b, c.handler) })
	}
}

func review(b *testing.B, h http.Handler) {
	body, err := os.ReadFile("../../admission/testdata/review.json")
	require.NoError(b, err)
	reviewOf(b, h, body)
}

func reviewOf(b *testing.B, h http.Handler, body []byte) {
	size := patchSize(b, answer(b, h, body))
	b.ReportAllocs()
	start := cpuTime()
	for b.Loop() {
		answer(b, h, body)
	}
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(size.operations), "patch-ops")
	b.ReportMetric(float64(size.bytes), "patch-B")
}

func answer(b *testing.B, h http.Handler, body []byte) []byte {
	r := httptest.NewRequest(http.MethodPost, "/?timeout=10s", http.NoBody)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatal(w.Body)
	}
	return w.Body.Bytes()
}

type size struct{ operations, bytes int }

func patchSize(b *testing.B, answer []byte) size {
	var review admissionv1.AdmissionReview
	require.NoError(b, json.Unmarshal(answer, &review))
	require.True(b, review.Response.Allowed)
	var operations []any
	if len(review.Response.Patch) > 0 {
		require.NoError(b, json.Unmarshal(review.Response.Patch, &operations))
	}
	return size{len(operations), len(review.Response.Patch)}
}

// Both sides make the same Pod.
func TestSameResult(t *testing.T) {
	body, err := os.ReadFile("../../admission/testdata/review.json")
	require.NoError(t, err)
	for name, f := range map[string]func(*corev1.Pod){"change": change, "prepend": prepend, "nothing": nothing} {
		t.Run(name, func(t *testing.T) {
			require.JSONEq(t, patched(t, theirsMutating(f), body), patched(t, oursMutating(t, false, f), body))
		})
	}
}

func patched(t *testing.T, h http.Handler, body []byte) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var in, out admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(body, &in))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
	if len(out.Response.Patch) == 0 {
		return string(in.Request.Object.Raw)
	}
	p, err := jsonpatch.DecodePatch(out.Response.Patch)
	require.NoError(t, err)
	doc, err := p.Apply(in.Request.Object.Raw)
	require.NoError(t, err)
	return string(doc)
}
