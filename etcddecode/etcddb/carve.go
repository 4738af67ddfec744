package etcddb

import (
	"context"
	"iter"
	"slices"
)

// Carve yields the changes that pages hold to which the tree does not refer, and that are not in the tree: what
// compaction removed, as long as its pages have not been used again, and what a damaged tree no longer reaches. The order
// is that of pages, each change once, with OriginFree. An entry that was overwritten in part is an error.
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
		upTo := q.Revision
		if upTo == 0 {
			upTo = maxRevision
		}
		seen := map[Revision]struct{}{}
		n := 0
		for item, err := range db.file.Scan(live.hasPage) {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				yield(Record{}, ctx.Err())
				return
			}
			rev, _, ok := parseRevision(item.Key)
			if err != nil {
				if !yield(Record{}, err) {
					return
				}
				continue
			}
			if _, dup := seen[rev]; !ok || dup || rev.Main <= q.Since || rev.Main > upTo || live.hasRevision(rev) {
				continue // most are entries of other buckets, and copies
			}
			r, skip, err := parseItem(item)
			if skip || err != nil || !q.selects(r.Key) {
				continue // what is no change is what any page may hold
			}
			seen[rev] = struct{}{}
			r.Origin = OriginFree
			if q.KeysOnly {
				r.Value = nil
			}
			if !yield(r, nil) {
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
	for c, err := range db.scan(ctx, span{upTo: maxRevision, bumps: true}) {
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
