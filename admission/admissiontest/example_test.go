package admissiontest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/admissiontest"
)

// reporter is a testing.TB that prints what a test would report, for the sake of these examples.
type reporter struct {
	testing.TB
	cleanups []func()
}

func (r *reporter) Helper()                           {}
func (r *reporter) Context() context.Context          { return context.Background() }
func (r *reporter) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (r *reporter) Cleanup(fn func())                 { r.cleanups = append(r.cleanups, fn) }

func (r *reporter) end() {
	for _, fn := range r.cleanups {
		fn()
	}
}

var podKind = corev1.SchemeGroupVersion.WithKind("Pod")

// noLatest is the policy under test.
func noLatest(_ context.Context, _ *admissionv1.AdmissionRequest, pod, _ *corev1.Pod) (found []admission.Finding) {
	for _, c := range pod.Spec.Containers {
		if !strings.Contains(c.Image, ":") {
			found = append(found, admission.Finding{
				Field:   "spec.containers[" + c.Name + "].image",
				Message: fmt.Sprintf("image %q has no tag: write one", c.Image),
			})
		}
	}
	return found
}

func handler(kinds ...admission.Registration) *admission.Handler {
	h, err := admission.NewHandler(admission.Options{FullVerification: true, Logger: slog.New(slog.DiscardHandler)}, kinds...)
	if err != nil {
		panic(err)
	}
	return h
}

// A policy, and a test of it in which one case wants something wrong.
func Example() {
	t := &reporter{} // in a test, the *testing.T
	h := handler(admission.For[corev1.Pod](podKind).Validate("no-latest", noLatest))
	const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: app, image: nginx}, {name: log, image: "fluent-bit:4.2"}]}
`
	admissiontest.Run(t, h,
		admissiontest.Case{Name: "no tag", Object: pod, Want: admissiontest.Denied("no-latest spec.containers[app].image")},
		admissiontest.Case{Name: "wrong", Object: pod, Want: admissiontest.Denied("no-latest spec.containers[log].image")},
	)
	// Output:
	// findings (- wanted, + found):
	// + deny no-latest spec.containers[app].image: image "nginx" has no tag: write one
	// - deny no-latest spec.containers[log].image
}

// A mutator that breaks a law: it adds another variable each time.
func ExampleRun() {
	t := &reporter{} // in a test, the *testing.T
	addEnv := func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		env := &pod.Spec.Containers[0].Env
		*env = append(*env, corev1.EnvVar{Name: fmt.Sprintf("NEW_%d", len(*env))})
		return nil
	}
	h := handler(admission.For[corev1.Pod](podKind).Mutate("env", addEnv))
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "nginx:1.29"}}}}
	admissiontest.Run(t, h, admissiontest.Case{Object: pod})
	// Output:
	// law broken: a second review changes nothing:
	// the patched object is patched again:
	// {"op":"add","path":"/spec/containers/0/env/1","value":{"name":"NEW_1"}}
}

// Cases in archives. A pattern that matches nothing would make a test that tests nothing.
func ExampleDir() {
	t := &reporter{} // in a test, the *testing.T
	h := handler(admission.For[corev1.Pod](podKind).Validate("no-latest", noLatest))
	admissiontest.Dir(t, h, "testdata/policy/*.txtar")
	// Output:
	// admissiontest.Dir: "testdata/policy/*.txtar" matches no file: it would test nothing
}

// A fuzz test is one line. go test runs the seeds and some objects made of them, go test -fuzz=FuzzPolicy makes more.
func ExampleFuzz() {
	fuzzPolicy := func(f *testing.F) { // in a test, func FuzzPolicy(f *testing.F)
		h := handler(admission.For[corev1.Pod](podKind).Validate("no-latest", noLatest))
		admissiontest.Fuzz(f, h, admissiontest.Case{Object: "{apiVersion: v1, kind: Pod, spec: {containers: [{name: app}]}}"})
	}
	_ = fuzzPolicy
}

// A server is what a webhook configuration of a test cluster points to.
func ExampleServer() {
	t := &reporter{} // in a test, the *testing.T
	defer t.end()
	h := handler(admission.For[corev1.Pod](podKind).Validate("no-latest", noLatest))
	webhook := admissiontest.Server(t, h.Routes())
	body := []byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE",
		"kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},
		"object":{"spec":{"containers":[{"name":"app","image":"nginx:1.29"}]}}}}`)
	resp, err := webhook.Client.Post(webhook.URL+admission.ValidatePath, "application/json", bytes.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(printer{}, resp.Body)
	// Output:
	// {"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"1","allowed":true}}
}

type printer struct{}

func (printer) Write(p []byte) (int, error) { return fmt.Print(string(p)) }

func ExampleVerifyResponse() {
	req := &admissionv1.AdmissionRequest{UID: "1", Operation: admissionv1.Create}
	resp := &admissionv1.AdmissionResponse{
		UID:      "1",
		Result:   &metav1.Status{Code: 200},
		Warnings: []string{"two\nlines"},
	}
	fmt.Println(admissiontest.VerifyResponse(req, resp, false))
	// Output:
	// status.code is 200: that of a denial must be an HTTP error, the API server makes 400 of others
	// status.message is empty: a denial must say why
	// warnings[0] "two\nlines" would be dropped: it must be one line of printable UTF-8
}
