package etcddecode

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/components"
)

// command is the built examples/etcddecode.
var command string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kubewright-e2e-etcddecode-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if command, err = components.BuildExample(dir, "etcddecode"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// run runs the command, requires that it succeeds, and returns what it printed.
func run(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	out, stderr, err := try(t.Context(), stdin, args...)
	require.NoError(t, err, "etcddecode %v: %s", args, stderr)
	return out
}

func try(ctx context.Context, stdin []byte, args ...string) (out, stderr []byte, err error) {
	cmd := exec.CommandContext(ctx, command, args...)
	var o, e bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &o, &e
	err = cmd.Run()
	return o.Bytes(), e.Bytes(), err
}
