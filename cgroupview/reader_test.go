package cgroupview

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// write puts a tree into a directory, so that files can be kept open and watched.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // below a directory of the test
		require.NoError(t, err)
		_, err = f.WriteString(text) // over the old text, which the kernel's files have no moment without
		require.NoError(t, err)
		require.NoError(t, f.Truncate(int64(len(text))))
		require.NoError(t, f.Close())
	}
}

func onDisk(t testing.TB, files map[string]string) (dir string, fsys fs.FS) {
	t.Helper()
	dir = t.TempDir()
	all := map[string]string{}
	for name, f := range v2(files) {
		all[name] = string(f.Data)
	}
	write(t, dir, all)
	return dir, FS(dir)
}

// Law: kept files say what newly opened ones say, whatever changes.
func TestReaderSeesChanges(t *testing.T) {
	dir, fsys := onDisk(t, nil)
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	r, err := g.Open()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for _, files := range []map[string]string{
		{"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"},
		{"sys/fs/cgroup/a/cpu.max": "20000 100000\n"},
		{"sys/fs/cgroup/a/b/cpu.max": "max 100000\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"},
		{"sys/fs/cgroup/a/b/memory.max": "1048576\n"},
		{"sys/fs/cgroup/a/b/memory.max": "nonsense\n"},
		{"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/cpuset.cpus.effective": "1-2\n"},
		{"sys/fs/cgroup/a/b/cpuset.cpus.effective": "0-7\n", "sys/devices/system/cpu/online": "0-3\n"},
	} {
		write(t, dir, files)
		kept, err := r.Limits()
		require.NoError(t, err)
		fresh := limitsOf(t, fsys)
		require.True(t, fresh.Same(kept), "%v\n%v\n%v", files, fresh, kept)
		require.True(t, kept.Clone().Same(kept))
		require.Equal(t, fresh.Count(Ceil), kept.Count(Ceil))
	}
}

func TestRereadingDoesNotAllocate(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		files := map[string]string{"sys/fs/cgroup/a/b/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/b/memory.max": "123456\n"}
		if v1 {
			files = map[string]string{
				"proc/self/cgroup":     "1:cpu,memory:/x\n0::/\n",
				"proc/self/mountinfo":  "2 1 0:2 / /c rw - cgroup cgroup rw,cpu,memory\n",
				"c/x/cpu.cfs_quota_us": "150000\n", "c/x/cpu.cfs_period_us": "100000\n", "c/x/cpu.shares": "512\n",
				"c/x/memory.limit_in_bytes": "4096000\n", "c/x/memory.stat": "hierarchical_memory_limit 4096000\nhierarchical_memsw_limit 5096000\n",
			}
		}
		_, fsys := onDisk(t, files)
		g, err := Locate(fsys, 0)
		require.NoError(t, err)
		r, err := g.Open()
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if _, err := r.Limits(); err != nil {
				panic(err)
			}
		}))
		l, err := r.Limits()
		require.NoError(t, err)
		require.Equal(t, Ratio{150000, 100000}, l.Quota.Ratio)
		require.NoError(t, r.Close())
	}
}

// FS behaves like os.DirFS, but for names that are not UTF-8.
func TestFS(t *testing.T) {
	dir, fsys := onDisk(t, map[string]string{"sys/fs/cgroup/\xff/cpu.max": "max 100000\n"})
	data, err := readInto(fsys, "sys/fs/cgroup/\xff/cpu.max", nil)
	require.NoError(t, err)
	require.Equal(t, "max 100000\n", string(data))
	for _, name := range []string{"../x", "a/../../x", "/etc/passwd", "", ".."} {
		_, err := fsys.Open(name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		_, err = readInto(fsys, name, nil)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		_, err = fs.Stat(fsys, name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		_, err = fs.ReadDir(fsys, name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		_, err = fs.ReadLink(fsys, name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
		_, err = fs.Lstat(fsys, name)
		require.ErrorIs(t, err, fs.ErrInvalid, name)
	}
	require.NoError(t, os.Symlink("proc", filepath.Join(dir, "link")))
	target, err := fs.ReadLink(fsys, "link")
	require.NoError(t, err)
	require.Equal(t, "proc", target)
	info, err := fs.Lstat(fsys, "link")
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&fs.ModeSymlink)
	entries, err := fs.ReadDir(fsys, "link")
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	_, err = readInto(fsys, "nothing", nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = readInto(fsys, "proc", nil)
	require.Error(t, err)
	for _, name := range []string{"..a/b", "a../b", "...", "a/..b"} {
		require.False(t, hasDotDot(name), name)
	}
}

// A tree that is no FS is read through fs.File, and its errors come out.
func TestOtherFileSystems(t *testing.T) {
	dir, _ := onDisk(t, nil)
	require.True(t, limitsOf(t, os.DirFS(dir)).Same(limitsOf(t, FS(dir))))
	_, err := readInto(os.DirFS(dir), "proc", nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, fs.ErrNotExist)
	_, err = readAll(failing{}, nil)
	require.ErrorIs(t, err, errFailing)
	_, err = readAll(endless{}, nil)
	require.ErrorIs(t, err, errTooLarge)
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Files of any size are read whole, with one read or with many.
func TestLargeFiles(t *testing.T) {
	for _, size := range []int{1, 4095, 4096, 4097, 8192, 40000} {
		text := strings.Repeat("x", size)
		dir, fsys := onDisk(t, map[string]string{"big": text})
		for _, read := range []func() ([]byte, error){
			func() ([]byte, error) { return readInto(fsys, "big", nil) },
			func() ([]byte, error) { return readRecord(filepath.Join(dir, "big"), nil) },
			func() ([]byte, error) { return readRecord(filepath.Join(dir, "big"), make([]byte, 0, 100)) },
			func() ([]byte, error) {
				h, err := openHandle(fsys, "big")
				require.NoError(t, err)
				defer func() { require.NoError(t, h.Close()) }()
				r := &Reader{files: []handle{h}}
				return r.content(0, &Step{Path: "/big"})
			},
		} {
			data, err := read()
			require.NoError(t, err)
			require.Equal(t, text, string(data))
		}
	}
	_, err := readRecord(filepath.Join(t.TempDir(), "nothing"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Law: what this machine's files say is the same through paths and through kept files.
func TestThisProcess(t *testing.T) {
	g, err := Locate(FS("/"), 0)
	if err != nil {
		t.Skip("no cgroups on this machine: ", err)
	}
	l, err := g.Limits()
	require.NoError(t, err)
	require.Positive(t, l.CPUs.Len())
	r, err := g.Open()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	again, err := r.Limits()
	require.NoError(t, err)
	require.Equal(t, l.Quota, again.Quota)
	require.Equal(t, l.Memory, again.Memory)
}
