package etcddb

import (
	"iter"
	"slices"
	"strings"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"
)

// entry is a revision without its key and value, and where they are.
type entry struct {
	key                    string
	rev                    Revision
	create, version, lease int64
	page, tx               uint64
	offset                 int64
	length                 int32 // of the KeyValue message
	size                   int32 // of the value
	tombstone              bool
	origin                 Origin
	wal                    *Record // a record of the log
}

func newEntry(key string, r *change) entry {
	return entry{
		key: key, rev: r.Rev, create: r.Create, version: r.Version, lease: r.Lease, page: r.Page, tx: r.tx, offset: r.Offset,
		length: r.length, size: int32(min(r.Size, 1<<30)), tombstone: r.Tombstone, origin: r.Origin, wal: r.wal,
	}
}

// index has the newest change of each key. Its memory grows in blocks, so that nothing is ever copied.
type index struct {
	byKey  map[string]int32
	blocks [][]entry
	keys   strings.Builder
	n      int32
}

const (
	blockEntries = 512
	blockKeys    = 32 << 10
)

func newIndex() *index { return &index{byKey: map[string]int32{}} }

func (ix *index) at(i int32) *entry { return &ix.blocks[i/blockEntries][i%blockEntries] }

// get finds the newest change of a key, or nil.
func (ix *index) get(key []byte) *entry {
	if i, ok := ix.byKey[string(key)]; ok {
		return ix.at(i)
	}
	return nil
}

// all yields the entries in the order in which their keys came.
func (ix *index) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for i := range ix.n {
			if !yield(ix.at(i)) {
				return
			}
		}
	}
}

// add notes a change of a key that the query selects.
func (ix *index) add(q *Query, r *change) {
	if e := ix.get(r.Key); e != nil {
		if r.Rev.Compare(e.rev) > 0 {
			*e = newEntry(e.key, r)
		}
		return
	}
	if !q.selects(r.Key) {
		return
	}
	key := ix.keep(r.Key)
	ix.byKey[key] = ix.n
	if ix.n%blockEntries == 0 {
		ix.blocks = append(ix.blocks, make([]entry, blockEntries))
	}
	*ix.at(ix.n) = newEntry(key, r)
	ix.n++
}

// keep returns a string that shares its memory with others.
func (ix *index) keep(key []byte) string {
	if ix.keys.Cap()-ix.keys.Len() < len(key) {
		ix.keys = strings.Builder{}
		ix.keys.Grow(max(blockKeys, len(key)))
	}
	from := ix.keys.Len()
	ix.keys.Write(key)
	return ix.keys.String()[from:]
}

// sorted returns the entries in the order of keys.
func (ix *index) sorted() []*entry {
	order := slices.AppendSeq(make([]*entry, 0, ix.n), ix.all())
	slices.SortFunc(order, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	return order
}

// fetcher reads the values of entries.
type fetcher struct {
	db       *DB
	keysOnly bool
	lookup   *bolt.Lookup
	glance   bolt.Glance
	buf      []byte
	key      []byte
}

func (db *DB) fetcher(keysOnly bool) *fetcher { return &fetcher{db: db, keysOnly: keysOnly} }

// record returns an entry's record, which is valid until the next call.
func (f *fetcher) record(e *entry) (Record, error) {
	f.key = append(f.key[:0], e.key...)
	r := Record{
		Rev: e.rev, Key: f.key, Size: int(e.size), Create: e.create, Mod: e.rev.Main, Version: e.version, Lease: e.lease,
		Tombstone: e.tombstone, Origin: e.origin, Page: e.page, Offset: e.offset,
	}
	switch {
	case f.keysOnly || e.tombstone:
		return r, nil
	case e.wal != nil:
		r.Value = e.wal.Value
		return r, nil
	}
	got, err := f.read(e)
	if err != nil {
		return Record{}, err
	}
	r.Value, r.Page, r.Offset = got.Value, got.Page, got.Offset
	return r, nil
}

// read gets the value from where it was, if the page can't have been overwritten since, and by its revision otherwise.
func (f *fetcher) read(e *entry) (r Record, err error) {
	if int(e.length) > cap(f.buf) {
		f.buf = make([]byte, e.length)
	}
	buf := f.buf[:e.length]
	n, _ := f.db.file.ReadAt(buf, e.offset) // what can't be read is looked up, which says why
	if n == len(buf) && f.db.file.Current(e.tx, &f.glance) {
		item := bolt.Item{Key: appendRevision(nil, e.rev), Value: buf, Size: len(buf), Page: e.page, Offset: e.offset}
		if _, err = parseItem(&item, &r); err == nil && string(r.Key) == e.key {
			return r, nil
		}
	}
	if f.lookup == nil {
		f.lookup = f.db.file.Lookup(keyBucket)
	}
	item, found, err := f.lookup.Get(appendRevision(nil, e.rev))
	if err != nil {
		return Record{}, err
	}
	if found {
		if _, err = parseItem(&item, &r); err != nil {
			return Record{}, err
		}
	}
	if !found || string(r.Key) != e.key {
		return Record{}, &CorruptError{Page: e.page, Offset: e.offset, Reason: "revision " + e.rev.String() + " is gone"}
	}
	return r, nil
}
