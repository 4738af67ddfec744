package etcddb

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// Deleted yields each deletion that is retained, after q.Since and up to q.Revision, with the last value before it, in the
// order of keys, then revisions. A key that was deleted twice appears twice.
//
// Kubernetes has etcd compact every five minutes. What a compaction removed, DB.Carve may still find.
func (db *DB) Deleted(ctx context.Context, q Query) iter.Seq2[Deletion, error] {
	return func(yield func(Deletion, error) bool) {
		s, _, ok := db.retained(q, func(_ Record, err error) bool { return yield(Deletion{}, err) })
		if !ok {
			return
		}
		s.after = 0 // the last values may be older
		d, ok := db.deletions(ctx, q, s, func(err error) bool { return yield(Deletion{}, err) })
		if !ok {
			return
		}
		f := db.fetcher(q.KeysOnly)
		for i := range d.found {
			if ctx.Err() != nil {
				yield(Deletion{}, ctx.Err())
				return
			}
			e := &d.found[i]
			last, err := f.record(&e.last)
			if e.last.tombstone {
				last.Create = 0
			}
			if !yield(Deletion{Last: last, Deleted: e.at, Recreated: e.at.Compare(d.alive[e.last.key]) < 0}, err) {
				return
			}
		}
	}
}

type deletion struct {
	last entry // the tombstone, if nothing else is retained
	at   Revision
}

type deletions struct {
	found []deletion
	alive map[string]Revision // of keys that were found: the newest put, if not deleted since
}

// deletions gathers tombstones and the changes before them.
func (db *DB) deletions(ctx context.Context, q Query, s span, fail func(error) bool) (d deletions, ok bool) {
	ix := newIndex()
	s.wants = none
	for c, err := range db.scan(ctx, s) {
		if err != nil {
			if !fail(err) || ctx.Err() != nil {
				return d, false
			}
			continue
		}
		if c.Tombstone && c.Rev.Main > q.Since && q.selects(c.Key) {
			last := newEntry(string(c.Key), c)
			if before := ix.get(c.Key); before != nil && !before.tombstone {
				last = *before
			}
			d.found = append(d.found, deletion{last, c.Rev})
		}
		ix.add(&q, c)
	}
	d.alive = map[string]Revision{}
	for i := range d.found {
		key := d.found[i].last.key
		if e := ix.get([]byte(key)); !e.tombstone {
			d.alive[key] = e.rev
		}
	}
	slices.SortFunc(d.found, func(a, b deletion) int {
		if c := strings.Compare(a.last.key, b.last.key); c != 0 {
			return c
		}
		return a.at.Compare(b.at)
	})
	return d, true
}
