package bolt

import (
	"bytes"
	"slices"
)

const (
	// headSize is how much of a value is read at first: what comes before etcd's value if the key has 160 bytes.
	headSize = 192
	// probeSize is how much of a page: what leads to the head of the first of three entries, and that.
	probeSize = headerSize + 3*elementSize + 24 + headSize
	maxKey    = 1 << 10

	maxHeld      = 128
	maxHeldBytes = 256 << 10
)

// skim is what a walk needs to read leaves with large values, of which it wants the beginnings only: the page header with
// the elements, and the head of each entry. A read of so few bytes costs as much as copying 3 KB more.
//
// What is read this way is held back, and given away once a look at the meta pages has shown that it was right; a look
// after each of these reads would cost more than they do. Anything that is not as it should be is left to the walk's
// reading of whole pages, which says what is wrong.
type skim struct {
	wide bool // the leaf before this one ran over its page
	page [probeSize]byte
	held []Item
	buf  []byte // the end of what held aliases
	size int64  // of all of it
}

// skim reads a leaf and reports whether it could.
func (w *walk) skim(id uint64, lo, hi []byte) bool {
	s := &w.skimmed
	if w.r.Need == nil || !s.wide || id < 2 || id >= w.pages || w.seen.has(id) {
		return false
	}
	base := int64(id) * w.meta.PageSize
	n, _ := w.f.r.ReadAt(s.page[:], base) // of what can't be read, the reading of whole pages finds out why
	p := page{w.f.order, s.page[:max(0, min(n, probeSize))]}
	if len(p.buf) < headerSize || p.id() != id || p.flags() != flagLeaf || p.count() == 0 || p.elements() < p.count() {
		return false
	}
	run := (int64(p.overflow()) + 1) * w.meta.PageSize
	if run > min(maxRun, w.budget) || base+run > w.f.size || id+uint64(p.overflow()) >= w.pages {
		return false
	}
	before := len(s.held)
	read, ok := w.entries(p, id, run, lo, hi)
	if !ok {
		s.held = s.held[:before]
		return false
	}
	w.seen.add(id)
	w.budget -= run
	s.wide = read < run/2
	if w.r.Reverse {
		slices.Reverse(s.held[before:])
	}
	return true
}

// entries holds the heads of a leaf page of which the beginning has been read, and which is run bytes long. It returns how
// many bytes they are.
func (w *walk) entries(p page, id uint64, run int64, lo, hi []byte) (read int64, ok bool) {
	base, free := id*uint64(w.meta.PageSize), uint64(headerSize+p.count()*elementSize)
	var previous []byte
	for i := range p.count() {
		begin, end := p.leafSpan(i)
		flags, keySize := p.leafHead(i)
		if begin < free || end > uint64(run) || keySize > maxKey {
			return 0, false
		}
		free = end
		key, value := w.entry(p, int64(base), int64(begin), int64(keySize), int64(end-begin)-int64(keySize))
		if key == nil || !within(key, lo, hi) || i > 0 && bytes.Compare(previous, key) >= 0 {
			return 0, false
		}
		previous = key
		read += int64(len(key) + len(value))
		if within(key, w.r.From, w.r.To) {
			w.skimmed.held = append(w.skimmed.held, Item{
				Key: key, Value: value, Size: int(end-begin) - len(key), Flags: flags,
				Page: id, Offset: int64(base+begin) + int64(len(key)), TxID: w.meta.TxID,
			})
		}
	}
	return read, true
}

// entry reads the key that begins at begin in the page, and as much of its value as is needed. The key is nil if it can't.
func (w *walk) entry(p page, base, begin, keySize, size int64) (key, value []byte) {
	if keySize == 0 {
		return nil, nil
	}
	for have, need := int64(-1), min(size, headSize); need > have; {
		b := w.keep(p, base, begin, keySize+need)
		if b == nil {
			return nil, nil
		}
		key, value = b[:keySize:keySize], b[keySize:]
		if have = need; have < size {
			need = min(size, int64(w.r.Need(value, int(size))))
		}
	}
	return key, value
}

// keep returns n bytes at a place in a page, for as long as items are held.
func (w *walk) keep(p page, base, at, n int64) []byte {
	s := &w.skimmed
	if int64(cap(s.buf)-len(s.buf)) < n {
		s.buf = make([]byte, 0, max(64<<10, n)) // what is held keeps the one before
	}
	from := len(s.buf)
	b := s.buf[from : from+int(n) : from+int(n)]
	s.size += n
	if at+n <= int64(len(p.buf)) {
		copy(b, p.buf[at:])
	} else if got, _ := w.f.r.ReadAt(b, base+at); got < len(b) {
		return nil
	}
	s.buf = s.buf[:from+int(n)]
	return b
}

// release yields what is held, or fails with errStale. It reports whether to go on.
func (w *walk) release() (bool, error) {
	s := &w.skimmed
	if len(s.held) == 0 || w.stopped {
		return !w.stopped, nil
	}
	if !w.f.unchanged(w.meta, &w.glance) {
		return false, errStale
	}
	w.progress = true
	for _, item := range s.held {
		w.last = append(w.last[:0], item.Key...)
		if !w.yield(item, nil) {
			w.stopped = true
			return false, nil
		}
	}
	s.drop()
	return true, nil
}

func (s *skim) drop() { s.held, s.buf, s.size = s.held[:0], s.buf[:0], 0 }

// full reports whether enough is held.
func (s *skim) full() bool { return len(s.held) >= maxHeld || s.size >= maxHeldBytes }
