package cgroupview

import "fmt"

// kind is what a file says.
type kind uint8

const (
	kindQuota kind = iota // v1 cpu.cfs_quota_us, v2 cpu.max with its period
	kindPeriod
	kindBurst
	kindIdle
	kindShares
	kindWeight
	kindCpuset
	kindMemory
	kindHigh
	kindLow
	kindMin
	kindSwap         // v2: swap alone
	kindMemsw        // v1: memory and swap together
	kindHierarchical // v1 memory.stat: the minima over all ancestors, also those that cannot be seen
	kindAffinity
	kindOnline
	kindMeminfo
	kindAbove // no file: whether there are levels above the mount
	noKind    // no file: a controller that cannot be seen
)

// source is a file to look at in the group or in every ancestor.
type source struct {
	controller Controller
	version    Version
	name       string
	kind       kind
	up         bool // also in the ancestors
}

// sources lists what is read, in the order of [Limits.Why].
var sources = [...]source{ //nolint:gochecknoglobals // a table, never written
	{CPU, V1, "cpu.cfs_quota_us", kindQuota, true},
	{CPU, V1, "cpu.cfs_burst_us", kindBurst, false},
	{CPU, V1, "cpu.shares", kindShares, false},
	{CPU, V1, "cpu.idle", kindIdle, false},
	{CPU, V2, "cpu.max", kindQuota, true},
	{CPU, V2, "cpu.max.burst", kindBurst, false},
	{CPU, V2, "cpu.weight", kindWeight, false},
	{CPU, V2, "cpu.idle", kindIdle, false},
	{Cpuset, V1, "cpuset.effective_cpus", kindCpuset, false},
	{Cpuset, V2, "cpuset.cpus.effective", kindCpuset, true},
	{Memory, V1, "memory.stat", kindHierarchical, false}, // says which of the next have to be read
	{Memory, V1, "memory.limit_in_bytes", kindMemory, true},
	{Memory, V1, "memory.memsw.limit_in_bytes", kindMemsw, true},
	{Memory, V2, "memory.max", kindMemory, true},
	{Memory, V2, "memory.high", kindHigh, true},
	{Memory, V2, "memory.swap.max", kindSwap, true},
	{Memory, V2, "memory.low", kindLow, false},
	{Memory, V2, "memory.min", kindMin, false},
}

// plan lists the files, the periods of v1 behind their quotas.
func (r *Reader) plan() {
	g := &r.group
	r.limits.Why = make([]Step, 0, 24)
	for _, s := range &sources {
		p := &g.places[s.controller]
		if p.Version != s.version || p.Dir == "" {
			continue
		}
		for dir, level := p.Dir, 0; ; dir, level = parent(dir), level+1 {
			r.add(s.controller, s.kind, dir, s.name, level)
			if s.kind == kindQuota && s.version == V1 {
				r.add(s.controller, kindPeriod, dir, "cpu.cfs_period_us", level)
			}
			if !s.up || dir == p.Mount || dir == "." || dir == "/" { // "/" is above a mount point that no kernel writes
				break
			}
		}
	}
	if g.places[Cpuset].Err != errNotAsked || g.places[CPU].Err != errNotAsked { //nolint:errorlint // identity is meant
		if g.pid >= 0 {
			r.add(CPU, kindAffinity, "proc/"+pidName(g.pid), "status", 0)
		}
		r.add(CPU, kindOnline, "sys/devices/system/cpu", "online", 0)
	}
	if g.places[Memory].Err != errNotAsked { //nolint:errorlint // identity is meant
		r.add(Memory, kindMeminfo, "proc", "meminfo", 0)
	}
	if p := &g.places[CPU]; p.Version == V2 && p.Dir != "" && p.Hidden == 0 {
		r.limits.Why = append(r.limits.Why, Step{Path: "/" + p.Mount, Level: levels(p.Dir[len(p.Mount):]), kind: kindAbove})
	}
	for c := range g.places {
		if p := &g.places[c]; p.Hidden > 0 && relevant(Controller(c)) {
			r.limits.Why = append(r.limits.Why, Step{
				Controller: Controller(c), Path: "/" + p.Mount, State: NotVisible, kind: noKind,
				Err: fmt.Errorf("%w: the mount hides %d levels above it, and their limits", ErrNotVisible, p.Hidden),
			})
		}
		if p := &g.places[c]; p.Err != nil && p.Err != errNotAsked && relevant(Controller(c)) { //nolint:errorlint // identity is meant
			r.limits.Why = append(r.limits.Why, Step{Controller: Controller(c), Path: p.Path, State: NotVisible, Err: p.Err, kind: noKind})
		}
	}
}

// relevant reports whether a controller has limits; the others only count.
func relevant(c Controller) bool { return c != CPUAcct && c != IO }

func (r *Reader) add(c Controller, k kind, dir, name string, level int) {
	path := "/" + dir + "/" + name
	if dir == "." {
		path = "/" + name
	}
	seen := r.group.seen[c]
	outside := seen < 0 || seen > 0 && level >= seen
	r.limits.Why = append(r.limits.Why, Step{Controller: c, Path: path, Level: level, Outside: outside && k < kindAffinity, kind: k})
}
