package cgroupview

import (
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Law: a named policy's answer is what the program of that name said on the captured hosts.
func TestPoliciesAgreeWithWhatProgramsSaid(t *testing.T) {
	for _, h := range hosts(t) {
		t.Run(h.name, func(t *testing.T) {
			l := limitsOf(t, h.fsys)
			require.Equal(t, h.answers["go"], strconv.Itoa(l.Count(GoRuntime).N), l.Count(GoRuntime).Because)
			c := l.Count(Automaxprocs)
			require.Equal(t, h.answers["automaxprocs"], strconv.Itoa(c.N), c.Because)
			require.Equal(t, h.answers["automaxprocs-undefined"] == "True", c.Undecided, c.Because)
			if jdk := h.answers["jdk"]; jdk != "0" {
				require.Equal(t, jdk, strconv.Itoa(l.Count(JVMLeaf).N), l.Count(JVMLeaf).Because)
			}
			memory := uint64(0)
			if l.Memory.State == Limited {
				memory = l.Memory.Bytes
			}
			require.Equal(t, h.answers["automemlimit"], strconv.FormatUint(memory, 10))
		})
	}
}

// What was set on the captured hosts, from their README, is what is found, nested limits included.
func TestLimitsOfCapturedHosts(t *testing.T) {
	want := map[string]struct {
		quota  Ratio
		cpus   string
		memory uint64
		level  int
	}{
		"01-nolimit":                 {Ratio{}, "0-3", 0, 0},
		"02-quota2.5-mem256":         {Ratio{250000, 100000}, "0-3", 256 << 20, 0},
		"04-nested-parent1.5-mem192": {Ratio{150000, 100000}, "0-3", 192 << 20, 1},
		"06-cpuset1,3-quota1.5":      {Ratio{150000, 100000}, "1,3", 0, 0},
		"09-memhigh200":              {Ratio{}, "0-3", 256 << 20, 0},
		"11-cpu3-offline":            {Ratio{}, "0-2", 256 << 20, 0},
		"12-path-with-space":         {Ratio{300000, 100000}, "0-3", 128 << 20, 0},
	}
	for _, h := range hosts(t) {
		t.Run(h.name, func(t *testing.T) {
			_, name, _ := strings.Cut(h.name, "-")
			w, ok := want[name]
			require.True(t, ok)
			l := limitsOf(t, h.fsys)
			require.Equal(t, w.quota, l.Quota.Ratio)
			require.Equal(t, w.quota.Period > 0, l.Quota.State == Limited)
			require.Equal(t, w.cpus, l.CPUs.String())
			if w.memory == 0 {
				require.Equal(t, Unlimited, l.Memory.State)
			} else {
				require.Equal(t, Amount{Limited, w.memory, l.Memory.Path, l.Memory.Level}, l.Memory)
			}
			if w.quota.Period > 0 {
				require.Equal(t, w.level, l.Quota.Level)
			}
			require.Equal(t, uint64(2025536)<<10, l.MemTotal)
		})
	}
}

func TestSwapHighAndWeight(t *testing.T) {
	for _, h := range hosts(t) {
		l := limitsOf(t, h.fsys)
		switch {
		case strings.HasSuffix(h.name, "09-memhigh200"):
			require.Equal(t, uint64(200<<20), l.High.Bytes)
			require.Equal(t, l.High, l.Soft())
			require.Equal(t, uint64(128<<20), l.Swap.Bytes)
			require.Equal(t, uint64(20), l.Weight)
		case strings.HasSuffix(h.name, "11-cpu3-offline"):
			require.Equal(t, Limited, l.Swap.State)
			require.Equal(t, uint64(128<<20), l.Swap.Bytes, "of v1 memory and swap are one number, 384 MiB")
			require.Equal(t, strings.HasPrefix(h.name, "v2"), l.Weight == 20)
			require.Equal(t, !strings.HasPrefix(h.name, "v2"), l.Shares == 512)
		}
	}
}

// A quota that only an ancestor has is found, and so is the reason why others do not.
func TestNestedQuotaIsExplained(t *testing.T) {
	for _, h := range hosts(t) {
		if !strings.Contains(h.name, "nested") {
			continue
		}
		l := limitsOf(t, h.fsys)
		require.Equal(t, 2, l.Count(Ceil).N)
		require.Equal(t, 1, l.Count(Floor).N)
		require.Regexp(t, `^2: /sys/fs/cgroup/(cpu,cpuacct/)?a/cpu\.(max|cfs_quota_us) = 150000 100000, ceil$`, l.Count(Ceil).Because)
		for _, p := range l.Predict() {
			switch p.Runtime {
			case GoRuntime, Automaxprocs, JVMLeaf, DotNet:
				require.True(t, p.Wrong)
				require.Equal(t, 4, p.CPUs.N)
				require.Contains(t, p.Blind, "does not see /sys/fs/cgroup/")
			case Rust, JVM, LXCFS, Ceil, Floor:
				require.False(t, p.Wrong, p.Runtime)
				require.Empty(t, p.Blind)
			}
		}
	}
}

// Law: a view never shows more than the limit, and shows what LXCFS shows where LXCFS is right.
func TestViewsOfCapturedHosts(t *testing.T) {
	for _, h := range hosts(t) {
		t.Run(h.name, func(t *testing.T) {
			v := viewOf(t, h.fsys)
			mem := meminfo(t, string(v.appendMemInfo(nil)))
			require.Equal(t, h.answers["lxcfs-memtotal-kb"], strconv.FormatUint(mem["MemTotal"], 10))
			for _, key := range []string{"MemFree", "MemAvailable", "Cached", "Active", "Inactive", "Slab", "AnonPages", "KernelStack"} {
				require.LessOrEqual(t, mem[key], mem["MemTotal"], key)
			}
			for _, line := range []string{"MemTotal", "MemFree", "Hugepagesize", "HugePages_Total"} {
				require.Contains(t, mem, line)
			}
			theirs := meminfo(t, string(h.fsys["lxcfs/proc/meminfo"].Data))
			require.Len(t, mem, len(theirs))
			n := l(v).visible()
			if want := h.answers["lxcfs-count"]; !knownWrong(h.name) {
				require.Equal(t, want, strconv.Itoa(n))
				require.Equal(t, string(h.fsys["lxcfs/proc/cpuinfo"].Data), string(v.appendCPUInfo(nil)))
			}
			require.Equal(t, n, strings.Count(string(v.appendCPUInfo(nil)), "processor\t:"))
			require.Equal(t, n+1, strings.Count(string(v.appendStat(nil)), "cpu"))
		})
	}
}

func l(v *View) *Limits { return v.Limits }

// knownWrong lists where LXCFS 5.0.3 shows more than there is: it looks at the process's own cgroup alone (6.0.0 does
// not), and looked quotas up by the path of the cpuset (fixed in 6.0.0).
func knownWrong(name string) bool {
	return strings.Contains(name, "nested") || strings.Contains(name, "12-path") && !strings.HasPrefix(name, "v2")
}

func viewOf(t testing.TB, fsys fs.FS) *View {
	t.Helper()
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	l, err := g.Limits()
	require.NoError(t, err)
	var s Sample
	require.NoError(t, g.Sample(&s))
	var h Host
	require.NoError(t, h.Read(fsys))
	var times CPUTimes
	times.Advance(&l, &s)
	return &View{Host: &h, Limits: &l, Sample: &s, CPU: &times}
}

// meminfo reads "Key: number kB" lines, and refuses anything else.
func meminfo(t testing.TB, text string) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		require.GreaterOrEqual(t, len(fields), 2, line)
		n, err := strconv.ParseUint(fields[1], 10, 64)
		require.NoError(t, err)
		out[strings.TrimSuffix(fields[0], ":")] = n
	}
	return out
}
