package cgroupview_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

const podUID = "9f1c2a3b-0000-4444-8888-123456789abc"

// newContainer makes the cgroups of a Pod's container, below a kubepods of the test's own.
func newContainer(t testing.TB) (g *group, id string) {
	t.Helper()
	id = containerID()
	top := newGroup(t, nil, "kubepods-"+unique())
	pod := newGroup(t, top, "pod"+podUID)
	return newGroup(t, pod, id), id
}

// log is the output of a program, for a test to look at while it grows.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// start starts a program and ends it with the test; wait returns once its log matches.
func start(t testing.TB, cmd *exec.Cmd) (out *log, wait func(pattern string) []string) {
	t.Helper()
	out = &log{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, time.Second // what it started may keep its output open
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	})
	return out, func(pattern string) (m []string) {
		t.Helper()
		require.Eventually(t, func() bool {
			m = regexp.MustCompile(pattern).FindStringSubmatch(out.String())
			return m != nil
		}, patience, 20*time.Millisecond, "%s does not say %s: %s", cmd.Path, pattern, out)
		return m
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url) //nolint:gosec // of the test's own program
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", body)
	return string(body)
}

// The agent finds a container, serves its metrics and views, and writes its files, which follow a resize.
func TestAgent(t *testing.T) {
	g, id := newContainer(t)
	g.quota(t, "50000")
	g.memory(t, "134217728")
	start(t, g.command("sleep", "600"))
	program := build(t, "nodeagent")

	_, wait := start(t, exec.Command(program, "serve", "-listen", "127.0.0.1:0", "-every", "1s"))
	address := wait(`address=(http://\S+)`)[1]
	series := `kubewright_node_container_cpu_entitlement{container="` + id + `",pod_uid="` + podUID + `"} 0.5`
	require.Eventually(t, func() bool { return strings.Contains(get(t, address+"/metrics"), series) }, patience, 50*time.Millisecond)
	metrics := get(t, address+"/metrics")
	require.Contains(t, metrics, `memory_limit_bytes{container="`+id+`",pod_uid="`+podUID+`"} 1.34217728e+08`)
	require.Contains(t, metrics, "kubewright_node_memory_stat_read_seconds")
	require.Equal(t, "ok\n", get(t, address+"/readyz"))

	g.quota(t, "150000")
	dir := t.TempDir()
	_, wait = start(t, exec.Command(program, "views", "-listen", "127.0.0.1:0", "-dir", dir))
	address = wait(`address=(http://\S+)`)[1]
	online := filepath.Join(dir, id, "sys/devices/system/cpu/online")
	has := func(want string) func() bool {
		return func() bool { text, _ := os.ReadFile(online); return string(text) == want } //nolint:gosec // below the test's directory
	}
	cpus, err := cgroupview.ParseCPUs(read(t, "/sys/devices/system/cpu/online"))
	require.NoError(t, err)
	if cpus.Len() < 2 {
		t.Skip("a machine of one CPU shows no difference")
	}
	require.Eventually(t, has("0-1\n"), patience, 50*time.Millisecond)
	require.Contains(t, get(t, address+"/views/"+id+"/proc/meminfo"), "MemTotal:         131072 kB\n")
	before, err := os.Stat(online)
	require.NoError(t, err)
	g.quota(t, "50000")
	require.Eventually(t, has("0\n"), patience, 50*time.Millisecond)
	after, err := os.Stat(online)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "a container that mounted the file sees the change")

	out, err := exec.Command(program, "explain", id[:12]).CombinedOutput() //nolint:gosec // the test's own program
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "0.50 CPUs")
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // of this machine
	require.NoError(t, err)
	return string(text)
}

// A shell that was left in a container is found and ended; the container's first process, and a shell that it started
// itself, are not. A zombie is found with the parent that does not wait for it.
func TestStaleShells(t *testing.T) {
	g, id := newContainer(t)
	procs := g.dirs["memory"] + "/cgroup.procs"
	shim := filepath.Join(t.TempDir(), "containerd-shim-runc-v2")
	require.NoError(t, os.Symlink("/bin/bash", shim))
	// The shim starts the container's application, a shell that has a shell as a child; then somebody's bash, which
	// reads from a pipe that nobody writes to; and what never waits for its child.
	script := `
		joined() { exec setsid sh -c "echo \$\$ > '` + procs + `' && exec \"\$@\"" sh "$@"; }
		mkfifo pipe; exec 3<>pipe
		joined sh -c 'sh -c "while :; do sleep 600; done" & wait' 3<&- & echo app $!
		sleep 1
		joined bash --norc <pipe 3<&- & echo shell $!
		joined sh -c 'sleep 0 & exec sleep 600' 3<&- &
		wait`
	cmd := exec.Command(shim, "-c", script) //nolint:gosec // the test's own script
	cmd.Dir = t.TempDir()
	_, wait := start(t, cmd)
	shell, err := strconv.Atoi(wait(`shell (\d+)`)[1])
	require.NoError(t, err)
	app, err := strconv.Atoi(wait(`app (\d+)`)[1])
	require.NoError(t, err)

	fsys, scanner := cgroupview.FS("/"), node.NewScanner(node.Rules{MinAge: time.Second, MinIdle: time.Second})
	find := func() (shells []int, zombies int) {
		findings, err := scanner.Scan(fsys, time.Now())
		require.NoError(t, err)
		for _, f := range findings {
			if f.Container.ID != id {
				continue
			}
			if f.Kind == node.Zombie {
				require.Equal(t, "sleep", f.Parent.Name)
				zombies++
				continue
			}
			shells = append(shells, f.Process.PID)
		}
		return shells, zombies
	}
	require.Eventually(t, func() bool {
		shells, zombies := find()
		return len(shells) == 1 && shells[0] == shell && zombies == 1
	}, patience, 200*time.Millisecond)

	program := build(t, "nodeagent")
	flags := []string{"reap", "-min-age", "1s", "-min-idle", "1s", "-every", "500ms", "-grace", "1s"}
	dry, waitDry := start(t, exec.Command(program, flags...)) //nolint:gosec // the test's own program
	waitDry(`stale-shell +` + strconv.Itoa(shell) + ` +` + podUID + ` +` + id[:12] + ` +none \(dry run\) +bash was started in the container from outside by containerd-shim`)
	require.NoError(t, syscall.Kill(shell, 0), "a dry run ends nothing: %s", dry)

	_, waitReal := start(t, exec.Command(program, append(flags, "-apply")...)) //nolint:gosec // the test's own program
	waitReal(`stale-shell +` + strconv.Itoa(shell) + ` .*(ended|killed)`)
	require.NoError(t, syscall.Kill(app, 0), "the application lives")
	p, err := node.ReadProcess(fsys, shell)
	require.True(t, err != nil || p.State == 'Z' || p.Name != "bash")
}

// Views of a container are those of LXCFS, the program people use for this, where it is right.
func TestViewsAgreeWithLXCFS(t *testing.T) {
	g := newGroup(t, nil, unique())
	if g.v2 {
		t.Skip("LXCFS 5 has other views on v2; the captured hosts judge those")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no FUSE: ", err)
	}
	dir := startLXCFS(t)
	for _, c := range []struct{ quota, memory string }{{"150000", "268435456"}, {"-1", "134217728"}, {"50000", "1073741824"}} {
		g.quota(t, c.quota)
		g.memory(t, c.memory)
		theirs := g.output(t, "unshare", "--pid", "--fork", "cat", dir+"/proc/cpuinfo", dir+"/sys/devices/system/cpu/online", dir+"/proc/meminfo")
		v := viewOf(t, g)
		var text []byte
		for _, file := range []string{"proc/cpuinfo", "sys/devices/system/cpu/online", "proc/meminfo"} {
			text, _ = v.Append(text, file)
		}
		ours := string(text)
		for _, pattern := range []string{`(?m)^processor.*$`, `(?m)^\d+(-\d+)?$`, `(?m)^MemTotal:.*$`, `(?m)^Hugepagesize:.*$`, `(?m)^(Mem|Swap|Dirty|Slab|Shmem)\w*:`} {
			require.Equal(t, regexp.MustCompile(pattern).FindAllString(theirs, -1), regexp.MustCompile(pattern).FindAllString(ours, -1), "%s %v", pattern, c)
		}
	}
}

// startLXCFS mounts LXCFS.
func startLXCFS(t testing.TB) (dir string) {
	t.Helper()
	program := components.Program(t, "lxcfs", "lxcfs")
	dir = t.TempDir()
	out, _ := start(t, exec.Command(program, "--enable-cfs", "-f", "-p", filepath.Join(t.TempDir(), "pid"), dir))
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // before the program is asked to end
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "proc/meminfo")); return err == nil }, patience, 20*time.Millisecond, "%s", out)
	return dir
}

func viewOf(t *testing.T, g *group) *cgroupview.View {
	t.Helper()
	fsys := cgroupview.FS("/")
	m, err := cgroupview.ReadMounts(fsys, 0)
	require.NoError(t, err)
	var v cgroupview.View
	of := m.Group(g.path)
	l, err := of.Limits()
	require.NoError(t, err)
	var s cgroupview.Sample
	require.NoError(t, of.Sample(&s))
	var h cgroupview.Host
	require.NoError(t, h.Read(fsys))
	var times cgroupview.CPUTimes
	times.Advance(&l, &s)
	v = cgroupview.View{Host: &h, Limits: &l, Sample: &s, CPU: &times}
	return &v
}

// Real tools read the mounted views in a container; a server that is killed is replaced by the next one.
func TestFUSE(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no FUSE: ", err)
	}
	g, _ := newContainer(t)
	g.quota(t, "50000")
	g.memory(t, "268435456")
	for _, tool := range []string{"free", "top", "uptime"} {
		components.Program(t, tool, "procps")
	}
	program := build(t, "nodeagent/fuse")
	dir := t.TempDir()
	server := exec.Command(program, "-mount", dir) //nolint:gosec // the test's own program
	_, wait := start(t, server)
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // if a test fails before the server ends
	wait("mounted")
	script := `
		for f in cpuinfo meminfo stat uptime loadavg swaps diskstats; do mount --bind ` + dir + `/proc/$f /proc/$f || exit 1; done
		mount --bind ` + dir + `/sys/devices/system/cpu/online /sys/devices/system/cpu/online
		free -k; uptime -p; top -b -n 1 | head -5; getconf _NPROCESSORS_ONLN; grep -c ^processor /proc/cpuinfo; cat /proc/uptime`
	check := func() {
		t.Helper()
		out := g.output(t, "unshare", "--pid", "--fork", "--mount", "--mount-proc", "sh", "-c", script)
		require.Regexp(t, `Mem: +262144 `, out)
		require.Regexp(t, `up 0 minutes`, out)
		require.Contains(t, out, "load average: ")
		require.Regexp(t, `(?m)^1$`, out, "CPUs")
	}
	check()
	require.NoError(t, server.Process.Kill())
	_ = server.Wait() // killed
	_, err := os.Stat(dir)
	require.ErrorIs(t, err, syscall.ENOTCONN)
	_, wait = start(t, exec.Command(program, "-mount", dir)) //nolint:gosec // the test's own program
	wait("mounted")
	check()
}
