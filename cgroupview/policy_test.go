package cgroupview

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Rows that programs gave on a machine with 4 CPUs, from quotas in their own cgroup.
func TestRounding(t *testing.T) {
	for _, c := range []struct {
		cpuMax, cpus                string
		goes, automaxprocs, jdk, uv int
	}{
		{"250000 100000", "0-3", 3, 2, 3, 2},
		{"50000 100000", "0-3", 2, 1, 1, 1},
		{"1000000 100000", "0-3", 4, 10, 4, 4},
		{"200001 100000", "0-3", 3, 2, 3, 2},
		{"299999 100000", "0-3", 3, 2, 3, 2},
		{"100000 100000", "0-3", 2, 1, 1, 1},
		{"150000 100000", "1,3", 2, 1, 2, 1},
		{"150000 100000", "2", 1, 1, 1, 1},
		{"max 100000", "1-2", 2, 2, 2, 2},
	} {
		l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": c.cpuMax + "\n", "sys/fs/cgroup/a/b/cpuset.cpus.effective": c.cpus + "\n"}))
		for p, want := range map[Runtime]int{GoRuntime: c.goes, Automaxprocs: c.automaxprocs, JVMLeaf: c.jdk, JVM: c.jdk, Libuv: c.uv, LXCFS: c.jdk, Rust: c.uv} {
			require.Equal(t, want, l.Count(p).N, "%s of %v: %s", p, c, l.Count(p).Because)
		}
	}
}

// 32-bit floats: JDKs before 24 do not see one µs in 167772 CPUs; .NET rounds up after the ninth digit.
func TestOddRounding(t *testing.T) {
	require.Equal(t, 16777216, ceilFloat32(16777217, 1))
	require.Equal(t, 1, ceilDotNet(99, 100))
	require.Equal(t, 2, ceilDotNet(101, 100))
	require.Equal(t, 1<<30, ceil(1<<62, 1))
}

func TestScopes(t *testing.T) {
	l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/cpu.max": "500000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "300000 100000\n"}))
	require.Equal(t, 3, l.Count(Custom{}).N)
	require.Equal(t, 3, l.Count(JVMLeaf).N, "its own")
	require.Equal(t, 5, l.Count(Libuv).N, "the topmost one")
	require.Equal(t, 6, l.Count(Custom{Min: 6}).N)
	c := l.Count(Custom{Name: "double", Round: func(q, p uint64) int { return int(2 * q / p) }})
	require.Equal(t, "6: /sys/fs/cgroup/a/b/cpu.max = 300000 100000, double", c.Because)
	require.Equal(t, Ratio{300000, 100000}, c.Exact)
	l = limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": "1000000 100000\n"}))
	require.Equal(t, 10, l.Count(Automaxprocs).N)
	require.Equal(t, "8: /sys/devices/system/cpu/online = 0-7, less than /sys/fs/cgroup/a/b/cpu.max = 1000000 100000, ceil", l.Count(Ceil).Because)
}

func TestSharesAsCPUs(t *testing.T) {
	for weight, want := range map[string]int{"100": 8, "39": 1, "79": 2, "157": 4, "1": 1, "10000": 8} {
		l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.weight": weight + "\n"}))
		require.Equal(t, want, l.Count(JVMShares).N, "weight %s: %s", weight, l.Count(JVMShares).Because)
	}
	l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.weight": "79\n"}))
	for _, p := range l.Predict() {
		if p.Runtime == JVMShares {
			require.Equal(t, "takes a request for a limit", p.Blind)
		}
	}
	l.Weight, l.Shares = 0, 3000
	require.Equal(t, "3: cpu.shares = 3000, counted as CPUs", l.Count(JVMShares).Because)
	l.Shares = 1024
	require.Equal(t, 8, l.Count(JVMShares).N)
}

func TestPredictAndAdvice(t *testing.T) {
	l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n", "sys/fs/cgroup/a/b/memory.max": "1000000000\n"}))
	var b strings.Builder
	for _, p := range l.Predict() {
		fmt.Fprintf(&b, "%s %d %t %s\n", p.Runtime, p.CPUs.N, p.Wrong, p.Blind)
	}
	require.Equal(t, `floor 1 false 
ceil 1 false 
go 2 true takes at least 2
automaxprocs 1 false 
jvm 1 false 
jvm-leaf 1 false 
jvm-shares 1 false 
libuv 1 false 
rust 1 false 
dotnet 1 false 
lxcfs 1 false 
`, b.String())
	require.Equal(t, []string{
		"GOMAXPROCS=1", "NUM_CPUS=1", "JAVA_TOOL_OPTIONS=-XX:ActiveProcessorCount=1", "UV_THREADPOOL_SIZE=4", "GOMEMLIMIT=900000000",
	}, l.Advice())
	wide := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": "1000000 100000\n"}))
	require.Contains(t, fmt.Sprint(wide.Predict()), "does not see that only 8 CPUs are there")
	require.Len(t, wide.Advice(), 4)
}

// A quota that cannot be seen or read is not one that is not there: no reason says so, and nobody is advised to use the
// node's number.
func TestUnknownQuotaIsNotNone(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"the quota is not visible": {"proc/self/mountinfo": "2 1 0:2 /other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
		"the quota is unreadable":  {"sys/fs/cgroup/a/b/cpu.max": "?\n"},
	} {
		l := limitsOf(t, v2(files))
		for _, p := range l.Predict() {
			require.Contains(t, p.CPUs.Because, want, p.Runtime)
			require.NotContains(t, p.CPUs.Because, "no quota", p.Runtime)
		}
		require.Empty(t, l.Advice())
	}
	l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/cpu.max": "?\n", "sys/fs/cgroup/a/b/memory.high": "100000000\n"}))
	require.Equal(t, "JAVA_TOOL_OPTIONS=-XX:MaxRAM=100000000", l.Advice()[0], "what is known is advised")
}

// Values that Kubernetes and runtimes publish: milli-CPUs, shares, old and new weight.
func TestWeights(t *testing.T) {
	for _, c := range [][4]uint64{{100, 102, 4, 17}, {250, 256, 10, 35}, {500, 512, 20, 59}, {1000, 1024, 39, 100}, {2000, 2048, 79, 174}, {4000, 4096, 157, 303}, {16000, 16384, 625, 942}} {
		linear, quadratic := WeightFromShares(c[1])
		require.Equal(t, []uint64{c[2], c[3]}, []uint64{linear, quadratic}, c)
	}
	require.Equal(t, []uint64{0, 1, 1, 10000, 10000}, []uint64{weightQuadratic(0), weightQuadratic(1), weightQuadratic(2), weightQuadratic(262144), weightQuadratic(1 << 40)})
	require.Zero(t, weightLinear(0))
	for weight := uint64(1); weight <= 10000; weight++ {
		linear, quadratic := SharesFromWeight(weight)
		require.Equal(t, weight, weightLinear(linear), "linear %d", linear)
		if w := weightQuadratic(quadratic); weight > 1 && w != weight { // the steps of the formula leave some weights out
			require.Greater(t, w, weight-1)
		}
	}
	linear, quadratic := SharesFromWeight(0)
	require.Zero(t, linear+quadratic)
}

func TestCPUs(t *testing.T) {
	for text, want := range map[string]string{"": "", "\n": "", "0": "0", "0-3,7\n": "0-3,7", "7,0-2,3": "0-3,7", "63-65": "63-65"} {
		s, err := ParseCPUs(text)
		require.NoError(t, err)
		require.Equal(t, want, s.String())
	}
	for _, text := range []string{"a", "1-", "-1", "3-1", "1,,2", "65536", "1-99999999999999999999999"} {
		s, err := ParseCPUs(text)
		require.ErrorIs(t, err, ErrMalformed, text)
		require.Equal(t, CPUs{}, s)
	}
	long, err := ParseCPUs(strings.Repeat("0-65535,", 1<<14)) // of 16 MiB, bit by bit would take minutes
	require.NoError(t, err)
	require.Equal(t, "0-65535", long.String())
	for _, text := range []string{"0", "63", "64", "63-64", "5-190", "64-127", "0-63", "1-62,65-126,128"} {
		s, err := ParseCPUs(text)
		require.NoError(t, err)
		require.Equal(t, text, s.String())
	}
	a, err := ParseCPUs("0-70")
	require.NoError(t, err)
	b, err := ParseCPUs("1,3")
	require.NoError(t, err)
	require.False(t, a.Equal(b))
	require.False(t, a.Contains(-1))
	require.Equal(t, 71, a.Len())
	a.keep(b)
	require.True(t, a.Equal(b))
	require.True(t, b.Equal(a))
}
