package cgroupview

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// busy is a container of v2 with a quota of 1.5 of 8 CPUs that began 5 s after the machine and has lived for 10 s.
func busy() fstest.MapFS {
	return v2(map[string]string{
		"sys/fs/cgroup/a/b/cpu.max":         "150000 100000\n",
		"sys/fs/cgroup/a/b/cpu.stat":        "usage_usec 9000000\nuser_usec 6000000\nsystem_usec 3000000\nnr_periods 100\nnr_throttled 40\nthrottled_usec 7000\n",
		"sys/fs/cgroup/a/b/memory.max":      "104857600\n",
		"sys/fs/cgroup/a/b/memory.current":  "209715200\n",
		"sys/fs/cgroup/a/b/memory.stat":     "file 1048576\ninactive_file 4096\nslab_reclaimable 8192\nslab_unreclaimable 4096\nkernel_stack 16384\npagetables 4096\npercpu 1024\nswapcached 1\nanon_thp 2097152\nfile_thp 0\nshmem_thp 0\nzswap 1\nzswapped 2\nanon 4096\nshmem 1\nfile_mapped 2\nfile_dirty 4096\nfile_writeback 1\nactive_anon 5\nactive_file 8192\ninactive_anon 1\nunevictable 0\n",
		"sys/fs/cgroup/a/b/memory.swap.max": "524288\n", "sys/fs/cgroup/a/b/memory.swap.current": "4096\n",
		"sys/fs/cgroup/a/b/memory.events": "low 0\noom 2\noom_kill 3\n",
		"sys/fs/cgroup/a/b/io.stat":       "254:0 rbytes=4096 wbytes=1024 rios=1 wios=2 dbytes=512 dios=3\n",
		"sys/fs/cgroup/a/b/cgroup.procs":  "0\n30\n7\n", "sys/fs/cgroup/a/b/inner/cgroup.procs": "40\n",
		"proc/7/task/7/stat": "7 (x) R 1", "proc/7/task/8/stat": "8 (y) z) D 1", "proc/30/task/30/stat": "30 (z) S 1",
		"proc/7/stat":    "7 (x) R 1 " + strings.Repeat("0 ", 17) + "500 0\n",
		"proc/30/stat":   "30 (x) R 1 " + strings.Repeat("0 ", 17) + "400 0\n",
		"proc/cpuinfo":   stanzas(8),
		"proc/stat":      "cpu  1 2 3\ncpu0 1 2\nintr 7\nbtime 99\n",
		"proc/loadavg":   "9.99 9.99 9.99 9/99 999\n",
		"proc/diskstats": " 254       0 vda 100 1 2 3 4 5 6 7 8 9 10\n   8       0 sda 1 1 1 1 1 1 1 1 1 1 1\nbad\n",
	})
}

func stanzas(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "processor\t: %d\nmodel name\t: X\n\n", i)
	}
	return b.String()
}

func TestViewsOfV2(t *testing.T) {
	v := viewOf(t, busy())
	g, err := Locate(busy(), 0)
	require.NoError(t, err)
	v.Sample.Tasks, err = g.Tasks()
	require.NoError(t, err)
	for range 12 {
		v.Load.Tick(v.Sample.Tasks.Running)
	}
	want := map[string]string{
		"proc/cpuinfo":                  stanzas(2),
		"proc/diskstats":                " 254       0 vda 1 0 8 0 2 0 2 0 0 0 0 3 0 1 0 0 0\n   8       0 sda 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		"proc/loadavg":                  "1.27 0.37 0.13 2/3 40\n",
		"proc/stat":                     "cpu  600 0 300 600 0 0 0 0 0 0\ncpu0 300 0 150 300 0 0 0 0 0 0\ncpu1 300 0 150 300 0 0 0 0 0 0\nintr 7\nbtime 99\n",
		"proc/swaps":                    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\nnone                                    virtual\t\t512\t\t4\t\t0\n",
		"proc/uptime":                   "10.00 6.00\n",
		"sys/devices/system/cpu/online": "0-1\n",
		"proc/meminfo":                  "MemTotal:         102400 kB\nMemFree:               0 kB\nSwapTotal:           512 kB\n",
	}
	require.Len(t, ViewFiles(), len(want))
	for _, file := range ViewFiles() {
		text, ok := v.Append([]byte("x"), file)
		require.True(t, ok)
		require.Equal(t, "x"+want[file], string(text), file)
	}
	_, ok := v.Append(nil, "proc/version")
	require.False(t, ok)
	require.Equal(t, uint64(3), v.Sample.OOMKills)
	require.Equal(t, uint64(209715200-4096), v.Sample.WorkingSet())
	require.Equal(t, uint64(40), v.Sample.Throttled)
	pid, err := g.Init()
	require.NoError(t, err)
	require.Equal(t, 30, pid, "the oldest, whatever its number")
	require.Equal(t, 30, g.WithProcess(30).pid)
}

func TestViewsWithoutNumbers(t *testing.T) {
	fsys := v2(map[string]string{"sys/fs/cgroup/a/b/memory.swap.max": "0\n", "proc/uptime": "", "proc/cpuinfo": "Hardware\t: X\n"})
	v := viewOf(t, fsys)
	require.Equal(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n", string(v.appendSwaps(nil)))
	require.Equal(t, "0.00 0.00\n", string(v.appendUptime(nil)))
	require.Equal(t, "Hardware\t: X\n", string(v.appendCPUInfo(nil)))
}

func TestCPUInfoOfS390(t *testing.T) {
	v := viewOf(t, v2(map[string]string{
		"sys/fs/cgroup/a/b/cpu.max": "200000 100000\n", "sys/fs/cgroup/a/b/cpuset.cpus.effective": "1-3\n",
		"proc/cpuinfo": "vendor_id       : IBM/S390\n# processors    : 4\nprocessor 0: version = FF\nprocessor 1: version = FE\nprocessor 2: version = FD\nprocessor 3: version = FC\n\ncpu number      : 0\n",
	}))
	require.Equal(t, "vendor_id       : IBM/S390\n# processors    : 2\nprocessor 0: version = FE\nprocessor 1: version = FD\n\ncpu number      : 0\n", string(v.appendCPUInfo(nil)))
}

// A container that loses CPUs, and gets them back, has used what it had used.
func TestCPUTimesAfterResize(t *testing.T) {
	four, err := ParseCPUs("0-3")
	require.NoError(t, err)
	one, err := ParseCPUs("0")
	require.NoError(t, err)
	s := Sample{At: time.Second, Started: time.Second}
	var times CPUTimes
	var last cpuTime
	for i, set := range []CPUs{four, four, one, one, four} {
		times.Advance(&Limits{CPUs: set, Online: four}, &s)
		var sum cpuTime
		for _, c := range times.cpus {
			sum.user, sum.system, sum.idle = sum.user+c.user, sum.system+c.system, sum.idle+c.idle
		}
		require.GreaterOrEqual(t, sum.user, last.user, i)
		require.GreaterOrEqual(t, sum.idle, last.idle, i)
		require.Len(t, times.shown(), set.Len())
		require.InDelta(t, s.Usage, sum.user+sum.system, 10)
		last = sum
		s.At, s.Usage, s.User = s.At+10*time.Second, s.Usage+4*time.Second, s.User+4*time.Second
	}
	v := View{Host: &Host{}, CPU: &times}
	require.Equal(t, 5, strings.Count(string(v.appendStat(nil)), "\n"))
}

// From a cgroup namespace of its own, an agent reads the root of the machine's mount as dots.
func TestGroupFromANamespace(t *testing.T) {
	for _, top := range []struct {
		file, mount string
		visible     bool
	}{
		{"cgroup.procs", "cgroup2 c rw", true}, {"cgroup.events", "cgroup2 c rw", false}, {"release_agent", "cgroup c rw,memory", true}, {"tasks", "cgroup c rw,memory", false},
	} {
		m, err := ReadMounts(with(nil, map[string]string{
			"proc/1/mountinfo": "2 1 0:2 /../.. /cg rw - " + top.mount + "\n", "cg/cgroup.procs": "1\n", "cg/" + top.file: "1\n", "cg/a/b/memory.max": "4096\n",
		}), 1)
		require.NoError(t, err)
		p := m.Group("/a/b").Place(Memory)
		require.Equal(t, top.visible, p.Err == nil, top.file)
		if top.visible {
			require.Equal(t, "cg/a/b", p.Dir)
			require.Zero(t, p.Hidden)
		}
	}
}

// Law: CPU times never fall while a container lives, add up to no more than the time there was, and none of what was
// used is lost, whatever the limits do meanwhile.
func TestCPUTimesNeverFall(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		cpus := 1 + rnd.IntN(8)
		set, err := ParseCPUs("0-" + strconv.Itoa(cpus-1))
		require.NoError(t, err)
		limits := &Limits{CPUs: set, Online: set}
		s := Sample{At: time.Second, Started: time.Second}
		if round%2 == 0 {
			s.perCPU = make([]cpuUse, cpus)
		}
		var times CPUTimes
		times.Advance(limits, &s)
		before := append([]cpuTime(nil), times.cpus...)
		var used time.Duration
		for range 50 {
			dt := time.Duration(1 + rnd.IntN(1e9))
			s.At += dt
			for i := range cpus {
				u, y := time.Duration(rnd.Int64N(int64(dt)/2)), time.Duration(rnd.Int64N(int64(dt)/2))
				s.User, s.System, s.Usage, used = s.User+u, s.System+y, s.Usage+u+y, used+u+y
				if s.perCPU != nil {
					s.perCPU[i].User += u
					s.perCPU[i].System += y
				}
			}
			times.Advance(limits, &s)
			var sum, all time.Duration
			for i, c := range times.cpus {
				require.GreaterOrEqual(t, c.user, before[i].user)
				require.GreaterOrEqual(t, c.system, before[i].system)
				require.GreaterOrEqual(t, c.idle, before[i].idle)
				sum += c.user + c.system
				all += c.user + c.system + c.idle
			}
			require.InDelta(t, float64(used), float64(sum), 1e6)
			require.LessOrEqual(t, all, time.Duration(cpus)*(s.At-s.Started)+time.Millisecond)
			before = append(before[:0], times.cpus...)
		}
		// A new container of the same name.
		s = Sample{At: s.At + time.Second, Started: s.At + time.Second/2, Usage: time.Millisecond}
		times.Advance(limits, &s)
		var sum time.Duration
		for _, c := range times.cpus {
			require.LessOrEqual(t, c.idle, time.Second, "of the new one alone")
			sum += c.user + c.system
		}
		require.Equal(t, time.Millisecond, sum)
	}
}

// A container with 1.5 of 2 CPUs that uses all it has is never idle; one that does nothing has 1.5 CPUs idle.
func TestIdleOfAQuota(t *testing.T) {
	set, err := ParseCPUs("0-1")
	require.NoError(t, err)
	limits := &Limits{CPUs: set, Quota: Quota{State: Limited, Ratio: Ratio{150000, 100000}}}
	limits.Why = []Step{{kind: kindQuota, State: Limited, value: 150000, period: 100000}}
	var all, none CPUTimes
	all.Advance(limits, &Sample{At: 10 * time.Second, Usage: 15 * time.Second, User: 15 * time.Second})
	none.Advance(limits, &Sample{At: 10 * time.Second})
	require.Zero(t, all.idle)
	require.Equal(t, 15*time.Second, none.idle)
}

// Law: a view never shows more than the limit, whatever memory.stat says, which is read a moment later than the usage, and
// while a limit is being lowered.
func TestNoAmountExceedsTheLimit(t *testing.T) {
	const limit = 64 << 20
	stat := ""
	for key := range strings.FieldsSeq("anon file shmem file_mapped file_dirty file_writeback active_anon inactive_anon active_file inactive_file unevictable kernel_stack pagetables percpu slab_reclaimable slab_unreclaimable swapcached anon_thp file_thp shmem_thp zswap zswapped") {
		stat += key + " 1073741824\n"
	}
	names := "MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Active(anon) Inactive(anon) Active(file) Inactive(file) Unevictable Mlocked SwapTotal SwapFree Zswap Zswapped Dirty Writeback AnonPages Mapped Shmem KReclaimable Slab SReclaimable SUnreclaim KernelStack PageTables Percpu AnonHugePages ShmemHugePages FileHugePages Committed_AS HugePages_Total"
	host := ""
	for name := range strings.FieldsSeq(names) {
		host += name + ":  8388608 kB\n"
	}
	v := viewOf(t, v2(map[string]string{
		"proc/meminfo": host, "sys/fs/cgroup/a/b/memory.max": strconv.Itoa(limit) + "\n", "sys/fs/cgroup/a/b/memory.swap.max": "0\n",
		"sys/fs/cgroup/a/b/memory.stat": stat, "sys/fs/cgroup/a/b/memory.current": "1073741824\n",
	}))
	lines := strings.Split(strings.TrimSpace(string(v.appendMemInfo(nil))), "\n")
	require.Len(t, lines, len(strings.Fields(names)))
	for _, line := range lines {
		kB, err := strconv.Atoi(strings.Fields(line)[1])
		require.NoError(t, err)
		require.LessOrEqual(t, kB, limit>>10, line)
	}
}

func TestRenderingDoesNotAllocate(t *testing.T) {
	v := viewOf(t, busy())
	buf := make([]byte, 0, 1<<16)
	for _, file := range ViewFiles() {
		require.Zero(t, testing.AllocsPerRun(20, func() {
			if _, ok := v.Append(buf, file); !ok {
				panic(file)
			}
		}), file)
	}
}

func TestSamplesOfV1(t *testing.T) {
	fsys := v2(map[string]string{
		"proc/self/cgroup":    "1:cpu,cpuacct,memory,blkio:/x\n",
		"proc/self/mountinfo": "2 1 0:2 / /c rw - cgroup cgroup rw,cpu,cpuacct,memory,blkio\n",
		"c/x/cpu.stat":        "nr_periods 5\nnr_throttled 2\nthrottled_time 1000000\n",
		"c/x/cpuacct.usage":   "4000000000\n", "c/x/cpuacct.usage_all": "cpu user system\n0 1000000000 500000000\n2 500000000 0\n",
		"c/x/memory.usage_in_bytes": "8192\n", "c/x/memory.memsw.usage_in_bytes": "12288\n",
		"c/x/memory.stat":                               "cache 9\ntotal_cache 1\ntotal_rss 2\ntotal_rss_huge 3\ntotal_mapped_file 4\ntotal_dirty 5\ntotal_writeback 6\ntotal_inactive_file 7\n",
		"c/x/memory.oom_control":                        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
		"c/x/blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Discard 1024\nTotal 1\n",
		"c/x/blkio.throttle.io_serviced_recursive":      "8:0 Read 1\n8:0 Write 2\n8:0 Discard 3\nTotal 6\n",
	})
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	var s Sample
	require.NoError(t, g.Sample(&s))
	require.NoError(t, g.Sample(&s), "the same memory again")
	require.Equal(t, Sample{
		At: 15 * time.Second, Started: 5 * time.Second, Usage: 4 * time.Second, User: 1500 * time.Millisecond, System: 500 * time.Millisecond,
		perCPU: []cpuUse{{time.Second, 500 * time.Millisecond}, {}, {500 * time.Millisecond, 0}}, Periods: 5, Throttled: 2, ThrottledTime: time.Millisecond,
		Memory: 8192, Swap: 4096, OOMKills: 1, Stat: MemoryStat{File: 1, Anon: 2, AnonHuge: 3, Mapped: 4, Dirty: 5, Writeback: 6, InactiveFile: 7},
		IO: []DeviceIO{{Major: 8, ReadBytes: 4096, WriteBytes: 8192, DiscardBytes: 1024, ReadOps: 1, WriteOps: 2, DiscardOps: 3}},
	}, s)
}

// What kernels write of devices: some with nothing to tell on the line of the next one, and those behind NVMe multipath
// without a number.
func TestSampleOddDevices(t *testing.T) {
	fsys := with(busy(), map[string]string{"sys/fs/cgroup/a/b/io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n" +
		"7:7 7:6 7:5 rbytes=28672 wbytes=0 rios=22 wios=0 dbytes=0 dios=0\n(unknown) rbytes=9 wbytes=9 rios=9 wios=9 dbytes=9 dios=9\n" +
		"259:0 rbytes=7 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n252:0 "})
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	var s Sample
	require.NoError(t, g.Sample(&s))
	require.Equal(t, []DeviceIO{
		{8, 0, 1, 2, 5, 3, 4, 6}, {7, 5, 28672, 0, 0, 22, 0, 0}, {259, 0, 7, 0, 0, 1, 0, 0}, {Major: 252},
	}, s.IO)
}

// What is wrong with one file is said, and the others are read all the same.
func TestSampleErrors(t *testing.T) {
	for file, text := range map[string]string{
		"sys/fs/cgroup/a/b/cpu.stat": "usage_usec many\n", "sys/fs/cgroup/a/b/memory.current": "x\n", "sys/fs/cgroup/a/b/io.stat": "disk 1\n",
		"proc/uptime": "soon\n", "proc/self/stat": "7 (x) S 1\n",
	} {
		fsys := with(busy(), map[string]string{file: text})
		g, err := Locate(fsys, 0)
		require.NoError(t, err)
		var s Sample
		err = g.Sample(&s)
		require.ErrorIs(t, err, ErrMalformed, file)
		require.ErrorContains(t, err, file[strings.LastIndexByte(file, '/')+1:])
		require.Equal(t, uint64(3), s.OOMKills)
	}
	_, err := Group{}.Tasks()
	require.ErrorIs(t, err, ErrNotVisible)
	_, err = Group{}.Init()
	require.ErrorIs(t, err, ErrNotVisible)
	g, err := Locate(v2(nil), 0)
	require.NoError(t, err)
	_, err = g.PIDs()
	require.Error(t, err)
}
