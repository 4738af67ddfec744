package etcddb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"
)

// Options say how to open a database. The zero Options open what is there, as it is now.
type Options struct {
	// Previous reads the transaction before the last one, for a file whose last one is damaged. Beside a running etcd it
	// is overwritten soon, and reading then ends with ErrChanged.
	Previous bool
	// Salvage opens a file although neither meta page is valid. DB.Carve reads it, all else gives ErrNoMeta.
	Salvage bool
	// PageSize is the page size in bytes that Salvage assumes; 0 guesses from the pages.
	PageSize int64
	// IgnoreWAL reads the database of a data directory alone.
	IgnoreWAL bool
	// Pending replays also the entries of the log that are not known to be committed: usually the last few. Other
	// members may have replaced them since. In a cluster of one member, all entries are committed.
	Pending bool
	// Spool says where compressed snapshots go.
	Spool SpoolOptions
}

// DB is an open database. It is immutable and safe for concurrent use.
type DB struct {
	file    *bolt.File
	raw     io.ReaderAt
	size    int64
	trailer bool
	overlay *overlay
	closers []io.Closer
}

const maxRevision = math.MaxInt64 - 1

// Open reads a database or snapshot of size bytes, uncompressed. The caller closes r, after the last use of the DB.
//
// The error is ErrNoMeta if there is no database in r.
func Open(r io.ReaderAt, size int64, o Options) (*DB, error) {
	db := &DB{raw: r, size: size, trailer: hasTrailer(size)}
	if db.trailer {
		size -= trailerSize
	}
	var err error
	if db.file, err = bolt.Open(r, size, bolt.Options{Previous: o.Previous, Salvage: o.Salvage, PageSize: o.PageSize}); err != nil {
		return nil, fmt.Errorf("etcddb: %w", err)
	}
	return db, nil
}

// Close closes what OpenFile and OpenDir opened, and removes what they spooled.
func (db *DB) Close() error {
	errs := make([]error, 0, len(db.closers))
	for _, c := range db.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Pair is an entry of a bucket.
type Pair struct {
	Key, Value []byte // valid until the next step
}

// Bucket yields the entries of a bucket of the database, such as "members" or "alarm", in the order of keys. What the log
// would change in it is not seen. See etcd's server/storage/schema for the buckets there are.
func (db *DB) Bucket(ctx context.Context, name string) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		for item, err := range db.file.Walk(name, bolt.Range{}) {
			if ctx.Err() != nil {
				yield(Pair{}, ctx.Err())
				return
			}
			if err != nil {
				err = fmt.Errorf("etcddb: bucket %q: %w", name, err)
			}
			if !yield(Pair{item.Key, item.Value}, err) {
				return
			}
		}
	}
}

// Lease is a lease of the database. When it ends is not stored: TTL counts from the election of a leader, or the last
// keep-alive.
type Lease struct {
	ID           int64
	TTL          int64 // in seconds, as granted
	RemainingTTL int64 // in seconds, of the last checkpoint; 0 if there was none
}

// Info is what a database says of itself.
type Info struct {
	// Size is that of the file in bytes, Pages the number of pages ever used, each of PageSize bytes.
	Size, PageSize int64
	Pages          uint64
	// Truncated says that the file ends before its last page.
	Truncated bool
	BigEndian bool
	// Trailer says that a sha256 follows the database, as in a snapshot that etcdctl saved.
	Trailer bool
	// TxID is the transaction that is read; Metas says how many of the two meta pages are valid.
	TxID  uint64
	Metas int
	// Revision is the newest, with those of the log.
	Revision int64
	// Compacted is the revision up to which history has been, or is being, removed.
	Compacted int64
	// ConsistentIndex and Term are those of the last raft entry that the database holds.
	ConsistentIndex, Term uint64
	// StorageVersion and ClusterVersion are empty where etcd has not written them.
	StorageVersion, ClusterVersion string
	// WAL is nil if no log was read.
	WAL *WALInfo
}

// Info reads what the database says of itself. It needs few pages. The error has what can't be read; the rest is valid.
func (db *DB) Info() (Info, error) {
	info := Info{
		Size: db.size, PageSize: db.file.PageSize(), BigEndian: db.file.BigEndian(), Trailer: db.trailer,
		Metas: len(db.file.Metas()),
	}
	m, ok := db.file.Meta()
	if !ok {
		return info, ErrNoMeta
	}
	info.Pages, info.TxID = m.HighWater, m.TxID
	info.Truncated = m.HighWater > uint64(max(db.file.Size(), 0)/m.PageSize)
	var errs []error
	s, err := db.readState()
	errs = append(errs, err)
	info.Revision, info.Compacted = s.revision, s.compacted
	info.ConsistentIndex, info.Term, info.StorageVersion = s.consistentIndex, s.term, s.storageVersion
	version, _, err := db.file.Lookup("cluster").Get([]byte("clusterVersion"))
	if errors.Is(err, bolt.ErrNoBucket) {
		err = nil
	}
	info.ClusterVersion = string(version.Value)
	if db.overlay != nil {
		wal := db.overlay.info
		info.WAL = &wal
	}
	return info, errors.Join(append(errs, s.damage, err)...)
}

// state is what etcd keeps beside its keys, with the log on top.
type state struct {
	revision, compacted   int64
	consistentIndex, term uint64
	storageVersion        string
	// damage is what of the bucket "key" could not be read: the newest revision may be a later one.
	damage error
}

// readState reads the newest revision and the bucket "meta".
func (db *DB) readState() (state, error) {
	s, err := db.treeState()
	if db.overlay != nil {
		s.revision = db.overlay.revision // what a running etcd has added to the database since is not seen
		s.compacted = max(s.compacted, db.overlay.compacted)
	}
	return s, err
}

func (db *DB) treeState() (s state, err error) {
	for item, err := range db.file.Walk(keyBucket, bolt.Range{Reverse: true}) {
		switch {
		case errors.Is(err, bolt.ErrNoBucket):
			return state{}, errors.Join(ErrNotEtcd, err)
		case errors.Is(err, ErrNoMeta), errors.Is(err, ErrChanged):
			return state{}, err
		case err != nil:
			s.damage = err
			continue
		}
		if rev, _, ok := parseRevision(item.Key); ok {
			s.revision = rev.Main
			break
		}
	}
	var errs []error
	for item, err := range db.file.Walk("meta", bolt.Range{}) {
		if err != nil && len(errs) < maxErrors {
			errs = append(errs, err)
		}
		if err == nil {
			s.note(item)
		}
	}
	s.revision = max(s.revision, s.compacted, 1) // etcd begins to count with 1
	return s, errors.Join(errs...)
}

// note reads an entry of the bucket "meta".
func (s *state) note(item bolt.Item) {
	number := uint64(0)
	if len(item.Value) == 8 {
		number = binary.BigEndian.Uint64(item.Value)
	}
	switch string(item.Key) {
	case "consistent_index":
		s.consistentIndex = number
	case "term":
		s.term = number
	case "storageVersion":
		s.storageVersion = string(item.Value)
	case "scheduledCompactRev", "finishedCompactRev":
		if rev, _, ok := parseRevision(item.Value); ok {
			s.compacted = max(s.compacted, rev.Main)
		}
	}
}
