package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/service"
)

// drainDelay is three times the lag of the Service; the default of the example is ten times that of most clusters.
const drainDelay = "3s"

// TestRollingRestart replaces both replicas of the example, one after the other, as a Deployment would, while Pods are
// created that can't be without it. New connections go to a replica for a second after it was told to stop, and those
// that exist stay with it until it hangs up.
func TestRollingRestart(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	front := newFront(t, service.Options{Lag: time.Second})
	files := pairFiles{dir: t.TempDir(), url: "https://" + front.Addr()}
	files.make(t, c)
	flags := append(files.flags(), "-drain-delay="+drainDelay, "-log-level=debug")
	start := func() *cluster.Server {
		r := startReplica(t, c, append(flags, "-kubeconfig="+c.Kubeconfig, "-url="+files.url)...)
		front.Add(r.Address)
		awaitBackend(t, front, r, true)
		return r
	}
	t.Cleanup(func() { uninstallExample(t, c) })
	old := []*cluster.Server{start(), start()}
	awaitExample(t, c)

	l := startLoad(t, c, namespace, isReviewed)
	fresh := []*cluster.Server{}
	for _, r := range old {
		fresh = append(fresh, start()) // maxSurge: 1, maxUnavailable: 0
		front.Remove(r.Address)        // a Pod that is deleted leaves the Service at the same moment
		require.NoError(t, r.Stop())
		require.Len(t, r.Logged("stopped, with nothing in flight"), 1)
		awaitBackend(t, front, r, false)
		l.awaitMore(t, 50)
	}
	pods := l.finish(t)

	byOld, byFresh := served(t, front, old), served(t, front, fresh)
	t.Logf("%d Pods created, %d requests served, 0 failures", pods, byOld+byFresh)
	require.NotZero(t, byOld)
	require.NotZero(t, byFresh)
	require.GreaterOrEqual(t, byOld+byFresh, 2*int(pods), "each Pod is mutated and validated")
	uninstallExample(t, c)
	for _, r := range fresh {
		r.Kill() // nobody waits for them any more
	}
}

// served counts the reviews that replicas have logged.
func served(t *testing.T, front *service.Service, replicas []*cluster.Server) (reviews int) {
	t.Helper()
	for _, r := range replicas {
		n := len(r.Logged("review"))
		t.Logf("%s served %d reviews over %d connections", r.Name, n, front.Counts().Forwarded[r.Address])
		reviews += n
	}
	return reviews
}

// awaitBackend waits until the Service sends new connections to a replica, or does so no more.
func awaitBackend(t *testing.T, front *service.Service, r *cluster.Server, want bool) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		if ready := front.Ready(); slices.Contains(ready, r.Address) != want {
			return fmt.Errorf("the Service sends to %v", ready)
		}
		return nil
	})
}
