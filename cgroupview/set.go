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
	Every    time.Duration    // how often limits are read again besides inotify; 0 is a minute, negative follows nothing
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
// Set returns when both are set, with an error only if nothing could be read; then nothing was set. One goroutine goes
// on reading until ctx ends, unless Every is negative or both settings come from the environment. This is the only
// function of the package that changes the process or reads its environment.
func Set(ctx context.Context, o SetOptions) error {
	s := newSetter(o)
	if s.fixedProcs && s.fixedMemory {
		return nil
	}
	g, err := Locate(s.FS, 0)
	if err != nil {
		return err
	}
	r, err := g.Only(CPU, Cpuset, Memory).Open()
	if err != nil {
		return err
	}
	s.apply(r.answer())
	if s.Every < 0 {
		return r.Close()
	}
	go func() {
		err := r.watch(ctx, s.Every, func(_, l Limits) { s.apply(l) })
		if ctx.Err() == nil {
			s.Log(fmt.Sprintf("limits are not followed any more: %v", err))
		}
	}()
	return nil
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
