package cgroupview

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// inotify is the notifier for files of a real file system. The kernel reports writes to cgroup files, also those made
// through another mount or namespace.
type inotify struct {
	file *os.File
	buf  [4096]byte // events; what they say is read from the files
}

func (r *Reader) notifier() notifier {
	root, ok := r.group.fsys.(dirFS)
	if !ok {
		return poll{}
	}
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return poll{} // out of instances (fs.inotify.max_user_instances): slower, not wrong
	}
	n := &inotify{file: os.NewFile(uintptr(fd), "inotify")}
	watched := 0
	for i := range r.limits.Why {
		s := &r.limits.Why[i]
		if s.kind >= kindHierarchical { // nobody writes memory.stat, and /proc reports nothing
			continue
		}
		if p, err := root.path(s.Path[1:]); err == nil {
			if _, err := syscall.InotifyAddWatch(fd, p, syscall.IN_MODIFY); err == nil {
				watched++
			}
		}
	}
	if watched == 0 {
		n.close()
		return poll{}
	}
	return n
}

// wait reads with a deadline that a timer or the end of ctx moves into the past.
func (n *inotify) wait(ctx context.Context, every time.Duration) error {
	if err := n.file.SetReadDeadline(time.Time{}); err != nil {
		return poll{}.wait(ctx, every)
	}
	wake := func() { _ = n.file.SetReadDeadline(time.Unix(1, 0)) } // cannot fail: the call above has not
	t := time.AfterFunc(every, wake)
	defer t.Stop()
	stop := context.AfterFunc(ctx, wake)
	defer stop()
	_, err := n.file.Read(n.buf[:])
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return poll{}.wait(ctx, every)
	}
	return nil
}

func (n *inotify) close() { _ = n.file.Close() }
