// Package cgroupview_test judges the package by real cgroups, which the tests make, and by the programs whose choices it
// predicts.
package cgroupview_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/require"
	"go.uber.org/automaxprocs/maxprocs"

	"github.com/kubewright/kubewright/cgroupview"
)

// answers are what the probe says of the cgroup it runs in.
type answers struct {
	Go, Automaxprocs int
	Automemlimit     uint64
	Counts           map[cgroupview.Runtime]int
	Memory           uint64
	Heaps            map[cgroupview.Runtime]uint64
	Because          string
	SetProcs         int
}

const probeEnv = "KUBEWRIGHT_CGROUPVIEW_PROBE"

// TestMain makes the test program the probe that the tests start in cgroups.
func TestMain(m *testing.M) {
	if file := os.Getenv(readerEnv); file != "" {
		os.Exit(readAgain(file))
	}
	if os.Getenv(probeEnv) == "" {
		os.Exit(m.Run())
	}
	a := answers{Go: runtime.GOMAXPROCS(0), Counts: map[cgroupview.Runtime]int{}, Heaps: map[cgroupview.Runtime]uint64{}}
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	undo, err := maxprocs.Set()
	check(err)
	a.Automaxprocs = runtime.GOMAXPROCS(0)
	undo()
	if limit, err := memlimit.FromCgroup(); err == nil {
		a.Automemlimit = limit
	}
	g, err := cgroupview.Locate(cgroupview.FS("/"), 0)
	check(err)
	l, err := g.Limits()
	check(err)
	for _, p := range l.Predict() {
		a.Counts[p.Runtime], a.Heaps[p.Runtime] = p.CPUs.N, p.Heap.Bytes
	}
	if l.Memory.State == cgroupview.Limited {
		a.Memory = l.Memory.Bytes
	}
	a.Because = l.Count(cgroupview.Ceil).Because
	check(cgroupview.Set(context.Background(), cgroupview.SetOptions{Every: -1}))
	a.SetProcs = runtime.GOMAXPROCS(0)
	check(json.NewEncoder(os.Stdout).Encode(a))
	os.Exit(0)
}

func probe(t *testing.T, g *group, before ...string) (a answers) {
	t.Helper()
	t.Setenv(probeEnv, "1")
	args := append(slices.Clone(before), os.Args[0])
	require.NoError(t, json.Unmarshal([]byte(g.output(t, args[0], args[1:]...)), &a))
	return a
}

// Law: policies count what programs count also in a cgroup namespace of a container, below its top, which has the quota.
func TestPoliciesBelowTheTopOfANamespace(t *testing.T) {
	top := newGroup(t, nil, unique())
	if top.v2 {
		t.Skip("v2 lets no process begin a namespace in a group whose children have controllers")
	}
	newGroup(t, top, "inner")
	top.quota(t, "50000")
	mount, _, ok := strings.Cut(top.dirs["cpu"], top.path)
	require.True(t, ok, "%s %s", top.dirs["cpu"], top.path)
	script := "umount -l " + mount + " && mount -t cgroup -o " + filepath.Base(mount) + " none " + mount + " && echo $$ >" + mount + "/inner/cgroup.procs && exec \"$@\""
	inside := []string{"unshare", "--cgroup", "--mount", "sh", "-c", script, "sh"}
	a := probe(t, top, inside...)
	require.Equal(t, a.Go, a.Counts[cgroupview.GoRuntime], "the Go runtime")
	require.Equal(t, 1, a.Counts[cgroupview.Ceil], a.Because)
	for _, j := range javas(t) {
		require.Equal(t, j.cpus(t, top, inside...), a.Counts[j.policy], j.path)
	}
}

// Law: policies count what the programs of their names count, in cgroups with real limits.
func TestPoliciesAgreeWithPrograms(t *testing.T) {
	for _, c := range []struct{ outer, inner, memory, cpus string }{
		{"-1", "-1", "", ""},
		{"-1", "150000", "268435456", ""},
		{"-1", "50000", "", ""},
		{"150000", "-1", "268435456", ""},
		{"250000", "150000", "", ""},
		{"-1", "1000000", "", ""},
		{"-1", "100001", "134217728", ""},
		{"-1", "150000", "", "0"},
	} {
		t.Run(fmt.Sprint(c.outer, " ", c.inner, " ", c.memory, " ", c.cpus), func(t *testing.T) {
			outer := newGroup(t, nil, unique())
			inner := newGroup(t, outer, "in ner")
			outer.quota(t, c.outer)
			inner.quota(t, c.inner)
			if c.memory != "" {
				outer.memory(t, c.memory)
			}
			if c.cpus != "" {
				if _, err := os.Stat(inner.dirs["cpuset"] + "/cpuset.cpus"); err != nil {
					t.Skip("this kernel has no cpuset controller: ", err)
				}
				inner.set(t, "cpuset", "cpuset.cpus", c.cpus)
			}
			a := probe(t, inner)
			require.Equal(t, a.Go, a.Counts[cgroupview.GoRuntime], "the Go runtime")
			require.Equal(t, a.Automaxprocs, a.Counts[cgroupview.Automaxprocs], "automaxprocs")
			require.Equal(t, a.Automemlimit, a.Memory, "automemlimit")
			require.Equal(t, a.Counts[cgroupview.Ceil], a.SetProcs, a.Because)
			for _, j := range javas(t) {
				require.Equal(t, j.cpus(t, inner), a.Counts[j.policy], j.path)
			}
			if path, err := exec.LookPath("node"); err == nil && !inner.v2 {
				out := inner.output(t, path, "-e", "console.log(os.availableParallelism())")
				require.Equal(t, strings.TrimSpace(out), strconv.Itoa(a.Counts[cgroupview.Libuv]), "Node.js")
			}
		})
	}
}

// java is a JVM, and the policy by which it counts.
type java struct {
	path   string
	policy cgroupview.Runtime
}

// javas are the JVMs of this machine, each once. JDK 24, and 21 from 21.0.9 on, look at all levels.
func javas(t *testing.T) (out []java) {
	t.Helper()
	paths, err := filepath.Glob("/usr/lib/jvm/*/bin/java")
	require.NoError(t, err)
	if path, err := exec.LookPath("java"); err == nil {
		paths = append(paths, path)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		if path, err = filepath.EvalSymlinks(path); err != nil || seen[path] {
			continue
		}
		seen[path] = true
		said, err := exec.Command(path, "-Xint", "-version").CombinedOutput() //nolint:gosec // a JVM of this machine
		require.NoError(t, err, "%s", said)
		m := regexp.MustCompile(`version "(\d+)(?:\.0\.(\d+))?`).FindStringSubmatch(string(said))
		require.NotNil(t, m, "%s", said)
		major, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		update, _ := strconv.Atoi(m[2]) // a first release has none
		j := java{path, cgroupview.JVMLeaf}
		if major >= 24 || major == 21 && update >= 9 {
			j.policy = cgroupview.JVM
		}
		out = append(out, j)
	}
	if out == nil {
		t.Log("no java here: the JVMs' policies were not judged")
	}
	return out
}

// cpus returns the number of CPUs that the JVM sees, from its own words. The programs before it start it.
func (j java) cpus(t *testing.T, g *group, before ...string) int {
	t.Helper()
	args := append(slices.Clone(before), j.path, "-Xint", "-XX:+UseSerialGC", "-Xlog:gc+init", "-version")
	out := g.output(t, args[0], args[1:]...)
	m := regexp.MustCompile(`CPUs: \d+ total, (\d+) available`).FindStringSubmatch(out)
	require.NotNil(t, m, out)
	n, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	return n
}

// Law: heaps are as large as the programs make them, in cgroups with real limits, also of the level above.
func TestHeapsAgreeWithPrograms(t *testing.T) {
	for _, c := range []struct{ outer, inner string }{
		{"", ""}, {"", "134217728"}, {"", "268435456"}, {"", "536870912"}, {"", "1073741824"}, {"", "3221225472"}, {"268435456", ""}, {"268435456", "1073741824"},
	} {
		t.Run("outer "+c.outer+" inner "+c.inner, func(t *testing.T) {
			outer := newGroup(t, nil, unique())
			inner := newGroup(t, outer, "inner")
			if c.outer != "" {
				outer.memory(t, c.outer)
			}
			if c.inner != "" {
				inner.memory(t, c.inner)
			}
			a := probe(t, inner)
			if _, noCpuset := os.Stat(inner.dirs["cpuset"] + "/cpuset.cpus"); noCpuset != nil {
				t.Log("a kernel without the cpuset controller, where JVMs take no container for one: their heap was not judged")
			} else {
				for _, j := range javas(t) {
					out := inner.output(t, j.path, "-XX:+UseSerialGC", "-XX:+PrintFlagsFinal", "-version") // G1 would round up to its regions
					m := regexp.MustCompile(`MaxHeapSize\s+= (\d+)`).FindStringSubmatch(out)
					require.NotNil(t, m, out)
					require.Equal(t, m[1], strconv.FormatUint(a.Heaps[j.policy], 10), j.path)
				}
			}
			if path := nodeWithCgroups(t); path != "" {
				out := inner.output(t, path, "-e", "console.log(require('v8').getHeapStatistics().heap_size_limit)")
				all, err := strconv.ParseUint(strings.TrimSpace(out), 10, 64)
				require.NoError(t, err)
				old := a.Heaps[cgroupview.Libuv]
				require.GreaterOrEqual(t, all, old, "Node.js")
				require.LessOrEqual(t, all, old+48<<20, "Node.js: the old space and a young generation of at most 48 MiB")
			}
		})
	}
}

// nodeWithCgroups is a Node.js whose libuv, 1.45 or later, looks at the process's own cgroup.
func nodeWithCgroups(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Log("no node here: its heap was not judged")
		return ""
	}
	out, err := exec.Command(path, "-p", "process.versions.uv").Output() //nolint:gosec // found in PATH
	require.NoError(t, err)
	var major, minor int
	_, err = fmt.Sscanf(string(out), "%d.%d", &major, &minor)
	require.NoError(t, err)
	if major == 1 && minor < 45 {
		t.Logf("libuv %s is too old: its heap was not judged", out)
		return ""
	}
	return path
}

// A process in a cgroup of 2.5 CPUs nested in one of 1.5, and the other way round, gets 1.5 explained.
func TestNestedQuotaIsExplained(t *testing.T) {
	program := build(t, "nodeagent")
	for _, c := range []struct{ outer, inner, level string }{{"250000", "150000", ""}, {"150000", "250000", ", 1 above"}} {
		outer := newGroup(t, nil, unique())
		inner := newGroup(t, outer, "inner")
		inner.quota(t, c.inner)
		if outer.v2 || c.level == "" {
			outer.quota(t, c.outer)
		} else { // v1 refuses a child with more than its parent
			inner.quota(t, "-1")
			outer.quota(t, c.outer)
		}
		out := inner.output(t, program, "explain")
		require.Regexp(t, `CPU time +1\.50 CPUs +/sys/fs/cgroup/.*`+c.level+`\n`, out)
		require.Regexp(t, fmt.Sprintf(`ceil +%d +`, min(2, runtime.NumCPU())), out)
		require.Regexp(t, `floor +1 +`, out)
		require.Contains(t, out, "<- counts")
		t.Log(out)
	}
}

// An agent in a cgroup namespace of its own, which is shown "/../.." for what lies above, explains other processes all
// the same.
func TestExplainFromInsideANamespace(t *testing.T) {
	program := build(t, "nodeagent")
	top := newGroup(t, nil, unique())
	agent := newGroup(t, newGroup(t, top, "pod a"), "agent")
	app := newGroup(t, newGroup(t, top, "pod b"), "app")
	app.quota(t, "150000")
	cmd := app.command("sleep", "600")
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }() // it is killed: that is its error
	require.Eventually(t, func() bool {
		return strings.Contains(read(t, fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid)), app.path)
	}, patience, 10*time.Millisecond)
	seen := agent.output(t, "unshare", "--cgroup", "cat", fmt.Sprintf("/proc/%d/cgroup", cmd.Process.Pid))
	require.Contains(t, seen, "/../../pod b/app\n")
	out := agent.output(t, "unshare", "--cgroup", program, "explain", strconv.Itoa(cmd.Process.Pid))
	require.Regexp(t, `CPU time +1\.50 CPUs +/sys/fs/cgroup.*`+app.path+`/cpu`, out)
}

// A quota that is changed from outside is seen at once, through inotify on the real cgroup file system.
func TestResizeIsSeenAtOnce(t *testing.T) {
	g := newGroup(t, nil, unique())
	g.quota(t, "200000")
	cmd := g.command("sleep", "600")
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }() // it is killed: that is its error
	m, err := cgroupview.ReadMounts(cgroupview.FS("/"), 0)
	require.NoError(t, err)
	changes, stopped := make(chan cgroupview.Limits), make(chan error, 1)
	go func() {
		stopped <- m.Group(g.path).Watch(t.Context(), time.Hour, func(_, after cgroupview.Limits) { changes <- after })
	}()
	for i := 1; ; i++ { // until the watch has begun
		g.quota(t, strconv.Itoa(100000+i))
		select {
		case l := <-changes:
			require.Equal(t, cgroupview.Limited, l.Quota.State)
			return
		case err := <-stopped:
			require.NoError(t, err)
		case <-time.After(100 * time.Millisecond):
			require.Less(t, i, 1200, "no change was seen")
		}
	}
}
