package cgroupview

import (
	"context"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
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
	if c := l.Count(s.Policy); !s.fixedProcs && c.N != s.procs {
		procs, s.procs = c.N, c.N
		s.Log("GOMAXPROCS=" + c.Because)
	}
	if l.Quota.State == NotVisible || l.Quota.State == Unreadable {
		s.Log("the CPU quota is " + l.Quota.State.String() + ": " + l.problems(CPU))
	}
	if !s.fixedMemory {
		memory = s.memoryOf(l)
	}
	if procs > 0 || memory > 0 {
		s.Apply(procs, memory)
	}
}

func (s *setter) memoryOf(l Limits) int64 {
	soft := l.Soft()
	switch soft.State {
	case NotVisible, Unreadable:
		s.Log("GOMEMLIMIT is left alone, the memory limit is " + soft.State.String() + ": " + l.problems(Memory))
		return 0
	case Limited:
	default:
		if s.memory == 0 {
			return 0
		}
		// A limit went away: back to what Go starts with.
		s.memory = 0
		s.Log("GOMEMLIMIT=off: there is no memory limit any more")
		return noMemLimit
	}
	memory := goMemLimit(soft.Bytes, s.Headroom)
	if memory == s.memory {
		return 0
	}
	s.memory = memory
	s.Log(fmt.Sprintf("GOMEMLIMIT=%d: %s = %d, less %d %%", memory, soft.Path, soft.Bytes, s.Headroom))
	return memory
}

const noMemLimit = 1<<63 - 1

// goMemLimit leaves headroom percent of a limit to what is not Go's heap: the binary, C libraries, page cache that is
// in use. It is at least one byte, since 0 would mean to leave GOMEMLIMIT alone.
func goMemLimit(limit uint64, headroom int) int64 {
	hi, lo := bits.Mul64(limit, uint64(100-headroom))
	quotient, _ := bits.Div64(hi, lo, 100)
	return max(int64(min(quotient, noMemLimit)), 1)
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
