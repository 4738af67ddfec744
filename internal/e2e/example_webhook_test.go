package e2e

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/internal/e2e/service"
)

// exampleName is the name in the default configuration of examples/webhook, and of what it installs.
const exampleName = "policies.example.com"

// exampleProgram is examples/webhook, built by the first test that needs it.
var exampleProgram struct {
	once sync.Once
	path string
	err  error
}

func buildExample(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	p := &exampleProgram
	p.once.Do(func() { p.path, p.err = components.BuildExample(c.Dir, "webhook") }) // goes when the cluster goes
	require.NoError(t, p.err)
	return p.path
}

// startReplica starts the example webhook on a free port. Later flags override these.
func startReplica(t *testing.T, c *cluster.Cluster, flags ...string) *cluster.Server {
	t.Helper()
	flags = append([]string{"-listen=127.0.0.1:0", "-metrics-listen=", "-log-format=json", "-drain-delay=0"}, flags...)
	return c.Server(t, "webhook-"+rand.Text()[:6], buildExample(t, c), flags)
}

// newFront starts a Service for webhooks. It has an address before they have one.
func newFront(t *testing.T, o service.Options) *service.Service {
	t.Helper()
	front, err := service.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, front.Close()) })
	return front
}

// atOnce is a Service whose changes nobody has to wait for.
var atOnce = service.Options{Lag: time.Millisecond, Interval: 10 * time.Millisecond}

// installExample starts one replica that installs itself, and returns when the API server asks it.
func installExample(t *testing.T, c *cluster.Cluster, flags ...string) {
	t.Helper()
	installBehind(t, c, newFront(t, atOnce), flags...)
}

func installBehind(t *testing.T, c *cluster.Cluster, front *service.Service, flags ...string) *cluster.Server {
	t.Helper()
	t.Cleanup(func() { uninstallExample(t, c) })
	flags = append([]string{"-kubeconfig=" + c.Kubeconfig, "-url=https://" + front.Addr()}, flags...)
	r := startReplica(t, c, flags...)
	front.Add(r.Address)
	awaitExample(t, c)
	return r
}

func uninstallExample(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	c.MustKubectl(t, "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", exampleName, "--ignore-not-found")
}

// awaitExample returns when both of the webhook's configurations are in force.
func awaitExample(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		out, _, err := c.WithStdin(pod("probe", good)).Kubectl(t, "create", "-f", "-", "--dry-run=server", "--output=jsonpath={.metadata.annotations}")
		if err == nil && !strings.Contains(out, "reviewed") {
			err = errors.New("Pods are not mutated yet")
		}
		return err
	})
	cluster.Eventually(t, 30*time.Second, func() error {
		_, _, err := c.WithStdin(pod("probe", hostPath)).Kubectl(t, "create", "-f", "-", "--dry-run=server")
		if err == nil {
			return errors.New("Pods are not validated yet")
		}
		return nil
	})
}
