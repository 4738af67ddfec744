package cgroupview

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// Reader reads the limits of a group again and again through files that stay open: a few microseconds, and no
// allocation while nothing changes. It is not safe for concurrent use. The files are those that were there when it was
// opened, and stay open until Close: a process that moves, or a controller that is switched on later, needs a new one.
type Reader struct {
	group  Group
	limits Limits
	files  []handle // beside limits.Why, nil for a reader of one use
	shown  []Step   // what of limits.Why is given out
	buf    []byte
	gone   *Step // whose open file has no cgroup any more
	set    CPUs  // of the step that is looked at
	reread bool  // files that were absent stay so
}

// handle is an open file, or nil where there was none or it cannot be read at an offset.
type handle interface {
	io.ReaderAt
	io.Closer
}

// Open opens the files of the group. Close closes them.
func (g Group) Open() (*Reader, error) {
	r := &Reader{group: g}
	r.plan()
	r.files = make([]handle, len(r.limits.Why))
	for i := range r.limits.Why {
		s := &r.limits.Why[i]
		if s.kind >= kindAbove {
			continue
		}
		h, err := openHandle(g.fsys, s.Path[1:])
		if err == nil {
			r.files[i] = h
		}
	}
	r.read()
	if err := r.err(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// openHandle opens a file to be read again and again; nil if the file system has none that can be.
func openHandle(fsys fs.FS, name string) (handle, error) {
	if d, ok := fsys.(dirFS); ok {
		return d.openKept(name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	if h, ok := f.(handle); ok {
		return h, nil
	}
	return nil, f.Close()
}

// Close closes the files.
func (r *Reader) Close() error {
	var errs []error
	for i, f := range r.files {
		if f != nil {
			errs = append(errs, f.Close())
			r.files[i] = nil
		}
	}
	return errors.Join(errs...)
}

// Limits reads the files again. The result shares memory with the reader and is good until the next call;
// [Limits.Clone] keeps it. The error matches fs.ErrNotExist when the cgroup is gone.
func (r *Reader) Limits() (Limits, error) {
	r.read()
	return r.answer(), r.err()
}

func (r *Reader) err() error {
	l := &r.limits
	switch {
	case r.gone != nil:
		return fmt.Errorf("cgroupview: %s: the cgroup is gone: %w", r.gone.Path, fs.ErrNotExist)
	case l.Quota.known(), l.Memory.known(), l.CPUs.Len() > 0:
		return nil
	}
	for i := range l.Why {
		if err := l.Why[i].Err; err != nil {
			return fmt.Errorf("cgroupview: no limit can be read: %s: %w", l.Why[i].Path, err)
		}
	}
	return fmt.Errorf("cgroupview: no limit can be read: %w: none of %d files exists", ErrNotVisible, len(l.Why))
}

func (q Quota) known() bool { return q.State == Limited || q.State == Unlimited }

func (a Amount) known() bool { return a.State == Limited || a.State == Unlimited }

// read reads every file into its step, and the steps into the limits.
func (r *Reader) read() {
	r.gone = nil
	var seen found
	for i := range r.limits.Why {
		s := &r.limits.Why[i]
		s.Binding = false
		switch {
		case s.kind == noKind, s.kind == kindAbove:
			continue
		case seen.settles(s):
			s.skip()
			continue
		}
		r.step(i, s)
		seen.add(s)
	}
	r.reduce()
	r.reread = true
}

// found is what the files read so far say, so that those that cannot add to it are left alone.
type found struct {
	quota, anyQuota, cpuset bool
	memory, memsw           uint64 // v1: the lowest limit of all levels that is not found yet, or 0 if unknown
}

// settles reports whether the file of a step cannot change the answer any more.
func (f *found) settles(s *Step) bool {
	switch s.kind {
	case kindPeriod:
		return !f.quota // there is none it could be the period of
	case kindBurst:
		return !f.anyQuota
	case kindCpuset:
		return f.cpuset // an ancestor's does not count once a nearer one is there
	case kindMemory:
		return f.memory >= noLimit
	case kindMemsw:
		return f.memsw >= noLimit
	}
	return false
}

func (f *found) add(s *Step) {
	limited := s.State == Limited
	switch s.kind {
	case kindQuota:
		f.quota = limited
		f.anyQuota = f.anyQuota || limited
	case kindCpuset:
		f.cpuset = limited
	case kindHierarchical:
		if limited {
			f.memory, f.memsw = s.value, s.period
		}
	case kindMemory:
		if limited && s.value == f.memory { // the level whose limit it is; those above have no lower one
			f.memory = noLimit
		}
	case kindMemsw:
		if limited && s.value == f.memsw {
			f.memsw = noLimit
		}
	}
}

// skip marks a step whose file was not looked at.
func (s *Step) skip() { s.State, s.Text, s.Err = skipped, "", nil }

const skipped = Unreadable + 1

// answer returns the limits with the steps whose files were looked at.
func (r *Reader) answer() Limits {
	l := r.limits
	if r.files == nil { // of one use
		l.Why = slices.DeleteFunc(l.Why, func(s Step) bool { return s.State == skipped })
		return l
	}
	r.shown = slices.Grow(r.shown[:0], len(l.Why))
	for i := range l.Why {
		if l.Why[i].State != skipped {
			r.shown = append(r.shown, l.Why[i])
		}
	}
	l.Why = r.shown
	return l
}

// step reads one file.
func (r *Reader) step(i int, s *Step) {
	data, err := r.content(i, s)
	s.Err = nil
	switch {
	case err == nil:
		s.parse(data)
	case errors.Is(err, fs.ErrNotExist):
		s.State, s.Text = Absent, ""
		if s.kind == kindAffinity {
			s.State, s.Err = Unreadable, err
		}
	case errors.Is(err, syscall.ENODEV): // the cgroup was removed while its file was open
		s.State, s.Text, s.Err = Unreadable, "", fs.ErrNotExist
		r.gone = s
	default:
		s.State, s.Text, s.Err = Unreadable, "", err
	}
}

// whole reads a file of a step. Below "/" its path is the system's, and not put together anew.
func (r *Reader) whole(path string) ([]byte, error) {
	if d, ok := r.group.fsys.(dirFS); ok && d.root == "" && !hasDotDot(path) {
		return readRecord(path, r.buf)
	}
	return readInto(r.group.fsys, path[1:], r.buf)
}

func (r *Reader) content(i int, s *Step) ([]byte, error) {
	if r.files != nil && r.files[i] == nil && s.State == Absent && r.reread {
		return nil, fs.ErrNotExist
	}
	if r.files == nil || r.files[i] == nil {
		name := s.Path[1:]
		data, err := r.whole(s.Path)
		if err != nil && s.kind == kindCpuset && strings.HasSuffix(name, "effective_cpus") && errors.Is(err, fs.ErrNotExist) {
			data, err = readInto(r.group.fsys, strings.TrimSuffix(name, "effective_cpus")+"cpus", data) // kernels before 3.17
		}
		r.buf = data[:0:cap(data)]
		return data, err
	}
	for buf := r.buf[:cap(r.buf)]; ; {
		n, err := r.files[i].ReadAt(buf, 0)
		if n == len(buf) && n < maxFile { // full, or the first time: there may be more
			buf = make([]byte, max(8192, 2*n))
			r.buf = buf[:0]
			continue
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return buf[:n], err
	}
}
