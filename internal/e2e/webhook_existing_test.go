package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// TestObjectsFromBeforeTheWebhook installs policies in a cluster that breaks them already. What is there goes on and can
// be brought to its end; what is new about it is judged.
func TestObjectsFromBeforeTheWebhook(t *testing.T) {
	c := shared.Get(t)
	in := "--namespace=" + c.Namespace(t)
	held := strings.Replace(pod("held", hostPath), "{name: held", "{name: held, finalizers: [e2e.kubewright.example/hold]", 1)
	before := []string{pod("old", hostPath), held, workload("Deployment", "web", hostPath), workload("StatefulSet", "db", hostPath)}
	c.WithStdin(strings.Join(before, "---\n")).MustKubectl(t, "create", "-f", "-", in)
	awaitPods := func(t *testing.T, app string, want int) {
		t.Helper()
		cluster.Eventually(t, 30*time.Second, func() error {
			return wantLines(c, t, want, "get", "pods", "--selector=app="+app, "--output=name", in)
		})
	}
	awaitPods(t, "db", 1)
	awaitPods(t, "web", 3) // the two bare ones have the same label
	installExample(t, c)

	t.Run("they can be labelled", func(t *testing.T) {
		c.MustKubectl(t, "label", "pod/old", "deployment/web", "statefulset/db", "team=shop", in)
	})
	t.Run("they can report their status", func(t *testing.T) {
		c.MustKubectl(t, "patch", "pod", "old", "--subresource=status", "--type=merge", `--patch={"status":{"phase":"Running"}}`, in)
	})
	t.Run("they can't be given other code", func(t *testing.T) {
		requireRefused(t, c.Client, podFinding, "set", "image", "pod/old", "app=registry.example/web:2", in)
		requireRefused(t, c.Client, otherFinding, "set", "image", "deployment/web", "app=registry.example/web:2", in)
		requireRefused(t, c.Client, otherFinding, "set", "env", "statefulset/db", "KEY=value", in)
	})
	t.Run("they can be scaled", func(t *testing.T) {
		c.MustKubectl(t, "scale", "deployment/web", "statefulset/db", "--replicas=2", in)
		awaitRefusedPods(t, c, in, "deployment/web", "ReplicaSet") // new Pods are new
		c.MustKubectl(t, "scale", "deployment/web", "statefulset/db", "--replicas=0", in)
		awaitPods(t, "db", 0)
		awaitPods(t, "web", 2)
	})
	t.Run("they can be repaired", func(t *testing.T) {
		c.WithStdin(workload("Deployment", "web", good)).MustKubectl(t, "replace", "-f", "-", in)
		awaitPods(t, "web", 3)
	})
	t.Run("they can be deleted", func(t *testing.T) {
		c.MustKubectl(t, "delete", "pod/old", "statefulset/db", in)
		c.MustKubectl(t, "delete", "pod/held", "--wait=false", in)
		require.NotEmpty(t, c.MustKubectl(t, "get", "pod", "held", "--output=jsonpath={.metadata.deletionTimestamp}", in))
		c.MustKubectl(t, "patch", "pod", "held", "--type=merge", `--patch={"metadata":{"finalizers":null}}`, in)
		require.NoError(t, wantLines(c, t, 0, "get", "pod", "held", "--ignore-not-found", "--output=name", in))
	})
}

// awaitRefusedPods waits for a controller to complain that it can't make Pods, with the finding.
func awaitRefusedPods(t *testing.T, c *cluster.Cluster, in, workload, maker string) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		out := c.MustKubectl(t, "get", "events", "--field-selector=reason=FailedCreate,involvedObject.kind="+maker, "--output=jsonpath={.items[*].message}", in)
		if !strings.Contains(out, podFinding) {
			return fmt.Errorf("%s: %w: %q", workload, errors.New("no event with the finding"), out)
		}
		return nil
	})
}
