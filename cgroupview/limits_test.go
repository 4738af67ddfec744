package cgroupview

import (
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// Law: unlimited, not visible and unreadable are three answers.
func TestThreeAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		files         map[string]string
		quota, memory State
	}{
		"unlimited":                     {nil, Unlimited, Unlimited},
		"limited in the group":          {map[string]string{"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n", "sys/fs/cgroup/a/b/memory.max": "4096\n"}, Limited, Limited},
		"limited above":                 {map[string]string{"sys/fs/cgroup/a/cpu.max": "50000 100000\n", "sys/fs/cgroup/a/memory.max": "4096\n"}, Limited, Limited},
		"malformed":                     {map[string]string{"sys/fs/cgroup/a/b/cpu.max": "lots\n", "sys/fs/cgroup/a/memory.max": "12 kB\n"}, Unreadable, Unreadable},
		"malformed below a limit":       {map[string]string{"sys/fs/cgroup/a/b/cpu.max": "lots\n", "sys/fs/cgroup/a/cpu.max": "1000 100000\n"}, Limited, Unlimited},
		"one field":                     {map[string]string{"sys/fs/cgroup/a/b/cpu.max": "50000\n"}, Limited, Unlimited},
		"three fields":                  {map[string]string{"sys/fs/cgroup/a/b/cpu.max": "50000 100000 1\n"}, Unreadable, Unlimited},
		"no period":                     {map[string]string{"sys/fs/cgroup/a/b/cpu.max": "50000 0\n"}, Unreadable, Unlimited},
		"the directory is not there":    {map[string]string{"proc/self/cgroup": "0::/gone\n"}, NotVisible, NotVisible},
		"mounted above the namespace":   {map[string]string{"proc/self/mountinfo": "2 1 0:2 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"}, NotVisible, NotVisible},
		"the controllers are off":       {map[string]string{"sys/fs/cgroup/a/cpu.max": "", "sys/fs/cgroup/a/b/cpu.max": "", "sys/fs/cgroup/a/memory.max": "", "sys/fs/cgroup/a/b/memory.max": ""}, Unlimited, Unlimited},
		"no controllers in this kernel": {map[string]string{"proc/self/cgroup": "1:pids:/\n"}, Unlimited, Unlimited},
		"as much as the machine has":    {map[string]string{"sys/fs/cgroup/a/b/memory.max": "8589934592\n"}, Unlimited, Unlimited},
	} {
		t.Run(name, func(t *testing.T) {
			l := limitsOf(t, v2(c.files))
			require.Equal(t, c.quota, l.Quota.State, l.Why)
			require.Equal(t, c.memory, l.Memory.State, l.Why)
			if c.quota == NotVisible || c.quota == Unreadable {
				require.NotEmpty(t, l.problems(CPU)+l.problems(Memory))
			}
		})
	}
	g, err := Locate(v2(nil), 0)
	require.NoError(t, err)
	l, err := g.Only(CPU).Limits()
	require.NoError(t, err)
	require.Equal(t, NotVisible, l.Memory.State, "what was not asked for is not unlimited")
}

func TestNothingReadableIsAnError(t *testing.T) {
	fsys := with(nil, map[string]string{"proc/self/cgroup": "0::/x\n", "proc/self/mountinfo": rootMount})
	g, err := Locate(fsys, 0)
	require.NoError(t, err)
	_, err = g.Limits()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "no limit can be read")
	_, err = g.Open()
	require.Error(t, err)
	_, err = g.Only().Limits()
	require.ErrorIs(t, err, ErrNotVisible)
}

// The steps say what was looked at, what it said and what counts.
func TestSteps(t *testing.T) {
	l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "250000 100000\n", "sys/fs/cgroup/a/b/memory.max": "oops\n"}))
	var text []string
	for _, s := range l.Why {
		text = append(text, fmt.Sprint(s.Level, " ", s.State, " ", s))
	}
	want := `0 limited /sys/fs/cgroup/a/b/cpu.max = 250000 100000
1 limited /sys/fs/cgroup/a/cpu.max = 150000 100000 (binding)
2 absent /sys/fs/cgroup/cpu.max: absent
0 absent /sys/fs/cgroup/a/b/cpu.max.burst: absent
0 limited /sys/fs/cgroup/a/b/cpu.weight = 100
0 absent /sys/fs/cgroup/a/b/cpu.idle: absent
0 limited /sys/fs/cgroup/a/b/cpuset.cpus.effective = 0-7
0 unreadable /sys/fs/cgroup/a/b/memory.max: malformed: "oops": want a number or "max"
1 unlimited /sys/fs/cgroup/a/memory.max = max
2 absent /sys/fs/cgroup/memory.max: absent
0 unlimited /sys/fs/cgroup/a/b/memory.high = max
1 absent /sys/fs/cgroup/a/memory.high: absent
2 absent /sys/fs/cgroup/memory.high: absent
0 unlimited /sys/fs/cgroup/a/b/memory.swap.max = max
1 absent /sys/fs/cgroup/a/memory.swap.max: absent
2 absent /sys/fs/cgroup/memory.swap.max: absent
0 absent /sys/fs/cgroup/a/b/memory.low: absent
0 absent /sys/fs/cgroup/a/b/memory.min: absent
0 limited /proc/self/status = 0-7
0 limited /sys/devices/system/cpu/online = 0-7
0 limited /proc/meminfo = MemTotal: 8388608 kB, SwapTotal: 1048576 kB`
	require.Empty(t, cmp.Diff(strings.Split(want, "\n"), text))
	require.Equal(t, "/sys/fs/cgroup/a/cpu.max", l.Quota.Path)
	require.Equal(t, "150000 100000", l.Quota.Ratio.String())
	require.Equal(t, "max", Ratio{}.String())
}

// What lies above a namespace or a bind mount is said not to be visible.
func TestWhatLiesAboveIsSaid(t *testing.T) {
	l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/cpu.max": "max 100000\n"}))
	require.Contains(t, l.Why[len(l.Why)-1].String(), "top of a cgroup namespace")
	l = limitsOf(t, v2(map[string]string{"proc/self/mountinfo": "2 1 0:2 /a /sys/fs/cgroup/a rw - cgroup2 cgroup2 rw\n"}))
	require.Equal(t, Unlimited, l.Quota.State)
	require.Contains(t, l.problems(CPU), "hides 1 levels above it")
}

// v1 knows the limits of ancestors that cannot be seen, and counts swap with memory.
func TestMemoryOfV1(t *testing.T) {
	fsys := func(files map[string]string) fstest.MapFS {
		return v2(merged(map[string]string{
			"proc/self/cgroup":          "3:memory:/x/y\n",
			"proc/self/mountinfo":       "2 1 0:2 /x /m rw - cgroup cgroup rw,memory\n",
			"m/y/memory.limit_in_bytes": "9223372036854771712\n", "m/memory.limit_in_bytes": "9223372036854771712\n",
			"m/y/memory.memsw.limit_in_bytes": "9223372036854771712\n",
			"m/y/memory.stat":                 "cache 1\nhierarchical_memory_limit 9223372036854771712\nhierarchical_memsw_limit 9223372036854771712\n",
		}, files))
	}
	l := limitsOf(t, fsys(nil))
	require.Equal(t, Unlimited, l.Memory.State)
	require.Equal(t, Unlimited, l.Swap.State)
	require.Equal(t, Unlimited, l.Quota.State, "no line names cpu: this kernel cannot limit it")
	l = limitsOf(t, fsys(map[string]string{"m/y/memory.stat": "hierarchical_memory_limit 1048576\nhierarchical_memsw_limit 3145728\n"}))
	require.Equal(t, Amount{Limited, 1 << 20, "/m/y/memory.stat", 0}, l.Memory)
	require.Equal(t, uint64(2<<20), l.Swap.Bytes)
	l = limitsOf(t, fsys(map[string]string{
		"m/y/memory.memsw.limit_in_bytes": "4096\n", "m/y/memory.stat": "hierarchical_memory_limit 9223372036854771712\nhierarchical_memsw_limit 4096\n",
	}))
	require.Equal(t, Amount{Limited, 4096, "/m/y/memory.memsw.limit_in_bytes", 0}, l.Swap)
	l = limitsOf(t, fsys(map[string]string{
		"m/y/memory.limit_in_bytes": "8192\n", "m/y/memory.memsw.limit_in_bytes": "4096\n", "m/y/memory.stat": "hierarchical_memory_limit 8192\nhierarchical_memsw_limit 4096\n",
	}))
	require.Zero(t, l.Swap.Bytes, "a race that makes both less than one is no huge number")
	l = limitsOf(t, fsys(map[string]string{"m/y/memory.stat": "cache 1\n", "m/y/memory.limit_in_bytes": "-1\n"}))
	require.Equal(t, Unlimited, l.Memory.State)
}

// memory.stat of v1 says which limit is the lowest: files are read until it is found, and not beyond.
func TestMemoryOfV1ReadsNoMoreThanNeeded(t *testing.T) {
	for _, c := range []struct {
		stat, own, above string
		files            []string // as steps
		binding          string
	}{
		{"9223372036854771712", "9223372036854771712", "9223372036854771712", []string{"memory.stat"}, ""},
		{"4096", "4096", "8192", []string{"memory.stat", "y/memory.limit_in_bytes"}, "/m/y/memory.limit_in_bytes"},
		{"4096", "8192", "4096", []string{"memory.stat", "y/memory.limit_in_bytes", "m/memory.limit_in_bytes"}, "/m/memory.limit_in_bytes"},
		{"2048", "8192", "4096", []string{"memory.stat", "y/memory.limit_in_bytes", "m/memory.limit_in_bytes"}, "/m/y/memory.stat"},
		{"", "8192", "4096", []string{"memory.stat", "y/memory.limit_in_bytes", "m/memory.limit_in_bytes", "memsw", "memsw"}, "/m/memory.limit_in_bytes"},
		{"?", "4096", "8192", []string{"memory.stat", "y/memory.limit_in_bytes", "m/memory.limit_in_bytes", "memsw", "memsw"}, "/m/y/memory.limit_in_bytes"},
	} {
		stat := "hierarchical_memory_limit " + c.stat + "\n"
		if c.stat == "" {
			stat = "" // no such file
		}
		l := limitsOf(t, v2(map[string]string{
			"proc/self/cgroup": "3:memory:/y\n", "proc/self/mountinfo": "2 1 0:2 / /m rw - cgroup cgroup rw,memory\n",
			"m/y/memory.limit_in_bytes": c.own + "\n", "m/memory.limit_in_bytes": c.above + "\n", "m/y/memory.stat": stat,
		}))
		var read []Step
		for _, s := range l.Why {
			if s.Controller == Memory && s.kind != kindMeminfo {
				read = append(read, s)
			}
		}
		require.Len(t, read, len(c.files), "%v", read)
		for i, want := range c.files {
			require.Contains(t, read[i].Path, want)
		}
		require.Equal(t, c.binding, l.Memory.Path)
		require.Equal(t, c.binding == "", l.Memory.State == Unlimited)
	}
}

func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

func TestQuotaOfV1(t *testing.T) {
	fsys := func(quota, period string) fstest.MapFS {
		return v2(map[string]string{
			"proc/self/cgroup": "3:cpu:/x\n", "proc/self/mountinfo": "2 1 0:2 / /c rw - cgroup cgroup rw,cpu\n",
			"c/x/cpu.cfs_quota_us": quota, "c/x/cpu.cfs_period_us": period, "c/x/cpu.shares": "512\n", "c/x/cpu.idle": "1\n", "c/x/cpu.cfs_burst_us": "7\n",
		})
	}
	l := limitsOf(t, fsys("150000\n", "50000\n"))
	require.Equal(t, Ratio{150000, 50000}, l.Quota.Ratio)
	require.InDelta(t, 3.0, l.Quota.Ratio.CPUs(), 0)
	require.Equal(t, uint64(512), l.Shares)
	require.Equal(t, uint64(7), l.Burst)
	require.True(t, l.Idle)
	require.Equal(t, Unlimited, limitsOf(t, fsys("-1\n", "100000\n")).Quota.State)
	require.Equal(t, Unlimited, limitsOf(t, fsys("0\n", "100000\n")).Quota.State)
	require.Equal(t, Unreadable, limitsOf(t, fsys("1000\n", "0\n")).Quota.State)
	require.Equal(t, Unreadable, limitsOf(t, fsys("1000\n", "x\n")).Quota.State)
	require.Equal(t, Unreadable, limitsOf(t, fsys("-2\n", "100000\n")).Quota.State)
}

// CPUs are what affinity, cpuset and online have in common, as far as they are known.
func TestCPUsOfAProcess(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"all":                     {nil, "0-7"},
		"affinity":                {map[string]string{"proc/self/status": "Cpus_allowed_list:\t2-3\n"}, "2-3"},
		"cpuset":                  {map[string]string{"sys/fs/cgroup/a/b/cpuset.cpus.effective": "1,5\n"}, "1,5"},
		"cpuset of an ancestor":   {map[string]string{"sys/fs/cgroup/a/b/cpuset.cpus.effective": "", "sys/fs/cgroup/cpuset.cpus.effective": "4-6\n"}, "4-6"},
		"nearest cpuset alone":    {map[string]string{"sys/fs/cgroup/cpuset.cpus.effective": "0\n"}, "0-7"},
		"offline":                 {map[string]string{"sys/devices/system/cpu/online": "0-2\n"}, "0-2"},
		"nothing in common":       {map[string]string{"sys/fs/cgroup/a/b/cpuset.cpus.effective": "7\n", "proc/self/status": "Cpus_allowed_list:\t1\n"}, "1"},
		"status without the line": {map[string]string{"proc/self/status": "Name:\tx\n"}, "0-7"},
		"malformed online":        {map[string]string{"sys/devices/system/cpu/online": "0-\n"}, "0-7"},
		"nothing known":           {map[string]string{"sys/devices/system/cpu/online": "", "proc/self/status": "", "sys/fs/cgroup/a/b/cpuset.cpus.effective": "", "sys/fs/cgroup/cpuset.cpus.effective": ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := limitsOf(t, v2(c.files))
			require.Equal(t, c.want, l.CPUs.String())
			require.GreaterOrEqual(t, l.Count(Ceil).N, 1)
			require.NotEmpty(t, l.Count(Ceil).Because)
		})
	}
}

// Law: the answer is the minimum over every ancestor that can be seen, on generated hierarchies of both versions,
// against exact rational arithmetic.
func TestGeneratedHierarchies(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	n := 3000
	if testing.Short() {
		n = 300
	}
	for range n {
		version, depth := 1+rnd.IntN(2), 1+rnd.IntN(6)
		files, quota, memory := generate(rnd, version, depth)
		l := limitsOf(t, v2(files))
		if quota == nil {
			require.Equal(t, Unlimited, l.Quota.State, files)
		} else {
			require.Equal(t, Limited, l.Quota.State, files)
			require.Zero(t, quota.Cmp(new(big.Rat).SetFrac64(int64(l.Quota.Ratio.Quota), int64(l.Quota.Ratio.Period))), "%v %v", files, l.Quota)
			require.Contains(t, files[l.Quota.Path[1:]], fmt.Sprint(l.Quota.Ratio.Quota))
			floor := max(1, int(new(big.Int).Quo(quota.Num(), quota.Denom()).Int64()))
			require.Equal(t, min(8, floor), l.Count(Floor).N)
			up := new(big.Int).Quo(new(big.Int).Sub(new(big.Int).Add(quota.Num(), quota.Denom()), big.NewInt(1)), quota.Denom())
			require.Equal(t, min(8, int(up.Int64())), l.Count(Ceil).N)
		}
		if memory == 0 {
			require.Equal(t, Unlimited, l.Memory.State, files)
		} else {
			require.Equal(t, memory, l.Memory.Bytes, files)
		}
		for _, p := range l.Predict() {
			require.GreaterOrEqual(t, p.CPUs.N, 1)
			require.Equal(t, p.Blind != "" || p.CPUs.N > l.Count(Ceil).N, p.Wrong)
		}
	}
}

func generate(rnd *rand.Rand, version, depth int) (files map[string]string, quota *big.Rat, memory uint64) {
	at := strings.TrimSuffix(strings.Repeat("d/", depth), "/")
	files = map[string]string{
		"proc/self/cgroup":    map[int]string{1: "1:cpu:/" + at + "\n2:memory:/" + at + "\n", 2: "0::/" + at + "\n"}[version],
		"proc/self/mountinfo": map[int]string{1: "2 1 0:2 / /c rw - cgroup cgroup rw,cpu\n3 1 0:2 / /m rw - cgroup cgroup rw,memory\n", 2: "2 1 0:2 / /c rw - cgroup2 cgroup2 rw\n"}[version],
	}
	for dir := at; dir != "."; dir = path.Dir(dir) {
		q, p := int64(1000+rnd.IntN(900000)), int64(1000*(1+rnd.IntN(200)))
		m := uint64(4096 * (1 + rnd.IntN(1<<20)))
		limitQ, limitM := rnd.IntN(3) == 0, rnd.IntN(3) == 0
		if limitQ {
			if r := new(big.Rat).SetFrac64(q, p); quota == nil || r.Cmp(quota) < 0 {
				quota = r
			}
		}
		if limitM && (memory == 0 || m < memory) {
			memory = m
		}
		none := func(limited bool, text, unlimited string) string {
			if limited {
				return text + "\n"
			}
			return unlimited + "\n"
		}
		if version == 1 {
			files["c/"+dir+"/cpu.cfs_quota_us"] = none(limitQ, fmt.Sprint(q), "-1")
			files["c/"+dir+"/cpu.cfs_period_us"] = fmt.Sprintln(p)
			files["m/"+dir+"/memory.limit_in_bytes"] = none(limitM, fmt.Sprint(m), "9223372036854771712")
		} else {
			files["c/"+dir+"/cpu.max"] = none(limitQ, fmt.Sprintf("%d %d", q, p), fmt.Sprintf("max %d", p))
			files["c/"+dir+"/memory.max"] = none(limitM, fmt.Sprint(m), "max")
		}
	}
	return files, quota, memory
}
