package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// TestReinvocation puts a second webhook behind ours, which adds a container that ours has to see too. The API server
// calls ours again, with its own work in the object; it must add what is missing and nothing twice.
func TestReinvocation(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	ours, theirs := &reviews{}, &reviews{}
	// The API server goes through configurations by their names.
	registerMutator(t, c, ours, namespace, "a.e2e.example", injectProxy)
	registerMutator(t, c, theirs, namespace, "b.e2e.example", injectAgent)
	awaitReviews(t, c, ours, namespace)
	awaitReviews(t, c, theirs, namespace)

	out := c.WithStdin(pod("web", good)).MustKubectl(t, "create", "-f", "-", "--output=json", "--namespace="+namespace)
	var stored corev1.Pod
	require.NoError(t, json.Unmarshal([]byte(out), &stored))
	require.Equal(t, []string{"proxy", "app", "agent"}, containerNames(&stored))
	for _, container := range stored.Spec.Containers {
		require.Equal(t, []corev1.EnvVar{{Name: "PROXY", Value: "on"}}, container.Env, container.Name)
	}
	volumes := slices.DeleteFunc(stored.Spec.Volumes, func(v corev1.Volume) bool { return strings.HasPrefix(v.Name, "kube-api-access-") })
	require.Len(t, volumes, 1)
	require.Equal(t, map[string]string{"app": "web", "mutated": "yes"}, stored.Labels)

	require.Len(t, ours.of(namespace, "web"), 2)
	again := ours.of(namespace, "web")[1]
	require.Equal(t, admission.OutcomeAllowed, again.Outcome)
	requirePatches(t, c, namespace, `[{"op": "add", "path": "/spec/containers/2/env", "value": [{"name": "PROXY", "value": "on"}]}]`)
}

func registerMutator(t *testing.T, c *cluster.Cluster, seen *reviews, namespace, name string, mutate admission.MutateFunc[corev1.Pod]) {
	t.Helper()
	h, err := admission.NewHandler(seen.options(), admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
		Namespaced().Mutate("inject", mutate))
	require.NoError(t, err)
	register(t, c, h, namespace, admission.ManifestOptions{Name: name, URL: serve(t, c, h.Routes())})
}

// injectProxy is a mutator as it should be: it looks before it adds.
func injectProxy(ctx context.Context, req *admissionv1.AdmissionRequest, p *corev1.Pod) error {
	if !slices.Contains(containerNames(p), "proxy") {
		p.Spec.Containers = slices.Insert(p.Spec.Containers, 0, corev1.Container{Name: "proxy", Image: "registry.example/proxy:1"})
	}
	if !slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "proxy" }) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "proxy", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	for i := range p.Spec.Containers {
		env := &p.Spec.Containers[i].Env
		if !slices.ContainsFunc(*env, func(e corev1.EnvVar) bool { return e.Name == "PROXY" }) {
			*env = append(*env, corev1.EnvVar{Name: "PROXY", Value: "on"})
		}
	}
	return addLabel(ctx, req, p)
}

func injectAgent(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
	if !slices.Contains(containerNames(p), "agent") {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "agent", Image: "registry.example/agent:1"})
	}
	return nil
}

func containerNames(p *corev1.Pod) []string {
	var names []string
	for _, container := range p.Spec.Containers {
		names = append(names, container.Name)
	}
	return names
}

// requirePatches finds in the audit log what ours changed in the second round, and that it was right in the first.
func requirePatches(t *testing.T, c *cluster.Cluster, namespace, second string) {
	t.Helper()
	var annotations map[string]string
	cluster.Eventually(t, 10*time.Second, func() error {
		events := c.AuditEvents(t, func(e auditv1.Event) bool {
			return e.Verb == "create" && e.ObjectRef.Namespace == namespace && e.ObjectRef.Resource == "pods" && !strings.Contains(e.RequestURI, "dryRun")
		})
		if len(events) == 0 {
			return errors.New("the audit log does not tell of the Pod")
		}
		annotations = events[0].Annotations
		return nil
	})
	var applied struct{ Patch json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(annotations["patch.webhook.admission.k8s.io/round_1_index_0"]), &applied))
	require.JSONEq(t, second, string(applied.Patch))
	require.Contains(t, annotations, "patch.webhook.admission.k8s.io/round_0_index_0")
	require.Contains(t, annotations, "patch.webhook.admission.k8s.io/round_0_index_1")
}
