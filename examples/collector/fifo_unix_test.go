//go:build linux || darwin || freebsd

package main

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestASignalEndsTheOpening of a pipe that nobody writes to.
func TestASignalEndsTheOpening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	endsBySignal(t, "pipe", nil, "-from="+path, "-listen=")
	endsBySignal(t, "pipe, replay", nil, "replay", path)
}
