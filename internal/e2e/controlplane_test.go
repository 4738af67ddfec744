package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
`

// TestControlPlane shows that the control plane is what the other tests take it for.
func TestControlPlane(t *testing.T) {
	c := shared.Get(t)

	t.Run("it is the Kubernetes that was built", func(t *testing.T) {
		var versions struct {
			ClientVersion, ServerVersion struct{ GitVersion, Major, Minor string }
		}
		require.NoError(t, json.Unmarshal([]byte(c.MustKubectl(t, "version", "--output=json")), &versions))
		require.Equal(t, binaries.Version, versions.ServerVersion.GitVersion)
		require.Equal(t, "1", versions.ServerVersion.Major)
		require.Equal(t, "36", versions.ServerVersion.Minor)
		require.Equal(t, versions.ServerVersion, versions.ClientVersion)
	})

	t.Run("objects are stored", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		c.MustKubectl(t, "create", "configmap", "motto", "--from-literal=text=prove it", in)
		got := c.MustKubectl(t, "get", "configmap", "motto", "--output=jsonpath={.data.text}", in)
		require.Equal(t, "prove it", got)
	})

	t.Run("a Deployment becomes a ReplicaSet and Pods", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		c.WithStdin(deployment).MustKubectl(t, "apply", "-f", "-", in)
		cluster.Eventually(t, 30*time.Second, func() error {
			return wantLines(c, t, 2, "get", "pods", "--selector=app=web", "--output=name", in)
		})
		owner := c.MustKubectl(t, "get", "pods", "--output=jsonpath={.items[0].metadata.ownerReferences[0].kind}", in)
		require.Equal(t, "ReplicaSet", owner)
	})

	t.Run("a deleted owner takes its Pods along", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		c.WithStdin(deployment).MustKubectl(t, "apply", "-f", "-", in)
		cluster.Eventually(t, 30*time.Second, func() error {
			return wantLines(c, t, 2, "get", "pods", "--output=name", in)
		})
		c.MustKubectl(t, "delete", "deployment", "web", in)
		cluster.Eventually(t, 60*time.Second, func() error {
			return wantLines(c, t, 0, "get", "pods", "--output=name", in)
		})
	})

	t.Run("a service account's token is its identity", func(t *testing.T) {
		namespace := c.Namespace(t)
		token := c.ServiceAccountToken(t, namespace, "default")
		who := c.WithToken(t, "default", token).MustKubectl(t, "auth", "whoami", "--output=jsonpath={.status.userInfo.username}")
		require.Equal(t, "system:serviceaccount:"+namespace+":default", who)
	})

	t.Run("a namespace gets the CA that verifies the API server", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		cluster.Eventually(t, 30*time.Second, func() error {
			got, _, err := c.Kubectl(t, "get", "configmap", "kube-root-ca.crt", `--output=jsonpath={.data.ca\.crt}`, in)
			if err == nil && !strings.Contains(got, "BEGIN CERTIFICATE") {
				err = fmt.Errorf("no certificate in %q", got)
			}
			return err
		})
	})
}

// wantLines is an error unless kubectl prints so many lines.
func wantLines(c *cluster.Cluster, t *testing.T, want int, args ...string) error {
	t.Helper()
	out, _, err := c.Kubectl(t, args...)
	if err != nil {
		return err
	}
	if got := strings.Count(out, "\n"); got != want {
		return fmt.Errorf("%d lines, want %d:\n%s", got, want, out)
	}
	return nil
}
