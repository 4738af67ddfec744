package etcddb

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
)

// Live yields the keys that exist at q.Revision, with their values, in the order of keys or as q.NewestFirst says.
// Damage is yielded as an error beside a zero Record, before the records. With damage, a key may appear with an older
// value, or although it has been deleted, if the page with the newer revision can't be read.
func (db *DB) Live(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, ok := db.span(q, yield)
		if !ok {
			return
		}
		if q.NewestFirst {
			ok = db.liveNewestFirst(ctx, q, s, yield)
		} else {
			ok = db.liveByKey(ctx, q, s, yield)
		}
		if ok {
			db.checkCompacted(s.upTo, yield)
		}
	}
}

// span bounds the revisions that a query at one revision needs. It fixes the newest one, so that what a running etcd adds
// meanwhile is not seen.
func (db *DB) span(q Query, yield func(Record, error) bool) (span, bool) {
	s, state, ok := db.retained(q, yield)
	if ok && q.Revision > 0 && q.Revision < state.compacted {
		yield(Record{}, fmt.Errorf("etcddb: revision %d: %w, up to %d", q.Revision, ErrCompacted, state.compacted))
		return span{}, false
	}
	return s, ok
}

// retained is span for a query that takes what there is, whether compacted or not. What can't be read of the database's
// state, and what ended the reading of its log, is yielded.
func (db *DB) retained(q Query, yield func(Record, error) bool) (span, state, bool) {
	state, err := db.readState()
	if errors.Is(err, ErrNoMeta) || errors.Is(err, ErrNotEtcd) || errors.Is(err, ErrChanged) {
		yield(Record{}, fmt.Errorf("etcddb: %w", err))
		return span{}, state, false
	}
	if err != nil && !yield(Record{}, err) {
		return span{}, state, false
	}
	if db.overlay != nil && db.overlay.info.Err != nil && !yield(Record{}, db.overlay.info.Err) {
		return span{}, state, false
	}
	s := span{after: q.Since, upTo: state.revision}
	if state.damage != nil {
		s.upTo = maxRevision // where the newest page is damaged, nobody knows
	}
	if q.Revision < 0 || q.Revision > s.upTo {
		yield(Record{}, fmt.Errorf("etcddb: revision %d: %w, %d", q.Revision, ErrFutureRevision, state.revision))
		return span{}, state, false
	}
	if q.Revision > 0 {
		s.upTo = q.Revision
	}
	return s, state, true
}

// checkCompacted yields ErrCompacted if a running etcd has removed revisions that were asked for.
func (db *DB) checkCompacted(rev int64, yield func(Record, error) bool) bool {
	state, err := db.readState()
	if err == nil && state.compacted > rev {
		return yield(Record{}, fmt.Errorf("etcddb: revision %d: %w meanwhile, up to %d", rev, ErrCompacted, state.compacted))
	}
	return true
}

func (db *DB) liveByKey(ctx context.Context, q Query, s span, yield func(Record, error) bool) bool {
	ix := newIndex()
	s.wants = none // a later change may replace it
	for r, err := range db.scan(ctx, s) {
		switch {
		case err != nil:
			if !yield(Record{}, err) || ctx.Err() != nil {
				return false
			}
		default:
			ix.add(&q, r)
		}
	}
	f := db.fetcher(q.KeysOnly)
	for n, e := range ix.sorted() {
		if n%1024 == 0 && ctx.Err() != nil {
			yield(Record{}, ctx.Err())
			return false
		}
		if !e.tombstone && !yield(f.record(e.entry)) {
			return false
		}
	}
	return true
}

// liveNewestFirst walks backwards: the first change of a key that is met is its newest. Keys are remembered by 128 bits of
// hash.
func (db *DB) liveNewestFirst(ctx context.Context, q Query, s span, yield func(Record, error) bool) bool {
	type hash [2]uint64
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	seen := map[hash]struct{}{}
	s.reverse, s.wants = true, q.wants()
	for r, err := range db.scan(ctx, s) {
		if err != nil {
			if !yield(Record{}, err) || ctx.Err() != nil {
				return false
			}
			continue
		}
		if !q.selects(r.Key) {
			continue
		}
		h := hash{maphash.Bytes(seeds[0], r.Key), maphash.Bytes(seeds[1], r.Key)}
		if _, ok := seen[h]; ok {
			continue
		}
		seen[h] = struct{}{}
		if q.KeysOnly {
			r.Value = nil
		}
		if !r.Tombstone && !yield(r.Record, nil) {
			return false
		}
	}
	return true
}

// Get returns the value of a key at a revision, or the newest if rev is 0. The record is the caller's.
//
// The error is ErrNotFound if the key did not exist then. If it is ErrCorrupt and the record has a key, a page was damaged
// that may have held a newer value, or the tombstone, and the record is the newest that could be read.
func (db *DB) Get(ctx context.Context, key string, rev int64) (Record, error) {
	var found Record
	var errs []error
	note := func(_ Record, err error) bool {
		errs = append(errs, err)
		return ctx.Err() == nil && len(errs) < maxErrors
	}
	s, ok := db.span(Query{Revision: rev}, note)
	if !ok {
		return Record{}, errors.Join(errs...)
	}
	s.reverse, s.wants = true, func(k []byte) bool { return string(k) == key }
	for r, err := range db.scan(ctx, s) {
		if err != nil {
			if !note(Record{}, err) {
				return Record{}, errors.Join(errs...)
			}
			continue
		}
		if string(r.Key) == key {
			found = r.Clone()
			break
		}
	}
	db.checkCompacted(s.upTo, note)
	if found.Key == nil || found.Tombstone {
		return Record{}, errors.Join(append([]error{fmt.Errorf("etcddb: %q at revision %d: %w", key, s.upTo, ErrNotFound)}, errs...)...)
	}
	return found, errors.Join(errs...)
}

// maxErrors bounds the errors that one call gathers.
const maxErrors = 1000
