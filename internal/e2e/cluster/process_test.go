package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell is a component that is a shell script. It is ready once it has printed "ready".
func shell(t *testing.T, script string) *Component {
	t.Helper()
	dir := t.TempDir()
	c := &Component{
		Name:    "script",
		Args:    []string{"-c", script},
		LogFile: filepath.Join(dir, "log"),
		path:    "/bin/sh",
		dir:     dir,
	}
	c.ready = func(context.Context) error {
		if !strings.Contains(tail(c.LogFile, 0, 10), "ready") {
			return errors.New("nothing printed yet")
		}
		return nil
	}
	t.Cleanup(c.Kill)
	return c
}

func TestStopIsGraceful(t *testing.T) {
	c := shell(t, `trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done`)
	require.NoError(t, c.Start(t.Context()))
	require.NoError(t, c.Stop())
	require.Contains(t, tail(c.LogFile, 0, 10), "bye")
}

func TestStopKillsWhatDoesNotGo(t *testing.T) {
	c := shell(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	require.NoError(t, c.Start(t.Context()))
	pid := c.PID()
	require.ErrorContains(t, c.proc.stop(100*time.Millisecond), "killed")
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestStopReportsADeath(t *testing.T) {
	c := shell(t, `echo ready; exec sleep 60`)
	require.NoError(t, c.Start(t.Context()))
	require.NoError(t, syscall.Kill(c.PID(), syscall.SIGSEGV))
	<-c.proc.done
	require.ErrorContains(t, c.Stop(), "had already ended: signal: segmentation fault")
}

func TestStartFailsEarly(t *testing.T) {
	c := shell(t, `echo no such flag; exit 1`)
	err := c.Start(t.Context())
	require.ErrorContains(t, err, "ended before it was ready: exit status 1")
	require.ErrorContains(t, err, "no such flag")
	require.Zero(t, c.PID())
}

func TestStartGivesUp(t *testing.T) {
	c := shell(t, `sleep 60`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, c.Start(ctx), "nothing printed yet")
	require.Zero(t, c.PID())
}

// TestNothingOutlivesTheTestBinary kills a test binary that has a child and waits for the child to go.
func TestNothingOutlivesTheTestBinary(t *testing.T) {
	const role = "KUBEWRIGHT_E2E_PARENT"
	if os.Getenv(role) != "" {
		p, err := startProcess("/bin/sleep", []string{"600"}, t.TempDir(), os.DevNull)
		require.NoError(t, err)
		fmt.Println("child", p.cmd.Process.Pid)
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	if childAttr().Pdeathsig == 0 {
		t.Skip("no parent-death signal on this system")
	}
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	parent.Env = append(os.Environ(), role+"=yes")
	out, err := parent.Output()
	require.ErrorContains(t, err, "signal: killed")
	var child int
	_, err = fmt.Sscanf(string(out), "child %d", &child)
	require.NoError(t, err, "%s", out)
	Eventually(t, 10*time.Second, func() error {
		if syscall.Kill(child, 0) == nil {
			return fmt.Errorf("process %d is still there", child)
		}
		return nil
	})
}
