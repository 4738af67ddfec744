package bolt

import (
	"bytes"
	"errors"
)

// Lookup finds single entries of a bucket. It keeps its buffers from one call to the next and is not safe for concurrent
// use.
type Lookup struct {
	w     walk
	item  Item
	found bool
	errs  []error
}

// Lookup returns a Lookup for a bucket.
func (f *File) Lookup(bucket string) *Lookup {
	l := &Lookup{}
	l.w = walk{f: f, bucket: bucket, seen: bitset{}, win: window{r: f.r, ahead: minAhead}, meta: f.meta}
	l.w.yield = func(item Item, err error) bool {
		if err != nil {
			l.errs = append(l.errs, err)
			return true
		}
		l.item, l.found = item, true
		return false
	}
	return l
}

// Get finds the entry of a key. It is valid until the next call.
func (l *Lookup) Get(key []byte) (item Item, found bool, err error) {
	if len(l.w.f.metas) == 0 {
		return Item{}, false, ErrNoMeta
	}
	l.item, l.found, l.errs = Item{}, false, l.errs[:0]
	l.w.r = Range{From: key, To: append(bytes.Clone(key), 0)}
	l.w.stopped, l.w.last = false, nil
	l.w.run()
	if l.found {
		return l.item, true, nil
	}
	return Item{}, false, errors.Join(l.errs...)
}
