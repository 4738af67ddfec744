package node

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
)

// proc adds a process to a tree. start and cpu are in seconds.
func proc(fsys fstest.MapFS, pid, parent int, name string, state byte, tty int, start, cpu int, pids, cgroup string) {
	dir := fmt.Sprintf("proc/%d/", pid)
	zeros := strings.Repeat(" 0", 6)
	fsys[dir+"stat"] = &fstest.MapFile{Data: fmt.Appendf(nil, "%d (%s) %c %d 1 %d %d%s %d 0 0 0 0 0 1 0 %d 0 0\n", pid, name, state, parent, pid, tty, zeros, cpu*100, start*100)}
	fsys[dir+"status"] = &fstest.MapFile{Data: fmt.Appendf(nil, "Name:\t%s\nNSpid:\t%s\n", name, pids)}
	fsys[dir+"cgroup"] = &fstest.MapFile{Data: []byte("0::" + cgroup + "\n")}
}

// container is a machine that has been up for two hours, with a Pod's container: an application, and shells.
func container() fstest.MapFS {
	c := "/kubepods/pod" + uid + "/" + id
	fsys := fstest.MapFS{"proc/uptime": {Data: []byte("7200.00 1.00\n")}, "proc/notapid/stat": {}}
	proc(fsys, 1, 0, "systemd", 'S', 0, 0, 9, "1", "/init.scope")
	proc(fsys, 50, 1, "containerd-shim", 'S', 0, 100, 1, "50", "/system.slice/containerd.service")
	proc(fsys, 60, 50, "app (sh) x", 'S', 0, 110, 5, "60 1", c)
	proc(fsys, 70, 50, "bash", 'S', 34816, 200, 0, "70 12", c)      // left for two hours
	proc(fsys, 71, 50, "sh", 'S', 34817, 200, 0, "71 13", c)        // runs something
	proc(fsys, 72, 71, "top", 'S', 34817, 200, 0, "72 14", c)       //
	proc(fsys, 73, 60, "sh", 'S', 0, 200, 0, "73 15", c)            // the application's own
	proc(fsys, 74, 50, "bash", 'S', 34818, 7000, 0, "74 16", c)     // young
	proc(fsys, 75, 60, "sleep", 'Z', 0, 300, 0, "75 17", "/")       // not waited for
	proc(fsys, 76, 1, "sh", 'S', 0, 250, 0, "76 18", c)             // its shim has died
	proc(fsys, 77, 50, "redis-cli", 'S', 34819, 200, 0, "77 19", c) // no shell
	proc(fsys, 80, 1, "bash", 'S', 34816, 200, 0, "80", "/user.slice/session-1.scope")
	return fsys
}

func terminalAt(fsys fstest.MapFS, pid int, at time.Time) {
	fsys[fmt.Sprintf("proc/%d/fd/0", pid)] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice, ModTime: at}
}

// links is a tree whose open files are links to a terminal, as those of /proc are.
type links struct{ fstest.MapFS }

func (links) ReadLink(string) (string, error) { return "/dev/pts/0", nil }

func scanned(t *testing.T, s *Scanner, fsys fstest.MapFS, now time.Time) []string {
	t.Helper()
	findings, err := s.Scan(links{fsys}, now)
	require.NoError(t, err)
	var out []string
	for _, f := range findings {
		require.NotEmpty(t, f.Why)
		out = append(out, fmt.Sprintf("%s %d", f.Kind, f.Process.PID))
	}
	return out
}

func TestScan(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	fsys := container()
	for _, pid := range []int{70, 71, 74, 77, 80} {
		terminalAt(fsys, pid, now.Add(-time.Hour))
	}
	s := NewScanner(Rules{})
	findings, err := s.Scan(links{fsys}, now)
	require.NoError(t, err)
	require.Len(t, findings, 2, findings)
	require.Equal(t, "bash was started in the container from outside by containerd-shim (50) 1h56m40s ago, has no children, and nothing on its terminal for 1h0m0s", findings[0].Why)
	require.Equal(t, uid, findings[0].Container.PodUID)
	require.Equal(t, 1*time.Hour, findings[0].Idle)
	require.Equal(t, "sleep has ended, and app (sh) x (60) does not wait for it", findings[1].Why)
	require.Equal(t, 60, findings[1].Parent.PID)
	require.Equal(t, id, findings[1].Container.ID, "v1 shows the root for a zombie; its parent tells")

	// The shell without a terminal is known to be idle only once it was seen to be.
	fsys["proc/uptime"].Data = []byte("9100.00 1.00\n")
	require.Equal(t, []string{"stale-shell 70", "stale-shell 74", "zombie 75", "stale-shell 76"}, scanned(t, s, fsys, now.Add(1900*time.Second)))

	// One that computes is not idle, with a terminal or without.
	proc(fsys, 70, 50, "bash", 'S', 34816, 200, 1, "70 12", "/kubepods/pod"+uid+"/"+id)
	proc(fsys, 76, 1, "sh", 'S', 0, 250, 1, "76 18", "/kubepods/pod"+uid+"/"+id)
	require.Equal(t, []string{"stale-shell 74", "zombie 75"}, scanned(t, s, fsys, now.Add(1900*time.Second)))

	// A new process with an old number is not the old one.
	proc(fsys, 74, 50, "bash", 'S', 34818, 9000, 0, "74 16", "/kubepods/pod"+uid+"/"+id)
	require.Equal(t, []string{"zombie 75"}, scanned(t, s, fsys, now.Add(1900*time.Second)))
}

func TestAllow(t *testing.T) {
	now := time.Unix(1e9, 0)
	for _, allow := range []string{"bash", id, uid, id[:12], id[:6], " " + id} {
		fsys := container()
		terminalAt(fsys, 70, now.Add(-time.Hour))
		require.NotContains(t, scanned(t, NewScanner(Rules{Allow: []string{allow}}), fsys, now), "stale-shell 70")
		require.Contains(t, scanned(t, NewScanner(Rules{Allow: []string{"x"}}), fsys, now), "stale-shell 70")
	}
	fsys := container()
	terminalAt(fsys, 70, now.Add(-time.Minute))
	require.Contains(t, scanned(t, NewScanner(Rules{MinAge: time.Second, MinIdle: 30 * time.Second, Shells: []string{"bash"}}), fsys, now), "stale-shell 70")
}

// A Pod that shares its pid namespace has containers whose first process is not number 1.
func TestSharedPIDNamespace(t *testing.T) {
	fsys := fstest.MapFS{"proc/uptime": {Data: []byte("72000.00 1.00\n")}}
	now := time.Unix(1e9, 0)
	c := "/kubepods/pod" + uid + "/" + id
	proc(fsys, 1, 0, "init", 'S', 0, 0, 0, "1", "/")
	proc(fsys, 50, 1, "conmon", 'S', 0, 1, 0, "50", "/")
	proc(fsys, 60, 50, "sh", 'S', 34816, 2, 0, "60 7", c)
	proc(fsys, 61, 50, "sh", 'S', 34816, 9, 0, "61 9", c)
	terminalAt(fsys, 60, now.Add(-time.Hour))
	terminalAt(fsys, 61, now.Add(-time.Hour))
	require.Equal(t, []string{"stale-shell 61"}, scanned(t, NewScanner(Rules{}), fsys, now))
}

// What a container without a pid namespace of its own has started is not from outside when its parent has ended, though
// the shim is its parent then: what was, leads a session.
func TestOrphansOfTheHostsPIDNamespace(t *testing.T) {
	fsys := fstest.MapFS{"proc/uptime": {Data: []byte("72000.00 1.00\n")}}
	now := time.Unix(1e9, 0)
	c := "/kubepods/pod" + uid + "/" + id
	proc(fsys, 1, 0, "init", 'S', 0, 0, 0, "1", "/")
	proc(fsys, 50, 1, "containerd-shim", 'S', 0, 1, 0, "50", "/")
	proc(fsys, 60, 50, "agent", 'S', 0, 2, 0, "60", c)
	proc(fsys, 61, 50, "bash", 'S', 34816, 9, 0, "61", c)
	proc(fsys, 62, 50, "bash", 'S', 34816, 9, 0, "62", c)
	fsys["proc/62/stat"].Data = []byte(strings.Replace(string(fsys["proc/62/stat"].Data), " 50 1 62 ", " 50 1 60 ", 1))
	terminalAt(fsys, 61, now.Add(-time.Hour))
	terminalAt(fsys, 62, now.Add(-time.Hour))
	require.Equal(t, []string{"stale-shell 61"}, scanned(t, NewScanner(Rules{}), fsys, now))

	// With a namespace of its own, its first process takes its orphans, and the shim has none of them.
	fsys["proc/62/status"].Data = []byte("NSpid:\t62\t9\n")
	require.Equal(t, []string{"stale-shell 61", "stale-shell 62"}, scanned(t, NewScanner(Rules{}), fsys, now))
}

// What a container calls its processes and cgroups is neither a way out of the rules nor into somebody's terminal, and
// what is open in it is not touched.
func TestHostileContainer(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := "/kubepods/pod" + uid + "/" + id
	fsys := container()
	terminalAt(fsys, 70, now.Add(-time.Hour))
	proc(fsys, 60, 50, "a\x1b[2J\nb", 'S', 0, 110, 5, "60 1", c)
	proc(fsys, 70, 50, "bash", 'S', 34816, 200, 0, "70 12", c+"/docker/"+strings.Repeat("f", 64))
	s := NewScanner(Rules{Allow: []string{strings.Repeat("f", 64)}})
	findings, err := s.Scan(links{fsys}, now)
	require.NoError(t, err)
	require.Len(t, findings, 2)
	require.Equal(t, id, findings[0].Container.ID, "the container, not the cgroup that it made")
	require.Equal(t, `sleep has ended, and "a\x1b[2J\nb" (60) does not wait for it`, findings[1].Why)

	// Without links to terminals nothing says since when the shell is idle.
	require.Empty(t, staleIn(t, fsys, now))
	// One that runs is not idle; one that the container has started is its own, whatever the parent's name.
	fsys = container()
	terminalAt(fsys, 70, now.Add(-time.Hour))
	proc(fsys, 70, 50, "bash", 'R', 34816, 200, 0, "70 12", c)
	require.Equal(t, []string{"zombie 75"}, scanned(t, NewScanner(Rules{}), fsys, now))
	proc(fsys, 60, 50, "containerd-shim", 'S', 0, 110, 5, "60 1", c)
	proc(fsys, 70, 60, "bash", 'S', 34816, 200, 0, "70 12", c)
	require.Equal(t, []string{"zombie 75"}, scanned(t, NewScanner(Rules{}), fsys, now))
}

func staleIn(t *testing.T, fsys fs.FS, now time.Time) (out []Finding) {
	t.Helper()
	findings, err := NewScanner(Rules{}).Scan(fsys, now)
	require.NoError(t, err)
	for _, f := range findings {
		if f.Kind == StaleShell {
			out = append(out, f)
		}
	}
	return out
}

func TestScanErrors(t *testing.T) {
	_, err := NewScanner(Rules{}).Scan(fstest.MapFS{}, time.Time{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = NewScanner(Rules{}).Scan(fstest.MapFS{"proc/uptime": {Data: []byte("soon")}}, time.Time{})
	require.ErrorIs(t, err, cgroupview.ErrMalformed)
	fsys := container()
	fsys["proc/50/stat"].Data = []byte("50 (x")
	terminalAt(fsys, 70, time.Unix(0, 1))
	findings, err := NewScanner(Rules{}).Scan(links{fsys}, time.Unix(1e9, 0))
	require.ErrorIs(t, err, cgroupview.ErrMalformed)
	require.NotEmpty(t, findings, "one process that can't be read does not hide the others")
}

func TestParseStat(t *testing.T) {
	leads, err := parseStat([]byte("5 (a) R 3 4 5 0 6 0 0 0 0 0 150 50 0 0 20 0 1 0 12345 0 0"))
	require.NoError(t, err)
	require.True(t, leads.Leader)
	p, err := parseStat([]byte("7 (a) S (b) c)) R 3 4 5 0 6 0 0 0 0 0 150 50 0 0 20 0 1 0 12345 0 0"))
	require.NoError(t, err)
	require.Equal(t, Process{Parent: 3, Name: "a) S (b) c)", State: 'R', Start: 123450 * time.Millisecond, CPU: 2 * time.Second}, p)
	for _, bad := range []string{"", "7 x R 1", "7 (x) R 1 2", ")(", "7 (x) R x 4 5 0 6 0 0 0 0 0 150 50 0 0 20 0 1 0 12345", "7 (x) RR 1 4 5 0 6 0 0 0 0 0 150 50 0 0 20 0 1 0 12345"} {
		p, err := parseStat([]byte(bad))
		require.ErrorIs(t, err, cgroupview.ErrMalformed, bad)
		require.Equal(t, Process{}, p)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) S (b) c)) R 3 4 5 0 6 0 0 0 0 0 150 50 0 0 20 0 1 0 12345 0 0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parseStat(data); err != nil {
			require.Equal(t, Process{}, p)
		} else {
			require.GreaterOrEqual(t, p.CPU, time.Duration(0))
			require.GreaterOrEqual(t, p.Start, time.Duration(0))
		}
	})
}

func TestCgroupPath(t *testing.T) {
	require.Equal(t, "/m", cgroupPath([]byte("5:cpu:/c\n4:hugetlb,memory:/m\n0::/u\n")))
	require.Equal(t, "/u:v", cgroupPath([]byte("5:cpu:/c\n0::/u:v\n")))
	require.Empty(t, cgroupPath([]byte("nonsense\n")))
}

// A signal reaches the process that was found, and no other.
func TestSignal(t *testing.T) {
	fsys := cgroupview.FS("/")
	if _, err := fs.Stat(fsys, "proc/self/stat"); err != nil {
		t.Skip("no /proc: ", err)
	}
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	p, err := ReadProcess(fsys, cmd.Process.Pid)
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), p.Parent)

	other := p
	other.Start -= tick
	require.ErrorIs(t, Signal(fsys, other, syscall.SIGKILL), ErrChanged)
	require.NoError(t, Signal(fsys, p, syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.ErrorIs(t, Signal(fsys, p, syscall.SIGTERM), fs.ErrNotExist)
}

// A /proc of another pid namespace has other processes under the same numbers: nothing is signaled by it.
func TestSignalByAForeignProc(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	fsys := fstest.MapFS{}
	proc(fsys, cmd.Process.Pid, 1, "sleep", 'S', 0, 5, 0, "9", "/")
	fsys["proc/self"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(strconv.Itoa(os.Getpid() + 1))}
	p, err := ReadProcess(fsys, cmd.Process.Pid)
	require.NoError(t, err)
	require.ErrorContains(t, Signal(fsys, p, syscall.SIGKILL), "run it with hostPID")
	require.NoError(t, cmd.Process.Signal(syscall.Signal(0)))
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}

func TestSignalOfAZombie(t *testing.T) {
	fsys := fstest.MapFS{}
	proc(fsys, os.Getpid(), 1, "x", 'Z', 0, 5, 0, "9", "/")
	fsys["proc/self"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(strconv.Itoa(os.Getpid()))}
	p, err := ReadProcess(fsys, os.Getpid())
	require.NoError(t, err)
	require.ErrorContains(t, Signal(fsys, p, syscall.Signal(0)), "only process 1, its parent, can take it away")
}
