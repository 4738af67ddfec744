package wal

import "github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"

// EntryNormal is the type of an entry that holds a request; all others change the membership.
const EntryNormal = 0

// Entry is a raftpb.Entry. Data aliases what it was parsed from.
type Entry struct {
	Type, Term, Index uint64
	Data              []byte
}

// ParseEntry reads the data of a TypeEntry record.
func ParseEntry(b []byte) (e Entry, ok bool) {
	for f, ok := range wire.Fields(b) {
		if !ok {
			return Entry{}, false
		}
		switch f.Num {
		case 1:
			e.Type = f.Number
		case 2:
			e.Term = f.Number
		case 3:
			e.Index = f.Number
		case 4:
			e.Data = f.Bytes
		}
	}
	return e, true
}

// ParseCommit reads the index up to which entries are committed, from the data of a TypeState record, a raftpb.HardState.
func ParseCommit(b []byte) (commit uint64, ok bool) {
	for f, ok := range wire.Fields(b) {
		if !ok {
			return 0, false
		}
		if f.Num == 3 {
			commit = f.Number
		}
	}
	return commit, true
}
