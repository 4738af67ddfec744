package bolt

import (
	"bytes"
	"errors"
	"fmt"
)

// bucket is where the entries of a bucket are: in a tree, or for a small one in a page inside of its entry.
type bucket struct {
	root   uint64
	inline []byte
	page   uint64 // the page that inline is on
	base   int64  // the position of inline in the file
}

// locate is find for the walk's bucket, once for each transaction.
func (w *walk) locate() (bucket, error) {
	if w.rootMeta == w.meta {
		return w.root, nil
	}
	b, err := w.find(w.bucket)
	if err == nil {
		w.root, w.rootMeta = b, w.meta
	}
	return b, err
}

// find looks a bucket up in the root bucket.
func (w *walk) find(name string) (found bucket, err error) {
	if name == "" {
		return bucket{root: w.meta.Root}, nil
	}
	want := []byte(name)
	err = fmt.Errorf("%w: %q", ErrNoBucket, name)
	sub := walk{
		f: w.f, meta: w.meta, pages: w.pages, seen: bitset{}, budget: w.budget, win: window{r: w.f.r, ahead: minAhead},
		r: Range{From: want, To: append(bytes.Clone(want), 0)},
		yield: func(item Item, damage error) bool {
			if damage != nil {
				err = errors.Join(err, damage)
				return true
			}
			found, err = parseBucket(w.f.order, item)
			return false
		},
	}
	if _, stale := sub.tree(w.meta.Root, 0, nil, nil); stale != nil {
		return bucket{}, stale
	}
	return found, err
}

// parseBucket reads the value of a bucket's entry: root page, sequence, and the page itself if the root is 0.
func parseBucket(o order, item Item) (bucket, error) {
	damage := func(reason string) error {
		return &CorruptError{Page: item.Page, Offset: item.Offset, Reason: reason}
	}
	if item.Flags&FlagBucket == 0 || len(item.Value) < 16 {
		return bucket{}, damage(fmt.Sprintf("%q is not a bucket", item.Key[:min(len(item.Key), 64)]))
	}
	if root := o.u64(item.Value); root != 0 {
		return bucket{root: root}, nil
	}
	b := bucket{inline: bytes.Clone(item.Value[16:]), page: item.Page, base: item.Offset + 16}
	if len(b.inline) < headerSize || (page{o, b.inline}).flags() != flagLeaf {
		return bucket{}, damage("an inlined bucket without a leaf page")
	}
	return b, nil
}
