package e2e

import (
	"os"
	"testing"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// shared is the cluster of all tests here. A test that breaks things makes its own.
var shared = cluster.Shared{Options: cluster.Options{ControllerManager: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
