package cgroupview

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	rootMount = "1 0 0:1 / / rw - ext4 root rw\n"
	sysMount  = "2 1 0:2 / /sys rw - sysfs sysfs rw\n"
)

// Where a process's cgroup is, by what mountinfo and cgroup say.
func TestLocate(t *testing.T) {
	for _, c := range []struct {
		name, cgroup, mounts string
		more                 map[string]string
		dir                  string // of the CPU controller
		version              Version
		hidden               int
		err                  string
	}{
		{name: "v2", cgroup: "0::/a/b\n", mounts: "3 2 0:3 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup2 rw\n", dir: "sys/fs/cgroup/a/b", version: V2},
		{name: "v2 at the root", cgroup: "0::/\n", mounts: "3 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", dir: "sys/fs/cgroup", version: V2},
		{name: "mounted over the root", cgroup: "0::/a/b\n", mounts: "3 1 0:3 / / rw - cgroup2 cgroup2 rw\n", dir: "a/b", version: V2},
		{name: "v1 beats v2", cgroup: "4:cpu,cpuacct:/x\n0::/y\n", mounts: "3 2 0:3 / /c rw - cgroup cgroup rw,cpu,cpuacct\n4 2 0:4 / /u rw - cgroup2 cgroup2 rw\n", dir: "c/x", version: V1},
		{name: "cpuacct is not cpu", cgroup: "4:cpuacct:/x\n0::/y\n", mounts: "3 2 0:3 / /c rw - cgroup cgroup rw,cpuacct\n4 2 0:4 / /u rw - cgroup2 cgroup2 rw\n", dir: "u/y", version: V2},
		{name: "colons in the path", cgroup: "4:cpu:/k.slice:cri-containerd:abc\n", mounts: "3 2 0:3 / /c rw - cgroup cgroup rw,cpu\n", dir: "c/k.slice:cri-containerd:abc", version: V1},
		{name: "space in the path, escaped only in mountinfo", cgroup: "0::/x y/z\n", mounts: "3 2 0:3 /x\\040y /m\\134n rw - cgroup2 cgroup2 rw\n", dir: `m\n/z`, version: V2, hidden: 1},
		{name: "super options with spaces", cgroup: "4:cpu:/x\n", mounts: "3 2 0:3 / /c rw - cgroup none rw,cpu,aname=drvfs;path=C:\\Program Files\n", dir: "c/x", version: V1},
		{name: "bind mount of a part", cgroup: "0::/kubepods/p/c\n", mounts: "3 2 0:3 /kubepods/p /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", dir: "sys/fs/cgroup/c", version: V2, hidden: 2},
		{name: "root is no boundary", cgroup: "0::/foobar\n", mounts: "3 2 0:3 /foo /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", version: V2, err: `shows only "/foo"`},
		{name: "mounted above the namespace", cgroup: "0::/\n", mounts: "3 2 0:3 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", version: V2, err: "is mounted from above this cgroup namespace"},
		{name: "both above the namespace", cgroup: "0::/../../x/y\n", mounts: "3 2 0:3 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", dir: "sys/fs/cgroup/x/y", version: V2, hidden: 2},
		{name: "outside the namespace", cgroup: "0::/../x\n", mounts: "3 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", version: V2, err: "outside this cgroup namespace"},
		{name: "not mounted", cgroup: "4:cpu:/x\n", mounts: "3 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", version: V1, err: "no mount of its hierarchy"},
		{name: "no controller", cgroup: "4:name=systemd:/x\n", mounts: ""},
		{
			name: "own directory bound over the hierarchy", cgroup: "0::/a/b\n", dir: "sys/fs/cgroup", version: V2, hidden: 2,
			mounts: "3 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n4 3 0:3 /a/b /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		},
		{
			name: "covered by a tmpfs", cgroup: "0::/a\n", version: V2, err: "/sys/fs/cgroup is covered by another mount",
			mounts: "3 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n4 2 0:9 / /sys/fs rw - tmpfs tmpfs rw\n",
		},
		{
			name: "a second /sys over the first one", cgroup: "0::/a\n", dir: "sys/fs/cgroup/a", version: V2,
			mounts: "3 2 0:2 / /sys rw - sysfs sysfs rw\n4 3 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n5 2 0:9 / /sys/fs rw - tmpfs tmpfs rw\n",
		},
		{
			name: "of two mounts the one with more ancestors", cgroup: "0::/a/b\n", dir: "host/cgroup/a/b", version: V2,
			mounts: "3 2 0:3 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n4 1 0:3 / /host/cgroup rw - cgroup2 cgroup2 rw\n",
			more:   map[string]string{"host/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/b/cpu.max": "max 100000\n"},
		},
		{
			name: "of two mounts the one that has it", cgroup: "0::/a/b\n", dir: "sys/fs/cgroup/b", version: V2, hidden: 1,
			mounts: "3 2 0:3 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n4 1 0:3 / /host/cgroup rw - cgroup2 cgroup2 rw\n",
			more:   map[string]string{"sys/fs/cgroup/b/cpu.max": "max 100000\n"},
		},
		{
			name: "covered by a mount further up that stands before it", cgroup: "0::/a\n", version: V2, err: "/x/sys/fs/cgroup is covered by another mount",
			mounts: "4 1 0:4 / /x/sys rw - tmpfs t rw\n3 1 0:3 / /x/sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		},
		{
			name: "of two mounts none that has it", cgroup: "0::/a/b\n", version: V2, err: "/sys/fs/cgroup/b does not exist",
			mounts: "3 2 0:3 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n4 1 0:3 / /host/cgroup rw - cgroup2 cgroup2 rw\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			fsys := with(with(nil, map[string]string{"proc/self/cgroup": c.cgroup, "proc/self/mountinfo": rootMount + sysMount + c.mounts}), c.more)
			g, err := Locate(fsys, 0)
			require.NoError(t, err)
			p := g.Place(CPU)
			_, _ = g.Limits() // ends, whatever it says
			require.Equal(t, c.version, p.Version)
			require.Equal(t, c.dir, p.Dir)
			require.Equal(t, c.hidden, p.Hidden)
			if c.err != "" {
				require.ErrorIs(t, p.Err, ErrNotVisible)
				require.ErrorContains(t, p.Err, c.err)
			} else {
				require.NoError(t, p.Err)
			}
		})
	}
}

func TestLocateRefuses(t *testing.T) {
	good := map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": rootMount}
	for name, c := range map[string]struct {
		file, text, err string
	}{
		"no cgroup file":    {"proc/self/cgroup", "", "cgroup of process self"},
		"no mountinfo":      {"proc/self/mountinfo", "", "mounts of process self"},
		"two fields":        {"proc/self/cgroup", "0:/\n", `line 1 "0:/": want "id:controllers:/path"`},
		"relative path":     {"proc/self/cgroup", "0::/\n1:cpu:x\n", `line 2`},
		"no separator":      {"proc/self/mountinfo", "1 0 0:1 / / rw ext4 root rw\n", "mountinfo line 1"},
		"ids are no number": {"proc/self/mountinfo", "a 0 0:1 / / rw - ext4 root rw\n", "mountinfo line 1"},
		"too few fields":    {"proc/self/mountinfo", "1 0 0:1 / - ext4 root rw\n", "mountinfo line 1"},
		"short escape":      {"proc/self/mountinfo", `3 2 0:3 / /c\04 rw - cgroup2 c rw` + "\n", "three octal digits"},
		"escape too large":  {"proc/self/mountinfo", `3 2 0:3 /\777 /c rw - cgroup2 c rw` + "\n", "three octal digits"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := Locate(with(with(nil, good), map[string]string{c.file: c.text}), 0)
			require.ErrorContains(t, err, c.err)
			require.Equal(t, Group{}, g)
			if c.text == "" {
				require.ErrorIs(t, err, fs.ErrNotExist)
			} else {
				require.ErrorIs(t, err, ErrMalformed)
			}
		})
	}
}

// Another process is found through the mounts of the viewer, and a path without any process.
func TestMountsOfAViewer(t *testing.T) {
	fsys := v2(map[string]string{"proc/1/mountinfo": rootMount + "2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "proc/42/cgroup": "0::/a\n"})
	m, err := ReadMounts(fsys, 1)
	require.NoError(t, err)
	g, err := m.Locate(42)
	require.NoError(t, err)
	require.Equal(t, "sys/fs/cgroup/a", g.Place(Memory).Dir)
	_, err = m.Locate(43)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "process 43")
	g = m.Group("/a/b")
	require.Equal(t, "sys/fs/cgroup/a/b", g.Place(Cpuset).Dir)
	l, err := g.Limits()
	require.NoError(t, err)
	require.Equal(t, "0-7", l.CPUs.String())
}

func TestControllerNames(t *testing.T) {
	require.Equal(t, []string{"cpu", "cpuacct", "cpuset", "memory", "io"}, []string{CPU.String(), CPUAcct.String(), Cpuset.String(), Memory.String(), IO.String()})
	require.Equal(t, "not visible limited unlimited absent unreadable ?", strings.Join([]string{NotVisible.String(), Limited.String(), Unlimited.String(), Absent.String(), Unreadable.String(), State(9).String()}, " "))
	require.NotErrorIs(t, errors.Join(ErrMalformed), ErrNotVisible)
}
