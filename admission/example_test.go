package admission_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	arv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubewright/kubewright/admission"
)

// addCostCenter is a mutator: a function that changes a Pod.
func addCostCenter(_ context.Context, req *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	if pod.Labels["cost-center"] == "" {
		pod.Labels["cost-center"] = req.Namespace
	}
	return nil
}

// noHostNetwork is a validator: a function that says what is wrong with a Pod.
func noHostNetwork(_ context.Context, _ *admissionv1.AdmissionRequest, pod, _ *corev1.Pod) []admission.Finding {
	if !pod.Spec.HostNetwork {
		return nil
	}
	return []admission.Finding{{Field: "spec.hostNetwork", Message: "true is not allowed: remove it and use a Service"}}
}

func Example() {
	h, err := admission.NewHandler(admission.Options{},
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
			Mutate("cost-center", addCostCenter).
			Validate("host-network", noHostNetwork))
	if err != nil {
		panic(err)
	}
	review := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","operation":"CREATE","namespace":"shop",
		"kind":{"version":"v1","kind":"Pod"},"object":{"metadata":{"name":"p"},"spec":{"hostNetwork":true}}}}`
	r := httptest.NewRequest(http.MethodPost, admission.ValidatePath, strings.NewReader(review))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.Routes().ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output:
	// 200 {"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"1","allowed":false,"status":{"metadata":{},"status":"Failure","message":"spec.hostNetwork: true is not allowed: remove it and use a Service (host-network)","reason":"Forbidden","details":{"kind":"Pod","causes":[{"reason":"host-network","message":"true is not allowed: remove it and use a Service","field":"spec.hostNetwork"}]},"code":403}}}
}

// mounted is a directory with a serving pair, as a Secret is mounted into a Pod.
func mounted() (dir string) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	cert, key := newAuthority(noTB{}).issue(noTB{}, "webhook", 2)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "tls.crt"), cert, 0o600), os.WriteFile(filepath.Join(dir, "tls.key"), key, 0o600)); err != nil {
		panic(err)
	}
	return dir
}

// noTB is for helpers of tests that are called outside of one.
type noTB struct{ testing.TB }

func (noTB) Helper()  {}
func (noTB) FailNow() { panic("no test to fail") }

// A webhook that drains and returns when its context ends.
func ExampleServer() {
	dir := mounted()
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, stop := context.WithCancel(context.Background()) // in main: signal.NotifyContext(ctx, syscall.SIGTERM)
	h, err := admission.NewHandler(admission.Options{},
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
			Mutate("cost-center", addCostCenter).
			Validate("host-network", noHostNetwork))
	if err != nil {
		panic(err)
	}
	cert, err := admission.NewCertificate(admission.CertificateFiles(dir+"/tls.crt", dir+"/tls.key"), admission.CertificateOptions{})
	if err != nil {
		panic(err)
	}
	server := admission.Server{Addr: "127.0.0.1:0", Certificate: cert, Handler: h.Routes(), DrainDelay: -1}
	stop()
	err = server.Start(ctx)
	fmt.Println(err)
	// Output:
	// <nil>
}

func podRequest(object string) *admissionv1.AdmissionRequest {
	return &admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: "shop",
		Kind:   metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
		Object: runtime.RawExtension{Raw: []byte(object)},
	}
}

// Without HTTP, as a controller-runtime webhook or a test would call it.
func ExampleHandler_Review() {
	h, err := admission.NewHandler(admission.Options{},
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Mutate("cost-center", addCostCenter))
	if err != nil {
		panic(err)
	}
	resp, err := h.Review(context.Background(), podRequest(`{"metadata":{"name":"p"}}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.Allowed, string(resp.Patch))
	// Output:
	// true [{"op":"add","path":"/metadata/labels","value":{"cost-center":"shop"}}]
}

// The same code refuses, warns or records, as configuration says.
func ExampleOptions_actions() {
	pods := admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Validate("host-network", noHostNetwork)
	for _, action := range []admission.Action{admission.Deny, admission.Warn, admission.Audit} {
		h, err := admission.NewHandler(admission.Options{Actions: map[string]admission.Action{"host-network": action}}, pods)
		if err != nil {
			panic(err)
		}
		resp, err := h.Review(context.Background(), podRequest(`{"spec":{"hostNetwork":true}}`))
		if err != nil {
			panic(err)
		}
		fmt.Println(action, resp.Allowed, resp.Warnings, resp.AuditAnnotations)
	}
	// Output:
	// deny false [] map[]
	// warn true [spec.hostNetwork: true is not allowed: remove it and use a Service (host-network)] map[]
	// audit true [] map[host-network:spec.hostNetwork: true is not allowed: remove it and use a Service]
}

// A mutator that cannot do its work refuses the object; any other error is an internal one.
func ExampleRefuse() {
	size := func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		switch pod.Annotations["size"] {
		case "small", "large":
			return nil
		}
		return admission.Refuse(admission.Finding{
			Field:   "metadata.annotations[size]",
			Message: fmt.Sprintf("%q is no size: write small or large", pod.Annotations["size"]),
		})
	}
	h, err := admission.NewHandler(admission.Options{},
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Mutate("size", size))
	if err != nil {
		panic(err)
	}
	resp, err := h.Review(context.Background(), podRequest(`{"metadata":{"annotations":{"size":"huge"}}}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.Result.Message)
	// Output:
	// metadata.annotations[size]: "huge" is no size: write small or large (size)
}

// The webhook configurations follow from what is registered.
func ExampleHandler_Manifests() {
	h, err := admission.NewHandler(admission.Options{},
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
			Validate("host-network", noHostNetwork, admission.Subresources("", "ephemeralcontainers")))
	if err != nil {
		panic(err)
	}
	m, err := h.Manifests(admission.ManifestOptions{
		Name:    "policies.example.com",
		Service: arv1.ServiceReference{Namespace: "platform", Name: "webhook"},
	})
	if err != nil {
		panic(err)
	}
	for _, rule := range m.Validating.Webhooks[0].Rules {
		fmt.Println(rule.Operations, rule.Resources)
	}
	fmt.Println(m.Warnings)
	// Output:
	// [CREATE UPDATE] [pods pods/ephemeralcontainers]
	// [pods/resize is not covered: resources of running containers change through it: register with Subresources("", "resize")]
}
