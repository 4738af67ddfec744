//go:build unix

package sidecar_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/sidecar"
)

const fakeEnv = "SIDECAR_TEST_SHIPPER"

// TestMain is also the log shipper of the tests below: it says when it starts and when it gets SIGTERM.
func TestMain(m *testing.M) {
	dir := os.Getenv(fakeEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	say(dir, fmt.Sprint("start ", os.Getpid()))
	<-terminated
	say(dir, "term "+strings.Join(os.Args[1:], " "))
}

func say(dir, line string) {
	f, err := os.OpenFile(filepath.Join(dir, "events"), os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		panic(err)
	}
}

// wrapped is the command of the log shipper's container, running on this machine. "sleep" is a program of the test's,
// which ends when the test says so. The two seconds after which the timer repeats its signal are real ones: they are only
// waited for if the first one came too early.
type wrapped struct {
	t      *testing.T
	dir    string
	cmd    *exec.Cmd
	events *bufio.Reader
	ended  chan error
}

func startWrapped(t *testing.T, shell string) *wrapped {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("%s is not installed; CI's end-to-end tests have it", shell)
	}
	out, _, err := newSet(t).Apply(annotate(podOf(t, webPod), map[string]string{"log.paths": "/var/log/app/*.log", "log.drain": "7s"}), sidecar.Namespace{})
	require.NoError(t, err)
	c := out.Spec.InitContainers[0]
	require.Equal(t, []string{"/bin/sh", "-c"}, c.Command[:2])
	require.Equal(t, []string{"filebeat", "-e", "--strict.perms=false", "-c", "/etc/log-shipper/filebeat.yml"}, c.Args)
	requireNoExpansion(t, c)

	w := &wrapped{t: t, dir: t.TempDir(), ended: make(chan error, 1)}
	for _, fifo := range []string{"events", "release-1", "release-7"} {
		require.NoError(t, syscall.Mkfifo(filepath.Join(w.dir, fifo), 0o600))
	}
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	bin := filepath.Join(w.dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(bin, "filebeat")))
	fake := "#!/bin/sh\n[ $1 = 2 ] && exec " + sleep + " 2\necho \"sleep $1\" >" + w.dir + "/events\nread _ <" + w.dir + "/release-$1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "sleep"), []byte(fake), 0o700)) //nolint:gosec // a program

	events, err := os.OpenFile(filepath.Join(w.dir, "events"), os.O_RDWR, 0) // never ends
	require.NoError(t, err)
	w.events = bufio.NewReader(events)
	w.cmd = exec.Command(path, append(append(c.Command[1:len(c.Command):len(c.Command)], c.Args...), "extra arg")...)
	w.cmd.Env = append(os.Environ(), fakeEnv+"="+w.dir, "PATH="+bin+":"+os.Getenv("PATH"))
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, w.cmd.Start())
	go func() { w.ended <- w.cmd.Wait() }()
	guard := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL); _ = events.Close() })
	t.Cleanup(func() {
		guard.Stop()
		_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL) // what a failed test has left behind
		_ = events.Close()
	})
	return w
}

// requireNoExpansion wants nothing that the kubelet would expand in a command.
func requireNoExpansion(t *testing.T, c corev1.Container) {
	t.Helper()
	for _, arg := range append(c.Command, c.Args...) {
		require.NotContains(t, arg, "$(")
		require.NotContains(t, arg, "$$")
	}
}

// expect reads the next event and returns what follows the words.
func (w *wrapped) expect(words string) string {
	w.t.Helper()
	line, err := w.events.ReadString('\n')
	require.NoError(w.t, err)
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), words)
	require.True(w.t, ok, "%q, not %q", line, words)
	return strings.TrimSpace(rest)
}

func (w *wrapped) signal(pid int, s syscall.Signal) {
	w.t.Helper()
	require.NoError(w.t, syscall.Kill(pid, s))
}

// release lets a "sleep" end.
func (w *wrapped) release(seconds int) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(filepath.Join(w.dir, fmt.Sprint("release-", seconds)), []byte("\n"), 0))
}

func (w *wrapped) pid(text string) int {
	w.t.Helper()
	pid, err := strconv.Atoi(text)
	require.NoError(w.t, err)
	return pid
}

func eachShell(t *testing.T, test func(*testing.T, *wrapped)) {
	for _, shell := range []string{"dash", "bash"} {
		t.Run(shell, func(t *testing.T) { test(t, startWrapped(t, shell)) })
	}
}

// TestShutdown: SIGTERM comes, the shipper runs on until the drain is over, gets SIGTERM itself, and the container ends
// well. Two signals are one.
func TestShutdown(t *testing.T) {
	eachShell(t, func(t *testing.T, w *wrapped) {
		w.expect("start")
		w.signal(w.cmd.Process.Pid, syscall.SIGTERM)
		w.expect("sleep 7")
		w.signal(w.cmd.Process.Pid, syscall.SIGTERM)
		w.release(7)
		require.Equal(t, "-e --strict.perms=false -c /etc/log-shipper/filebeat.yml extra arg", w.expect("term"), "arguments arrive as they are")
		require.NoError(t, <-w.ended)
	})
}

// TestCrash: the shipper ends, but the container does not.
func TestCrash(t *testing.T) {
	eachShell(t, func(t *testing.T, w *wrapped) {
		first := w.expect("start")
		w.signal(w.pid(first), syscall.SIGKILL)
		w.expect("sleep 1")
		w.release(1)
		require.NotEqual(t, first, w.expect("start"))
		w.signal(w.cmd.Process.Pid, syscall.SIGTERM)
		w.expect("sleep 7")
		w.release(7)
		w.expect("term")
		require.NoError(t, <-w.ended)
	})
}

// TestShutdownWhileDown: SIGTERM comes between a crash and the restart. The last lines have to be read all the same.
func TestShutdownWhileDown(t *testing.T) {
	eachShell(t, func(t *testing.T, w *wrapped) {
		w.signal(w.pid(w.expect("start")), syscall.SIGKILL)
		w.expect("sleep 1")
		w.signal(w.cmd.Process.Pid, syscall.SIGTERM)
		w.release(1)                                   // a signal that comes right before the pause's wait does not cut it short
		both := []string{w.expect("s"), w.expect("s")} // "start" and "sleep" at the same time
		require.Contains(t, strings.Join(both, " "), "tart")
		require.Contains(t, strings.Join(both, " "), "leep 7")
		w.release(7)
		w.expect("term")
		require.NoError(t, <-w.ended)
	})
}

// TestCrashWhileDraining: the shipper ends before the drain does, twice, and is started again for what is left to read.
func TestCrashWhileDraining(t *testing.T) {
	eachShell(t, func(t *testing.T, w *wrapped) {
		child := w.pid(w.expect("start"))
		w.signal(w.cmd.Process.Pid, syscall.SIGTERM)
		w.expect("sleep 7")
		for range 2 {
			w.signal(child, syscall.SIGKILL)
			w.expect("sleep 1")
			w.release(1)
			child = w.pid(w.expect("start"))
		}
		w.release(7)
		w.expect("term")
		require.NoError(t, <-w.ended)
	})
}

// TestEndWhileDown: the drain is over while the shipper is down. There is nobody to send SIGTERM to, and no error.
func TestEndWhileDown(t *testing.T) {
	eachShell(t, func(t *testing.T, w *wrapped) {
		child := w.pid(w.expect("start"))
		w.signal(w.cmd.Process.Pid, syscall.SIGTERM)
		w.expect("sleep 7")
		w.signal(child, syscall.SIGKILL)
		w.expect("sleep 1")
		w.release(7)
		require.NoError(t, <-w.ended)
		w.release(1)
	})
}
