package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// TestWebhookManifests applies what stands beside the example. No kubelet runs its Pods here, so the program runs beside
// the cluster; but as the service account, with the rights, that the manifests give it.
func TestWebhookManifests(t *testing.T) {
	c := shared.Get(t)
	const in = "--namespace=kubewright-webhook"
	manifests := filepath.Join("..", "..", "examples", "webhook", "manifests")
	t.Cleanup(func() { c.MustKubectl(t, "delete", "--wait=false", "--kustomize="+manifests) })
	c.MustKubectl(t, "wait", "--for=delete", "namespace/kubewright-webhook", "--timeout=60s") // of an earlier run
	_, stderr, err := c.Kubectl(t, "apply", "--kustomize="+manifests)
	require.NoError(t, err)
	require.Empty(t, stderr, "no warning of Pod Security, which is restricted in this namespace")
	cluster.Eventually(t, 30*time.Second, func() error {
		return wantLines(c, t, 2, "get", "pods", "--output=name", in)
	})

	const self = "system:serviceaccount:kubewright-webhook:webhook"
	created := func() int {
		return len(c.AuditEvents(t, func(e auditv1.Event) bool { return e.Verb == "create" && e.User.Username == self }))
	}
	before := created()
	token := c.ServiceAccountToken(t, "kubewright-webhook", "webhook")
	kubeconfig := "-kubeconfig=" + c.WithToken(t, "webhook", token).Kubeconfig
	installExample(t, c, kubeconfig, "-config="+writeFixedConfig(t))
	require.Equal(t, before+2, created(), "one configuration for each phase")

	// Fixed addresses need rights of their own.
	shop := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.20.10-10.20.20.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", shop)
	wantAddresses(t, c, shop, `redis-0=["10.20.20.10"] redis-1=["10.20.20.11"] redis-2=["10.20.20.12"]`)
	c.MustKubectl(t, "annotate", "statefulset/redis", "--overwrite", poolKey+"=10.20.20.10-10.20.20.13", shop)
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=4", shop)

	// And so do features that namespaces decide about. The last to install itself is the one that is asked.
	t.Run("namespaces", func(t *testing.T) {
		uninstallExample(t, c)
		installExample(t, c, kubeconfig, "-config="+writeSidecarsConfig(t))
		testNamespacesDecide(t, c)
	})
}
