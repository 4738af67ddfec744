package cgroupview

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
)

// less reports a < b without rounding.
func (r Ratio) less(s Ratio) bool {
	ahi, alo := bits.Mul64(r.Quota, s.Period)
	bhi, blo := bits.Mul64(s.Quota, r.Period)
	return ahi < bhi || ahi == bhi && alo < blo
}

// reduce computes the limits from the steps.
func (r *Reader) reduce() {
	l := &r.limits
	l.Burst, l.Idle, l.Shares, l.Weight, l.Low, l.Min, l.MemTotal, l.SwapTotal = 0, false, 0, 0, 0, 0, 0, 0
	r.machine()
	r.quota()
	r.cpus()
	l.Memory = r.amount(kindMemory, l.Memory.State)
	l.High = r.amount(kindHigh, l.High.State)
	l.Swap = r.amount(kindSwap, l.Swap.State)
	if r.group.places[Memory].Version == V1 {
		r.memoryV1()
	}
	for i := range l.Why {
		s := &l.Why[i]
		if s.State != Limited {
			continue
		}
		switch s.kind {
		case kindBurst:
			l.Burst = s.value
		case kindIdle:
			l.Idle = s.value != 0
		case kindShares:
			l.Shares = s.value
		case kindWeight:
			l.Weight = s.value
		case kindLow:
			l.Low = s.value
		case kindMin:
			l.Min = s.value
		}
	}
}

// machine takes what the machine has, against which limits are held.
func (r *Reader) machine() {
	for i := range r.limits.Why {
		if s := &r.limits.Why[i]; s.kind == kindMeminfo && s.State == Limited {
			r.limits.MemTotal = s.value
			if s.period != noLimit {
				r.limits.SwapTotal = s.period
			}
		}
	}
}

// start is the answer before any file has said something.
func (r *Reader) start(c Controller) State {
	switch p := &r.group.places[c]; {
	case p.Err != nil:
		return NotVisible
	case p.Version == 0: // the kernel has no such controller
		return Unlimited
	}
	return Absent
}

// finish turns "no file exists" into an answer: unlimited where the controller is off, as at the root of v2, and not
// visible where the directory itself is missing.
func (r *Reader) finish(c Controller, s, before State) State {
	switch {
	case s != Absent:
		return s
	case r.reread: // open files cannot appear or disappear
		return before
	}
	if exists(r.group.fsys, r.group.places[c].Dir) {
		return Unlimited
	}
	r.missing(c)
	return NotVisible
}

// missing records that the directory of a controller is not there, once.
func (r *Reader) missing(c Controller) {
	p := &r.group.places[c]
	for i := range r.limits.Why {
		if s := &r.limits.Why[i]; s.Controller == c && s.State == Absent && s.Level == 0 {
			s.State, s.Err = NotVisible, fmt.Errorf("%w: %s cgroup %q: /%s does not exist: %w", ErrNotVisible, c, shorten(p.Path), p.Dir, fs.ErrNotExist)
		}
	}
}

// worse joins what a further file says to the answer so far: a limit beats all, then what could not be read.
func worse(answer, file State) State {
	switch {
	case file == Absent, file == skipped, answer == Limited:
		return answer
	case file == Limited:
		return Limited
	case answer == Unreadable, file == Unreadable:
		return Unreadable
	}
	return Unlimited
}

// quota finds the tightest quota.
func (r *Reader) quota() {
	steps := r.limits.Why
	q := Quota{State: r.start(CPU)}
	best := -1
	for i := range steps {
		s := &steps[i]
		if s.kind != kindQuota {
			continue
		}
		r.takePeriod(i)
		q.State = worse(q.State, s.State)
		ratio := Ratio{s.value, s.period}
		if s.State == Limited && (best < 0 || ratio.less(q.Ratio)) {
			q.Ratio, q.Path, q.Level, best = ratio, s.Path, s.Level, i
		}
	}
	if best >= 0 {
		steps[best].Binding = true
	}
	q.State = r.finish(CPU, q.State, r.limits.Quota.State)
	r.limits.Quota = q
	r.above()
}

// above notes that the top of a v2 mount is not the root of the hierarchy, which has no cpu.max: this is a cgroup
// namespace, and limits outside it cannot be seen.
func (r *Reader) above() {
	top := -1
	for i := range r.limits.Why {
		switch s := &r.limits.Why[i]; s.kind {
		case kindQuota:
			top = i
		case kindAbove:
			if s.skip(); r.limits.Why[top].State != Absent {
				s.State, s.Err = NotVisible, errNamespace
			}
		}
	}
}

var errNamespace = fmt.Errorf("%w: this is the top of a cgroup namespace; limits outside it cannot be seen", ErrNotVisible)

// takePeriod moves the period of v1 from its own step to the quota's.
func (r *Reader) takePeriod(i int) {
	steps := r.limits.Why
	if i+1 >= len(steps) || steps[i+1].kind != kindPeriod || steps[i].State != Limited {
		return
	}
	switch p := &steps[i+1]; {
	case p.State == Limited && p.value > 0:
		steps[i].period = p.value
	case p.Err == nil:
		p.State, p.Err = Unreadable, errPeriod
		steps[i].State = Unreadable
	default:
		steps[i].State = Unreadable
	}
}

var errPeriod = fmt.Errorf("%w: a quota without a period: want a number of µs above 0", ErrMalformed)

// amount finds the lowest number of one kind. What is not below the machine's memory does not limit anything.
func (r *Reader) amount(k kind, before State) Amount {
	a := Amount{State: r.start(Memory)}
	best, asked := -1, false
	steps := r.limits.Why
	for i := range steps {
		s := &steps[i]
		if s.kind != k {
			continue
		}
		asked = true
		state := s.State
		if state == skipped { // memory.stat has said that this level's limit is not the lowest one
			state = Unlimited
		}
		if state == Limited && k != kindSwap && r.limits.MemTotal > 0 && s.value >= r.limits.MemTotal {
			state = Unlimited
		}
		a.State = worse(a.State, state)
		if state == Limited && (best < 0 || s.value < a.Bytes) {
			a.Bytes, a.Path, a.Level, best = s.value, s.Path, s.Level, i
		}
	}
	if best >= 0 {
		steps[best].Binding = true
	}
	if !asked && a.State == Absent { // this version has no such limit
		a.State = Unlimited
	}
	a.State = r.finish(Memory, a.State, before)
	return a
}

// memoryV1 adds what memory.stat says of the ancestors, also those that cannot be seen, and takes the swap out of the
// limit of both.
func (r *Reader) memoryV1() {
	l := &r.limits
	both := r.amount(kindMemsw, Unlimited)
	for i := range l.Why {
		s := &l.Why[i]
		if s.kind != kindHierarchical || s.State != Limited {
			continue
		}
		if s.value < noLimit && (l.MemTotal == 0 || s.value < l.MemTotal) && (l.Memory.State != Limited || s.value < l.Memory.Bytes) {
			l.Memory = Amount{Limited, s.value, s.Path, 0}
			s.Binding = true
		}
		if s.period < noLimit && (both.State != Limited || s.period < both.Bytes) {
			both = Amount{Limited, s.period, s.Path, 0}
		}
	}
	switch {
	case both.State != Limited:
		l.Swap = Amount{State: both.State}
	case l.Memory.State != Limited:
		l.Swap = both
	default:
		l.Swap = Amount{Limited, both.Bytes - min(both.Bytes, l.Memory.Bytes), both.Path, both.Level}
	}
}

// cpus intersects affinity, cpuset and online. Files read at different moments may contradict each other while a CPU
// goes away; then the affinity is right, since the scheduler uses it.
func (r *Reader) cpus() {
	l := &r.limits
	l.CPUs.words, l.Online.words = l.CPUs.words[:0], l.Online.words[:0]
	known := false
	for _, k := range [...]kind{kindOnline, kindCpuset, kindAffinity} {
		for i := range l.Why {
			s := &l.Why[i]
			if s.kind != k || s.State != Limited {
				continue
			}
			if err := r.set.parse(s.Text); err != nil || r.set.Len() == 0 {
				s.State, s.Err = Unreadable, errors.Join(err, errNoCPU)
				continue
			}
			if k == kindOnline {
				l.Online.copyFrom(r.set)
			}
			before := l.CPUs.Len()
			l.CPUs.keep(r.set)
			if n := l.CPUs.Len(); !known || n == 0 {
				l.CPUs.copyFrom(r.set)
				s.Binding = k != kindOnline
			} else if n < before {
				s.Binding = true
			}
			known = true
		}
	}
}

var errNoCPU = fmt.Errorf("%w: want a list of CPUs such as 0-3,7", ErrMalformed)
