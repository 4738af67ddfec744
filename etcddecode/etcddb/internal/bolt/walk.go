package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// Item is an entry of a bucket. Key and Value are valid until the walk's next step.
type Item struct {
	Key, Value []byte
	// Size is the length of the value, of which Value may be the beginning if Range.Need allows it.
	Size  int
	Flags uint32
	// Page is the leaf, Offset the position of the value in the file, TxID the transaction in whose tree it was.
	Page   uint64
	Offset int64
	TxID   uint64
	// Whole says, of what Scan found, that nothing on the page is damaged: all entries are inside of it, and their keys
	// ascend.
	Whole bool
}

// Range is a part of a bucket: from From, inclusive, to To, exclusive. Nil is no bound.
type Range struct {
	From, To []byte
	Reverse  bool
	// Need says how many bytes of a value are needed, by its beginning and its length; what is behind them may not be
	// read. Nil is all. It is asked again and in any order, and must not keep the bytes.
	Need func(head []byte, size int) int
}

// errStale means that a transaction was committed after the one that is read, so that its pages may be overwritten.
var errStale = errors.New("stale")

// Walk yields the entries of a bucket in the order of keys, of the transaction of the opening or a later one.
// If a transaction is committed meanwhile, the walk goes on in it, behind the last key. An error is damage at one place,
// and the walk goes on behind it. Each page is visited once.
func (f *File) Walk(bucket string, r Range) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if len(f.metas) == 0 {
			yield(Item{}, ErrNoMeta)
			return
		}
		w := walk{f: f, meta: f.meta, r: r, bucket: bucket, yield: yield, seen: bitset{}, win: window{r: f.r, reverse: r.Reverse}}
		w.run()
	}
}

// walk is one walk over a bucket.
type walk struct {
	f      *File
	r      Range
	bucket string
	yield  func(Item, error) bool

	win      window
	glance   glance
	meta     Meta
	pages    uint64
	seen     bitset
	budget   int64
	levels   []*level // the branch pages at each depth
	valid    []bool   // the elements of the present leaf
	skimmed  skim
	stopped  bool // the consumer has had enough
	progress bool // since the last restart
	last     []byte

	root     bucket // of the bucket, in the tree of rootMeta
	rootMeta Meta
}

// maxRestarts bounds how often in a row a walk starts again without having got a page further.
const maxRestarts = 100

func (w *walk) run() {
	for tries := 0; ; tries++ {
		if stale := w.once(); w.stopped || !stale {
			return // every byte was read in time
		}
		if w.progress {
			tries = 0
		}
		if tries > maxRestarts || !w.again() {
			w.fail(ErrChanged)
			return
		}
	}
}

// again sets out from the newest transaction, behind the last key.
func (w *walk) again() bool {
	if w.f.pinned {
		return false
	}
	w.meta = w.f.current()
	if w.meta == (Meta{}) {
		return false
	}
	w.win.drop()
	if w.last != nil {
		if w.r.Reverse {
			w.r.To = bytes.Clone(w.last)
		} else {
			w.r.From = append(bytes.Clone(w.last), 0)
		}
	}
	w.progress = false
	return true
}

// once walks the tree of w.meta, and reports whether it has become stale.
func (w *walk) once() (stale bool) {
	w.pages = w.f.pages(w.meta)
	clear(w.seen)
	w.budget = 4*int64(w.pages)*w.meta.PageSize + maxRun
	w.skimmed.drop()
	w.skimmed.wide = false // so that the first leaf is given away at once, however often a transaction is committed
	b, err := w.locate()
	switch {
	case errors.Is(err, errStale):
		return true
	case err != nil:
		w.fail(err)
		return false
	case b.inline != nil:
		_, err = w.leaf(page{w.f.order, b.inline}, b.page, b.base, nil, nil)
	default:
		if _, err = w.tree(b.root, 0, nil, nil); err == nil {
			_, err = w.release()
		}
	}
	return errors.Is(err, errStale)
}

// fail yields an error, and remembers if the consumer has had enough.
func (w *walk) fail(err error) bool {
	if !w.stopped && !w.yield(Item{}, err) {
		w.stopped = true
	}
	return !w.stopped
}

// corrupt yields damage on a page.
func (w *walk) corrupt(id uint64, format string, args ...any) bool {
	return w.fail(&CorruptError{Page: id, Offset: int64(id) * w.meta.PageSize, Reason: fmt.Sprintf(format, args...)})
}

// damage is corrupt after what is held, which comes before it.
func (w *walk) damage(id uint64, format string, args ...any) (bool, error) {
	if more, err := w.release(); !more {
		return false, err
	}
	return w.corrupt(id, format, args...), nil
}

// tree walks the tree below a page, whose keys must be in [lo, hi). It reports whether to go on; the only error is
// errStale.
func (w *walk) tree(id uint64, depth int, lo, hi []byte) (bool, error) {
	if depth >= maxDepth {
		return w.damage(id, "deeper than %d levels", maxDepth)
	}
	if w.skim(id, lo, hi) {
		if w.skimmed.full() {
			return w.release()
		}
		return true, nil
	}
	if more, err := w.release(); !more {
		return false, err
	}
	p, err := w.load(id)
	switch {
	case errors.Is(err, errStale):
		return false, err
	case err != nil:
		return w.fail(err), nil
	case p.flags() == flagLeaf:
		return w.leaf(p, id, int64(id)*w.meta.PageSize, lo, hi)
	case p.flags() == flagBranch:
		return w.branch(p, id, depth, lo, hi)
	}
	return w.corrupt(id, "flags %#x: neither branch nor leaf", p.flags()), nil
}

// load reads a page that a tree refers to.
func (w *walk) load(id uint64) (page, error) {
	off := int64(id) * w.meta.PageSize
	damage := func(err error, format string, args ...any) error {
		return &CorruptError{Page: id, Offset: off, Reason: fmt.Sprintf(format, args...), Err: err}
	}
	if id < 2 || id >= w.pages {
		return page{}, &CorruptError{Page: id, Reason: fmt.Sprintf("out of range: the file has pages 2 to %d", w.pages)}
	}
	if !w.seen.add(id) {
		return page{}, damage(nil, "referred to twice")
	}
	p, err := w.read(off, w.meta.PageSize)
	if err != nil || len(p.buf) < headerSize {
		return page{}, orStale(err, damage(err, "can't be read"))
	}
	if p.id() != id {
		return page{}, damage(nil, "says that it is page %d", p.id())
	}
	run := min(int64(min(uint64(p.overflow())+1, w.pages-id))*w.meta.PageSize, maxRun)
	if w.budget -= run; w.budget < 0 {
		return page{}, damage(nil, "overlapping pages: more has been read than the file holds")
	}
	if run > w.meta.PageSize {
		if p, err = w.read(off, run); err != nil || len(p.buf) < headerSize {
			return page{}, orStale(err, damage(err, "can't be read"))
		}
	}
	return p, nil
}

func orStale(err, other error) error {
	if errors.Is(err, errStale) {
		return err
	}
	return other
}

// read gets bytes that are known to be w.meta's: no later transaction had been committed after they were read.
func (w *walk) read(off, n int64) (page, error) {
	b, fresh, err := w.win.get(off, n)
	if fresh && !w.f.unchanged(w.meta, &w.glance) {
		return page{}, errStale
	}
	return page{w.f.order, b}, err
}

// level is what a walk keeps of a branch page, as the window moves on.
type level struct {
	buf   []byte
	valid []bool
}

// branch walks the children of a branch page.
func (w *walk) branch(p page, id uint64, depth int, lo, hi []byte) (bool, error) {
	for len(w.levels) <= depth {
		w.levels = append(w.levels, &level{})
	}
	l := w.levels[depth]
	l.buf = append(l.buf[:0], p.buf...)
	p.buf = l.buf
	l.valid = p.valid(l.valid, page.branchSpan)
	if n := len(l.valid); n < p.count() || n == 0 {
		if !w.corrupt(id, "a branch page with %d elements, of which %d are inside", p.count(), n) {
			return false, nil
		}
	}
	for i := range l.valid {
		if w.r.Reverse {
			i = len(l.valid) - 1 - i
		}
		if more, err := w.child(p, id, l.valid, i, depth, lo, hi); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// child walks element i of a branch page, unless the range excludes it. Its keys are at least its own and less than those
// of the next one; where one of them makes no sense, those of the page bound them.
func (w *walk) child(p page, id uint64, valid []bool, i, depth int, lo, hi []byte) (bool, error) {
	low, high := lo, hi
	if !valid[i] {
		return w.damage(id, "element %d is outside of the page", i)
	}
	key, child := p.branch(i)
	if !within(key, lo, hi) {
		if more, err := w.damage(id, "the key of element %d is out of order", i); !more {
			return false, err
		}
	} else if i > 0 {
		low = key
	}
	if i+1 < len(valid) && valid[i+1] {
		if next, _ := p.branch(i + 1); bytes.Compare(next, low) > 0 && within(next, lo, hi) {
			high = next
		}
	}
	if w.r.From != nil && high != nil && bytes.Compare(high, w.r.From) <= 0 ||
		w.r.To != nil && low != nil && bytes.Compare(low, w.r.To) >= 0 {
		return true, nil
	}
	return w.tree(child, depth+1, low, high)
}

func within(key, lo, hi []byte) bool {
	return (lo == nil || bytes.Compare(key, lo) >= 0) && (hi == nil || bytes.Compare(key, hi) < 0)
}

// leaf yields the entries of a leaf page, which begins at base in the file.
func (w *walk) leaf(p page, id uint64, base int64, lo, hi []byte) (bool, error) {
	w.valid = p.valid(w.valid, page.leafSpan)
	n := len(w.valid)
	if n < p.count() && !w.corrupt(id, "a leaf page with %d elements, of which %d are inside", p.count(), n) {
		return false, nil
	}
	w.progress, w.skimmed.wide = true, int64(len(p.buf)) > w.meta.PageSize
	var previous []byte
	for i := range n {
		if w.r.Reverse {
			i = n - 1 - i
		}
		if !w.valid[i] {
			if !w.corrupt(id, "element %d is outside of the page", i) {
				return false, nil
			}
			continue
		}
		flags, key, value, at := p.leaf(i)
		if !within(key, lo, hi) || previous != nil && (bytes.Compare(previous, key) < 0) == w.r.Reverse {
			if !w.corrupt(id, "the key of element %d is out of order", i) {
				return false, nil
			}
			continue
		}
		previous = key
		if !within(key, w.r.From, w.r.To) {
			continue
		}
		w.last = append(w.last[:0], key...)
		if !w.yield(Item{Key: key, Value: value, Size: len(value), Flags: flags, Page: id, Offset: base + int64(at), TxID: w.meta.TxID}, nil) {
			w.stopped = true
			return false, nil
		}
	}
	return true, nil
}
