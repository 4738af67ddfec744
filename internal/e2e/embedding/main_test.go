package embedding

import (
	"os"
	"testing"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

var shared cluster.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
