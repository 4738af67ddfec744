package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const podUID = "9f1c2a3b-0000-4444-8888-123456789abc"

var id = strings.Repeat("0123456789abcdef", 4)

// fakeMachine is a root directory with one container of 1.5 CPUs and 128 MiB, on a machine of 4 CPUs.
func fakeMachine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c := "sys/fs/cgroup/kubepods/burstable/pod" + podUID + "/" + id
	put(t, dir, map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/1/cgroup": "0::/\n",
		"proc/1/mountinfo":              "1 0 0:1 / / rw - ext4 root rw\n2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"proc/meminfo":                  "MemTotal:        8388608 kB\nSwapTotal:             0 kB\n",
		"proc/uptime":                   "9000.00 1.00\n",
		"proc/cpuinfo":                  "processor\t: 0\n\nprocessor\t: 1\n\nprocessor\t: 2\n\nprocessor\t: 3\n\n",
		"sys/devices/system/cpu/online": "0-3\n",
		"sys/fs/cgroup/memory.stat":     "anon 1\n", "sys/fs/cgroup/cgroup.stat": "nr_dying_descendants 3\n",
		c + "/cpu.max": "150000 100000\n", c + "/memory.max": "134217728\n", c + "/cgroup.procs": "7\n",
		c + "/cpu.stat":       "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1\n",
		c + "/memory.current": "1048576\n",
		"proc/7/stat":         "7 (app) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 100 0\n",
		"proc/7/status":       "NSpid:\t7\t1\nCpus_allowed_list:\t0-3\n",
		"proc/7/cgroup":       "0::/kubepods/burstable/pod" + podUID + "/" + id + "\n",
		"proc/7/task/7/stat":  "7 (app) R 1",
		"proc/8/stat":         "8 (x) Z 7 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 100 0\n",
		"proc/8/status":       "NSpid:\t8\t2\n", "proc/8/cgroup": "0::/\n",
	})
	return dir
}

func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
}

// call runs the program.
func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestExplain(t *testing.T) {
	root := fakeMachine(t)
	for _, arg := range []string{"7", id[:8]} {
		code, out, errs := call(t, "explain", "-root", root, arg)
		require.Equal(t, cli.ExitOK, code, errs)
		require.Regexp(t, `CPU time +1\.50 CPUs +/sys/fs/cgroup/kubepods/burstable/pod`+podUID+`/`+id+`/cpu\.max`, out)
		require.Regexp(t, `memory +128\.0 MiB`, out)
		require.Regexp(t, `(?m)^go +2 `, out)
		require.Regexp(t, `(?m)^floor +1 `, out)
		require.Contains(t, out, "GOMEMLIMIT=120795955")
		require.NotContains(t, out, "absent")
	}
	_, out, _ := call(t, "explain", "-all", "-root", root, "7")
	require.Contains(t, out, "absent")
	_, _, errs := call(t, "explain", "-root", root, "123")
	require.Contains(t, errs, "no process 123 in "+root+"/proc: it has ended, or is meant by its number in another pid namespace")
	for arg, want := range map[string]int{"123": cli.ExitFailed, "abc": cli.ExitUsage, "ffffffff": cli.ExitFailed} {
		code, _, errs := call(t, "explain", "-root", root, arg)
		require.Equal(t, want, code, errs)
		require.NotEmpty(t, errs)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"-h"}, {"explain", "-h"}, {"serve", "-h"}, {"views", "-h"}, {"reap", "-h"}} {
		code, out, errs := call(t, args...)
		require.Equal(t, cli.ExitOK, code)
		require.Contains(t, out, "Usage: nodeagent")
		require.Empty(t, errs)
	}
	for _, args := range [][]string{
		{"nothing"},
		{"explain", "-x"},
		{"explain", "1", "2"},
		{"explain", "-root", "/nonexistent"},
		{"serve", "x"},
		{"serve", "-every", "0"},
		{"views", "-once", "-root", fakeMachine(t)},
		{"reap", "x"},
		{"reap", "-min-age", "-1s"},
		{"reap", "-min-idle", "-1s"},
		{"reap", "-every", "-1s"},
		{"reap", "-grace", "-1s"},
		{"serve", "-min-age", "-1s"},
		{"explain", "-root", fakeMachine(t), "no such id"},
		{"reap", "-root", "/nonexistent"},
		{"views", "-root", "/nonexistent"},
		{"serve", "-root", "/nonexistent"},
	} {
		code, _, errs := call(t, args...)
		require.Equal(t, cli.ExitUsage, code, args)
		require.NotEmpty(t, errs)
	}
}

func TestReapLists(t *testing.T) {
	code, out, errs := call(t, "reap", "-root", fakeMachine(t))
	require.Equal(t, cli.ExitOK, code, errs)
	require.Regexp(t, `zombie +8 +`+podUID+` +`+id[:12]+` +none +x has ended, and app \(7\) does not wait for it`, out)
}

// A shell that ends when it is told to is not killed, one that does not is, and one that is gone or another one now is
// left alone.
func TestReaperEndsShells(t *testing.T) {
	m, err := newMachine("/")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // under nohup, children would inherit that it is ignored
	defer signal.Reset(syscall.SIGHUP)
	child := func(script string) (*exec.Cmd, node.Process) {
		cmd := exec.Command("sh", "-c", script+"; echo ready; exec sleep 600")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = out.Read(make([]byte, 10)) // what the script says of signals holds from now on
		require.NoError(t, err)
		p, err := node.ReadProcess(m.fsys, cmd.Process.Pid)
		require.NoError(t, err)
		return cmd, p
	}
	polite, one := child(":")
	stubborn, two := child("trap '' HUP")
	other := two
	other.Start--
	shells := []node.Finding{{Kind: node.StaleShell, Process: one}, {Kind: node.Zombie, Process: two}, {Kind: node.StaleShell, Process: other}}
	r := reaper{machine: m, apply: true, grace: time.Hour}
	require.Equal(t, []string{"ended", "none", "gone by itself"}, r.act(t.Context(), shells))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	shells = []node.Finding{{Kind: node.StaleShell, Process: two}}
	require.Equal(t, []string{"SIGHUP sent"}, r.act(ctx, shells))
	r.grace = 0
	require.Equal(t, []string{"killed"}, r.act(t.Context(), shells))
	require.Error(t, polite.Wait())
	require.Error(t, stubborn.Wait())
}

// This machine is explained too, whatever it has.
func TestExplainThisMachine(t *testing.T) {
	if _, err := cgroupview.Locate(cgroupview.FS("/"), 0); err != nil {
		t.Skip("no cgroups on this machine: ", err)
	}
	code, out, errs := call(t)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Regexp(t, `(?m)^This process$`, out)
	require.Regexp(t, `(?m)^jvm +\d+(\.\d)? MiB`, out)
	require.Equal(t, "a?b", plain("a\x1bb"))
	require.Equal(t, "unknown", orUnknown(""))
}

func TestMetrics(t *testing.T) {
	m, err := newMachine(fakeMachine(t))
	require.NoError(t, err)
	metrics := newMetrics()
	server := httptest.NewServer(metricsMux(metrics, time.Second))
	defer server.Close()
	code, _ := fetch(t, server.URL+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)

	s := sampler{m, node.NewScanner(node.Rules{}), 10}
	snap, err := s.snapshot(time.Now(), time.Since)
	require.NoError(t, err)
	require.Zero(t, snap.errors)
	metrics.last.Store(snap)
	latency{m, metrics.memoryStat}.measure(t.Context())
	code, text := fetch(t, server.URL+"/metrics")
	require.Equal(t, http.StatusOK, code)
	labels := `{container="` + id + `",pod_uid="` + podUID + `"} `
	for _, line := range []string{
		"container_cpu_entitlement" + labels + "1.5", "container_cpu_parallelism" + labels + "4", "container_cpu_throttled_ratio" + labels + "0.4",
		"container_memory_limit_bytes" + labels + "1.34217728e+08", "dying_cgroups 3", "memory_stat_stuck 0", "zombies 1", "stale_shells 0", "containers 1",
	} {
		require.Contains(t, text, "\nkubewright_node_"+line+"\n")
	}
	require.NotContains(t, text, "container_memory_high_bytes{", "no limit is no series")
	code, _ = fetch(t, server.URL+"/readyz")
	require.Equal(t, http.StatusOK, code)
	metrics.memoryStat(patience, false, -1)
	_, text = fetch(t, server.URL+"/metrics")
	require.Contains(t, text, "\nkubewright_node_memory_stat_stuck 1\n")

	s.most = 0
	snap, err = s.snapshot(time.Now(), time.Since)
	require.NoError(t, err)
	require.Equal(t, 1, snap.skipped)
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// Files are written for each container and each number of CPUs, rewritten in place, and go with their container.
func TestViewFiles(t *testing.T) {
	root, dir := fakeMachine(t), t.TempDir()
	code, _, errs := call(t, "views", "-once", "-root", root, "-dir", dir)
	require.Equal(t, cli.ExitOK, code, errs)
	m, err := newMachine(root)
	require.NoError(t, err)
	v := newViewer(m, dir)
	require.False(t, v.ready())
	require.NoError(t, v.update(t.Context()))
	require.True(t, v.ready())
	online := filepath.Join(dir, id, "sys/devices/system/cpu/online")
	require.Equal(t, "0-1\n", read(t, online))
	require.Equal(t, "0-2\n", read(t, filepath.Join(dir, "cpus/3/sys/devices/system/cpu/online")))
	require.Equal(t, read(t, filepath.Join(root, "proc/cpuinfo")), read(t, filepath.Join(dir, "cpus/4/proc/cpuinfo")))
	before, err := os.Stat(online)
	require.NoError(t, err)

	server := httptest.NewServer(v.mux())
	defer server.Close()
	status, text := fetch(t, server.URL+"/views/"+id+"/proc/meminfo")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "MemTotal:         131072 kB\n")
	for _, path := range []string{"/views/x/proc/meminfo", "/views/" + id + "/proc/version"} {
		status, _ = fetch(t, server.URL+path)
		require.Equal(t, http.StatusNotFound, status)
	}

	c := "sys/fs/cgroup/kubepods/burstable/pod" + podUID + "/" + id
	put(t, root, map[string]string{c + "/cpu.max": "50000 100000\n"})
	require.NoError(t, v.update(t.Context()))
	after, err := os.Stat(online)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.Equal(t, "0\n", read(t, online))

	require.NoError(t, os.RemoveAll(filepath.Join(root, c)))
	require.NoError(t, v.update(t.Context()))
	require.NoDirExists(t, filepath.Join(dir, id))
}

// A container whose memory.stat the kernel does not finish holds up nobody else, and is read again once it does.
func TestStuckContainerHoldsUpNobodyElse(t *testing.T) {
	root := fakeMachine(t)
	pod := "sys/fs/cgroup/kubepods/burstable/pod" + podUID + "/"
	stuck := strings.Repeat("0", 64) // is read before the other one
	put(t, root, map[string]string{pod + stuck + "/memory.max": "268435456\n", pod + stuck + "/cgroup.procs": ""})
	pipe := filepath.Join(root, pod, stuck, "memory.stat")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	m, err := newMachine(root)
	require.NoError(t, err)
	v := newViewer(m, t.TempDir())
	v.patience = 20 * time.Millisecond
	require.ErrorIs(t, v.update(t.Context()), errStuck)
	require.ErrorIs(t, v.update(t.Context()), errStuck)
	text, err := v.render(t.Context(), id, "proc/meminfo")
	require.NoError(t, err)
	require.Contains(t, text, "MemTotal:         131072 kB\n")
	server := httptest.NewServer(v.mux())
	defer server.Close()
	code, body := fetch(t, server.URL+"/views/"+stuck+"/proc/meminfo")
	require.Equal(t, http.StatusServiceUnavailable, code, body)

	require.NoError(t, os.Rename(pipe, pipe+".old")) // the next read finds a plain file
	put(t, root, map[string]string{pod + stuck + "/memory.stat": "anon 1\n"})
	writer, err := os.OpenFile(pipe+".old", os.O_RDWR, 0) // lets the reader go
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	text, err = v.render(t.Context(), stuck, "proc/meminfo")
	require.NoError(t, err)
	require.Contains(t, text, "MemTotal:         262144 kB\n")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Clean(path))
	require.NoError(t, err)
	return string(text)
}

// Servers end with their context, and one that cannot start ends the others.
func TestServersEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := fakeMachine(t)
	done := make(chan int, 2)
	var out strings.Builder
	go func() {
		done <- run(ctx, []string{"serve", "-root", root, "-listen", "127.0.0.1:0"}, &out, &strings.Builder{})
	}()
	go func() {
		done <- run(ctx, []string{"views", "-root", root, "-listen", "127.0.0.1:0"}, &out, &strings.Builder{})
	}()
	cancel()
	require.Equal(t, cli.ExitOK, <-done)
	require.Equal(t, cli.ExitOK, <-done)
	code, _, errs := call(t, "serve", "-root", root, "-listen", "nonsense")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errs, "nonsense")
}

// A container that can write where its views are does not make the agent write elsewhere, or wait.
func TestViewFilesStayInTheirDirectory(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	f := viewFiles{dir: dir, written: map[string]string{}}
	at := filepath.Join(dir, "id")
	require.NoError(t, f.put(at, "proc/cpuinfo", "1\n"))
	require.NoError(t, os.Remove(filepath.Join(at, "proc/cpuinfo")))
	require.NoError(t, os.Symlink(victim, filepath.Join(at, "proc/cpuinfo")))
	require.Error(t, f.put(at, "proc/cpuinfo", "2\n"))
	require.NoError(t, os.Remove(filepath.Join(at, "proc/cpuinfo")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(at, "proc/cpuinfo"), 0o600))
	require.Error(t, f.put(at, "proc/cpuinfo", "3\n"))
	require.NoError(t, os.RemoveAll(filepath.Join(at, "proc")))
	require.NoError(t, os.Symlink("../..", filepath.Join(at, "proc")))
	require.Error(t, f.put(at, "proc/victim", "4\n"))
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}
