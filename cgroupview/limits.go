package cgroupview

import "fmt"

// State says what is known of a limit. Code that treats anything but Limited as "no limit" gives a container the
// node; code that stops at NotVisible and Unreadable does not.
type State uint8

// The states.
const (
	NotVisible State = iota // the cgroup or its files cannot be seen from here; the zero value
	Limited                 // there is a limit, and this is the tightest one that can be seen
	Unlimited               // all that can be seen was read, and there is none
	Absent                  // of a [Step]: the file does not exist, as at the root and where a controller is off
	Unreadable              // there is something that could not be read or understood; see the steps
)

// String is the state in lower case.
func (s State) String() string {
	return [...]string{"not visible", "limited", "unlimited", "absent", "unreadable", "?"}[min(s, Unreadable+1)]
}

// Ratio is CPU time per wall time, as integers: 150000 of 100000 µs is a CPU and a half. A zero Period is no quota.
type Ratio struct{ Quota, Period uint64 } // µs

// CPUs is the ratio as a floating-point number, for display and metrics; 0 if there is no quota.
func (r Ratio) CPUs() float64 {
	if r.Period == 0 {
		return 0
	}
	return float64(r.Quota) / float64(r.Period)
}

// String is the ratio as the kernel writes it in cpu.max.
func (r Ratio) String() string {
	if r.Period == 0 {
		return "max"
	}
	return fmt.Sprintf("%d %d", r.Quota, r.Period)
}

// Quota is a limit of CPU time.
type Quota struct {
	State State
	Ratio Ratio
	Path  string // the file that binds, if Limited
	Level int    // how many levels above the group that file is
}

// Amount is a number of bytes.
type Amount struct {
	State State
	Bytes uint64
	Path  string // the file that binds, if Limited
	Level int    // how many levels above the group that file is
}

// Limits is what a cgroup has. Values that come with ancestors are the minimum over the group and every ancestor that
// can be seen.
type Limits struct {
	Quota Quota
	Burst uint64 // µs a period may use beyond the quota, saved up from earlier ones; no part of any count
	Idle  bool   // cpu.idle: runs only when nothing else wants to (SCHED_IDLE)

	// Shares is cpu.shares of v1, Weight cpu.weight of v2; 0 where the other one is. They are the group's own, and mean
	// something only beside its siblings: see [SharesFromWeight].
	Shares, Weight uint64

	// CPUs are those the process can run on: its affinity, the effective cpuset and what is online, as far as they are
	// known. Empty means that none of the three is known.
	CPUs   CPUs
	Online CPUs // of the machine

	Memory   Amount // memory.max, memory.limit_in_bytes: the process is killed above
	High     Amount // memory.high: reclaimed and slowed down above; v2 alone. Never a part of Memory: see [Limits.Soft]
	Swap     Amount // swap beside Memory, also on v1, whose files count both together
	Low, Min uint64 // memory.low, memory.min of the group itself: what it is protected up to

	MemTotal, SwapTotal uint64 // of the machine, bytes; 0 if unknown

	// Why holds every file that was looked at, those of one controller from the group upwards.
	Why []Step
}

// Soft is the lower of Memory and High: what a garbage collector should stay below. On Kubernetes with MemoryQoS, High
// is request + 0.9 × (limit − request).
func (l Limits) Soft() Amount {
	if l.High.State == Limited && (l.Memory.State != Limited || l.High.Bytes < l.Memory.Bytes) {
		return l.High
	}
	return l.Memory
}

// Step is one file that was looked at.
type Step struct {
	Controller Controller
	Path       string // from the root of the file system: "/sys/fs/cgroup/a/cpu.max"
	Level      int    // how many levels above the group
	Text       string // what it said, without the newline; of files with many keys, the lines that count
	State      State
	Binding    bool  // this file decides a value of [Limits]
	Outside    bool  // the process itself cannot see this file, as far as that was asked for: see [Mounts.SeenBy]
	Err        error // why State is Unreadable or NotVisible

	kind   kind
	value  uint64
	period uint64
}

// String is "path = text (binding)", or what is instead of the text.
func (s Step) String() string {
	text := s.Path
	switch {
	case s.Err != nil:
		text += ": " + s.Err.Error()
	case s.State == Absent:
		text += ": absent"
	default:
		text += " = " + s.Text
	}
	if s.Binding {
		text += " (binding)"
	}
	return text
}

// Limits reads the files of the group and its ancestors. It fails only if nothing at all could be read; what is wrong
// with single files is in the steps and in the states. To read again and again, use [Group.Open].
func (g Group) Limits() (Limits, error) {
	r := Reader{group: g}
	r.plan()
	r.read()
	return r.answer(), r.err()
}

// Clone returns a copy that shares nothing.
func (l Limits) Clone() Limits {
	l.Why = append([]Step(nil), l.Why...)
	l.CPUs, l.Online = l.CPUs.clone(), l.Online.clone()
	return l
}

// Same reports whether two Limits say the same, whatever the files look like.
func (l Limits) Same(m Limits) bool {
	return l.Quota.same(m.Quota) && l.Burst == m.Burst && l.Idle == m.Idle && l.Shares == m.Shares && l.Weight == m.Weight &&
		l.CPUs.Equal(m.CPUs) && l.Online.Equal(m.Online) && l.Memory.same(m.Memory) && l.High.same(m.High) && l.Swap.same(m.Swap) &&
		l.Low == m.Low && l.Min == m.Min && l.MemTotal == m.MemTotal && l.SwapTotal == m.SwapTotal
}

func (q Quota) same(r Quota) bool { return q.State == r.State && q.Ratio == r.Ratio }

func (a Amount) same(b Amount) bool { return a.State == b.State && a.Bytes == b.Bytes }
