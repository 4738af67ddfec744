package cluster

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"
	"time"
)

// notInName is what a namespace's name may not hold.
var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// Namespace creates a namespace for the test, named after it, and deletes it when the test ends.
// With a controller manager it is ready for Pods: they need the default service account.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	name := notInName.ReplaceAllString(strings.ToLower(t.Name()), "-")
	name = strings.Trim(name[:min(len(name), 40)], "-") + "-" + strings.ToLower(rand.Text()[:6])
	c.MustKubectl(t, "create", "namespace", name)
	t.Cleanup(func() {
		// Nobody waits for the deletion to be done, so a cluster that is down does no harm.
		_, _, _ = c.Kubectl(t, "delete", "namespace", name, "--wait=false")
	})
	if c.ControllerManager != nil {
		Eventually(t, 30*time.Second, func() error {
			_, _, err := c.Kubectl(t, "get", "serviceaccount", "default", "--namespace", name)
			return err
		})
	}
	return name
}
