package sidecar

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/sidecar"
)

// group makes a container's cgroup, of one CPU and 256 MiB, in each hierarchy of cgroup v1.
func group(t *testing.T) (dirs []string) {
	t.Helper()
	name := "kubewright-" + strings.ToLower(rand.Text()[:8])
	for controller, files := range map[string][][2]string{
		"cpu": {{"cpu.cfs_quota_us", "100000"}}, "cpuacct": nil, "memory": {{"memory.limit_in_bytes", "268435456"}},
		"cpuset": {{"cpuset.cpus", ""}, {"cpuset.mems", ""}},
	} {
		top := "/sys/fs/cgroup/" + controller
		if _, err := os.Stat(top + "/cgroup.procs"); err != nil {
			t.Skip("LXCFS 5 is judged on cgroup v1: ", err)
		}
		dir := filepath.Join(top, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) { //nolint:gosec // as the kernel makes it
			t.Skip("cgroups can't be made here: ", err)
		}
		t.Cleanup(func() {
			cluster.Eventually(t, 10*time.Second, func() error {
				if err := syscall.Rmdir(dir); err != nil && !os.IsNotExist(err) {
					return fmt.Errorf("%s: %w", dir, err)
				}
				return nil
			})
		})
		for _, f := range files {
			if f[1] == "" { // nobody can join without CPUs and memory nodes: those of the parent
				text, err := os.ReadFile(filepath.Join(top, f[0])) //nolint:gosec // the kernel's
				require.NoError(t, err)
				f[1] = strings.TrimSpace(string(text))
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0o600))
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// lxcfs starts LXCFS, as a node has it, and returns what ends it.
func lxcfs(t *testing.T, dir string) (stop func()) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no FUSE: ", err)
	}
	program := components.Program(t, "lxcfs", "lxcfs")
	cmd := exec.Command(program, "--enable-cfs", "-f", "-p", filepath.Join(t.TempDir(), "pid"), dir) //nolint:gosec // a directory of the test's
	var said strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &said, &said, time.Second
	require.NoError(t, cmd.Start())
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = syscall.Unmount(dir, syscall.MNT_DETACH) // it may never have been there
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
	}
	t.Cleanup(stop)
	cluster.Eventually(t, 10*time.Second, func() error {
		_, err := os.Stat(filepath.Join(dir, "proc/meminfo"))
		return err
	})
	return stop
}

const lxcfsWishes = "cpuinfo,diskstats,meminfo,online,stat,swaps,uptime"

// Real tools, in a container with the mounts that are injected, tell of the container's limits.
func TestLXCFSRuns(t *testing.T) {
	for _, tool := range []string{"free", "uptime"} {
		components.Program(t, tool, "procps")
	}
	groups, dir := group(t), t.TempDir()
	lxcfs(t, dir)
	n := newNode(t, map[string]string{"lxcfs": "true", "lxcfs.files": lxcfsWishes}, sidecar.LXCFS{Dir: dir})
	n.groups = groups
	require.Regexp(t, `Mem: +262144 `, n.app(t, "free", "-k"))
	require.Equal(t, "1", n.app(t, "getconf", "_NPROCESSORS_ONLN"))
	require.Equal(t, "1", n.app(t, "grep", "-c", "^processor", "/proc/cpuinfo"))
	require.Equal(t, "1", n.app(t, "grep", "-c", "^cpu[0-9]", "/proc/stat"))
	require.Equal(t, "0", n.app(t, "cat", "/sys/devices/system/cpu/online"))
	up, err := strconv.ParseFloat(strings.Fields(n.app(t, "cat", "/proc/uptime"))[0], 64)
	require.NoError(t, err)
	host, err := os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	whole, err := strconv.ParseFloat(strings.Fields(string(host))[0], 64)
	require.NoError(t, err)
	require.Less(t, up, min(whole, 120), "the container has just started")
}

// After LXCFS was restarted, what a container has mounted is dead. With Parent, the node can repair it.
func TestLXCFSIsRepairedByTheParent(t *testing.T) {
	groups, parent := group(t), filepath.Join(t.TempDir(), "parent")
	dir := filepath.Join(parent, "lxcfs")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, syscall.Mount(parent, parent, "", syscall.MS_BIND, "")) // a mount that can be shared
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(parent, syscall.MNT_DETACH)) })
	require.NoError(t, syscall.Mount("", parent, "", syscall.MS_SHARED, ""))
	stop := lxcfs(t, dir)
	n := newNode(t, map[string]string{"lxcfs": "true", "lxcfs.files": "meminfo"}, sidecar.LXCFS{Dir: dir, Parent: parent})
	n.groups = groups

	ctx, cancel := context.WithCancel(t.Context())
	cmd := n.command(ctx, t, n.pod.Spec.Containers[0], "sh", "-c", "head -n 1 /proc/meminfo; exec sleep 600")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	line := make([]byte, 64)
	read, err := out.Read(line)
	require.NoError(t, err, "%s", cmd.Stderr)
	require.Regexp(t, `MemTotal: +262144 kB`, string(line[:read]))
	// Of the shell that became unshare, the one child is the container's first process.
	children, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(cmd.Process.Pid)).Output() //nolint:gosec // a number
	require.NoError(t, err)
	first := strings.TrimSpace(string(children))
	in := func(program ...string) (string, error) {
		out, err := exec.Command("nsenter", append([]string{"--target", first, "--mount", "--pid"}, program...)...).CombinedOutput() //nolint:gosec // of the test's own
		return string(out), err
	}
	stop()
	text, err := in("cat", "/proc/meminfo")
	require.Error(t, err)
	require.Contains(t, text, "endpoint is not connected")
	lxcfs(t, dir)
	_, err = in("cat", "/proc/meminfo")
	require.Error(t, err, "the mount of a file stays dead")
	text, err = in("sh", "-c", "umount /proc/meminfo; mount --bind "+dir+"/proc/meminfo /proc/meminfo")
	require.NoError(t, err, text)
	text, err = in("head", "-n", "1", "/proc/meminfo")
	require.NoError(t, err, text)
	require.Regexp(t, `MemTotal: +262144 kB`, text)
}
