package eventsink

import (
	"bytes"
	"fmt"
	"slices"
	"time"
)

// add renders a record into the open batch. A document that makes the batch too large goes to the next one.
func (f *Flow) add(now time.Time, r *Record, rv string) {
	b := f.open
	if len(b.docs) == 0 {
		f.opened = now
	}
	start := len(b.buf)
	if cap(b.buf)-start < start/16 { // append grows by a quarter, and copies a large batch four times on the way
		b.buf = slices.Grow(b.buf, min(start, f.o.BatchBytes+f.o.BatchBytes/16-start))
	}
	var source int
	b.buf, source = f.o.Renderer.appendBulk(b.buf, r)
	size := len(b.buf) - start
	token := f.mark.begin(now, rv, size)
	f.bytes += size
	f.ledger.InFlight++
	d := doc{source: source, end: len(b.buf), token: token, uid: r.UID, at: r.Last}
	if len(b.buf) > f.o.BatchBytes && start > 0 {
		text := b.buf[start:]
		b.buf = b.buf[:start]
		f.seal()
		d.source -= start
		f.open.take(text, d)
		f.opened = now
	} else {
		b.docs = append(b.docs, d)
	}
	if len(f.open.buf) >= f.o.BatchBytes || len(f.open.docs) >= f.o.BatchDocs {
		f.seal()
	}
}

func (f *Flow) seal() {
	if len(f.open.docs) == 0 {
		return
	}
	if b := f.open; cap(b.buf)-len(b.buf) > len(b.buf)/4 {
		b.buf = bytes.Clone(b.buf) // it may wait for long, and BufferBytes is what all that waits may hold
	}
	f.sealed = append(f.sealed, f.open)
	size, n := len(f.open.buf), len(f.open.docs)
	if f.open, f.spare = f.spare, nil; f.open == nil {
		// The next one is likely as large, and growing to it would copy it twice.
		f.open = &Batch{buf: make([]byte, 0, size+size/16), docs: make([]doc, 0, n)}
	}
}

// Recycle takes the memory of a batch for a later one, once each of its documents is settled: fresh memory costs as much
// as a third of the rendering. Neither the batch may be used any more nor what its methods returned, but for what Keep and
// Halves copied. One batch is kept; it need not be given back. One with a document that is not settled is left alone: it
// may be on its way still.
func (f *Flow) Recycle(b *Batch) {
	if b == nil || cap(b.buf) == 0 || slices.ContainsFunc(b.docs, func(d doc) bool { return f.isOpen(d.token) }) {
		return
	}
	clear(b.docs) // the texts are those of Events
	f.spare = &Batch{buf: b.buf[:0], docs: b.docs[:0]}
	*b = Batch{}
}

// Next returns the batch to send now, nil if there is none. The open batch goes out when it is BatchAge old, or at once
// with flush.
func (f *Flow) Next(now time.Time, flush bool) *Batch {
	if len(f.sealed) == 0 && (flush || now.Sub(f.opened) >= f.o.BatchAge) {
		f.seal()
	}
	if len(f.sealed) == 0 {
		return nil
	}
	b := f.sealed[0]
	f.sealed[0] = nil
	f.sealed = f.sealed[1:]
	return b
}

// Due is when [Flow.Next] will have a batch without any further record. ok is false when nothing waits.
func (f *Flow) Due() (at time.Time, ok bool) {
	switch {
	case len(f.sealed) > 0:
		return f.opened, true
	case len(f.open.docs) > 0:
		return f.opened.Add(f.o.BatchAge), true
	}
	return time.Time{}, false
}

// Recovered notes documents that an earlier process left in the spool.
func (f *Flow) Recovered(n int) {
	count := uint64(max(n, 0))
	f.ledger.Received += count
	f.ledger.Spooled += count
}

// Unspool makes a batch of documents that are taken from the spool, each an action line and a source with their
// newlines, as [Batch.Doc] gave them. They are settled like any other, but hold no checkpoint back: the spool keeps them
// until then. It refuses text that is no such document.
func (f *Flow) Unspool(docs [][]byte) (*Batch, error) {
	if uint64(len(docs)) > f.ledger.Spooled {
		return nil, fmt.Errorf("eventsink: %d documents from the spool, but it holds %d; note what an earlier process left with Recovered", len(docs), f.ledger.Spooled)
	}
	b := &Batch{}
	for i, text := range docs {
		source := sourceOffset(text)
		if source < 0 {
			return nil, fmt.Errorf("eventsink: document %d from the spool, %q: want an action line and a source line", i, short(string(text)))
		}
		b.take(text, doc{source: source, token: spoolToken | (f.unspooled + Token(i))})
	}
	for i, d := range b.docs {
		f.spool[d.token] = len(docs[i])
		f.bytes += len(docs[i])
	}
	f.unspooled += Token(len(docs))
	f.ledger.Spooled -= uint64(len(docs))
	f.ledger.InFlight += uint64(len(docs))
	return b, nil
}

// SpoolDropped notes documents that the spool dropped because it is full, for a cause such as "spool_full".
func (f *Flow) SpoolDropped(n int, cause string) {
	count := min(uint64(max(n, 0)), f.ledger.Spooled)
	f.ledger.Spooled -= count
	f.ledger.drop(cause, count)
}
