package cgroupview

import (
	"fmt"
	"math"
	"strings"
)

// Runtime is the rule by which a known program counts CPUs, bugs included: its answer is what the program does, not
// what is right. The empty Runtime is Ceil.
type Runtime string

// The rules. Floor and Ceil are the right ones: the tightest quota of all levels, and never more than the CPUs the
// process can run on.
const (
	Floor        Runtime = "floor"        // whole CPUs that are always there, at least 1
	Ceil         Runtime = "ceil"         // enough to use the quota up
	GoRuntime    Runtime = "go"           // Go 1.25 and later: max(2, ceil) of its own cgroup alone
	Automaxprocs Runtime = "automaxprocs" // max(1, floor) of its own cgroup alone, and not capped
	JVM          Runtime = "jvm"          // JDK 24 and later, 21.0.9 and later: ceil over all levels it sees, in a cgroup namespace but the top
	JVMLeaf      Runtime = "jvm-leaf"     // JDK 19 to 23, 18.0.2, 17.0.5, 11.0.17 and their updates: ceil of its own cgroup alone, in 32-bit floats
	JVMShares    Runtime = "jvm-shares"   // older JDKs, and 8u: as JVMLeaf, and shares where there is no quota
	Libuv        Runtime = "libuv"        // libuv 1.51 and later, in Node.js 22.17 and 24.2: floor of the topmost quota, v2 alone
	Rust         Runtime = "rust"         // std::thread::available_parallelism: floor over all levels it sees
	DotNet       Runtime = "dotnet"       // ceil of its own cgroup alone
	LXCFS        Runtime = "lxcfs"        // LXCFS 7: ceil over all levels, of the cpuset
)

// runtimes lists the rules, in the order of [Limits.Predict].
func runtimes() []Runtime {
	return []Runtime{Floor, Ceil, GoRuntime, Automaxprocs, JVM, JVMLeaf, JVMShares, Libuv, Rust, DotNet, LXCFS}
}

// rule is the part that a quota decides, and its name.
func (p Runtime) rule() (rule, string) {
	switch p {
	case Floor:
		return rule{round: floor}, "floor"
	case GoRuntime:
		return rule{alone: true, scope: leaf, least: 2}, "ceil, at least 2, own cgroup alone"
	case Automaxprocs:
		return rule{alone: true, scope: leaf, round: floor, wide: true}, "floor, own cgroup alone"
	case JVM:
		return rule{alone: true, scope: jvmLevels}, "ceil"
	case JVMLeaf, JVMShares:
		return rule{alone: true, scope: leaf, round: ceilFloat32}, "ceil, own cgroup alone"
	case Libuv:
		return rule{alone: true, scope: topmost, round: floor, v2: true}, "floor, topmost, v2 alone"
	case Rust:
		return rule{alone: true, round: floor}, "floor"
	case DotNet:
		return rule{alone: true, scope: leaf, round: ceilDotNet}, "ceil, own cgroup alone"
	}
	return rule{}, "ceil"
}

func (p Runtime) count(l *Limits) Count {
	c, name := p.rule()
	n, s, ratio := c.number(l)
	switch {
	case p == Automaxprocs && s == nil:
		out := GoRuntime.count(l)
		out.Because, out.Undecided = out.Because+" in its own cgroup; left to Go", true
		return out
	case p == JVMShares && s == nil:
		if out, ok := countShares(l); ok {
			return out
		}
	}
	if p == GoRuntime {
		n = min(n, l.parallelism())
	}
	return Count{N: n, Exact: ratio, Because: because(l, n, s, ratio, name, c.wide)}
}

// countShares is what these JDKs make of a request, JDK-8281181: 1024 shares are a CPU, but exactly 1024 are "not set". Of v2
// they take the weight back to shares by the linear formula, round to a multiple of 1024 but 0, and see 100 as "not
// set".
func countShares(l *Limits) (Count, bool) {
	shares, text := l.Shares, fmt.Sprintf("cpu.shares = %d", l.Shares)
	if l.Weight > 0 {
		shares, text = jdkShares(l.Weight), fmt.Sprintf("cpu.weight = %d", l.Weight)
	}
	if shares == 0 || shares == 1024 && l.Weight == 0 {
		return Count{}, false
	}
	n := min(ceil(shares, 1024), l.parallelism())
	return Count{N: n, Because: fmt.Sprintf("%d: %s, counted as CPUs", n, text)}, true
}

func jdkShares(weight uint64) uint64 {
	if weight == 100 {
		return 0
	}
	x := (262142*min(weight, 10000)-1)/9999 + 2
	return max(1024, (x+511)/1024*1024)
}

// ceilFloat32 divides 32-bit floats as these JDKs do: quotas just above a whole number round down.
func ceilFloat32(quota, period uint64) int {
	return clampInt(uint64(math.Ceil(float64(float32(quota) / float32(period)))))
}

func ceilDotNet(quota, period uint64) int {
	if quota <= period {
		return 1
	}
	return clampInt(uint64(float64(quota)/float64(period) + 0.999999999))
}

// Prediction is what a program will choose in a container.
type Prediction struct {
	Runtime Runtime
	CPUs    Count
	Wrong   bool   // more CPUs than the container can use, or a quota that goes unseen
	Blind   string // what of the CPUs it does not see here; empty if nothing
	Heap    Heap
}

// Predict returns what each program will choose here, beside Floor and Ceil, and what it fails to see. Of a process in
// another cgroup namespace than the caller's, say so first, with [Mounts.SeenBy]: its programs see less than the caller.
// A program is taken to find its cgroup; that some do not, where mounts are bound or covered, is not predicted.
func (l Limits) Predict() []Prediction {
	all := runtimes()
	out := make([]Prediction, 0, len(all))
	most := Ceil.count(&l).N
	for _, p := range all {
		out = append(out, l.predict(p, most))
	}
	return out
}

func (l *Limits) predict(p Runtime, most int) Prediction {
	out := Prediction{Runtime: p, CPUs: p.count(l), Heap: p.heap(l)}
	c, _ := p.rule()
	tight, _ := l.quotaOf(rule{})
	seen, _ := l.quotaOf(c)
	var blind []string
	switch {
	case tight == nil:
	case c.v2 && strings.HasSuffix(tight.Path, "cpu.cfs_quota_us"):
		blind = append(blind, "does not read v1: "+tight.Path)
	case seen != tight && (c.scope != jvmLevels || out.CPUs.N != most): // a JVM stops where more makes no fewer CPUs
		blind = append(blind, "does not see "+tight.Path+" = "+Ratio{tight.value, tight.period}.String())
	}
	if out.CPUs.N > l.parallelism() {
		blind = append(blind, fmt.Sprintf("does not see that only %d CPUs are there", l.parallelism()))
	}
	if out.CPUs.N > most && len(blind) == 0 {
		blind = append(blind, fmt.Sprintf("takes at least %d", out.CPUs.N))
	}
	if p == JVMShares && out.CPUs.N < most && tight == nil {
		blind = append(blind, "takes a request for a limit")
	}
	out.Blind, out.Wrong = strings.Join(blind, "; "), out.CPUs.N > most || len(blind) > 0
	return out
}

// Advice returns settings that make programs do the right thing where they would not by themselves, as NAME=value
// lines for a container's environment: GOMAXPROCS, NUM_CPUS, JAVA_TOOL_OPTIONS, UV_THREADPOOL_SIZE and, with a memory
// limit, GOMEMLIMIT at nine tenths of [Limits.Soft]; where their heaps would be [Heap.Wrong], also Java's MaxRAM and
// NODE_OPTIONS. They go stale when a container is resized in place; [Set] does not. There is no advice on CPUs while the
// quota is not visible or unreadable: what can be seen may be the node's number.
func (l Limits) Advice() []string {
	var out, java []string
	soft := l.Soft()
	if l.Quota.known() {
		n := Ceil.count(&l).N
		out = append(out, fmt.Sprintf("GOMAXPROCS=%d", n), fmt.Sprintf("NUM_CPUS=%d", n))
		java = append(java, fmt.Sprintf("-XX:ActiveProcessorCount=%d", n))
	}
	if soft.State == Limited && JVMLeaf.heap(&l).Wrong {
		java = append(java, fmt.Sprintf("-XX:MaxRAM=%d", soft.Bytes))
	}
	if len(java) > 0 {
		out = append(out, "JAVA_TOOL_OPTIONS="+strings.Join(java, " "))
	}
	if l.Quota.known() {
		out = append(out, fmt.Sprintf("UV_THREADPOOL_SIZE=%d", max(Ceil.count(&l).N, 4))) // its default, for blocking calls, not for computing
	}
	if soft.State == Limited {
		out = append(out, fmt.Sprintf("GOMEMLIMIT=%d", goMemLimit(soft.Bytes, defaultHeadroom)))
		if Libuv.heap(&l).Wrong {
			out = append(out, fmt.Sprintf("NODE_OPTIONS=--max-old-space-size=%d", max(soft.Bytes/mib*3/4, 1)))
		}
	}
	return out
}
