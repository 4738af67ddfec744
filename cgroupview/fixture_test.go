package cgroupview

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// host is one captured machine and case.
type host struct {
	name    string
	fsys    fstest.MapFS
	answers map[string]string // of programs that ran there
}

// hosts reads all that were captured.
func hosts(t testing.TB) []host {
	t.Helper()
	files, err := filepath.Glob("testdata/hosts/*.txtar")
	require.NoError(t, err)
	require.Greater(t, len(files), 15)
	var out []host
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		h := host{strings.TrimSuffix(filepath.Base(file), ".txtar"), tree(string(data)), map[string]string{}}
		for line := range strings.Lines(string(h.fsys["answers"].Data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			h.answers[key] = value
		}
		out = append(out, h)
	}
	return out
}

// tree reads the txtar format: "-- name --" and the content of the file.
func tree(text string) fstest.MapFS {
	fsys := fstest.MapFS{}
	var file *fstest.MapFile
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(line, "-- ")
		if name, found := strings.CutSuffix(name, " --\n"); ok && found {
			file = &fstest.MapFile{}
			fsys[name] = file
		} else if file != nil {
			file.Data = append(file.Data, line...)
		}
	}
	return fsys
}

// with returns a copy of a tree with more files, and without those whose content is "".
func with(fsys fstest.MapFS, files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	maps.Copy(out, fsys)
	for name, text := range files {
		if text == "" {
			delete(out, name)
		} else {
			out[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return out
}

// v2 is a process in /a/b of a unified hierarchy, on a machine with 8 CPUs and 8 GiB.
func v2(files map[string]string) fstest.MapFS {
	base := fstest.MapFS{}
	return with(with(base, map[string]string{
		"proc/self/cgroup":                        "0::/a/b\n",
		"proc/self/mountinfo":                     "1 0 0:1 / / rw - ext4 root rw\n2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"proc/self/status":                        "Name:\tx\nCpus_allowed_list:\t0-7\n",
		"proc/self/stat":                          "7 (a (b) c) S 1 " + strings.Repeat("0 ", 17) + "500 0\n",
		"proc/meminfo":                            "MemTotal:        8388608 kB\nMemFree: 1 kB\nSwapTotal:        1048576 kB\n",
		"proc/uptime":                             "15.00 20.00\n",
		"sys/devices/system/cpu/online":           "0-7\n",
		"sys/fs/cgroup/cpuset.cpus.effective":     "0-7\n",
		"sys/fs/cgroup/a/cpu.max":                 "max 100000\n",
		"sys/fs/cgroup/a/memory.max":              "max\n",
		"sys/fs/cgroup/a/b/cpu.max":               "max 100000\n",
		"sys/fs/cgroup/a/b/cpu.weight":            "100\n",
		"sys/fs/cgroup/a/b/cpuset.cpus.effective": "0-7\n",
		"sys/fs/cgroup/a/b/memory.max":            "max\n",
		"sys/fs/cgroup/a/b/memory.high":           "max\n",
		"sys/fs/cgroup/a/b/memory.swap.max":       "max\n",
	}), files)
}

func limitsOf(t testing.TB, fsys fs.FS) Limits {
	t.Helper()
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	l, err := g.Limits()
	require.NoError(t, err)
	return l
}
