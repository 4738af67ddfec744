package cgroupview

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Watch reads the limits whenever one of their files is written, where fsys is an [FS] on Linux, and once in a while
// besides, because CPUs that come and go are seen in no file event. It calls f with what was and what is, whenever they
// differ, and not at the start. It returns when ctx ends, with its error, or when the cgroup is gone, with an error that
// matches fs.ErrNotExist. It starts no goroutine that outlives it.
//
// The values given to f are its own to keep.
func (g Group) Watch(ctx context.Context, every time.Duration, f func(before, after Limits)) error {
	if every <= 0 {
		return fmt.Errorf("cgroupview: watch every %s: want a duration above 0", every)
	}
	r, err := g.Open()
	if err != nil {
		return err
	}
	return r.watch(ctx, every, f)
}

// watch ends with the reader closed.
func (r *Reader) watch(ctx context.Context, every time.Duration, f func(before, after Limits)) (err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	before := r.answer().Clone()
	events := r.notifier()
	defer events.close()
	for { // the first round finds what was written before there was a notifier
		after, err := r.Limits()
		if err != nil {
			return err
		}
		if !after.Same(before) {
			after = after.Clone()
			f(before, after)
			before = after
		}
		if err := events.wait(ctx, every); err != nil {
			return err
		}
	}
}

// notifier waits for a change of files.
type notifier interface {
	// wait returns nil when a file may have changed, or after a time; the context's error when it ends.
	wait(ctx context.Context, every time.Duration) error
	close()
}

// poll is the notifier that knows nothing of files.
type poll struct{}

func (poll) wait(ctx context.Context, every time.Duration) error {
	t := time.NewTimer(every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func (poll) close() {}
