package etcddb

import (
	"context"
	"encoding/binary"
	"iter"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"
	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// The bucket "key" maps revisions, 8 bytes of Main '_' 8 bytes of Sub, and a 't' for a tombstone, to mvccpb.KeyValue.
// See etcd's server/storage/mvcc/revision.go and api/mvccpb/kv.proto.
const (
	keyBucket    = "key"
	revisionSize = 17
	longHead     = 512 // of a message: more than what comes before the values of all keys that Kubernetes is known to make
)

func appendRevision(b []byte, r Revision) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.Main))
	b = append(b, '_')
	return binary.BigEndian.AppendUint64(b, uint64(r.Sub))
}

func parseRevision(key []byte) (r Revision, tombstone, ok bool) {
	if len(key) < revisionSize || len(key) > revisionSize+1 || key[8] != '_' || len(key) > revisionSize && key[revisionSize] != 't' {
		return Revision{}, false, false
	}
	r = Revision{int64(binary.BigEndian.Uint64(key)), int64(binary.BigEndian.Uint64(key[9:]))}
	return r, len(key) > revisionSize, r.Main >= 0 && r.Sub >= 0
}

// parseKeyValue reads a mvccpb.KeyValue of size bytes into a record. b may be its beginning, if it ends in the value and
// the value ends the message: a lease comes behind it. Then the record gets the value's length.
func parseKeyValue(b []byte, size int, r *Record) bool {
	missing := size - len(b)
	var f wire.Field
	for len(b) > 0 {
		if missing > 0 && b[0] == 5<<3|wire.Bytes {
			n, header := binary.Uvarint(b[1:])
			r.Value, r.Size = nil, int(n)
			return header > 0 && n == uint64(len(b)-1-header+missing)
		}
		length := wire.Next(b, &f)
		if length == 0 {
			return false
		}
		b = b[length:]
		if isBytes := f.Num == 1 || f.Num == 5; f.Num <= 6 && isBytes != (f.Type == wire.Bytes) {
			return false
		}
		switch f.Num {
		case 1:
			r.Key = f.Bytes
		case 2:
			r.Create = int64(f.Number)
		case 3:
			r.Mod = int64(f.Number)
		case 4:
			r.Version = int64(f.Number)
		case 5:
			r.Value, r.Size = f.Bytes, len(f.Bytes)
		case 6:
			r.Lease = int64(f.Number)
		}
	}
	return missing == 0
}

// change is a record with what it takes to find its value again.
type change struct {
	Record
	tx      uint64
	length  int32   // of the KeyValue message
	message []byte  // the KeyValue message in the database, if the value was wanted
	wal     *Record // the record, if it is of the log
}

// parseItem makes a record of an entry of the bucket "key". skip is for the entry without a value that etcd's
// "snapshot restore --bump-revision" writes: a revision without a change. With an error, the record is not to be used.
func parseItem(item *bolt.Item, r *Record) (skip bool, err error) {
	rev, tombstone, ok := parseRevision(item.Key)
	if !ok {
		return false, corruptEntry(item, "the entry's key of %d bytes is no revision", len(item.Key))
	}
	if item.Size == 0 {
		*r = Record{Rev: rev}
		return true, nil
	}
	*r = Record{Rev: rev, Tombstone: tombstone, Origin: OriginTree, Page: item.Page, Offset: item.Offset}
	switch {
	case !parseKeyValue(item.Value, item.Size, r):
		return false, corruptEntry(item, "revision %s is no KeyValue message", rev)
	case len(r.Key) == 0:
		return false, corruptEntry(item, "revision %s has no key", rev)
	case tombstone:
		r.Value, r.Size, r.Create, r.Version, r.Mod, r.Lease = nil, 0, 0, 0, rev.Main, 0
	case r.Mod != rev.Main:
		return false, corruptEntry(item, "revision %s has the value of revision %d", rev, r.Mod)
	case r.Create <= 0 || r.Create > r.Mod || r.Version <= 0:
		return false, corruptEntry(item, "revision %s has create revision %d and version %d", rev, r.Create, r.Version)
	}
	return false, nil
}

// span is what to scan: revisions after Main after, up to Main upTo.
type span struct {
	after, upTo int64
	reverse     bool
	bumps       bool // yield also revisions without a change, with neither key nor value
	// wants says of which keys the values are needed; nil is all. Others may lack them, and have no message.
	wants func(key []byte) bool
}

// none wants no value.
func none([]byte) bool { return false }

// need is how much of a KeyValue message a walk has to read: all, unless its beginning tells that nobody wants the rest.
func (s *span) need(head []byte, size int) int {
	var r Record
	switch ok := parseKeyValue(head, size, &r); {
	case ok && !s.wants(r.Key):
		return len(head)
	case !ok && len(head) < longHead: // a long key
		return longHead
	}
	return size
}

// scan yields the revisions of the database and then, or before if in reverse, those of the log. A change is valid until
// the next step.
func (db *DB) scan(ctx context.Context, s span) iter.Seq2[*change, error] {
	return func(yield func(*change, error) bool) {
		if s.reverse && !db.overlay.scan(s, yield) {
			return
		}
		if !db.scanTree(ctx, s, yield) {
			return
		}
		if !s.reverse {
			db.overlay.scan(s, yield)
		}
	}
}

func (db *DB) scanTree(ctx context.Context, s span, yield func(*change, error) bool) bool {
	r := bolt.Range{Reverse: s.reverse}
	if s.after > 0 {
		r.From = appendRevision(nil, Revision{Main: s.after + 1})
	}
	if limit := min(s.upTo, db.overlay.base()); limit < maxRevision {
		r.To = appendRevision(nil, Revision{Main: limit + 1})
	}
	if s.wants != nil {
		r.Need = s.need
	}
	var c change
	n := 0
	for item, err := range db.file.Walk(keyBucket, r) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			yield(nil, ctx.Err())
			return false
		}
		if err != nil {
			if !yield(nil, err) {
				return false
			}
			continue
		}
		skip, err := parseItem(&item, &c.Record)
		c.tx, c.length, c.message = item.TxID, int32(item.Size), item.Value
		if (!skip || s.bumps) && !yield(&c, err) {
			return false
		}
	}
	return true
}
