package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kubewright/kubewright/cgroupview"
)

// Process is what /proc/<pid>/stat and status say, proc_pid_stat(5).
type Process struct {
	PID, Parent int
	Name        string        // cut at 15 bytes by the kernel
	State       byte          // R, S, D, Z, T …
	Leader      bool          // leads its session, as what a runtime starts in a container does
	TTY         bool          // has a controlling terminal
	Start       time.Duration // since the machine has started; with PID, it names the process for good
	CPU         time.Duration // used so far
	PIDs        []int         // its numbers in each pid namespace, from the outermost one; of status
	Cgroup      string        // of the memory controller, or of v2
}

// tick is the unit of times in /proc on every architecture Go runs on.
const tick = time.Second / 100

// ReadProcess reads one process. An error that matches fs.ErrNotExist means that there is none, or that it has just
// ended.
func ReadProcess(fsys fs.FS, pid int) (Process, error) {
	dir := "proc/" + strconv.Itoa(pid)
	data, err := fs.ReadFile(fsys, dir+"/stat")
	if err != nil {
		return Process{}, gone(pid, err)
	}
	p, err := parseStat(data)
	if err != nil {
		return Process{}, fmt.Errorf("node: process %d: %w", pid, err)
	}
	p.PID = pid
	status, err := fs.ReadFile(fsys, dir+"/status")
	if err != nil {
		return Process{}, gone(pid, err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("NSpid:")); ok {
			for f := range bytes.FieldsSeq(rest) {
				if n, err := strconv.Atoi(string(f)); err == nil {
					p.PIDs = append(p.PIDs, n)
				}
			}
		}
	}
	cgroup, err := fs.ReadFile(fsys, dir+"/cgroup")
	if err != nil {
		return Process{}, gone(pid, err)
	}
	p.Cgroup = cgroupPath(cgroup)
	return p, nil
}

// gone makes a process that ended while it was read look like one that was not there.
func gone(pid int, err error) error {
	if strings.Contains(err.Error(), "no such process") { // ESRCH, of a file that was open
		err = errors.Join(err, fs.ErrNotExist)
	}
	return fmt.Errorf("node: process %d: %w", pid, err)
}

// parseStat reads "7 (na) me) S 1 …". The name may hold anything, so it ends at the last parenthesis.
func parseStat(data []byte) (Process, error) {
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Process{}, fmt.Errorf("%w: stat %.80q: want a name in parentheses", cgroupview.ErrMalformed, data)
	}
	f := strings.Fields(string(data[end+1:]))
	const needed = 20 // up to field 22, the start
	if len(f) < needed || len(f[0]) != 1 {
		return Process{}, fmt.Errorf("%w: stat %.80q: want 22 fields", cgroupview.ErrMalformed, data)
	}
	p := Process{Name: string(data[open+1 : end]), State: f[0][0]}
	var n [5]uint64
	for i, at := range [...]int{1, 11, 12, 19} { // parent, user time, system time, start: fields 4, 14, 15, 22
		v, err := strconv.ParseUint(f[at], 10, 64)
		if err != nil {
			return Process{}, fmt.Errorf("%w: stat field %d %q: want a number", cgroupview.ErrMalformed, at+3, f[at])
		}
		n[i] = min(v, 1<<38) // as ticks, what fits a Duration
	}
	p.Parent, p.CPU, p.Start = int(n[0]), time.Duration(n[1]+n[2])*tick, time.Duration(n[3])*tick
	p.TTY, p.Leader = f[4] != "0", f[3] == strings.TrimSpace(string(data[:open]))
	return p, nil
}

// cgroupPath takes the path of v1's memory controller, or else of v2.
func cgroupPath(data []byte) string {
	path := ""
	for line := range bytes.Lines(data) {
		f := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(f) < 3 {
			continue
		}
		if strings.Contains(","+f[1]+",", ",memory,") {
			return f[2]
		}
		if f[1] == "" {
			path = f[2]
		}
	}
	return path
}

// Processes yields all processes in ascending order. Those that end meanwhile are left out; an error is about one.
func Processes(fsys fs.FS) iter.Seq2[Process, error] {
	return func(yield func(Process, error) bool) {
		entries, err := fs.ReadDir(fsys, "proc")
		if err != nil {
			yield(Process{}, fmt.Errorf("node: processes: %w", err))
			return
		}
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			p, err := ReadProcess(fsys, pid)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// ErrChanged says that a process is not the one that was found: its number belongs to another one now.
var ErrChanged = errors.New("another process has this number now")

// Signal sends a signal to the process that was found, and to no other: it takes hold of the process first (a pidfd, on
// Linux 5.4 and later), then checks that it began when it should have, and only then signals what it holds. The error
// matches [ErrChanged] or fs.ErrNotExist if it is gone. fsys must be that of the caller's own pid namespace.
func Signal(fsys fs.FS, p Process, signal os.Signal) error {
	held, err := os.FindProcess(p.PID)
	if err != nil {
		return fmt.Errorf("node: process %d: %w", p.PID, err)
	}
	defer func() { _ = held.Release() }() // gives up the hold, cannot fail in a way that matters
	now, err := ReadProcess(fsys, p.PID)
	switch {
	case err != nil:
		return err
	case !ownProc(fsys):
		return fmt.Errorf("node: process %d (%s): this /proc is not that of the caller's pid namespace, where the number may be another process's: run it with hostPID", p.PID, p.Name)
	case now.Start != p.Start:
		return fmt.Errorf("node: process %d (%s): %w", p.PID, p.Name, ErrChanged)
	case now.State == 'Z':
		return fmt.Errorf("node: process %d (%s) is a zombie: only process %d, its parent, can take it away", p.PID, p.Name, now.Parent)
	}
	if err := held.Signal(signal); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			err = errors.Join(err, fs.ErrNotExist)
		}
		return fmt.Errorf("node: process %d (%s): %w", p.PID, p.Name, err)
	}
	return nil
}

// ownProc reports whether /proc counts processes as the caller does: in it, self is the caller's number.
func ownProc(fsys fs.FS) bool {
	self, err := fs.ReadLink(fsys, "proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}
