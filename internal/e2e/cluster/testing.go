package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
)

// New starts a cluster for one test and stops it when the test ends. The test is skipped if the
// binaries cannot be downloaded.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	bin, err := binaries.Ensure(t.Context())
	requireOrSkip(t, err)
	c, err := Start(t.Context(), bin, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := c.finish(t.Failed()); err != nil {
			t.Errorf("stop the cluster: %v", err)
		}
	})
	c.reportOnFailure(t) // cleanups run last in, first out: the logs are read before they go
	announce(t, c)
	return c
}

// Shared is one cluster for all tests of a package. Its TestMain is
//
//	var shared = cluster.Shared{Options: cluster.Options{ControllerManager: true}}
//
//	func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
//
// and every test gets the cluster with shared.Get(t). It starts for the first test that asks.
type Shared struct {
	Options Options

	bin     binaries.Set
	missing error // why there are no binaries
	once    sync.Once
	cluster *Cluster
	err     error // why there is no cluster
}

// Main builds the binaries before any test's clock runs, runs the tests, stops the cluster and
// returns the exit status. If the binaries cannot be downloaded, the tests that need them are
// skipped and the last line says so.
func (s *Shared) Main(m *testing.M) int {
	s.bin, s.missing = binaries.Ensure(context.Background())
	download := errors.As(s.missing, new(*binaries.DownloadError))
	if s.missing != nil && !download {
		fmt.Fprintln(os.Stderr, "e2e:", s.missing)
		return 1
	}
	status := m.Run()
	if s.cluster != nil {
		if err := s.cluster.finish(status != 0); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: stop the cluster:", err)
			status = max(status, 1)
		}
	}
	if download {
		fmt.Println("e2e: skipped:", s.missing)
	}
	return status
}

// Get returns the cluster. If the test fails, it prints what the components logged meanwhile.
func (s *Shared) Get(t testing.TB) *Cluster {
	t.Helper()
	requireOrSkip(t, s.missing)
	started := false
	s.once.Do(func() {
		s.cluster, s.err = Start(context.Background(), s.bin, s.Options)
		started = true
	})
	require.NoError(t, s.err)
	if started {
		announce(t, s.cluster)
	}
	s.cluster.reportOnFailure(t)
	return s.cluster
}

// requireOrSkip fails the test unless err is nil or a failed download, for which it skips.
func requireOrSkip(t testing.TB, err error) {
	t.Helper()
	if errors.As(err, new(*binaries.DownloadError)) {
		t.Skipf("no control plane: %v", err)
	}
	require.NoError(t, err)
}

// announce leaves no doubt in the log that the tests talk to a real API server.
func announce(t testing.TB, c *Cluster) {
	t.Helper()
	line, err := c.VersionLine()
	require.NoError(t, err)
	t.Logf("kube-apiserver says: %s", line)
	t.Logf("kubectl --kubeconfig %s", c.Kubeconfig)
}

// finish stops the cluster and removes its directory, unless there is something to be looked into.
func (c *Cluster) finish(failed bool) error {
	err := c.Stop()
	if failed || err != nil {
		fmt.Fprintln(os.Stderr, "e2e: logs, audit log and etcd data are kept in", c.Dir)
		return err
	}
	return os.RemoveAll(c.Dir)
}

// Eventually polls until condition returns nil. If that takes longer than timeout, it fails the
// test with the condition's last error.
func Eventually(t testing.TB, timeout time.Duration, condition func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			require.NoError(t, err, "still so after %s", timeout)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
