package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// TestNewObjectsThatClaimToBeDeleted creates objects with a deletionTimestamp. The API server wipes it from what comes by
// POST, and not from what server-side apply creates; neither may pass the functions that leave alone what is being
// deleted.
func TestNewObjectsThatClaimToBeDeleted(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	seen := &reviews{}
	h, err := admission.NewHandler(seen.options(), admission.For[corev1.ConfigMap](corev1.SchemeGroupVersion.WithKind("ConfigMap")).
		Namespaced().Validate("refuse", refuseSecrets))
	require.NoError(t, err)
	register(t, c, h, namespace, admission.ManifestOptions{Name: "deleted.e2e.example", URL: serve(t, c, h.Routes())})

	manifest := func(name string) *cluster.Client {
		return c.WithStdin(`{apiVersion: v1, kind: ConfigMap, metadata: {name: ` + name + `, deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [e2e.example/keep]}, data: {secret: x}}`)
	}
	cluster.Eventually(t, 30*time.Second, func() error {
		_, stderr, _ := manifest("posted").Kubectl(t, "create", "-f", "-", "--dry-run=server", "--namespace="+namespace)
		if !strings.Contains(stderr, "no secrets here") {
			return errors.New("the webhook is not asked: " + stderr)
		}
		return nil
	})
	_, stderr, err := manifest("applied").Kubectl(t, "apply", "--server-side", "-f", "-", "--namespace="+namespace)
	require.Error(t, err)
	require.Contains(t, stderr, "no secrets here")
}

func refuseSecrets(_ context.Context, _ *admissionv1.AdmissionRequest, m, _ *corev1.ConfigMap) []admission.Finding {
	if m.Data["secret"] == "" {
		return nil
	}
	return []admission.Finding{{Field: "data[secret]", Message: "no secrets here"}}
}
