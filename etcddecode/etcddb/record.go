package etcddb

import (
	"bytes"
	"cmp"
	"fmt"
)

// Revision is the position of a change in etcd's history: the transaction, and the change within it.
type Revision struct {
	Main, Sub int64
}

// Compare orders by Main, then Sub.
func (r Revision) Compare(o Revision) int {
	return cmp.Or(cmp.Compare(r.Main, o.Main), cmp.Compare(r.Sub, o.Sub))
}

// String is "main.sub".
func (r Revision) String() string { return fmt.Sprintf("%d.%d", r.Main, r.Sub) }

// Origin says where a record was found.
type Origin uint8

// The origins.
const (
	OriginTree    Origin = iota // in the tree of the transaction that is read
	OriginWAL                   // in the write-ahead log, after what the database holds
	OriginFree                  // on a page that no tree refers to, or in a file whose trees can't be read
	OriginPending               // in the write-ahead log, but not known to be committed
)

// String is a word.
func (o Origin) String() string {
	if names := [...]string{"tree", "wal", "free", "pending"}; int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("Origin(%d)", uint8(o))
}

// Record is one change of one key: the value that was put, or a tombstone.
type Record struct {
	// Rev identifies the change. Main is what Kubernetes calls the resourceVersion.
	Rev Revision
	// Key and Value are valid until the iteration's next step. Value is nil in a tombstone and with Query.KeysOnly.
	Key, Value []byte
	// Size is the length of the value, also with Query.KeysOnly.
	Size int
	// Create is the revision that created the key, and so names its generation: a key that is deleted and put again
	// gets a new one, and Version counts from 1 again. A tombstone in the database has neither; DB.History and
	// DB.Deleted fill in the Create of the generation that it ends, if that is retained.
	Create, Version int64
	// Mod is Rev.Main, for tombstones as well.
	Mod int64
	// Lease is the lease that the key is attached to, or 0.
	Lease     int64
	Tombstone bool

	Origin Origin
	// Page and Offset are the page, and the position of the entry's value in the file. For OriginWAL and OriginPending
	// they are the index of the raft entry, and 0.
	Page   uint64
	Offset int64
}

// Clone returns a copy that shares no memory with the iteration.
func (r Record) Clone() Record {
	r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	return r
}

// Query selects records. The zero Query selects everything there is now.
type Query struct {
	// Revision is the revision at which to look; 0 is the newest. Later changes are not seen.
	Revision int64
	// Since leaves out changes at or before a revision, for DB.Deleted: deletions.
	Since int64
	// Prefix leaves out other keys.
	Prefix string
	// Match leaves out keys for which it returns false, before any value is read. It must not keep or modify the key, and
	// has to give the same answer whenever it is asked, which may be several times for a key.
	Match func(key []byte) bool
	// KeysOnly leaves Record.Value nil.
	KeysOnly bool
	// NewestFirst gives DB.Live's records in the order of revisions, the newest first, which needs less memory and no
	// reads in random order. Other methods ignore it.
	NewestFirst bool
}

func (q *Query) selects(key []byte) bool {
	return len(key) >= len(q.Prefix) && string(key[:len(q.Prefix)]) == q.Prefix && (q.Match == nil || q.Match(key))
}

// wants is span.wants for a query whose records are used as they come.
func (q *Query) wants() func(key []byte) bool {
	switch {
	case q.KeysOnly:
		return none
	case q.Prefix == "" && q.Match == nil:
		return nil
	}
	return q.selects
}

// Deletion is a deleted key.
type Deletion struct {
	// Last is the newest value before the deletion. If compaction has removed it, Last is the tombstone.
	Last Record
	// Deleted is the revision of the tombstone.
	Deleted Revision
	// Recreated says that the key lives again, at the revision of the query.
	Recreated bool
}
