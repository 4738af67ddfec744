package cgroupview_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

// patience is how long a test waits for what should be there at once: a busy machine, and a guest on it, take their time.
const patience = 2 * time.Minute

// group is a cgroup that a test has made, in each hierarchy.
type group struct {
	path string
	dirs map[string]string // by controller
	v2   bool
}

// controllers are those the tests need.
func controllers() []cgroupview.Controller {
	return []cgroupview.Controller{cgroupview.CPU, cgroupview.CPUAcct, cgroupview.Cpuset, cgroupview.Memory}
}

// newGroup makes a cgroup with a path of its own at the top of the hierarchies, or below another one. It skips where
// that is not allowed.
func newGroup(t testing.TB, parent *group, name string) *group {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	m, err := cgroupview.ReadMounts(cgroupview.FS("/"), 0)
	if err != nil {
		t.Skip("no cgroups on this machine: ", err)
	}
	g := &group{path: "/" + name, dirs: map[string]string{}}
	if parent != nil {
		g.path = parent.path + g.path
	}
	for _, c := range controllers() {
		top := m.Group("/").Place(c)
		if top.Dir == "" {
			t.Skipf("no %s controller: %v", c, top.Err)
		}
		g.v2 = top.Version == cgroupview.V2
		dir := "/" + top.Dir + g.path
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			t.Skipf("cgroups cannot be made here: %v", err)
		} else if err == nil {
			t.Cleanup(func() { remove(t, dir) })
		}
		g.dirs[c.String()] = dir
		if g.v2 {
			g.enable(t, filepath.Dir(dir))
		}
		if c == cgroupview.Cpuset && !g.v2 { // nobody can join without CPUs and memory nodes of its own
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				text, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
				require.NoError(t, err)
				g.set(t, "cpuset", file, strings.TrimSpace(string(text)))
			}
		}
	}
	return g
}

// enable switches controllers on for the children of a group of v2, those that the kernel has.
func (g *group) enable(t testing.TB, dir string) {
	t.Helper()
	has, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	require.NoError(t, err)
	for _, c := range []string{"cpu", "memory", "cpuset", "io"} {
		if !slices.Contains(strings.Fields(string(has)), c) {
			if c == "cpu" || c == "memory" {
				t.Skipf("%s has no controller %s: %s", dir, c, has)
			}
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o600); err != nil {
			t.Skipf("controllers cannot be switched on below %s: %v", dir, err)
		}
	}
}

// remove ends what still runs in a cgroup, and removes it.
func remove(t testing.TB, dir string) {
	for range 100 {
		pids, err := os.ReadFile(dir + "/cgroup.procs")
		if os.IsNotExist(err) {
			return
		}
		for pid := range strings.FieldsSeq(string(pids)) {
			_ = exec.Command("kill", "-9", pid).Run() // it may have ended meanwhile
		}
		if syscall.Rmdir(dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond) // the kernel takes a moment to let go
	}
	t.Errorf("%s can't be removed", dir)
}

func (g *group) set(t testing.TB, controller, file, value string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(g.dirs[controller], file), []byte(value), 0o600), "%s = %s", file, value)
}

// quota sets a CPU quota in µs of 100 ms; -1 is none.
func (g *group) quota(t testing.TB, quota string) {
	t.Helper()
	if g.v2 {
		if quota == "-1" {
			quota = "max"
		}
		g.set(t, "cpu", "cpu.max", quota+" 100000")
		return
	}
	g.set(t, "cpu", "cpu.cfs_quota_us", quota)
}

func (g *group) memory(t testing.TB, limit string) {
	t.Helper()
	if g.v2 {
		g.set(t, "memory", "memory.max", limit)
		return
	}
	g.set(t, "memory", "memory.limit_in_bytes", limit)
}

// command makes a command run in the group: a shell joins it and becomes the program.
func (g *group) command(name string, args ...string) *exec.Cmd {
	var script strings.Builder
	var dirs []string
	for _, dir := range g.dirs {
		dirs = append(dirs, dir)
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		script.WriteString("echo $$ > '" + dir + "/cgroup.procs' && ")
	}
	script.WriteString(`exec "$@"`)
	return exec.Command("/bin/sh", append([]string{"-c", script.String(), "sh", name}, args...)...)
}

// output runs a program in the group and returns what it said.
func (g *group) output(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := g.command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", name, errs.String())
	return string(out) + errs.String()
}

func unique() string { return "kubewright-" + strings.ToLower(rand.Text()[:8]) }

// containerID is one that no container has.
func containerID() string {
	const digits = "0123456789abcdef"
	var b [64]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = digits[b[i]%16]
	}
	return string(b[:])
}

// build compiles an example, unless the machine that started this one has.
func build(t testing.TB, name string) string {
	t.Helper()
	if made := os.Getenv(programsEnv); made != "" {
		return filepath.Join(made, filepath.Base(name))
	}
	program, err := components.BuildExample(t.TempDir(), name)
	require.NoError(t, err)
	return program
}
