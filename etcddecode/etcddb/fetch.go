package etcddb

import "github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"

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
