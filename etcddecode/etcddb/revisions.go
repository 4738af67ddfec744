package etcddb

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Revisions yields every change that is retained, tombstones as well, in the order of revisions.
func (db *DB) Revisions(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, ok := db.retained(q, yield)
		if !ok {
			return
		}
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

// retained is span for a query that takes what there is, whether compacted or not.
func (db *DB) retained(q Query, yield func(Record, error) bool) (span, bool) {
	state, err := db.readState()
	switch {
	case errors.Is(err, ErrNoMeta) || errors.Is(err, ErrNotEtcd):
		yield(Record{}, fmt.Errorf("etcddb: %w", err))
		return span{}, false
	case err != nil && !yield(Record{}, err):
		return span{}, false
	case q.Revision < 0 || q.Revision > state.revision:
		yield(Record{}, fmt.Errorf("etcddb: revision %d: %w, %d", q.Revision, ErrFutureRevision, state.revision))
		return span{}, false
	case q.Revision > 0:
		return span{after: q.Since, upTo: q.Revision}, true
	}
	return span{after: q.Since, upTo: state.revision}, true
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
