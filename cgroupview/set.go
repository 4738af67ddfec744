package cgroupview

import (
	"context"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// SetOptions say how [Set] chooses. The zero value is right for most programs.
type SetOptions struct {
	Policy   Policy           // of GOMAXPROCS; nil is Ceil: no more threads than the quota can feed, and none of it left over
	Headroom int              // percent of the memory limit that GOMEMLIMIT leaves to everything but Go's heap; 0 is 10
	Every    time.Duration    // how often cgroup and files are looked for anew, besides inotify; 0 is a minute, negative follows nothing
	Log      func(why string) // is told what was set, left alone or could not be read, and why; nil is nobody

	FS        fs.FS                         // nil is FS("/")
	LookupEnv func(string) (string, bool)   // nil is os.LookupEnv
	Apply     func(procs int, memory int64) // sets what is above 0; nil calls runtime.GOMAXPROCS and debug.SetMemoryLimit
}

const defaultHeadroom = 10

// Set gives the Go runtime of this process what its container really has, and follows the container when it is resized
// in place. Call it first in main:
//
//	cgroupview.Set(ctx, cgroupview.SetOptions{Log: func(why string) { slog.Info(why) }})
//
// A GOMAXPROCS or GOMEMLIMIT in the environment is respected: that setting stays as it is. Without a memory limit
// GOMEMLIMIT is left alone; without a quota GOMAXPROCS is the number of CPUs the process can run on.
//
// What cannot be read never gives more: while a file of the CPUs or of the memory is unreadable, or the quota is not
// visible, GOMAXPROCS and GOMEMLIMIT are lowered if what remains says so, and otherwise stay as they are. GOMEMLIMIT is
// never set below 16 MiB, whatever the limit, memory.high = 0 for one: Go's collector would run without end for a
// runtime that needs half of that.
//
// Set returns when both are set, with an error only if nothing could be read, as on anything but Linux; then nothing was
// set, and the program can go on. One goroutine goes on reading until ctx ends, unless Every is negative or both settings
// come from the environment: a write to a limit that was there is seen at once, by inotify, of which it takes one
// instance (the kernel allows each user a number of them, fs.inotify.max_user_instances; without one it goes by Every);
// a controller that is switched on later, CPUs that come and go, and another cgroup, within Every. This is the only function
// of the package that changes the process or reads its environment.
func Set(ctx context.Context, o SetOptions) error {
	s := newSetter(o)
	if s.fixedProcs && s.fixedMemory {
		return nil
	}
	r, err := s.open()
	if err != nil {
		return err
	}
	s.apply(r.answer())
	if s.Every < 0 {
		return r.Close()
	}
	go s.follow(ctx, r)
	return nil
}

// open finds the cgroup of this process and opens its files.
func (s *setter) open() (*Reader, error) {
	g, err := Locate(s.FS, 0)
	if err != nil {
		return nil, err
	}
	return g.Only(CPU, Cpuset, Memory).Open()
}

// follow applies what changes until ctx ends. After each Every it begins anew: by then a controller may have been
// switched on or off, which makes files appear and kept ones fail, or the process may have been moved.
func (s *setter) follow(ctx context.Context, r *Reader) {
	before := r.answer().Clone()
	changed := func(_, after Limits) {
		s.apply(after)
		before = after
	}
	said := ""
	for {
		round, cancel := context.WithTimeout(ctx, s.Every)
		if r != nil {
			_ = r.watch(round, s.Every, changed) // whatever ended it, the next round tells
		}
		<-round.Done()
		cancel()
		if ctx.Err() != nil {
			return
		}
		var err error
		if r, err = s.open(); err != nil {
			if why := fmt.Sprintf("limits cannot be read, and stay as they are: %v", err); why != said {
				s.Log(why)
				said = why
			}
			continue
		}
		said = ""
		if after := r.answer(); !after.Same(before) {
			changed(before, after.Clone())
		}
	}
}

// setter is SetOptions with everything filled in, and what was set last.
type setter struct {
	SetOptions
	fixedProcs, fixedMemory bool
	before                  int // GOMAXPROCS that was there
	procs                   int
	memory                  int64
}

func newSetter(o SetOptions) *setter {
	s := &setter{SetOptions: o}
	if s.Policy == nil {
		s.Policy = Ceil
	}
	if s.Headroom <= 0 || s.Headroom > 90 {
		s.Headroom = defaultHeadroom
	}
	if s.Every == 0 {
		s.Every = time.Minute
	}
	if s.Log == nil {
		s.Log = func(string) {}
	}
	if s.FS == nil {
		s.FS = FS("/")
	}
	if s.LookupEnv == nil {
		s.LookupEnv = os.LookupEnv
	}
	if s.Apply == nil {
		s.Apply = applyToProcess
	}
	s.fixedProcs, s.fixedMemory = s.fixed("GOMAXPROCS"), s.fixed("GOMEMLIMIT")
	s.before = runtime.GOMAXPROCS(0)
	return s
}

func (s *setter) fixed(name string) bool {
	value, ok := s.LookupEnv(name)
	if ok = ok && value != ""; ok {
		s.Log(fmt.Sprintf("%s=%s is set in the environment and stays", name, shorten(value)))
	}
	return ok
}

// apply sets what has changed.
func (s *setter) apply(l Limits) {
	var procs int
	var memory int64
	if !s.fixedProcs {
		procs = s.procsOf(l)
	}
	if !s.fixedMemory {
		memory = s.memoryOf(l)
	}
	if procs > 0 || memory > 0 {
		s.Apply(procs, memory)
	}
}

// procsOf returns GOMAXPROCS if it is to be set.
func (s *setter) procsOf(l Limits) int {
	c := l.Count(s.Policy)
	now := s.procs
	if now == 0 {
		now = s.before
	}
	if why := l.uncertain(CPU, Cpuset); why != "" && c.N >= now {
		s.Log(fmt.Sprintf("GOMAXPROCS=%d stays, not all that limits the CPUs can be read: %s", now, why))
		return 0
	}
	if c.N == s.procs {
		return 0
	}
	s.procs = c.N
	s.Log("GOMAXPROCS=" + c.Because)
	return c.N
}

// uncertain says why limits may be lower than they look: a file that cannot be read, or a quota that cannot be seen.
func (l *Limits) uncertain(controllers ...Controller) string {
	var out []string
	for i := range l.Why {
		s := &l.Why[i]
		lost := s.State == Unreadable || s.State == NotVisible && l.Quota.State == NotVisible && s.Controller == CPU
		if lost && slices.Contains(controllers, s.Controller) {
			out = append(out, s.String())
		}
	}
	return strings.Join(out, "; ")
}

// memoryOf returns GOMEMLIMIT if it is to be set.
func (s *setter) memoryOf(l Limits) int64 {
	soft := l.Soft()
	if soft.State == NotVisible || soft.State == Unreadable {
		s.Log("GOMEMLIMIT is left alone, the memory limit is " + soft.State.String() + ": " + l.problems(Memory))
		return 0
	}
	var memory int64 // none
	if soft.State == Limited {
		memory = goMemLimit(soft.Bytes, s.Headroom)
	}
	if memory == s.memory {
		return 0
	}
	if why := l.uncertain(Memory); why != "" && s.memory > 0 && (memory == 0 || memory > s.memory) {
		s.Log(fmt.Sprintf("GOMEMLIMIT=%d stays, not all that limits the memory can be read: %s", s.memory, why))
		return 0
	}
	s.memory = memory
	if memory == 0 { // a limit went away: back to what Go starts with
		s.Log("GOMEMLIMIT=off: there is no memory limit any more")
		return noMemLimit
	}
	rule := fmt.Sprintf("less %d %%", s.Headroom)
	if memory == leastMemLimit {
		rule = "which is less than the least"
	}
	s.Log(fmt.Sprintf("GOMEMLIMIT=%d: %s = %d, %s", memory, soft.Path, soft.Bytes, rule))
	return memory
}

const (
	noMemLimit    = 1<<63 - 1
	leastMemLimit = 16 << 20 // a Go program that does nothing holds about 8 MiB
)

// goMemLimit leaves headroom percent of a limit to what is not Go's heap: the binary, C libraries, page cache that is
// in use.
func goMemLimit(limit uint64, headroom int) int64 {
	hi, lo := bits.Mul64(limit, uint64(100-headroom))
	quotient, _ := bits.Div64(hi, lo, 100)
	return max(int64(min(quotient, noMemLimit)), leastMemLimit)
}

// problems joins what is wrong with the files of a controller.
func (l Limits) problems(c Controller) string {
	var out []string
	for _, s := range l.Why {
		if s.Controller == c && s.Err != nil {
			out = append(out, s.String())
		}
	}
	return strings.Join(out, "; ")
}

func applyToProcess(procs int, memory int64) {
	if procs > 0 {
		runtime.GOMAXPROCS(procs)
	}
	if memory > 0 {
		debug.SetMemoryLimit(memory)
	}
}
