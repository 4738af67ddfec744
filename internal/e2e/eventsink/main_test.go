package eventsink

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
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
	program.dir = dir
	status := shared.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// program is examples/collector, built by the first test that needs it.
var program struct {
	dir  string
	once sync.Once
	path string
	err  error
}

func build(t *testing.T) string {
	t.Helper()
	program.once.Do(func() { program.path, program.err = components.BuildExample(program.dir, "collector") })
	require.NoError(t, program.err)
	return program.path
}
