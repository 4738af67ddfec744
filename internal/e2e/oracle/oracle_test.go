package oracle

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
)

// addLabel suits objects that have labels.
const addLabel = `[{"op":"add","path":"/metadata/labels/team","value":"a"}]`

// answer is a webhook that says the same to everything.
func answer(response admissionv1.AdmissionResponse) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		response.UID = review.Request.UID
		review.Request, review.Response = nil, &response
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	})
}

func patch(operations string) http.Handler {
	return answer(admissionv1.AdmissionResponse{
		Allowed:          true,
		Patch:            []byte(operations),
		PatchType:        new(admissionv1.PatchTypeJSONPatch),
		Warnings:         []string{"careful"},
		AuditAnnotations: map[string]string{"why": "because"},
	})
}

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func labelled() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: "web", Namespace: "default", Labels: map[string]string{"app": "web"}}
}

func newPod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: labelled(),
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "registry.example/web:1"}}},
	}
}

func TestPatchIsApplied(t *testing.T) {
	p := New(t, patch(addLabel), Options{})
	want := map[string]string{"app": "web", "team": "a"}

	t.Run("to a Pod", func(t *testing.T) {
		pod := newPod()
		got, err := Mutate(t, p, pod)
		require.NoError(t, err)
		require.Equal(t, want, got.Labels)
		require.Equal(t, pod.Spec, got.Spec, "nothing is defaulted")
		require.Equal(t, newPod(), pod, "the input stays as it was")
	})
	t.Run("to a Deployment", func(t *testing.T) {
		got, err := Mutate(t, p, &appsv1.Deployment{ObjectMeta: labelled()})
		require.NoError(t, err)
		require.Equal(t, want, got.Labels)
	})
	t.Run("to a StatefulSet", func(t *testing.T) {
		got, err := Mutate(t, p, &appsv1.StatefulSet{ObjectMeta: labelled()})
		require.NoError(t, err)
		require.Equal(t, want, got.Labels)
	})
	t.Run("whether or not it tells its kind", func(t *testing.T) {
		pod := newPod()
		pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
		got, err := Mutate(t, p, pod)
		require.NoError(t, err)
		require.Equal(t, want, got.Labels)
		require.Equal(t, pod.TypeMeta, got.TypeMeta)
	})
	t.Run("to a custom resource, all of it kept", func(t *testing.T) {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(newPod())
		require.NoError(t, err)
		custom := &unstructured.Unstructured{Object: content}
		custom.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Widget"))
		require.NoError(t, unstructured.SetNestedField(custom.Object, "kept", "spec", "unknown"))
		got, err := Mutate(t, p, custom)
		require.NoError(t, err)
		require.Equal(t, want, got.GetLabels())
		kept, _, _ := unstructured.NestedString(got.Object, "spec", "unknown")
		require.Equal(t, "kept", kept)
	})
}

func TestAdmitTellsEverything(t *testing.T) {
	p := New(t, patch(addLabel), Options{})
	result, err := p.Admit(t.Context(), Request{
		Operation: admission.Update, Object: newPod(), OldObject: newPod(), DryRun: true,
	})
	require.NoError(t, err)
	require.JSONEq(t, addLabel, string(result.Patch))
	require.Equal(t, []string{"careful"}, result.Warnings)
	require.Equal(t, "because", result.Annotations[webhookName+"/why"])

	_, err = p.Admit(t.Context(), Request{Operation: admission.Delete, OldObject: newPod()})
	require.ErrorContains(t, err, "attempted to modify the object, which is not supported for this operation")
	_, err = p.Admit(t.Context(), Request{})
	require.Error(t, err)
}

// TestOutcomes pins what decides between stored, ignored and refused. A patch that does not apply is
// refused even if failures are to be ignored: that is why a webhook has to verify its own patches.
func TestOutcomes(t *testing.T) {
	denial := answer(admissionv1.AdmissionResponse{Result: &metav1.Status{Code: http.StatusForbidden, Message: "no"}})
	cases := []struct {
		name    string
		handler http.Handler
		ignore  string // the error with failurePolicy Ignore; empty means admitted
		fail    string // the error with failurePolicy Fail
	}{
		{"allowed", answer(admissionv1.AdmissionResponse{Allowed: true}), "", ""},
		{"denied", denial, "denied the request: no", "denied the request: no"},
		{"path is missing", patch(`[{"op":"remove","path":"/metadata/labels/absent"}]`), "Unable to remove nonexistent key", "Unable to remove nonexistent key"},
		{"wrong type", patch(`[{"op":"add","path":"/metadata/labels/a","value":1}]`), "cannot unmarshal number", "cannot unmarshal number"},
		{"no JSON", patch(`[{`), "", "received undecodable patch"},
		{"HTTP 500", status(http.StatusInternalServerError), "", "failed calling webhook"},
		{"HTTP 404", status(http.StatusNotFound), "", "could not find the requested resource"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requireOutcome(t, c.handler, admissionregistrationv1.Ignore, c.ignore)
			requireOutcome(t, c.handler, admissionregistrationv1.Fail, c.fail)
		})
	}
}

func requireOutcome(t *testing.T, h http.Handler, policy admissionregistrationv1.FailurePolicyType, want string) {
	t.Helper()
	_, err := Mutate(t, New(t, h, Options{FailurePolicy: policy}), newPod())
	if want == "" {
		require.NoError(t, err, policy)
		return
	}
	require.ErrorContains(t, err, want, policy)
	require.ErrorAs(t, err, new(*apierrors.StatusError), policy)
}

// TestUnknownFieldIsDropped pins the failure that nobody sees: the patch applies, the field is lost.
func TestUnknownFieldIsDropped(t *testing.T) {
	p := New(t, patch(`[{"op":"add","path":"/spec/NodeName","value":"n1"}]`), Options{})
	got, err := Mutate(t, p, newPod())
	require.NoError(t, err)
	require.Equal(t, newPod().Spec, got.Spec)
}

func BenchmarkMutate(b *testing.B) {
	p := New(b, patch(addLabel), Options{})
	pod := newPod()
	for b.Loop() {
		_, err := Mutate(b, p, pod)
		require.NoError(b, err)
	}
}
