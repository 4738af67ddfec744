package etcddb

import (
	"hash/maphash"
	"iter"
	"strings"
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

// index has the newest change of each key. Its memory grows in blocks, so that entries and keys are never copied.
//
// A map would hold the keys again. The slots are at the place that the hash of a key says, or the next one that is free.
type index struct {
	seed   maphash.Seed
	slots  []slot // a power of two of them, of which at most three quarters are taken
	blocks [][]entry
	keys   strings.Builder
	n      int32
}

type slot struct {
	hash   uint32
	number int32 // of the entry, from 1; 0 is free
}

const (
	blockEntries = 512
	blockKeys    = 32 << 10
)

func newIndex() *index { return &index{seed: maphash.MakeSeed(), slots: make([]slot, 2*blockEntries)} }

func (ix *index) at(i int32) *entry { return &ix.blocks[i/blockEntries][i%blockEntries] }

// get finds the newest change of a key, or nil.
func (ix *index) get(key []byte) *entry { return ix.find(key, ix.hash(key)) }

func (ix *index) hash(key []byte) uint32 { return uint32(maphash.Bytes(ix.seed, key)) }

func (ix *index) find(key []byte, hash uint32) *entry {
	mask := uint32(len(ix.slots) - 1)
	for i := hash & mask; ix.slots[i].number != 0; i = (i + 1) & mask {
		if s := ix.slots[i]; s.hash == hash && ix.at(s.number-1).key == string(key) {
			return ix.at(s.number - 1)
		}
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
	hash := ix.hash(r.Key)
	if e := ix.find(r.Key, hash); e != nil {
		if r.Rev.Compare(e.rev) > 0 {
			*e = newEntry(e.key, r)
		}
		return
	}
	if !q.selects(r.Key) {
		return
	}
	if ix.n%blockEntries == 0 {
		ix.blocks = append(ix.blocks, make([]entry, blockEntries))
	}
	*ix.at(ix.n) = newEntry(ix.keep(r.Key), r)
	ix.n++
	ix.take(slot{hash, ix.n})
}

// take takes a slot.
func (ix *index) take(s slot) {
	if int(ix.n) > len(ix.slots)/4*3 {
		old := ix.slots
		ix.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.number != 0 {
				ix.take(s)
			}
		}
	}
	mask := uint32(len(ix.slots) - 1)
	i := s.hash & mask
	for ix.slots[i].number != 0 {
		i = (i + 1) & mask
	}
	ix.slots[i] = s
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
func (ix *index) sorted() []keyed {
	order := make([]keyed, 0, ix.n)
	for e := range ix.all() {
		order = append(order, keyed{entry: e})
	}
	sortKeyed(order, 0)
	return order
}
