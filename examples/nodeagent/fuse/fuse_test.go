package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// On v1 the hierarchies may have different paths for one container: each is where its own says.
func TestPathsOfTheirOwn(t *testing.T) {
	root, id := t.TempDir(), strings.Repeat("0123456789abcdef", 4)
	const pod = "pod9f1c2a3b-0000-4444-8888-123456789abc"
	cpu := "/system.slice/containerd.service/kubepods-" + pod + ".slice:cri-containerd:" + id
	for name, text := range map[string]string{
		"proc/1/mountinfo": "1 0 0:1 / / rw - ext4 root rw\n2 1 0:2 / /cg/cpu rw - cgroup cgroup rw,cpu\n3 1 0:3 / /cg/memory rw - cgroup cgroup rw,memory\n",
		"proc/7/cgroup":    "2:cpu:" + cpu + "\n1:memory:/kubepods/" + pod + "/" + id + "\n",
		"proc/7/status":    "Cpus_allowed_list:\t0-3\n", "proc/7/stat": "7 (app) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 100 0\n",
		"cg/cpu" + cpu + "/cpu.cfs_quota_us": "150000\n", "cg/cpu" + cpu + "/cpu.cfs_period_us": "100000\n", "cg/cpu" + cpu + "/cgroup.procs": "7\n",
		"cg/memory/kubepods/" + pod + "/" + id + "/cgroup.procs": "7\n",
		"sys/devices/system/cpu/online":                          "0-3\n",
	} {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	text, err := newViews(root).render(7, "sys/devices/system/cpu/online")
	require.NoError(t, err)
	require.Equal(t, "0-1\n", string(text))
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

// What is there is not covered: a plain file would be left as a dead mount.
func TestMountCoversNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "passwd")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	_, err := serve(file, newViews("/"))
	require.ErrorContains(t, err, "want an empty directory")
	_, err = serve(dir, newViews("/"))
	require.ErrorContains(t, err, `is not empty, it has "passwd"`)
	text, err := os.ReadFile(filepath.Clean(file))
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// A container that has a file mounted, and keeps it, does not keep the program from ending.
func TestEndsInTime(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if _, err := os.Stat("/proc/self/cgroup"); err != nil {
		t.Skip("no cgroups: ", err)
	}
	dir, target := t.TempDir(), filepath.Join(t.TempDir(), "uptime")
	require.NoError(t, os.WriteFile(target, nil, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, lines := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-mount", dir, "-grace", "1ms"}, lines)
		_ = lines.Close()
	}()
	said := bufio.NewScanner(out)
	if !said.Scan() {
		t.Skip("FUSE can't be mounted here: ", <-done)
	}
	require.Contains(t, said.Text(), "msg=mounted")
	require.NoError(t, syscall.Mount(filepath.Join(dir, "proc/uptime"), target, "", syscall.MS_BIND, ""))
	defer func() { require.NoError(t, syscall.Unmount(target, syscall.MNT_DETACH)) }()
	text, err := os.ReadFile(filepath.Clean(target))
	require.NoError(t, err)
	require.Regexp(t, `^\d+\.\d\d \d+\.\d\d\n$`, string(text))
	cancel()
	require.True(t, said.Scan())
	require.Contains(t, said.Text(), "containers still have files mounted")
	require.False(t, said.Scan())
	require.NoError(t, <-done)
}

// Of many reads that fail, one is told at a time.
func TestSometimes(t *testing.T) {
	var out strings.Builder
	tell := sometimes(slog.New(slog.NewTextHandler(&out, nil)), time.Hour)
	for range 3 {
		tell("proc/stat", 7, syscall.EIO)
	}
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), `file=proc/stat process=7 error="input/output error"`)
}

func TestArguments(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, run(t.Context(), []string{"-mount", "/x", "-root", "/nonexistent"}, &out), "want the root of a Linux machine")
	require.ErrorContains(t, run(t.Context(), nil, &out), "want -mount")
	require.Error(t, run(t.Context(), []string{"-mount", "/nonexistent/x"}, &out))
	require.Error(t, run(t.Context(), []string{"-h"}, &out))
	require.Contains(t, out.String(), "-mount directory")
}
