package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
)

// Every view is rendered for the process that asks, whether or not FUSE can be mounted here.
func TestRender(t *testing.T) {
	if _, err := cgroupview.Locate(cgroupview.FS("/"), 0); err != nil {
		t.Skip("this machine has no cgroups: ", err)
	}
	v := newViews("/")
	for _, name := range cgroupview.ViewFiles() {
		text, err := v.render(os.Getpid(), name)
		require.NoError(t, err, name)
		require.True(t, strings.HasSuffix(string(text), "\n") || len(text) == 0, name)
	}
	v.tick()
	_, err := v.render(os.Getpid(), "proc/version")
	require.Error(t, err)
	_, err = v.render(1<<30, "proc/stat")
	require.Error(t, err)
	_, err = v.render(0, "proc/stat")
	require.ErrorContains(t, err, "hostPID", "0 is a reader that cannot be seen from here, not this process")
	c, err := v.of(os.Getpid())
	require.NoError(t, err)
	c.open.Store(maxOpen)
	_, _, err = v.handle(os.Getpid(), "proc/stat")
	require.ErrorIs(t, err, syscall.ENFILE)
	c.open.Store(0)
	_, release, err := v.handle(os.Getpid(), "proc/stat")
	require.NoError(t, err)
	release()
	require.Zero(t, c.open.Load())
}

// A container whose read the kernel does not finish holds up neither the load averages of the others nor their views.
func TestStuckContainerHoldsUpNobodyElse(t *testing.T) {
	if _, err := cgroupview.Locate(cgroupview.FS("/"), 0); err != nil {
		t.Skip("this machine has no cgroups: ", err)
	}
	v := newViews("/")
	c, err := v.of(os.Getpid())
	require.NoError(t, err)
	c.mu.Lock() // as a read does
	v.tick()
	other := &view{group: c.group}
	_, err = v.text(other, "proc/meminfo")
	require.NoError(t, err)
	c.mu.Unlock()
}

// What is mounted is what programs read, and a mount that a dead server left is replaced.
func TestMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no FUSE: ", err)
	}
	dir := t.TempDir()
	v := newViews("/")
	server, err := serve(dir, v)
	if err != nil {
		t.Skip("FUSE can't be mounted here: ", err)
	}
	defer func() { require.NoError(t, server.Unmount()) }()
	for _, name := range cgroupview.ViewFiles() {
		out, err := exec.Command("cat", filepath.Join(dir, name)).Output()
		require.NoError(t, err, name)
		if name == "proc/cpuinfo" || name == "sys/devices/system/cpu/online" {
			want, err := v.render(os.Getpid(), name)
			require.NoError(t, err)
			require.Equal(t, string(want), string(out))
		}
	}
	_, err = os.OpenFile(filepath.Join(dir, "proc/meminfo"), os.O_WRONLY, 0)
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = os.ReadFile(filepath.Join(dir, "proc/version"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestArguments(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, run(t.Context(), nil, &out), "want -mount")
	require.Error(t, run(t.Context(), []string{"-mount", "/nonexistent/x"}, &out))
	require.Error(t, run(t.Context(), []string{"-h"}, &out))
	require.Contains(t, out.String(), "-mount directory")
}
