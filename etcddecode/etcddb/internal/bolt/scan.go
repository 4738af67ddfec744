package bolt

import (
	"bytes"
	"iter"
	"slices"
)

// Scan yields the entries of every leaf page, in the order of pages, whether a tree refers to it or not: what earlier
// transactions left on pages that were freed since, or what a damaged tree no longer reaches. Pages for which skip is true
// are left out with their overflow. An entry of which a part was overwritten by another page is an error.
func (f *File) Scan(skip func(page uint64) bool) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		s := scanner{f: f, win: window{r: f.r, ahead: maxAhead}, size: f.meta.PageSize}
		s.pages = uint64(max(f.size, 0)) / uint64(s.size)
		if f.size%s.size >= headerSize {
			s.pages++
		}
		s.budget = 8*max(f.size, 0) + maxRun
		for id := uint64(2); id < s.pages; id++ {
			p, ok := s.page(id)
			if !ok {
				continue
			}
			if skip(id) {
				id += min(uint64(p.overflow()), s.pages-id)
				continue
			}
			if !s.items(p, id, yield) {
				return
			}
		}
	}
}

type scanner struct {
	f      *File
	win    window
	size   int64
	pages  uint64
	budget int64
	valid  []bool
}

// page reads a leaf page with its overflow, and reports whether it is one.
func (s *scanner) page(id uint64) (page, bool) {
	off := int64(id) * s.size
	b, _, err := s.win.get(off, s.size)
	p := page{s.f.order, b}
	if err != nil || len(b) < headerSize || p.id() != id || p.flags() != flagLeaf || p.count() == 0 {
		return page{}, false
	}
	run := min(int64(min(uint64(p.overflow())+1, s.pages-id))*s.size, maxRun)
	if run > s.size && s.budget >= run {
		s.budget -= run
		if long, _, err := s.win.get(off, run); err == nil && len(long) >= headerSize {
			p.buf = long
		}
	}
	return p, true
}

func (s *scanner) items(p page, id uint64, yield func(Item, error) bool) bool {
	reused := s.reused(p, id)
	s.valid = p.valid(s.valid, page.leafSpan)
	whole := len(reused) == 0 && s.whole(p)
	for i, ok := range s.valid {
		if !ok {
			continue // what the page once was can't be told
		}
		flags, key, value, at := p.leaf(i)
		item := Item{Key: key, Value: value, Size: len(value), Flags: flags, Page: id, Offset: int64(id)*s.size + int64(at), Whole: whole}
		var err error
		if first, last := int64(at)/s.size, int64(at+len(value))/s.size; slices.ContainsFunc(reused, func(n int64) bool { return n >= first && n <= last }) {
			item, err = Item{}, &CorruptError{Page: id, Offset: item.Offset, Reason: "an entry that was overwritten in part"}
		}
		if !yield(item, err) {
			return false
		}
	}
	return true
}

// whole reports whether nothing is wrong with a page whose valid elements are known.
func (s *scanner) whole(p page) bool {
	if len(s.valid) < p.count() || slices.Contains(s.valid, false) {
		return false
	}
	var previous []byte
	for i := range s.valid {
		_, key, _, _ := p.leaf(i)
		if i > 0 && bytes.Compare(previous, key) >= 0 {
			return false
		}
		previous = key
	}
	return true
}

// reused lists the overflow pages that are now the beginning of another page: those that say their own number.
func (s *scanner) reused(p page, id uint64) (reused []int64) {
	for n := int64(1); n*s.size+headerSize <= int64(len(p.buf)); n++ {
		q := page{p.order, p.buf[n*s.size:]}
		flags := q.flags()
		if q.id() == id+uint64(n) && (flags == flagLeaf || flags == flagBranch || flags == flagFreelist) {
			reused = append(reused, n)
		}
	}
	return reused
}
