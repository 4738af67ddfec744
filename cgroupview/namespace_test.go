package cgroupview

import (
	"io/fs"
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
