package eventsink

import "time"

// watermark is the newest place in the stream before which everything is settled, like the committed offset of a log.
type watermark struct {
	pending  []pending
	head     int   // of pending: what is before is done
	base     Token // of pending[head]
	position string
	at       time.Time // when position was read
}

// pending is a document that is not settled, or waits for an earlier one.
type pending struct {
	rv    string    // what the position becomes, empty if it stays
	at    time.Time // when rv was read
	begun time.Time // when the document was
	size  int32
	done  bool
}

// begin puts a document at the end of the stream.
func (w *watermark) begin(now time.Time, rv string, size int) Token {
	w.pending = append(w.pending, pending{rv: rv, at: now, begun: now, size: int32(size)})
	return w.base + Token(w.len()-1)
}

// pass notes a place at which there is no document. It costs no memory: it becomes the place of the document before.
func (w *watermark) pass(now time.Time, rv string) {
	if rv == "" {
		return
	}
	if w.len() == 0 {
		w.position, w.at = rv, now
		return
	}
	last := &w.pending[len(w.pending)-1]
	last.rv, last.at = rv, now
}

// done settles a document and returns its size. ok is false for one that is settled already or was never begun.
func (w *watermark) done(t Token) (size int, ok bool) {
	if !w.isOpen(t) {
		return 0, false
	}
	p := &w.pending[w.head+int(t-w.base)]
	p.done = true
	size = int(p.size)
	w.advance()
	return size, true
}

func (w *watermark) isOpen(t Token) bool {
	return t >= w.base && t < w.base+Token(w.len()) && !w.pending[w.head+int(t-w.base)].done
}

func (w *watermark) advance() {
	for w.len() > 0 && w.pending[w.head].done {
		if p := &w.pending[w.head]; p.rv != "" {
			w.position, w.at = p.rv, p.at
		}
		w.pending[w.head] = pending{}
		w.head++
		w.base++
	}
	if w.head > 1024 && w.head > len(w.pending)/2 {
		n := copy(w.pending, w.pending[w.head:])
		clear(w.pending[n:])
		w.pending, w.head = w.pending[:n], 0
	}
	if w.head == len(w.pending) {
		w.pending, w.head = w.pending[:0], 0
	}
}

func (w *watermark) len() int { return len(w.pending) - w.head }
