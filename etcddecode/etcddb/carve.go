package etcddb

import (
	"cmp"
	"context"
	"iter"
	"slices"
)

// Carve yields the changes that pages hold to which the tree does not refer, and that are not in the tree: what
// compaction removed, as long as its pages have not been used again, and what a damaged tree no longer reaches. The order
// is that of pages, each change once, with OriginFree. Of several copies, it is the first on a page that is not damaged,
// or else the first. An entry that was overwritten in part is an error.
//
// It needs no tree: with Options.Salvage it reads files without a valid meta page. A defragmented database and a file that
// `etcdctl snapshot restore` made have no such pages.
//
// Carved records are as good as the page they were found on: nobody vouches for them. Values of live keys are not taken
// for pages, but on a free page an attacker who could write to etcd may have left what looks like one.
//
// Of q, Prefix, Match, KeysOnly, Since and Revision are heeded.
func (db *DB) Carve(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		live := liveSet{pages: map[uint64]struct{}{}}
		if err := live.read(ctx, db); err != nil {
			yield(Record{}, err)
			return
		}
		best := map[Revision]place{}
		for c := range db.carve(ctx, &q, &live) {
			if p, known := best[c.Rev]; c.err == nil && (!known || c.whole && !p.whole) {
				best[c.Rev] = place{c.Page, c.Offset, c.whole}
			}
		}
		for c := range db.carve(ctx, &q, &live) {
			if p := best[c.Rev]; c.err == nil && (p.page != c.Page || p.offset != c.Offset) {
				continue // a copy
			}
			if !yield(c.Record, c.err) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Record{}, ctx.Err())
		}
	}
}

// place is where in the file a change was found.
type place struct {
	page   uint64
	offset int64
	whole  bool
}

// carved is a change that was found, or why one was not.
type carved struct {
	Record
	whole bool // on a page without damage
	err   error
}

// carve finds all copies of the changes that are not live.
func (db *DB) carve(ctx context.Context, q *Query, live *liveSet) iter.Seq[carved] {
	upTo := cmp.Or(q.Revision, maxRevision)
	return func(yield func(carved) bool) {
		n := 0
		for item, err := range db.file.Scan(live.hasPage) {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				return
			}
			if err != nil {
				if !yield(carved{err: err}) {
					return
				}
				continue
			}
			rev, _, ok := parseRevision(item.Key)
			if !ok || rev.Main <= q.Since || rev.Main > upTo || live.hasRevision(rev) {
				continue // most are entries of other buckets, and copies
			}
			var r Record
			skip, err := parseItem(&item, &r)
			if skip || err != nil || !q.selects(r.Key) {
				continue // what is no change is what any page may hold
			}
			r.Origin = OriginFree
			if q.KeysOnly {
				r.Value = nil
			}
			if !yield(carved{Record: r, whole: item.Whole}) {
				return
			}
		}
	}
}

// liveSet is what the tree holds: its revisions in order, and the leaf pages they are on.
type liveSet struct {
	revisions []Revision
	pages     map[uint64]struct{}
}

// read takes what can be read; damage is for others to report.
func (l *liveSet) read(ctx context.Context, db *DB) error {
	sorted := true
	for c, err := range db.scan(ctx, span{upTo: maxRevision, bumps: true, wants: none}) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			continue
		}
		if n := len(l.revisions); n > 0 && l.revisions[n-1].Compare(c.Rev) > 0 {
			sorted = false
		}
		l.revisions = append(l.revisions, c.Rev)
		if c.wal == nil {
			l.pages[c.Page] = struct{}{}
		}
	}
	if !sorted {
		slices.SortFunc(l.revisions, Revision.Compare)
	}
	return nil
}

func (l *liveSet) hasPage(page uint64) bool {
	_, ok := l.pages[page]
	return ok
}

func (l *liveSet) hasRevision(r Revision) bool {
	_, ok := slices.BinarySearchFunc(l.revisions, r, Revision.Compare)
	return ok
}
