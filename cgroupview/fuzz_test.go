package cgroupview

import (
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzMountinfo(f *testing.F) {
	for _, h := range hosts(f) {
		f.Add(h.fsys["proc/self/mountinfo"].Data, h.fsys["proc/self/cgroup"].Data)
	}
	f.Add([]byte("3 2 0:3 /x\\040y /m\\134n rw - cgroup2 cgroup2 rw\n"), []byte("0::/x y/z (deleted)\n"))
	f.Add([]byte("1 1 0:1 / / rw - cgroup2 c rw\n2 1 0:2 /../.. / rw - cgroup c rw,cpu\n2 2 0:2 / / rw - tmpfs c rw\n"), []byte("0::/../x\n4:cpu,memory:/a/../b\n"))
	f.Add([]byte("1 0 0:1 / //x rw - cgroup2 c rw\n"), []byte("0::/a\n"))
	f.Fuzz(func(t *testing.T, mounts, cgroup []byte) {
		g, err := Locate(with(nil, map[string]string{"proc/self/mountinfo": string(mounts), "proc/self/cgroup": string(cgroup)}), 0)
		if err != nil {
			require.Equal(t, Group{}, g)
			return
		}
		for c := range numControllers {
			p := g.Place(c)
			require.False(t, hasDotDot(p.Dir), "%q", p.Dir)
			if p.Dir != "" {
				require.NoError(t, p.Err)
				require.True(t, p.Mount == "." || within("/"+p.Dir, "/"+p.Mount), "%q %q", p.Dir, p.Mount)
			} else if p.Version != 0 && p.Mount != "" {
				require.ErrorIs(t, p.Err, ErrNotVisible)
			}
		}
		_, _ = g.Limits() // ends, whatever it says
	})
}

// Whatever the files of a cgroup say, there is an answer, and it is not below one CPU.
func FuzzLimits(f *testing.F) {
	f.Add([]byte("150000 100000\n"), []byte("max\n"), []byte("0-3,7\n"), []byte("MemTotal: 1 kB\n"))
	f.Add([]byte("-1\n"), []byte("9223372036854771712\n"), []byte("\n"), []byte("MemTotal: 18446744073709551615 kB\nSwapTotal: 5 kB\n"))
	f.Fuzz(func(t *testing.T, quota, memory, cpus, meminfo []byte) {
		fsys := v2(map[string]string{
			"sys/fs/cgroup/a/b/cpu.max": string(quota), "sys/fs/cgroup/a/cpu.max": "300000 100000\n", "sys/fs/cgroup/a/b/memory.max": string(memory),
			"sys/fs/cgroup/a/b/cpuset.cpus.effective": string(cpus), "proc/meminfo": string(meminfo), "sys/fs/cgroup/a/b/memory.stat": string(meminfo),
		})
		l := limitsOf(t, fsys)
		require.Equal(t, Limited, l.Quota.State)
		require.LessOrEqual(t, l.Quota.Ratio.CPUs(), 3.0)
		require.NotEqual(t, Absent, l.Memory.State)
		for _, p := range l.Predict() {
			require.GreaterOrEqual(t, p.CPUs.N, 1)
		}
		v := viewOf2(fsys, l)
		for _, file := range ViewFiles() {
			v.Append(nil, file)
		}
	})
}

func viewOf2(fsys interface{ ReadFile(string) ([]byte, error) }, l Limits) *View {
	data, _ := fsys.ReadFile("proc/meminfo") // any text
	h := Host{CPUInfo: data, MemInfo: data, Stat: data, DiskStats: data}
	s := Sample{Memory: math.MaxUint64, Stat: MemoryStat{File: math.MaxUint64}}
	var times CPUTimes
	times.Advance(&l, &s)
	return &View{Host: &h, Limits: &l, Sample: &s, CPU: &times}
}

func FuzzSample(f *testing.F) {
	for _, h := range hosts(f) {
		for name, file := range h.fsys {
			if strings.Contains(name, "/a/b/") && !strings.HasPrefix(h.name, "hybrid") {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, version := range []string{"0::/a/b\n", "1:cpu,cpuacct,memory,blkio:/a/b\n"} {
			files := map[string]string{"proc/self/cgroup": version}
			if version[0] == '1' {
				files["proc/self/mountinfo"] = "2 1 0:2 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu,cpuacct,memory,blkio\n"
			}
			for _, name := range []string{
				"cpu.stat", "memory.stat", "memory.current", "io.stat", "memory.events", "cpuacct.usage", "cpuacct.usage_all",
				"memory.usage_in_bytes", "memory.oom_control", "blkio.throttle.io_serviced_recursive", "cgroup.procs",
			} {
				files["sys/fs/cgroup/a/b/"+name] = string(data)
			}
			files["proc/uptime"], files["proc/self/stat"] = string(data), string(data)
			g, err := Locate(v2(files), 0)
			require.NoError(t, err)
			var s Sample
			if err := g.Sample(&s); err != nil {
				require.ErrorIs(t, err, ErrMalformed)
			}
			require.LessOrEqual(t, len(s.perCPU), maxCPU)
			if _, err := g.Tasks(); err != nil {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
		}
	})
}

func FuzzCPUs(f *testing.F) {
	f.Add("0-3,7\n")
	f.Add("1,,2-")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseCPUs(text)
		if err != nil {
			require.Equal(t, CPUs{}, s)
			return
		}
		again, err := ParseCPUs(s.String())
		require.NoError(t, err)
		require.True(t, s.Equal(again))
	})
}
