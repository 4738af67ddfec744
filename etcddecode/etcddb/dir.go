package etcddb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wal"
)

// OpenFile opens what an operator has at hand: a database, a snapshot, plain or compressed with gzip or zip, or a data
// directory. Close the DB after use. A compressed snapshot is spooled as o.Spool says.
func OpenFile(name string, o Options) (*DB, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("etcddb: %w", err)
	}
	if info.IsDir() {
		return OpenDir(os.DirFS(name), o)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("etcddb: %w", err)
	}
	var magic [4]byte
	n, _ := file.ReadAt(magic[:], 0) // an empty file is not compressed
	if compression(magic[:n]) == "" {
		return adopt(file, info.Size(), o)
	}
	spooled, err := Spool(context.Background(), file, o.Spool)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return adopt(spooled, spooled.Size(), o)
}

type readerAtCloser interface {
	io.ReaderAt
	io.Closer
}

// adopt opens a database and gives it what to close.
func adopt(r readerAtCloser, size int64, o Options) (*DB, error) {
	db, err := Open(r, size, o)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	db.closers = append(db.closers, r)
	return db, nil
}

// OpenDir opens a data directory: the directory that etcd's --data-dir names, or the directory "member" in it. It takes the
// database, or a newer one that a leader had sent and etcd had not yet put in its place, and applies the entries of the
// log behind it. Files of fsys must be io.ReaderAt, as those of os.DirFS are.
//
// Without a log, or with o.IgnoreWAL, the DB is the database alone. If the log begins after an entry that the database
// needs, it is an error.
func OpenDir(fsys fs.FS, o Options) (*DB, error) {
	root := memberDir(fsys)
	db, err := openMember(fsys, path.Join(root, "snap"), o)
	if err != nil || o.IgnoreWAL {
		return db, err
	}
	if err := db.replay(fsys, path.Join(root, "wal"), o.Pending); err != nil {
		return nil, errors.Join(fmt.Errorf("etcddb: the write-ahead log (Options.IgnoreWAL reads the database alone): %w", err), db.Close())
	}
	return db, nil
}

func memberDir(fsys fs.FS) string {
	if info, err := fs.Stat(fsys, "member"); err == nil && info.IsDir() {
		return "member"
	}
	return "."
}

// openMember opens the database "db", or a newer "<index>.snap.db" beside it.
func openMember(fsys fs.FS, dir string, o Options) (*DB, error) {
	db, dbErr := openIn(fsys, path.Join(dir, "db"), o)
	held := uint64(0)
	if dbErr == nil && !o.Salvage {
		s, err := db.treeState()
		if err == nil {
			held = s.consistentIndex
		}
	}
	name, index := newestReceived(fsys, dir)
	if name == "" || dbErr == nil && index <= held {
		return db, dbErr
	}
	received, err := openIn(fsys, path.Join(dir, name), o)
	switch {
	case err != nil && dbErr != nil:
		return nil, errors.Join(dbErr, err)
	case err != nil: // received in part
		return db, nil
	case dbErr != nil:
		return received, nil
	}
	return received, db.Close()
}

// newestReceived finds the database with the highest index that came with a snapshot: "%016x.snap.db" beside
// "<term>-%016x.snap".
func newestReceived(fsys fs.FS, dir string) (name string, index uint64) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return "", 0
	}
	complete := map[string]bool{}
	for _, e := range entries {
		if _, rest, ok := strings.Cut(e.Name(), "-"); ok && strings.HasSuffix(rest, ".snap") {
			complete[strings.TrimSuffix(rest, ".snap")] = true
		}
	}
	for _, e := range entries {
		hex, ok := strings.CutSuffix(e.Name(), ".snap.db")
		n, err := strconv.ParseUint(hex, 16, 64)
		if ok && err == nil && complete[hex] && n >= index {
			name, index = e.Name(), n
		}
	}
	return name, index
}

// openReader opens a file of an fs.FS for random access.
func openReader(fsys fs.FS, name string) (readerAtCloser, int64, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("etcddb: %w", err)
	}
	info, err := file.Stat()
	r, ok := file.(readerAtCloser)
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s is not a regular file", name)
	case !ok:
		err = fmt.Errorf("%s: %T is no io.ReaderAt", name, file)
	default:
		return r, info.Size(), nil
	}
	return nil, 0, fmt.Errorf("etcddb: %w", errors.Join(err, file.Close()))
}

func openIn(fsys fs.FS, name string, o Options) (*DB, error) {
	r, size, err := openReader(fsys, name)
	if err != nil {
		return nil, err
	}
	db, err := adopt(r, size, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return db, nil
}

// segments opens the files of a log. A directory that is not there is a log without files.
func segments(fsys fs.FS, dir string) (s []wal.Segment, closeAll func() error, err error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	var files []io.Closer
	closeAll = func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	for _, e := range entries {
		seq, index, ok := wal.ParseName(e.Name())
		if !ok {
			continue
		}
		r, size, err := openReader(fsys, path.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a running etcd has removed it
		}
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		files = append(files, r)
		s = append(s, wal.Segment{Name: e.Name(), Seq: seq, Index: index, R: r, Size: size})
	}
	wal.Sort(s)
	return s, closeAll, nil
}

// replay reads the log and applies what the database does not hold.
func (db *DB) replay(fsys fs.FS, dir string, pending bool) error {
	base, leases, alarms, err := db.base()
	if err != nil {
		return err
	}
	files, closeAll, err := segments(fsys, dir)
	if err != nil || len(files) == 0 {
		return err
	}
	defer func() { _ = closeAll() }() // they were only read
	o := &overlay{baseRev: base.revision, revision: base.revision, compacted: base.compacted, leases: leases}
	o.info.Files = len(files)
	t, err := readTail(files, base.consistentIndex, o)
	if err != nil {
		return err
	}
	p := &replay{ix: newIndex(), leases: leases, alarms: alarms, overlay: o, fetch: db.fetcher(false)}
	if len(t.entries) > 0 {
		if db.alone() {
			t.commit = t.after + uint64(len(t.entries))
		}
		for c, err := range db.scan(context.Background(), span{upTo: base.revision, wants: none}) {
			if err != nil {
				o.note(err)
				continue
			}
			p.ix.add(&Query{}, c)
		}
	}
	t.apply(p, pending)
	db.overlay = o
	return nil
}

// alone reports whether the cluster has one member, whose log needs nobody's consent.
func (db *DB) alone() bool {
	members := 0
	for _, err := range db.Bucket(context.Background(), "members") {
		if err != nil {
			return false
		}
		members++
	}
	return members == 1
}

// base reads what the log goes on from, all from one transaction.
func (db *DB) base() (s state, leases map[int64]*Lease, alarms map[alarm]bool, err error) {
	for range 100 {
		tx := db.file.Newest()
		if s, err = db.treeState(); err != nil {
			return s, nil, nil, err
		}
		leases, alarms = map[int64]*Lease{}, map[alarm]bool{}
		for l, err := range db.Leases(context.Background()) {
			if err == nil {
				leases[l.ID] = &l
			}
		}
		for pair, err := range db.Bucket(context.Background(), "alarm") {
			if c, ok := parseControl(10, pair.Key); ok && err == nil {
				alarms[alarm{0, c.alarm.action, c.alarm.member}] = true // the fields of a member: ID, alarm
			}
		}
		if db.file.Newest() == tx {
			return s, leases, alarms, nil
		}
	}
	return s, nil, nil, ErrChanged
}

// tail is the part of the log behind the database.
type tail struct {
	after   uint64 // the database's last entry
	entries []wal.Entry
	commit  uint64
}

// readTail reads the entries after an index. Damage ends the reading and is noted; a log that begins too late is an error.
func readTail(files []wal.Segment, after uint64, o *overlay) (*tail, error) {
	first := 0
	for i, s := range files {
		if s.Index <= after+1 {
			first = i
		}
	}
	t := &tail{after: after}
	for r, err := range wal.Records(files[first:]) {
		if err == nil {
			err = t.take(r, &o.info)
		}
		if damage, ok := errors.AsType[*wal.Error](err); ok && damage.Torn {
			o.info.Torn = true
			break
		}
		if err != nil {
			o.note(walDamage(err))
			break
		}
	}
	o.info.Commit = t.commit
	if o.info.First > after+1 {
		return nil, fmt.Errorf("it begins with entry %d, but the database ends with %d", o.info.First, after)
	}
	return t, nil
}

// take notes a record. An entry replaces those that have its index or a higher one.
func (t *tail) take(r wal.Record, info *WALInfo) error {
	damage := func(reason string) error { return &wal.Error{File: r.File, Offset: r.Offset, Reason: reason} }
	switch r.Type {
	case wal.TypeState:
		commit, ok := wal.ParseCommit(r.Data)
		if !ok {
			return damage("not a hard state")
		}
		t.commit = commit
	case wal.TypeEntry:
		e, ok := wal.ParseEntry(r.Data)
		if !ok {
			return damage("not an entry")
		}
		if info.First == 0 {
			info.First = e.Index
		}
		info.Last = e.Index
		if e.Index <= t.after {
			t.entries = t.entries[:0]
			return nil
		}
		at := e.Index - t.after - 1
		if at > uint64(len(t.entries)) {
			if len(t.entries) == 0 && info.First == e.Index {
				return nil // reported when all is read
			}
			return damage(fmt.Sprintf("entry %d follows %d", e.Index, t.after+uint64(len(t.entries))))
		}
		e.Data = bytes.Clone(e.Data)
		t.entries = append(t.entries[:at], e)
	}
	return nil
}

// apply applies the entries that are committed, and then perhaps the others.
func (t *tail) apply(p *replay, pending bool) {
	info := &p.overlay.info
	info.Applied = t.after
	for _, e := range t.entries {
		p.origin = OriginWAL
		if e.Index > t.commit {
			if p.origin = OriginPending; !pending {
				break
			}
		}
		info.Applied = e.Index
		info.Replayed++
		if e.Type != wal.EntryNormal || len(e.Data) == 0 {
			continue
		}
		p.entry = e.Index
		o, ok := parseRequest(e.Data)
		if !ok || o.kind == opUnknown {
			info.Unknown++
			continue
		}
		p.apply(&o)
	}
	info.Records = len(p.overlay.records)
}

// walDamage makes a CorruptError of damage in the log.
func walDamage(err error) error {
	if e, ok := errors.AsType[*wal.Error](err); ok {
		return &CorruptError{File: e.File, Offset: e.Offset, Reason: e.Reason, Err: e.Err}
	}
	return err
}
