package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubewright/kubewright/cgroupview"
)

// Rules say what a stale shell is. The zero value is what most nodes want.
type Rules struct {
	MinAge  time.Duration // 0 is 30 minutes
	MinIdle time.Duration // without a key pressed, output, or CPU time; 0 is 30 minutes
	Shells  []string      // names of programs; nil is sh, bash, ash, dash, zsh, ksh, fish and busybox
	// Allow lists what is never reported: names of programs, container IDs or at least 6 digits that one begins with,
	// Pod UIDs.
	Allow []string
}

// Kind is what a [Finding] is about.
type Kind string

// The kinds.
const (
	StaleShell Kind = "stale-shell" // may be ended with [Signal]
	Zombie     Kind = "zombie"      // has ended; its parent must wait for it, or end
)

// Finding is one process that should not be there.
type Finding struct {
	Kind      Kind
	Process   Process
	Parent    Process // what started the shell, or what should wait for the zombie; zero if it cannot be read
	Container Container
	Age, Idle time.Duration
	Why       string // one line: why this is a finding
}

// Scanner finds stale shells and zombies. It remembers how much CPU time each process had used, because a process that
// uses some is not idle: a shell without a terminal is known to be idle only since the Scanner has seen it. It is not
// safe for concurrent use.
type Scanner struct {
	rules Rules
	seen  map[identity]activity
}

type identity struct {
	pid   int
	start time.Duration
}

type activity struct {
	cpu, since time.Duration
	changed    bool // since the first scan that saw the process
}

// NewScanner returns a Scanner that has seen nothing.
func NewScanner(r Rules) *Scanner {
	const usual = 30 * time.Minute
	if r.MinAge == 0 {
		r.MinAge = usual
	}
	if r.MinIdle == 0 {
		r.MinIdle = usual
	}
	if r.Shells == nil {
		r.Shells = []string{"sh", "bash", "ash", "dash", "zsh", "ksh", "fish", "busybox"}
	}
	return &Scanner{rules: r, seen: map[identity]activity{}}
}

// Scan looks at all processes once. now is the time of day, which terminals are compared with. Findings come in the
// order of process numbers, beside the errors of processes that could not be read.
func (s *Scanner) Scan(fsys fs.FS, now time.Time) ([]Finding, error) {
	uptime, err := uptime(fsys)
	if err != nil {
		return nil, err
	}
	all := map[int]Process{}
	var errs []error
	for p, err := range Processes(fsys) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all[p.PID] = p
	}
	s.remember(all, uptime)
	scan := newScan(all)
	var out []Finding
	for _, pid := range scan.order {
		f, ok := scan.finding(all[pid])
		if !ok {
			continue
		}
		f.Age = max(uptime-f.Process.Start, 0)
		if f.Kind == StaleShell && !s.stale(fsys, now, uptime, &f) {
			continue
		}
		if !s.allowed(f) {
			out = append(out, f)
		}
	}
	return out, errors.Join(errs...)
}

// remember updates since when each process has used no CPU time, and forgets those that ended.
func (s *Scanner) remember(all map[int]Process, uptime time.Duration) {
	next := make(map[identity]activity, len(all))
	for pid, p := range all {
		key := identity{pid, p.Start}
		a, ok := s.seen[key]
		if !ok || a.cpu != p.CPU {
			a = activity{p.CPU, uptime, ok}
		}
		next[key] = a
	}
	s.seen = next
}

// stale applies age and idleness, and says why.
func (s *Scanner) stale(fsys fs.FS, now time.Time, uptime time.Duration, f *Finding) bool {
	p := f.Process
	if !slices.Contains(s.rules.Shells, strings.TrimPrefix(p.Name, "-")) || f.Age < s.rules.MinAge {
		return false
	}
	seen := s.seen[identity{p.PID, p.Start}]
	unused := uptime - seen.since
	f.Idle = unused
	source := "no CPU time used"
	if quiet, ok := terminal(fsys, p, now); ok {
		f.Idle, source = min(quiet, f.Age), "nothing on its terminal"
		if seen.changed { // it computes without saying anything
			f.Idle = min(f.Idle, unused)
		}
	}
	if f.Idle < s.rules.MinIdle {
		return false
	}
	f.Why = fmt.Sprintf("%s was started in the container from outside by %s (%d) %s ago, has no children, and %s for %s",
		plain(p.Name), orUnknown(f.Parent.Name), p.Parent, f.Age.Round(time.Second), source, f.Idle.Round(time.Second))
	return true
}

func orUnknown(name string) string {
	if name == "" {
		return "a process that is gone"
	}
	return plain(name)
}

// plain makes a name that its process has chosen fit for a line and a terminal.
func plain(name string) string {
	if quoted := strconv.Quote(name); len(quoted) != len(name)+2 {
		return quoted
	}
	return name
}

// terminal returns how long ago something was written to the process's terminal; what is typed is echoed there.
func terminal(fsys fs.FS, p Process, now time.Time) (time.Duration, bool) {
	if !p.TTY {
		return 0, false
	}
	latest := time.Time{}
	for fd := range 3 {
		name := fmt.Sprintf("proc/%d/fd/%d", p.PID, fd)
		// The link alone is looked at first: what else is open lies on the container's file systems, whose servers may
		// not answer, and /dev/null is a character device too.
		if target, err := fs.ReadLink(fsys, name); err != nil || !isTerminal(target) {
			continue
		}
		info, err := fs.Stat(fsys, name)
		if err == nil && info.Mode()&fs.ModeCharDevice != 0 && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
	}
	return max(now.Sub(latest), 0), !latest.IsZero()
}

func isTerminal(target string) bool {
	return strings.HasPrefix(target, "/dev/pts/") || strings.HasPrefix(target, "/dev/tty") || target == "/dev/console"
}

func (s *Scanner) allowed(f Finding) bool {
	for _, a := range s.rules.Allow {
		const shortID = 6 // a shorter one would do nothing, and whoever has written it would find out too late
		switch a = strings.TrimSpace(a); {
		case a == "":
		case a == f.Process.Name, a == f.Container.PodUID, len(a) >= shortID && strings.HasPrefix(f.Container.ID, a):
			return true
		}
	}
	return false
}

// scan is one look at all processes.
type scan struct {
	all      map[int]Process
	order    []int
	children map[int]int        // living children by parent
	first    map[string]Process // the oldest process of each container
}

func newScan(all map[int]Process) *scan {
	s := &scan{all: all, children: map[int]int{}, first: map[string]Process{}}
	for pid := range all {
		s.order = append(s.order, pid)
	}
	slices.Sort(s.order)
	for _, pid := range s.order {
		p := all[pid]
		if p.State != 'Z' {
			s.children[p.Parent]++
		}
		c, ok := Enclosing(p.Cgroup)
		if !ok {
			continue
		}
		if f, ok := s.first[c.Path]; !ok || p.Start < f.Start {
			s.first[c.Path] = p
		}
	}
	return s
}

// finding tells zombies and what was put into a container from outside.
func (s *scan) finding(p Process) (Finding, bool) {
	c, inContainer := Enclosing(p.Cgroup)
	parent := s.all[p.Parent]
	home, parentInside := Enclosing(parent.Cgroup)
	switch {
	case p.State == 'Z':
		if !inContainer { // v1 shows the root for what has ended
			c = home
		}
		why := fmt.Sprintf("%s has ended, and %s (%d) does not wait for it", plain(p.Name), orUnknown(parent.Name), p.Parent)
		return Finding{Kind: Zombie, Process: p, Parent: parent, Container: c, Why: why}, true
	case !inContainer, s.children[p.PID] > 0, p.State == 'R', s.isFirst(p, c), parentInside && home.Path == c.Path, !entered(p, parent):
		return Finding{}, false
	}
	return Finding{Kind: StaleShell, Process: p, Parent: parent, Container: c}, true
}

// isFirst reports whether a process is the one its container was started for: number 1 in its namespace or, where a Pod
// shares one, the oldest one of its container.
func (s *scan) isFirst(p Process, c Container) bool {
	return len(p.PIDs) > 1 && p.PIDs[len(p.PIDs)-1] == 1 || s.first[c.Path].PID == p.PID
}

// entered reports whether a process was started from outside its container: its parent is a runtime's shim, or lives in
// a pid namespace above, as the machine's init does when the shim has died. In the machine's pid namespace the shim is
// also the parent of what the container itself has started and left; but runtimes begin a session for what they start.
func entered(p, parent Process) bool {
	switch {
	case len(p.PIDs) <= 1 && !p.Leader:
		return false
	case strings.HasPrefix(parent.Name, "containerd-shim"), parent.Name == "conmon", parent.Name == "docker-containe":
		return true
	}
	return len(p.PIDs) > 1 && len(parent.PIDs) < len(p.PIDs)
}

func uptime(fsys fs.FS) (time.Duration, error) {
	data, err := fs.ReadFile(fsys, "proc/uptime")
	if err != nil {
		return 0, fmt.Errorf("node: %w", err)
	}
	first, _, _ := bytes.Cut(bytes.TrimSpace(data), []byte(" "))
	seconds, err := strconv.ParseFloat(string(first), 64)
	if err != nil || seconds < 0 || seconds > 1<<33 {
		return 0, fmt.Errorf("node: /proc/uptime: %w: %.80q: want seconds", cgroupview.ErrMalformed, data)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
