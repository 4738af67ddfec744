package cgroupview

import "time"

// CPUTimes are the CPU times that a container's /proc/stat and /proc/uptime show, for as many CPUs as it sees. The
// kernel has no such counters: they are what the cgroup has used, divided among the CPUs, and what it could have used
// and did not, as idle. They never fall while the container lives.
//
// The zero value is a container that nobody has looked at; the first [CPUTimes.Advance] takes its whole life.
type CPUTimes struct {
	cpus []cpuTime // all that were ever shown: what was used of CPUs that went stays in the sum
	n    int       // how many are shown
	last struct {
		at, usage, user, system time.Duration
		perCPU                  []cpuUse
	}
	idle time.Duration // of all CPUs that were ever shown
}

type cpuTime struct{ user, system, idle, room time.Duration }

// Advance adds what has happened since the sample before. Call it with every sample, in order. A sample of a new
// container in a cgroup of the same name, whose counters are lower, starts from zero.
func (t *CPUTimes) Advance(l *Limits, s *Sample) {
	first := t.cpus == nil || s.At < t.last.at || s.Usage < t.last.usage
	if first {
		t.cpus, t.idle = t.cpus[:0], 0
		t.last.at, t.last.usage, t.last.user, t.last.system = s.Started, 0, 0, 0
		t.last.perCPU = t.last.perCPU[:0]
	}
	n := l.visible()
	for len(t.cpus) < n {
		t.cpus = append(t.cpus, cpuTime{})
	}
	t.n = n // fewer CPUs than before: as after unplugging, their lines go
	elapsed := max(s.At-t.last.at, 0)
	for i := range t.shown() {
		t.cpus[i].room = elapsed
	}
	user, system := split(max(s.User-t.last.user, 0), max(s.System-t.last.system, 0), s.Usage-t.last.usage)
	used := user + system
	t.ofOwn(l, s, &user, &system)
	t.share(user, system)
	t.rest(l, elapsed, used)
	t.last.at, t.last.usage, t.last.user, t.last.system = s.At, s.Usage, max(s.User, t.last.user), max(s.System, t.last.system)
	t.last.perCPU = append(t.last.perCPU[:0], s.perCPU...)
}

// shown are the CPUs that have a line.
func (t *CPUTimes) shown() []cpuTime { return t.cpus[:t.n] }

// split scales user and system, which v1 counts in ticks, to the exact total.
func split(user, system, total time.Duration) (time.Duration, time.Duration) {
	if sum := user + system; sum > 0 {
		user = time.Duration(float64(total) * (float64(user) / float64(sum)))
		return min(user, total), total - min(user, total)
	}
	return total, 0
}

// ofOwn gives each CPU that is shown what was used of it, where the kernel counts by CPU, as far as there was time.
// What was used of CPUs that are not shown remains.
func (t *CPUTimes) ofOwn(l *Limits, s *Sample, user, system *time.Duration) {
	if len(t.last.perCPU) != len(s.perCPU) {
		return // the first time: how it was spread over the CPUs of another moment does not matter
	}
	i := 0
	for cpu := range s.perCPU {
		if l.CPUs.Len() > 0 && !l.CPUs.Contains(cpu) {
			continue
		}
		if i == t.n {
			return
		}
		c := &t.cpus[i]
		u := min(max(s.perCPU[cpu].User-t.last.perCPU[cpu].User, 0), *user, c.room)
		c.user, c.room, *user = c.user+u, c.room-u, *user-u
		y := min(max(s.perCPU[cpu].System-t.last.perCPU[cpu].System, 0), *system, c.room)
		c.system, c.room, *system = c.system+y, c.room-y, *system-y
		i++
	}
}

// share spreads what remains evenly. What there is no room for was used in a burst or on more CPUs than are shown now,
// and goes to all in equal parts nevertheless: time that was used does not vanish.
func (t *CPUTimes) share(user, system time.Duration) {
	for i := range t.shown() {
		c := &t.cpus[i]
		left := time.Duration(t.n - i)
		u, y := user/left, system/left
		c.user, c.system, c.room = c.user+u, c.system+y, c.room-u-y
		user, system = user-u, system-y
	}
}

// rest makes idle what the container could have used and did not: with a quota of 1.5 of 2 CPUs, which it uses up, both
// are busy for three quarters of the time and never idle.
func (t *CPUTimes) rest(l *Limits, elapsed, used time.Duration) {
	could := time.Duration(t.n) * elapsed
	if r := l.Quota.Ratio; l.Quota.State == Limited && r.Period > 0 {
		could = min(could, time.Duration(float64(elapsed)*r.CPUs()))
	}
	idle := max(could-used, 0)
	var room time.Duration
	for i := range t.shown() {
		room += max(t.cpus[i].room, 0)
	}
	if room <= 0 {
		return
	}
	share := min(float64(idle)/float64(room), 1)
	for i := range t.shown() {
		part := time.Duration(share * float64(max(t.cpus[i].room, 0)))
		t.cpus[i].idle += part
		t.idle += part
	}
}
