package etcddb

import (
	"context"
	"iter"
)

// Revisions yields every change that is retained, tombstones as well, in the order of revisions.
func (db *DB) Revisions(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, _, ok := db.retained(q, yield)
		if !ok {
			return
		}
		s.wants = q.wants()
		for c, err := range db.scan(ctx, s) {
			if err != nil {
				if !yield(Record{}, err) || ctx.Err() != nil {
					return
				}
				continue
			}
			if !q.selects(c.Key) {
				continue
			}
			if q.KeysOnly {
				c.Value = nil
			}
			if !yield(c.Record, nil) {
				return
			}
		}
	}
}

// History yields the changes of one key that are retained, in the order of revisions: the generations of the key, each
// with its Create, and the tombstones between them.
func (db *DB) History(ctx context.Context, key string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		generation := int64(0)
		only := Query{Match: func(k []byte) bool { return string(k) == key }}
		for r, err := range db.Revisions(ctx, only) {
			switch {
			case err != nil:
			case r.Tombstone:
				r.Create, generation = generation, 0
			default:
				generation = r.Create
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
