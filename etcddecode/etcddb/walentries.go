package etcddb

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wal"
)

// WALInfo says what was read of a write-ahead log.
type WALInfo struct {
	// Files is how many files the log has.
	Files int
	// First and Last are the indexes of the first and last entry that were read, Commit that up to which entries are
	// known to be committed, and Applied that up to which they are in the records.
	First, Last, Commit, Applied uint64
	// Replayed is how many entries were applied on top of the database, Records how many changes of keys they made.
	Replayed, Records int
	// Unknown is how many entries could not be understood, and were left out.
	Unknown int
	// Torn says that the log ends with a record that was not wholly written, as after a power cut.
	Torn bool
	// Err is the damage that ended the reading of the log, or made its changes incomplete; nil if there is none.
	Err error
}

// WALEntry is an entry of the write-ahead log.
type WALEntry struct {
	Index, Term uint64
	// Kind is "put", "delete", "txn", "compaction", "lease grant", "lease revoke", "lease checkpoint", "alarm", "range",
	// "auth", "cluster", "v2" (as etcd up to 3.5 writes for its members), "membership" (a raft configuration change),
	// "empty" (as each new leader writes), or "unknown".
	Kind string
	// Ops are the changes of keys that the entry asks for. Which branch of a transaction was taken is not in the log.
	Ops []WALOp
	// Lease is that of a lease request, Revision that of a compaction.
	Lease, Revision int64
	// Size is the length of the entry's data in bytes.
	Size int
	// File and Offset are where the record is.
	File   string
	Offset int64
}

// WALOp is a put or a delete of a log entry. Its bytes are valid until the iteration's next step.
type WALOp struct {
	// Kind is "put" or "delete".
	Kind string
	// Branch is "then" or "else" in a transaction, the outermost one's if it is nested.
	Branch string
	// Key is the key; with RangeEnd, a deletion goes on up to that key, exclusive. "\x00" is up to the last.
	Key, RangeEnd []byte
	// Value is what is put; nil if the old value is kept.
	Value []byte
	Lease int64
}

// WALEntries yields the entries of a log in the order in which they were written; an index that appears again replaces
// what was there. fsys is a data directory, the "member" in it, or the directory of the log's files.
//
// Damage is yielded as a *CorruptError beside a zero WALEntry, and the walk goes on behind it if it can. A record at the
// end that was not wholly written, as any running etcd may have, is no error.
func WALEntries(fsys fs.FS) iter.Seq2[WALEntry, error] {
	return func(yield func(WALEntry, error) bool) {
		dir := path.Join(memberDir(fsys), "wal")
		if info, err := fs.Stat(fsys, dir); err != nil || !info.IsDir() {
			dir = "."
		}
		files, closeAll, err := segments(fsys, dir)
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("no <number>-<index>.wal: %w", fs.ErrNotExist)
		}
		if err != nil {
			yield(WALEntry{}, fmt.Errorf("etcddb: write-ahead log: %w", err))
			return
		}
		defer func() { _ = closeAll() }() // they were only read
		for r, err := range wal.Records(files) {
			if damage, ok := errors.AsType[*wal.Error](err); ok && damage.Torn {
				return
			}
			if err == nil && r.Type != wal.TypeEntry {
				continue
			}
			var entry WALEntry
			if err == nil {
				entry, err = walEntry(r)
			}
			if !yield(entry, walDamage(err)) {
				return
			}
		}
	}
}

func walEntry(r wal.Record) (WALEntry, error) {
	e, ok := wal.ParseEntry(r.Data)
	if !ok {
		return WALEntry{}, &wal.Error{File: r.File, Offset: r.Offset, Reason: "not an entry"}
	}
	entry := WALEntry{Index: e.Index, Term: e.Term, Size: len(e.Data), File: r.File, Offset: r.Offset}
	switch {
	case e.Type != wal.EntryNormal:
		entry.Kind = "membership"
	case len(e.Data) == 0:
		entry.Kind = "empty"
	default:
		o, ok := parseRequest(e.Data)
		if !ok {
			o = op{kind: opUnknown}
		}
		entry.Kind, entry.Lease, entry.Revision = o.kind.String(), o.lease, o.revision
		if o.kind == opPut {
			entry.Lease = 0
		}
		entry.Ops = appendOps(nil, &o, "")
	}
	return entry, nil
}

func appendOps(ops []WALOp, o *op, branch string) []WALOp {
	switch o.kind {
	case opPut, opDelete:
		p := WALOp{Kind: o.kind.String(), Branch: branch, Key: o.key, RangeEnd: o.end, Value: o.value, Lease: o.lease}
		ops = append(ops, p)
	case opTxn:
		for i, list := range [][]op{o.txn.success, o.txn.failure} {
			for j := range list {
				name := branch
				if name == "" {
					name = [...]string{"then", "else"}[i]
				}
				ops = appendOps(ops, &list[j], name)
			}
		}
	}
	return ops
}

// String is the word of WALEntry.Kind.
func (k opKind) String() string {
	names := [...]string{
		"empty", "unknown", "range", "put", "delete", "txn", "compaction", "lease grant", "lease revoke", "lease checkpoint",
		"alarm", "auth", "cluster", "v2",
	}
	return names[k]
}
