package bolt

import (
	"errors"
	"io"
)

const (
	minAhead = 16 << 10
	maxAhead = 256 << 10
)

// window is the part of a file that is in memory. It reads ahead the further the more sequential the reads are: databases
// that grew, and snapshots, hold their revisions in about the order in which they are asked for.
type window struct {
	r       io.ReaderAt
	buf     []byte
	off     int64
	ahead   int64
	reverse bool
}

// get returns n bytes at off, or less at the end of the file. fresh says that they were read now.
func (w *window) get(off, n int64) (b []byte, fresh bool, err error) {
	if off >= w.off && off+n <= w.off+int64(len(w.buf)) {
		return w.buf[off-w.off:][:n:n], false, nil
	}
	w.adapt(off)
	start, want := off, max(n, w.ahead)
	if w.reverse {
		start = max(0, min(off, off+n+minAhead-want))
		want = max(want, off+n-start)
	}
	if err = w.fill(start, want); err != nil || w.off+int64(len(w.buf)) < off+n {
		if err = w.fill(off, n); err != nil { // without what was not asked for
			return nil, true, err
		}
	}
	b = w.buf[min(off-w.off, int64(len(w.buf))):]
	return b[:min(n, int64(len(b)))], true, nil
}

func (w *window) adapt(off int64) {
	// What is wanted may begin inside the window and end behind it, as pages that run over do.
	near := off >= w.off && off <= w.off+int64(len(w.buf))+w.ahead
	if w.reverse {
		near = off < w.off+int64(len(w.buf)) && off >= w.off-w.ahead
	}
	switch {
	case w.ahead == 0:
		w.ahead = minAhead
	case near:
		w.ahead = min(2*w.ahead, maxAhead)
	default:
		w.ahead = max(w.ahead/4, minAhead)
	}
}

func (w *window) fill(off, n int64) error {
	if int64(cap(w.buf)) < n {
		w.buf = make([]byte, max(n, w.ahead))
	}
	got, err := w.r.ReadAt(w.buf[:n], off)
	w.off, w.buf = off, w.buf[:max(0, min(int64(got), n))]
	if errors.Is(err, io.EOF) || int64(len(w.buf)) == n {
		return nil
	}
	return err
}

func (w *window) drop() { w.buf = w.buf[:0] }
