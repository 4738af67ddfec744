package readme

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

var shared = cluster.Shared{Options: cluster.Options{ControllerManager: true}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// TestReadmes runs every command of every README, in the order in which they stand.
func TestReadmes(t *testing.T) {
	c := shared.Get(t)
	tree := copyTree(t)
	home := newHome(t, c)
	used := make([]bool, len(expectations))
	var staying *process
	var file string
	for _, cmd := range allCommands(t, tree) {
		if staying != nil && cmd.file != file { // another README may want the port
			staying.stop(t)
			staying = nil
		}
		file = cmd.file
		want, i := expected(cmd.text)
		if i >= 0 {
			used[i] = true
		}
		all := t
		t.Run(cmd.file+" "+cmd.text, func(t *testing.T) {
			switch {
			case want.skip != "":
				t.Skip(want.skip)
			case want.stays:
				staying = start(all, tree, home, cmd.text)
				staying.waitFor(t, want.serves)
			case want.serves != "":
				p := start(t, tree, home, cmd.text)
				p.waitFor(t, want.serves)
				p.stop(t)
			default:
				p := start(t, tree, home, cmd.text)
				require.Equal(t, want.exit, p.wait(t), "%s", p.output.String())
				if want.after != nil {
					want.after(t, tree, p.output.String())
				}
			}
		})
	}
	for i, e := range expectations {
		require.True(t, used[i], "no README has the command %q", e.prefix)
	}
}

func allCommands(t *testing.T, tree string) []command {
	t.Helper()
	var all []command
	for _, file := range gitFiles(t, tree) {
		if filepath.Ext(file) == ".md" {
			text, err := os.ReadFile(filepath.Join(tree, file))
			require.NoError(t, err)
			all = append(all, commands(file, string(text))...)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// expected returns the first expectation that fits, and its index; -1 if there is none and the command has to end with 0.
func expected(text string) (expectation, int) {
	for i, e := range expectations {
		if strings.HasPrefix(text, e.prefix) {
			return e, i
		}
	}
	return expectation{}, -1
}

// copyTree copies what git knows or would add, so that commands may write beside it.
func copyTree(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	tree := t.TempDir()
	for _, file := range gitFiles(t, root) {
		text, err := os.ReadFile(filepath.Join(root, file))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, not yet committed
		}
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(tree, file)), 0o755))
		info, err := os.Stat(filepath.Join(root, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(tree, file), text, info.Mode().Perm()|0o200))
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} { // so that gitFiles works there too
		out, err := exec.Command("git", append([]string{"-C", tree}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return tree
}

func gitFiles(t *testing.T, dir string) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", dir, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// newHome has the cluster in ~/.kube/config and its kubectl in ~/bin.
func newHome(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, ".kube"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(home, "bin"), 0o700))
	require.NoError(t, os.Symlink(c.Kubeconfig, filepath.Join(home, ".kube", "config")))
	require.NoError(t, os.Symlink(c.KubectlPath(), filepath.Join(home, "bin", "kubectl")))
	return home
}

type process struct {
	cmd    *exec.Cmd
	output lockedBuffer
	ended  chan struct{}
}

func start(t *testing.T, dir, home, text string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "bash", "-o", "pipefail", "-c", text)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.output, &p.output
	p.cmd.Env = append(os.Environ(), "HOME="+home, "PATH="+filepath.Join(home, "bin")+":"+os.Getenv("PATH"), "GOCACHE="+goEnv(t, "GOCACHE"),
		"GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOENV="+goEnv(t, "GOENV"))
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // "go run" has children
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	go func() {
		_ = p.cmd.Wait() // the status is in ProcessState
		close(p.ended)
	}()
	return p
}

// wait returns the exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(5 * time.Minute):
		require.Fail(t, "does not end", "%s", p.output.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// waitFor waits until the command has printed a text.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	cluster.Eventually(t, 2*time.Minute, func() error {
		if strings.Contains(p.output.String(), text) {
			return nil
		}
		select {
		case <-p.ended:
			require.Fail(t, "ended", "%s", p.output.String())
		default:
		}
		return errors.New(p.output.String())
	})
}

// stop ends the command and its children.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM))
	cluster.Eventually(t, time.Minute, func() error { // until the group has no process left
		if err := syscall.Kill(-p.cmd.Process.Pid, 0); err == nil {
			return errors.New("still there after SIGTERM")
		}
		return nil
	})
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
