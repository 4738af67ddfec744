package main

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview/node"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// failing is a machine one of whose directories cannot be listed.
type failing struct {
	fs.FS
	dir string
}

func (f failing) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == f.dir {
		return nil, syscall.EMFILE
	}
	return fs.ReadDir(f.FS, name)
}

// A container that cannot be found for a while keeps its files, the very ones that it may have mounted. Those of one that
// went while no agent ran go, and nothing else does.
func TestViewFilesOutliveErrorsAndNotTheirContainers(t *testing.T) {
	root, dir := fakeMachine(t), t.TempDir()
	m, err := newMachine(root)
	require.NoError(t, err)
	gone := strings.Repeat("e", 64)
	put(t, dir, map[string]string{gone + "/proc/cpuinfo": "x", "notes/proc/cpuinfo": "mine"})
	v := newViewer(m, dir)
	require.NoError(t, v.update(t.Context()))
	require.NoDirExists(t, filepath.Join(dir, gone))
	require.FileExists(t, filepath.Join(dir, "notes/proc/cpuinfo"))
	require.DirExists(t, filepath.Join(dir, "cpus/1"))
	before, err := os.Stat(filepath.Join(dir, id, "proc/cpuinfo"))
	require.NoError(t, err)

	v.machine.fsys = failing{m.fsys, "sys/fs/cgroup/kubepods/burstable/pod" + podUID}
	require.ErrorIs(t, v.update(t.Context()), syscall.EMFILE)
	v.machine.fsys = m.fsys
	require.NoError(t, v.update(t.Context()))
	after, err := os.Stat(filepath.Join(dir, id, "proc/cpuinfo"))
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
}

// Whoever can make cgroups gives one the ID of a container: neither do metrics break, nor does he get its place.
func TestOneIDTwice(t *testing.T) {
	root := fakeMachine(t)
	users, other := "sys/fs/cgroup/user.slice/user@1000.service/", strings.Repeat("f", 64)
	put(t, root, map[string]string{users + id + "/memory.max": "1048576\n", users + other + "/memory.max": "1048576\n", users + "x/" + other + "/memory.max": "1048576\n"})
	m, err := newMachine(root)
	require.NoError(t, err)
	metrics := newMetrics()
	s := sampler{m, node.NewScanner(node.Rules{}), 10}
	snap, err := s.snapshot(time.Now(), time.Since)
	require.NoError(t, err)
	metrics.last.Store(snap)
	server := httptest.NewServer(metricsMux(metrics, time.Second))
	defer server.Close()
	code, text := fetch(t, server.URL+"/metrics")
	require.Equal(t, http.StatusOK, code, text)
	require.Contains(t, text, "\nkubewright_node_container_memory_limit_bytes{container=\""+id+"\",pod_uid=\""+podUID+"\"} 1.34217728e+08\n")
	require.Contains(t, text, "\nkubewright_node_read_errors 1\n")
	require.Contains(t, text, "\nkubewright_node_memory_stat_read_seconds NaN\n", "nobody has measured it yet")
	require.Contains(t, text, "\nkubewright_node_dying_cgroups -1\n")

	var log strings.Builder
	tell(slog.New(slog.NewTextHandler(&log, nil)), append(snap.errors, fs.ErrNotExist))
	require.Contains(t, log.String(), `msg="some could not be read" errors=1 first="2 cgroups have the container ID of another one and are left out, such as \"/user.slice/`)

	v := newViewer(m, t.TempDir())
	require.ErrorIs(t, v.update(t.Context()), errTwice)
	view, err := v.render(t.Context(), id, "proc/meminfo")
	require.NoError(t, err)
	require.Contains(t, view, "MemTotal:         131072 kB\n")
	put(t, root, map[string]string{"proc/7/cgroup": "0::/\n"})
	require.NoError(t, os.RemoveAll(filepath.Join(root, "sys/fs/cgroup/kubepods")))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "sys/fs/cgroup/user.slice")))
	require.NoError(t, v.update(t.Context()))
	require.NoDirExists(t, filepath.Join(v.files.dir, id))
}

// A reaper that looks again and again goes on after a process that cannot be read.
func TestReaperGoesOn(t *testing.T) {
	root := fakeMachine(t)
	put(t, root, map[string]string{"proc/8/stat": "8 (x"})
	ctx, cancel := context.WithCancel(t.Context())
	said := make(chan string)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"reap", "-every", "1ms", "-root", root}, io.Discard, writer(func(text string) { said <- text }))
	}()
	for range 2 {
		require.Contains(t, <-said, "process 8: malformed")
	}
	cancel()
	for {
		select {
		case <-said:
		case code := <-done:
			require.Equal(t, cli.ExitOK, code)
			return
		}
	}
}

type writer func(string)

func (w writer) Write(text []byte) (int, error) { w(string(text)); return len(text), nil }
