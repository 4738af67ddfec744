package cgroupview

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// What JDK 17 (-XX:+PrintFlagsFinal, MaxHeapSize with one CPU) and Node.js 20 (heap_size_limit of
// v8.getHeapStatistics(), less the young generation) said in cgroups with these limits, on a machine of 24682416 kB.
func TestHeapsAreThoseThatProgramsSaid(t *testing.T) {
	for _, c := range []struct{ limit, java, node, young uint64 }{
		{67108864, 33554432, 271581184, 3},
		{134217728, 67108864, 271581184, 3},
		{268435456, 132120576, 271581184, 3},
		{400000000, 132120576, 271581184, 3},
		{536870912, 134217728, 271581184, 3},
		{1073741824, 268435456, 549453824, 12},
		{1879048191, 469762048, 964689920, 24},
		{2147483648, 536870912, 1098907648, 24},
		{4294967296, 1073741824, 2197815296, 48},
		{8589934592, 2147483648, 2197815296, 48},
		{17179869184, 4294967296, 4345298944, 48},
		{0, 6318718976, 4345298944, 48},
	} {
		text := "max"
		if c.limit > 0 {
			text = fmt.Sprint(c.limit)
		}
		l := limitsOf(t, v2(map[string]string{"sys/fs/cgroup/a/b/memory.max": text + "\n", "proc/meminfo": "MemTotal: 24682416 kB\n"}))
		for _, p := range []Runtime{JVM, JVMLeaf, JVMShares} {
			require.Equal(t, c.java, p.heap(&l).Bytes, "%s: %s", p, p.heap(&l).Because)
			require.False(t, p.heap(&l).Wrong)
		}
		require.Equal(t, c.node-c.young*mib, Libuv.heap(&l).Bytes, Libuv.heap(&l).Because)
		require.Equal(t, c.limit > 0 && c.limit < 256*mib, Libuv.heap(&l).Wrong)
		require.Equal(t, c.limit/4*3, DotNet.heap(&l).Bytes)
		require.Zero(t, GoRuntime.heap(&l).Bytes)
		require.Equal(t, c.limit > 0, GoRuntime.heap(&l).Wrong)
		for _, p := range []Runtime{Floor, Ceil, Automaxprocs, Rust, LXCFS} {
			require.Equal(t, Heap{}, p.heap(&l))
		}
	}
}

// What a runtime does not look at is said: ancestors, memory.high, the limit itself.
func TestHeapsBlindSpots(t *testing.T) {
	const own, above = "/sys/fs/cgroup/a/b/memory.", "/sys/fs/cgroup/a/memory."
	v1 := map[string]string{
		"proc/self/cgroup": "4:memory:/x/y\n", "proc/self/mountinfo": "2 1 0:2 / /m rw - cgroup cgroup rw,memory\n",
		"m/x/y/memory.limit_in_bytes": "9223372036854771712\n", "m/x/memory.limit_in_bytes": "268435456\n",
		"m/x/y/memory.stat": "hierarchical_memory_limit 268435456\nhierarchical_memsw_limit 9223372036854771712\n",
	}
	for _, c := range []struct {
		files map[string]string
		want  map[Runtime]string
	}{
		{map[string]string{above[1:] + "max": "268435456\n"}, map[Runtime]string{
			JVM: "", DotNet: "", JVMLeaf: "does not see " + above + "max = 268435456", Libuv: "does not see " + above + "max = 268435456",
			GoRuntime: "does not see " + above + "max = 268435456: wants GOMEMLIMIT",
		}},
		{v1, map[Runtime]string{JVM: "", JVMLeaf: "", JVMShares: "", DotNet: "", Libuv: "does not see /m/x/memory.limit_in_bytes = 268435456"}},
		{merged(v1, map[string]string{"m/x/y/memory.limit_in_bytes": "1073741824\n"}), map[Runtime]string{
			JVM: "", JVMLeaf: "does not see /m/x/memory.limit_in_bytes = 268435456", Libuv: "does not see /m/x/memory.limit_in_bytes = 268435456",
		}},
		{map[string]string{own[1:] + "max": "134217728\n"}, map[Runtime]string{JVMLeaf: "", Libuv: "is killed at " + own + "max = 134217728"}},
		{map[string]string{own[1:] + "high": "104857600\n", own[1:] + "max": "4194304000\n"}, map[Runtime]string{
			JVM: "is slowed down from " + own + "high = 104857600", Libuv: "is slowed down from " + own + "high = 104857600",
			GoRuntime: "does not see " + own + "high = 104857600: wants GOMEMLIMIT",
		}},
		{map[string]string{own[1:] + "high": "1073741824\n"}, map[Runtime]string{Libuv: "", DotNet: ""}},
	} {
		l := limitsOf(t, v2(c.files))
		for p, want := range c.want {
			h := p.heap(&l)
			require.Equal(t, want, h.Blind, "%s %v", p, c.files)
			require.Equal(t, want != "", h.Wrong)
		}
	}
	l := limitsOf(t, v2(map[string]string{"proc/meminfo": "x\n"}))
	require.Equal(t, Heap{Because: "nothing is known of the machine's memory"}, JVM.heap(&l))
	l = limitsOf(t, v2(map[string]string{above[1:] + "max": "104857600\n"}))
	require.Equal(t, []string{"JAVA_TOOL_OPTIONS=-XX:ActiveProcessorCount=8 -XX:MaxRAM=104857600", "NODE_OPTIONS=--max-old-space-size=75"},
		[]string{l.Advice()[2], l.Advice()[5]})
	heap, _ := heapOfDotNet(4096)
	require.Equal(t, uint64(20*mib), heap)
	heap, _ = heapOfJVM(1 << 40)
	require.Equal(t, uint64(32<<30), heap)
}
