package node

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/cgroupview"
)

// A read that does not end is given up at the deadline, and reported.
func TestMeasureMemoryStat(t *testing.T) {
	fsys, m := machine(t, 2, map[string]string{"cg/memory.stat": "anon 1\n"})
	clock := time.Unix(100, 0)
	now := func() time.Time { clock = clock.Add(20 * time.Millisecond); return clock }
	took, err := MeasureMemoryStat(t.Context(), fsys, m, now)
	require.NoError(t, err)
	require.Equal(t, 20*time.Millisecond, took)

	ctx, cancel := context.WithCancel(t.Context())
	stuck := stuckFile{fsys, "cg/memory.stat", make(chan struct{}), cancel}
	defer close(stuck.until)
	_, err = MeasureMemoryStat(ctx, stuck, m, now)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "memory.stat is still being read")

	delete(fsys, "cg/memory.stat")
	_, err = MeasureMemoryStat(t.Context(), fsys, m, now)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = MeasureMemoryStat(t.Context(), fsys, cgroupview.Mounts{}, now)
	require.ErrorIs(t, err, cgroupview.ErrNotVisible)
}

// stuckFile says when its file is read, and does not return.
type stuckFile struct {
	fstest.MapFS
	name  string
	until chan struct{}
	began func()
}

func (s stuckFile) ReadFile(name string) ([]byte, error) {
	if name == s.name {
		s.began()
		<-s.until
	}
	return s.MapFS.ReadFile(name)
}

func TestDyingGroups(t *testing.T) {
	for _, c := range []struct {
		version int
		files   map[string]string
		want    int
		err     error
	}{
		{2, map[string]string{"cg/cgroup.stat": "nr_descendants 5\nnr_dying_descendants 7\n"}, 7, nil},
		{2, map[string]string{"cg/cgroup.stat": "nr_dying_descendants 7\nnr_dying_subsys_memory 3\n"}, 3, nil},
		{2, map[string]string{"cg/cgroup.stat": "x\n"}, 0, cgroupview.ErrMalformed},
		{2, map[string]string{}, 0, fs.ErrNotExist},
		{1, map[string]string{"proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t10\t1\n", "cg/a/b/x": "", "cg/c/x": ""}, 6, nil},
		{1, map[string]string{"proc/cgroups": "memory\t4\t1\t1\n", "cg/a/b/x": ""}, 0, nil},
		{1, map[string]string{"proc/cgroups": "memory\t4\tx\t1\n"}, 0, cgroupview.ErrMalformed},
		{1, map[string]string{"proc/cgroups": "cpu\t4\t1\t1\n"}, 0, cgroupview.ErrMalformed},
		{1, map[string]string{}, 0, fs.ErrNotExist},
	} {
		fsys, m := machine(t, c.version, c.files)
		n, err := DyingGroups(fsys, m)
		require.Equal(t, c.want, n)
		require.ErrorIs(t, err, c.err)
	}
	_, err := DyingGroups(fstest.MapFS{}, cgroupview.Mounts{})
	require.ErrorIs(t, err, cgroupview.ErrNotVisible)
}

func TestSandbox(t *testing.T) {
	fsys, m := machine(t, 2, map[string]string{"cg/docker/" + id + "/cgroup.procs": "9\n", "cg/a/cgroup.procs": "9\n10\n"})
	proc(fsys, 9, 1, "pause", 'S', 0, 1, 0, "9 1", "/docker/"+id)
	require.True(t, Sandbox(fsys, m.Group("/docker/"+id)))
	require.False(t, Sandbox(fsys, m.Group("/a")))
	require.False(t, Sandbox(fsys, m.Group("/nothing")))
	proc(fsys, 9, 1, "nginx", 'S', 0, 1, 0, "9 1", "/docker/"+id)
	require.False(t, Sandbox(fsys, m.Group("/docker/"+id)))
}
