package cgroupview

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// inside is the machine as an agent sees it whose container has a cgroup namespace of its own.
func inside(version Version, files map[string]string) fstest.MapFS {
	kind, line, top := "cgroup2 c rw", "0::", ""
	if version == V1 {
		kind, line, top = "cgroup c rw,cpu,memory", "4:cpu,memory:", "x\n"
	}
	fsys := with(with(nil, map[string]string{
		"proc/7/cgroup": line + "/\n", "proc/9/cgroup": line + "/../../podB/c9\n", "proc/10/cgroup": line + "/below\n",
		"proc/11/cgroup": line + "/../../..\n", "proc/12/cgroup": line + "/../../../..\n",
		"proc/1/mountinfo": "2 1 0:2 /../../.. /cg rw - " + kind + "\n",
		"cg/cgroup.procs":  "1\n", "cg/release_agent": top, "cg/kubepods/podA/agent/cgroup.procs": "3\n7\n", "cg/kubepods/podA/other/cgroup.procs": "77\n",
		"cg/kubepods/podB/c9/cgroup.procs": "9\n", "cg/system/a/b/cgroup.procs": "", "cg/kubepods/podA/agent/below/cgroup.procs": "10\n",
	}), files)
	fsys["proc/self"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("7")}
	return fsys
}

// A reader in a cgroup namespace finds the cgroups of others through its own.
func TestOthersAreFoundFromInsideANamespace(t *testing.T) {
	for _, version := range []Version{V1, V2} {
		m, err := ReadMounts(inside(version, nil), 1)
		require.NoError(t, err)
		for pid, want := range map[int]string{7: "/kubepods/podA/agent", 9: "/kubepods/podB/c9", 10: "/kubepods/podA/agent/below", 11: "/"} {
			g, err := m.Locate(pid)
			require.NoError(t, err)
			p := g.Place(Memory)
			require.NoError(t, p.Err)
			require.Equal(t, want, p.Path)
			require.Equal(t, "cg"+want, p.Dir+map[bool]string{true: "/"}[want == "/"])
		}
		require.Equal(t, "cg/kubepods/podB/c9", m.Group("/kubepods/podB/c9").Place(Memory).Dir, "paths of groups are from the top anyway")
		g, err := m.Locate(12)
		require.NoError(t, err)
		require.ErrorIs(t, g.Place(Memory).Err, ErrNotVisible)
		require.ErrorContains(t, g.Place(Memory).Err, "is above its top")
	}
}

// Where the reader is not found, nothing is made up.
func TestUnknownNamespaceStaysNotVisible(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"not in any cgroup.procs, without hostPID": {"cg/kubepods/podA/agent/cgroup.procs": "0\n17\n"},
		"itself outside of its namespace":          {"proc/7/cgroup": "0::/../x\n"},
		"no cgroup of its own":                     {"proc/7/cgroup": ""},
		"a file that is none":                      {"proc/7/cgroup": "x\n"},
	} {
		m, err := ReadMounts(inside(V2, files), 1)
		require.NoError(t, err)
		g, err := m.Locate(9)
		require.NoError(t, err)
		require.ErrorIs(t, g.Place(Memory).Err, ErrNotVisible, name)
		require.ErrorContains(t, g.Place(Memory).Err, "is mounted from above this cgroup namespace", name)
	}
	fsys := inside(V2, nil)
	delete(fsys, "proc/self")
	m, err := ReadMounts(fsys, 1)
	require.NoError(t, err)
	g, err := m.Locate(9)
	require.NoError(t, err)
	require.ErrorIs(t, g.Place(Memory).Err, ErrNotVisible)

	s := search{fsys: fsys, pid: "9", left: 2}
	require.Empty(t, s.below("cg", 3), "a bounded search")
}

// Law: what lies outside a process's cgroup namespace limits it, and is no part of what a program in it counts.
func TestProgramsCountWhatTheySee(t *testing.T) {
	const own = "/podB/c9"
	host := v2(map[string]string{
		"proc/9/cgroup": "0::" + own + "\n", "proc/9/status": "Cpus_allowed_list:\t0-7\n",
		"sys/fs/cgroup/podB/cpu.max": "200000 100000\n", "sys/fs/cgroup/podB/memory.max": "1073741824\n",
		"sys/fs/cgroup/podB/c9/cpu.max": "max 100000\n", "sys/fs/cgroup/podB/c9/memory.max": "max\n",
	})
	agent := inside(V2, map[string]string{
		"proc/9/status": "Cpus_allowed_list:\t0-7\n", "proc/meminfo": "MemTotal: 8388608 kB\n",
		"cg/kubepods/podB/cpu.max": "200000 100000\n", "cg/kubepods/podB/memory.max": "1073741824\n",
		"cg/kubepods/podB/c9/cpu.max": "max 100000\n", "cg/kubepods/podB/c9/memory.max": "max\n",
	})
	const line = "2 1 0:2 %s /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	for _, c := range []struct {
		name   string
		fsys   fstest.MapFS
		viewer int
		root   string
		cpus   int
		heap   uint64
		blind  string
	}{
		{"its own namespace", host, 0, own, 8, 8 << 30, "/sys/fs/cgroup/podB/cpu.max = 200000 100000"},
		{"the machine's", host, 0, "/", 2, 1 << 30, ""},
		{"no mount", host, 0, "/elsewhere", 8, 8 << 30, "/sys/fs/cgroup/podB/cpu.max = 200000 100000"},
		{"its own, and so the reader", agent, 1, "/../../podB/c9", 8, 8 << 30, "/cg/kubepods/podB/cpu.max = 200000 100000"},
		{"the machine's, the reader its own", agent, 1, "/../../..", 2, 1 << 30, ""},
		{"the machine's, the reader its own, with a part bound elsewhere", with(agent, map[string]string{
			"proc/1/mountinfo": "9 1 0:2 /../../podB /bound rw - cgroup2 c rw\n" + string(agent["proc/1/mountinfo"].Data),
		}), 1, "/../../podB/c9", 8, 8 << 30, "/cg/kubepods/podB/cpu.max = 200000 100000"},
		{"of its Pod, the reader its own", agent, 1, "/../../podB", 2, 1 << 30, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ReadMounts(with(c.fsys, map[string]string{"proc/9/mountinfo": fmt.Sprintf(line, c.root)}), c.viewer)
			require.NoError(t, err)
			g, err := m.Locate(9)
			require.NoError(t, err)
			g, err = m.SeenBy(g, 9)
			require.NoError(t, err)
			l, err := g.Limits()
			require.NoError(t, err)
			require.Equal(t, uint64(200000), l.Quota.Ratio.Quota, "it holds all the same")
			require.Equal(t, uint64(1<<30), l.Memory.Bytes)
			for _, p := range l.Predict() {
				switch p.Runtime {
				case Floor, Ceil, LXCFS:
					require.Equal(t, 2, p.CPUs.N, p.CPUs.Because)
					require.Empty(t, p.Blind)
				case Libuv, Rust, JVM:
					if p.Runtime == JVM && c.root == "/../../podB" {
						require.Equal(t, 8, p.CPUs.N, "the top of its namespace: see TestJVMLevels")
						continue
					}
					require.Equal(t, c.cpus, p.CPUs.N, p.CPUs.Because)
					require.Equal(t, c.blind != "", p.Wrong)
					require.Contains(t, p.Blind, c.blind)
				}
			}
			require.Equal(t, c.heap/4, JVM.heap(&l).Bytes)
		})
	}
	m, err := ReadMounts(host, 0)
	require.NoError(t, err)
	_, err = m.SeenBy(Group{}, 9)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// JDK 25 in a cgroup below the top of its namespace does not read the top, which it finds to be the tightest.
func TestJVMLevels(t *testing.T) {
	for _, c := range []struct {
		levels []string // from the top
		want   int
	}{
		{[]string{"50000", "max"}, 8},
		{[]string{"50000", "max", "max"}, 8},
		{[]string{"50000", "300000", "max"}, 3},
		{[]string{"50000"}, 1},
		{[]string{"max", "50000", "max"}, 1},
		{[]string{"max", "150000", "120000"}, 2},
		{[]string{"100000", "max", "500000"}, 8},
		{[]string{"300000", "200000"}, 2},
	} {
		files := map[string]string{"sys/fs/cgroup/cpu.max": c.levels[0] + " 100000\n"}
		dir, path := "sys/fs/cgroup", "/"
		for i, quota := range c.levels[1:] {
			dir, path = fmt.Sprintf("%s/x%d", dir, i), fmt.Sprintf("%s/x%d", strings.TrimSuffix(path, "/"), i)
			files[dir+"/cpu.max"] = quota + " 100000\n"
		}
		files["proc/self/cgroup"] = "0::" + path + "\n"
		l := limitsOf(t, v2(files))
		require.Equal(t, c.want, l.Count(JVM).N, "%q: %s", c.levels, l.Count(JVM).Because)
		p := l.predict(JVM, l.Count(Ceil).N)
		require.Equal(t, p.CPUs.N > l.Count(Ceil).N, p.Wrong, p.Blind)
	}
	l := limitsOf(t, v2(map[string]string{ // a container of v1 without a cgroup namespace: what is mounted for it is not the top
		"proc/self/cgroup": "3:cpu:/docker/x/b\n", "proc/self/mountinfo": "2 1 0:2 /docker/x /c rw - cgroup cgroup rw,cpu\n",
		"c/cpu.cfs_quota_us": "50000\n", "c/cpu.cfs_period_us": "100000\n", "c/b/cpu.cfs_quota_us": "-1\n", "c/b/cpu.cfs_period_us": "100000\n",
	}))
	require.Equal(t, 1, l.Count(JVM).N)
}
