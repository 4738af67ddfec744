package cluster

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// printedReady is for scripts that print "ready".
func printedReady(_ context.Context, program *Component) error {
	if !strings.Contains(tail(program.LogFile, 0, 10), "ready") {
		return errors.New("nothing printed yet")
	}
	return nil
}

func testProgram(t *testing.T, c *Cluster) {
	const script = `trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done`
	var program *Component
	t.Run("runs for one test", func(t *testing.T) {
		program = c.Program(t, "script", "/bin/sh", []string{"-c", script}, printedReady)
		require.NoError(t, syscall.Kill(program.PID(), 0))
		require.NotContains(t, c.Components(), program)
	})
	require.Zero(t, program.PID())
	require.Contains(t, tail(program.LogFile, 0, 10), "bye")
}
