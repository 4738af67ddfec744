package eventsink

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// shared is the cluster of the tests that break nothing in it.
var shared = cluster.Shared{Options: cluster.Options{
	ControllerManager: true,
	// A test needs thousands of Events a second; the limits protect an API server that others depend on.
	APIServerArgs: []string{"--feature-gates=ShardedListAndWatch=true", "--enable-priority-and-fairness=false", "--max-requests-inflight=0", "--max-mutating-requests-inflight=0"},
	AuditPolicy:   "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n",
}}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kubewright-collector-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program.path = filepath.Join(dir, "collector")
	status := shared.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// program is examples/collector, built by the first test that needs it, as its users build it: in their module.
var program struct {
	once sync.Once
	path string
	err  error
}

func build(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		cmd := exec.Command("go", "build", "-o", program.path, "./examples/collector")
		cmd.Dir = filepath.Join("..", "..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	require.NoError(t, program.err)
	return program.path
}
