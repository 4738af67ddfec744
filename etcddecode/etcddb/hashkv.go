package etcddb

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// HashKV computes the hash of all revisions up to rev that etcd gives for it in Maintenance.HashKV, `etcdctl endpoint hashkv`
// and `etcdutl hashkv`; 0 is the newest. The same hash at the same revision and the same compaction is the same history.
// With damage there is no hash. At the revision of its last compactions, a running etcd 3.6 answers with the hash from
// before the compaction, which can't be had afterwards, and etcd 3.4 not at all: compare at a later one.
//
// See etcd's server/storage/mvcc/hash.go.
func (db *DB) HashKV(ctx context.Context, rev int64) (uint32, error) {
	var errs []error
	note := func(_ Record, err error) bool {
		errs = append(errs, err)
		return false
	}
	s, state, ok := db.retained(Query{Revision: rev}, note)
	switch {
	case !ok:
		return 0, errors.Join(errs...)
	case rev > 0 && rev < state.compacted:
		return 0, fmt.Errorf("etcddb: revision %d: %w, up to %d", rev, ErrCompacted, state.compacted)
	}
	keep, err := db.keep(ctx, s.upTo, state.compacted)
	if err != nil {
		return 0, err
	}
	h := kvHasher{Hash32: crc32.New(crc32.MakeTable(crc32.Castagnoli)), compacted: state.compacted, keep: keep}
	_, _ = h.Write([]byte(keyBucket))
	s.bumps = true
	for c, err := range db.scan(ctx, s) {
		if err != nil {
			return 0, err
		}
		h.add(c)
	}
	if !db.checkCompacted(s.upTo, note) {
		return 0, errors.Join(errs...)
	}
	return h.Sum32(), nil
}

// keep finds the newest revision of each key that exists at rev. Of the revisions up to the last compaction, only these
// count: a compaction may not have come far when etcd was stopped.
func (db *DB) keep(ctx context.Context, rev, compacted int64) (map[Revision]struct{}, error) {
	if compacted == 0 {
		return nil, nil
	}
	newest := map[string]Revision{}
	for c, err := range db.scan(ctx, span{upTo: rev, wants: none}) {
		if err != nil {
			return nil, err
		}
		if c.Tombstone {
			delete(newest, string(c.Key))
		} else {
			newest[string(c.Key)] = c.Rev
		}
	}
	keep := make(map[Revision]struct{}, len(newest))
	for _, r := range newest {
		keep[r] = struct{}{}
	}
	return keep, nil
}

type kvHasher struct {
	hash.Hash32
	compacted int64
	keep      map[Revision]struct{}
	buf       []byte
}

func (h *kvHasher) add(c *change) {
	if c.Rev.Main <= h.compacted && len(h.keep) > 0 {
		if _, ok := h.keep[c.Rev]; !ok {
			return
		}
	}
	// Since 3.5.16 and 3.4.34, etcd retains a tombstone at the revision of a compaction.
	if c.Rev.Main == h.compacted && c.Tombstone {
		return
	}
	h.buf = appendRevision(h.buf[:0], c.Rev)
	if c.Tombstone {
		h.buf = append(h.buf, 't')
	}
	_, _ = h.Write(h.buf)
	message := c.message
	if c.wal != nil {
		h.buf = appendMessage(h.buf[:0], c.wal)
		message = h.buf
	}
	_, _ = h.Write(message)
}

// appendMessage writes a mvccpb.KeyValue as etcd does.
func appendMessage(b []byte, r *Record) []byte {
	b = wire.AppendBytes(b, 1, r.Key)
	if r.Tombstone {
		return b
	}
	b = wire.AppendVarint(b, 2, uint64(r.Create))
	b = wire.AppendVarint(b, 3, uint64(r.Mod))
	b = wire.AppendVarint(b, 4, uint64(r.Version))
	b = wire.AppendBytes(b, 5, r.Value)
	return wire.AppendVarint(b, 6, uint64(r.Lease))
}
