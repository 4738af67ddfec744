package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Tally counts the pages of a file, and what the buckets hold.
type Tally struct {
	Branch, Leaf, Overflow, Freelist uint64 // pages that are in use
	Unused                           uint64 // pages that nothing refers to
	Buckets                          []BucketTally
}

// BucketTally counts one bucket of the root.
type BucketTally struct {
	Name     string
	Entries  uint64
	Bytes    uint64 // of keys and values
	Branch   uint64
	Leaf     uint64
	Overflow uint64
	Depth    int // 0 if it is inlined in its entry
}

// Check visits every page that the transaction refers to, and reports each thing that is wrong: metas, numbers, kinds and
// counts of pages, pages that are out of range, referred to twice or overlap, elements outside of their page, keys that are
// not in order, a file list that does not fit. The error is ErrChanged if a transaction was committed meanwhile.
func (f *File) Check(ctx context.Context, report func(error)) (Tally, error) {
	if len(f.metas) == 0 {
		return Tally{}, ErrNoMeta
	}
	c := checker{ctx: ctx, report: report, used: bitset{}}
	c.w = walk{f: f, meta: f.meta, seen: bitset{}, win: window{r: f.r}}
	if !f.pinned {
		c.w.meta = f.current()
	}
	if c.w.meta == (Meta{}) {
		return Tally{}, ErrChanged
	}
	c.w.pages = f.pages(c.w.meta)
	c.w.budget = 4*int64(c.w.pages)*c.w.meta.PageSize + maxRun
	c.metas()
	c.tree(c.w.meta.Root, 0, nil, nil, nil)
	c.freelist()
	c.unused()
	switch {
	case c.ctx.Err() != nil:
		return Tally{}, c.ctx.Err()
	case c.stale || !f.Unchanged(c.w.meta):
		return Tally{}, ErrChanged
	}
	return c.tally, nil
}

type checker struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call
	w      walk
	report func(error)
	used   bitset
	free   bitset // what the freelist has, nil if there is none
	tally  Tally
	nested int
	stale  bool
}

func (c *checker) damage(id uint64, format string, args ...any) {
	c.report(&CorruptError{Page: id, Offset: int64(id) * c.w.meta.PageSize, Reason: fmt.Sprintf(format, args...)})
}

func (c *checker) metas() {
	if len(c.w.f.metas) < 2 {
		c.damage(uint64(1-c.w.f.metas[0].Page), "invalid meta page")
	}
	if c.w.pages < c.w.meta.HighWater {
		c.report(&CorruptError{
			Page: c.w.pages, Offset: c.w.f.size, Reason: fmt.Sprintf("the file ends after %d of %d pages", c.w.pages, c.w.meta.HighWater),
		})
	}
}

// load reads a page and marks its run as used.
func (c *checker) load(id uint64) (page, bool) {
	if c.stale || c.ctx.Err() != nil {
		return page{}, false
	}
	p, err := c.w.load(id)
	if errors.Is(err, errStale) {
		c.stale = true
		return page{}, false
	}
	if err != nil {
		c.report(err)
		return page{}, false
	}
	run := uint64(p.overflow()) + 1
	if id+run > c.w.meta.HighWater {
		c.damage(id, "its %d overflow pages end after the last page", p.overflow())
		run = max(1, min(run, c.w.pages-id))
	}
	for i := range run {
		if !c.used.add(id + i) {
			c.damage(id, "overlaps another page at %d", id+i)
			break
		}
	}
	return p, true
}

// tree checks the tree below a page. b is nil in the root bucket.
func (c *checker) tree(id uint64, depth int, lo, hi []byte, b *BucketTally) {
	if depth >= maxDepth {
		c.damage(id, "deeper than %d levels", maxDepth)
		return
	}
	p, ok := c.load(id)
	if !ok {
		return
	}
	p.buf = bytes.Clone(p.buf) // the window moves on
	if b != nil {
		b.Depth = max(b.Depth, depth+1)
		b.Overflow += uint64(p.overflow())
	}
	c.tally.Overflow += uint64(p.overflow())
	if p.count() == 0 && (depth > 0 || p.flags() == flagBranch) {
		c.damage(id, "a page without elements")
	}
	switch p.flags() {
	case flagLeaf:
		c.tally.Leaf++
		if b != nil {
			b.Leaf++
		}
		c.leaf(p, id, lo, hi, b)
	case flagBranch:
		c.tally.Branch++
		if b != nil {
			b.Branch++
		}
		c.branch(p, id, depth, lo, hi, b)
	default:
		c.damage(id, "flags %#x: neither branch nor leaf", p.flags())
	}
}

func (c *checker) branch(p page, id uint64, depth int, lo, hi []byte, b *BucketTally) {
	valid := p.valid(nil, page.branchSpan)
	var previous []byte
	for i := range valid {
		if !valid[i] {
			c.damage(id, "element %d is outside of the page", i)
			continue
		}
		key, child := p.branch(i)
		if !within(key, lo, hi) || i > 0 && bytes.Compare(previous, key) >= 0 {
			c.damage(id, "the key of element %d is out of order", i)
		}
		previous = key
		high := hi
		if i+1 < len(valid) && valid[i+1] {
			high, _ = p.branch(i + 1)
		}
		c.tree(child, depth+1, key, high, b)
	}
	if len(valid) < p.count() {
		c.damage(id, "a branch page with %d elements, of which %d are inside", p.count(), len(valid))
	}
}

func (c *checker) leaf(p page, id uint64, lo, hi []byte, b *BucketTally) {
	valid := p.valid(nil, page.leafSpan)
	if len(valid) < p.count() {
		c.damage(id, "a leaf page with %d elements, of which %d are inside", p.count(), len(valid))
	}
	var previous []byte
	for i := range valid {
		if !valid[i] {
			c.damage(id, "element %d is outside of the page", i)
			continue
		}
		flags, key, value, at := p.leaf(i)
		if !within(key, lo, hi) || previous != nil && bytes.Compare(previous, key) >= 0 {
			c.damage(id, "the key of element %d is out of order", i)
		}
		previous = key
		if b != nil {
			b.Entries++
			b.Bytes += uint64(len(key) + len(value))
		}
		if flags&FlagBucket != 0 {
			c.bucket(Item{Key: key, Value: value, Flags: flags, Page: id, Offset: int64(id)*c.w.meta.PageSize + int64(at)}, b)
		}
	}
}

// bucket checks a bucket by its entry.
func (c *checker) bucket(item Item, outer *BucketTally) {
	found, err := parseBucket(c.w.f.order, item)
	if err != nil {
		c.report(err)
		return
	}
	if c.nested++; c.nested > maxDepth {
		c.damage(item.Page, "buckets nested deeper than %d levels", maxDepth)
		c.nested--
		return
	}
	b := &BucketTally{Name: string(item.Key)}
	if found.inline != nil {
		c.leaf(page{c.w.f.order, found.inline}, item.Page, nil, nil, b)
	} else {
		c.tree(found.root, 0, nil, nil, b)
	}
	c.nested--
	if outer == nil {
		c.tally.Buckets = append(c.tally.Buckets, *b)
	}
}

// freelist checks the list of free pages, if it was written.
func (c *checker) freelist() {
	id := c.w.meta.Freelist
	if id == noPage {
		return
	}
	p, ok := c.load(id)
	if !ok {
		return
	}
	c.tally.Freelist = uint64(p.overflow()) + 1
	if p.flags() != flagFreelist {
		c.damage(id, "flags %#x: not a freelist", p.flags())
		return
	}
	body, count := p.buf[headerSize:], uint64(p.count())
	if count == 0xFFFF && len(body) >= 8 { // the first element is the count
		count, body = p.order.u64(body), body[8:]
	}
	if count > uint64(len(body)/8) {
		c.damage(id, "a freelist of %d pages, of which %d are inside", count, len(body)/8)
		count = uint64(len(body) / 8)
	}
	c.free = bitset{}
	previous := uint64(1)
	for i := range count {
		n := p.order.u64(body[8*i:])
		if n <= previous || n >= c.w.meta.HighWater {
			c.damage(id, "free page %d is out of order or out of range", n)
			continue
		}
		previous = n
		c.free.add(n)
		if c.used.has(n) {
			c.damage(n, "in use, but on the freelist")
		}
	}
}

func (c *checker) unused() {
	for id := uint64(2); id < c.w.pages; id++ {
		if c.used.has(id) {
			continue
		}
		c.tally.Unused++
		if c.free != nil && !c.free.has(id) {
			c.damage(id, "neither in use nor on the freelist")
		}
	}
}
