package admission_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	arv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/admissiontest"
)

func allow[T any](context.Context, *admissionv1.AdmissionRequest, *T, *T) []admission.Finding {
	return nil
}

func keep[T any](context.Context, *admissionv1.AdmissionRequest, *T) error { return nil }

func TestManifestsGolden(t *testing.T) {
	h := newHandler(t, admission.Options{},
		pods().Namespaced().Mutate("m", keep[corev1.Pod]).
			Validate("v", allow[corev1.Pod], admission.Subresources("", "ephemeralcontainers")).
			Validate("d", allow[corev1.Pod], admission.On(admissionv1.Delete)),
		admission.For[appsv1.Deployment](appsv1.SchemeGroupVersion.WithKind("Deployment")).Namespaced().Validate("v", allow[appsv1.Deployment]),
		admission.For[appsv1.StatefulSet](appsv1.SchemeGroupVersion.WithKind("StatefulSet")).Namespaced().Validate("v", allow[appsv1.StatefulSet]),
		admission.For[autoscalingv1.Scale](autoscalingv1.SchemeGroupVersion.WithKind("Scale")).
			Resource(appsv1.SchemeGroupVersion, "statefulsets/scale").Namespaced().Validate("v", allow[autoscalingv1.Scale]),
		admission.For[corev1.Namespace](corev1.SchemeGroupVersion.WithKind("Namespace")).Mutate("n", keep[corev1.Namespace]),
	)
	m, err := h.Manifests(admission.ManifestOptions{
		Name:            "policies.example.com",
		Service:         arv1.ServiceReference{Namespace: "platform", Name: "webhook"},
		CABundle:        []byte("PEM"),
		ObjectSelector:  &metav1.LabelSelector{MatchLabels: map[string]string{"checked": "true"}},
		MatchConditions: []arv1.MatchCondition{{Name: "not-us", Expression: "request.userInfo.username != 'us'"}},
		Labels:          map[string]string{"app": "webhook"},
	})
	require.NoError(t, err)
	var got []byte
	for _, doc := range []any{m.Mutating, m.Validating, m.Warnings} {
		text, err := yaml.Marshal(doc)
		require.NoError(t, err)
		got = append(append(got, "---\n"...), text...)
	}
	if admissiontest.Update() {
		require.NoError(t, os.WriteFile("testdata/manifests.golden.yaml", got, 0o600))
	}
	want, err := os.ReadFile("testdata/manifests.golden.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// A way around is one for each validator, whatever others see.
func TestManifestsWarnOfEachValidator(t *testing.T) {
	h := newHandler(t, admission.Options{}, pods().
		Validate("all", allow[corev1.Pod], admission.Subresources("", "ephemeralcontainers", "resize")).
		Validate("some", allow[corev1.Pod]).
		Validate("most", allow[corev1.Pod], admission.Subresources("", "resize")).
		Validate("deleted", allow[corev1.Pod], admission.On(admissionv1.Delete)))
	m, err := h.Manifests(admission.ManifestOptions{Name: "a.b", URL: "https://127.0.0.1:8443"})
	require.NoError(t, err)
	require.Len(t, m.Warnings, 2)
	require.Contains(t, m.Warnings[0], "pods/ephemeralcontainers by validator some, most is not covered: ")
	require.Contains(t, m.Warnings[1], "pods/resize by validator some is not covered: ")
}

// An API server sends nothing of a resource that does not exist, and does not complain.
func TestManifestsNameResources(t *testing.T) {
	for kind, resource := range map[string]string{"Gateway": "gateways", "NetworkPolicy": "networkpolicies", "Mesh": "meshes", "Endpoints": "endpoints"} {
		h := newHandler(t, admission.Options{}, admission.For[corev1.Pod](podKind.GroupVersion().WithKind(kind)).Validate("v", allow[corev1.Pod]))
		m, err := h.Manifests(admission.ManifestOptions{Name: "a.b", URL: "https://127.0.0.1:8443"})
		require.NoError(t, err)
		require.Equal(t, []string{resource}, m.Validating.Webhooks[0].Rules[0].Resources)
	}
}

func TestManifestsByURL(t *testing.T) {
	m, err := newHandler(t, admission.Options{}, pods().Mutate("m", keep[corev1.Pod])).Manifests(admission.ManifestOptions{
		Name: "a.b", URL: "https://127.0.0.1:8443/", FailurePolicy: arv1.Ignore, TimeoutSeconds: 30, ExcludeNamespaces: []string{},
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"x": "y"}},
	})
	require.NoError(t, err)
	require.Nil(t, m.Validating)
	require.Empty(t, m.Warnings)
	w := m.Mutating.Webhooks[0]
	require.Equal(t, "https://127.0.0.1:8443/mutate", *w.ClientConfig.URL)
	require.Nil(t, w.ClientConfig.Service)
	require.Equal(t, arv1.Ignore, *w.FailurePolicy)
	both, err := newHandler(t, admission.Options{}, pods().Mutate("m", keep[corev1.Pod]).Validate("v", allow[corev1.Pod])).
		Manifests(admission.ManifestOptions{Name: "a.b", URL: "https://127.0.0.1:8443"})
	require.NoError(t, err)
	*both.Mutating.Webhooks[0].FailurePolicy = arv1.Ignore
	require.Equal(t, arv1.Fail, *both.Validating.Webhooks[0].FailurePolicy, "they share nothing")
	require.Equal(t, int32(30), *w.TimeoutSeconds)
	require.Equal(t, &metav1.LabelSelector{MatchLabels: map[string]string{"x": "y"}}, w.NamespaceSelector)
}

func TestManifestsRefuse(t *testing.T) {
	h := newHandler(t, admission.Options{}, pods())
	_, err := h.Manifests(admission.ManifestOptions{Name: "One", TimeoutSeconds: 31, FailurePolicy: "Maybe"})
	for _, want := range []string{
		`name "One": write a domain name such as policies.example.com`,
		"neither URL nor the name and namespace of Service are set",
		"TimeoutSeconds 31: write 1 to 30",
		`FailurePolicy "Maybe": write Fail or Ignore`,
	} {
		require.ErrorContains(t, err, want)
	}
	for _, url := range []string{"http://x", "https://", "https://x?y", "https://u@x", "://"} {
		_, err = h.Manifests(admission.ManifestOptions{Name: "a.b", URL: url})
		require.ErrorContains(t, err, "write https://host:port", url)
	}
}
