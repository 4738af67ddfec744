package bolt

import (
	"fmt"
	"io"
)

// Options say how to open a file.
type Options struct {
	// Previous reads the transaction before the last one.
	Previous bool
	// Salvage opens a file whose meta pages are invalid: its trees can't be walked, its pages can.
	Salvage bool
	// PageSize is what Salvage takes where no meta page says it; 0 guesses.
	PageSize int64
}

// File is an open database. It is immutable; all its state is the file's.
type File struct {
	r      io.ReaderAt
	size   int64
	order  order
	metas  []Meta // as of the opening, the newest first
	pinned bool   // to one transaction, not the newest
	meta   Meta   // the transaction to read, as of the opening; of a salvaged file, only the page size
}

// Open reads the meta pages. size is that of the file without anything that was appended to it; when a running database
// grows, what has been added is read as well.
func Open(r io.ReaderAt, size int64, o Options) (*File, error) {
	f := &File{r: r, size: size, pinned: o.Previous}
	f.metas, f.order = findMetas(r)
	f.metas = newest(f.metas)
	switch {
	case len(f.metas) == 0 && o.Salvage:
		f.meta = Meta{PageSize: o.PageSize}
		if o.PageSize == 0 {
			f.meta.PageSize, f.order = guess(r, size)
		}
		if !validPageSize(f.meta.PageSize) {
			return nil, fmt.Errorf("page size %d: must be a power of two from %d to %d", f.meta.PageSize, minPageSize, maxPageSize)
		}
	case len(f.metas) == 0:
		return nil, ErrNoMeta
	case o.Previous && len(f.metas) == 1:
		return nil, fmt.Errorf("the previous transaction: %w", &CorruptError{
			Page: uint64(1 - f.metas[0].Page), Offset: f.metas[0].PageSize * int64(1-f.metas[0].Page), Reason: "invalid meta page",
		})
	case o.Previous:
		f.meta = f.metas[1]
	default:
		f.meta = f.metas[0]
	}
	return f, nil
}

// Meta returns the transaction that is read, as of the opening, and false if there is none.
func (f *File) Meta() (Meta, bool) { return f.meta, len(f.metas) > 0 }

// Metas returns the valid meta pages as of the opening, the newest first.
func (f *File) Metas() []Meta { return append([]Meta(nil), f.metas...) }

// PageSize is in bytes.
func (f *File) PageSize() int64 { return f.meta.PageSize }

// BigEndian reports the byte order.
func (f *File) BigEndian() bool { return bool(f.order) }

// Size is that of the opening.
func (f *File) Size() int64 { return f.size }

// current reads the meta pages again. It is the zero Meta if none is valid.
func (f *File) current() Meta {
	return f.look(&glance{})
}

// glance is the bytes of the two meta pages as they were read last, and what they meant.
type glance struct {
	raw  [2][metaReadSize]byte
	now  [metaReadSize]byte
	meta Meta
}

// look is current for those who look often: it understands the bytes only if they have changed.
func (f *File) look(g *glance) Meta {
	same := g.meta != Meta{}
	for number := range g.raw {
		n, _ := f.r.ReadAt(g.now[:], int64(number)*f.meta.PageSize) // what can't be read is not valid
		clear(g.now[max(0, min(n, metaReadSize)):])
		if g.now != g.raw[number] {
			same, g.raw[number] = false, g.now
		}
	}
	if same {
		return g.meta
	}
	g.meta = Meta{}
	for number := range g.raw {
		m, o, ok := parseMeta(g.raw[number][:], number)
		if ok && o == f.order && m.PageSize == f.meta.PageSize && (g.meta == Meta{} || m.TxID > g.meta.TxID) {
			g.meta = m
		}
	}
	return g.meta
}

// Unchanged reports whether no transaction has been committed after m: what was read of m's trees before was right.
func (f *File) Unchanged(m Meta) bool { return f.unchanged(m, &glance{}) }

func (f *File) unchanged(m Meta, g *glance) bool {
	now := f.look(g)
	if f.pinned {
		return now == f.metas[0]
	}
	return now == m
}

// Current reports whether the pages of a transaction that a walk has read can't have been overwritten.
// The Glance is that of the caller, who looks often.
func (f *File) Current(txID uint64, g *Glance) bool {
	now := f.look((*glance)(g))
	if f.pinned {
		return now == f.metas[0]
	}
	return now.TxID == txID
}

// Glance is what was last seen of the meta pages. It is not safe for concurrent use.
type Glance glance

// pages is how many pages there are to read in m's transaction.
func (f *File) pages(m Meta) uint64 {
	fit := uint64(max(f.size, 0)) / uint64(m.PageSize)
	if f.size%m.PageSize >= headerSize { // the last page is cut off
		fit++
	}
	if m.HighWater <= fit {
		return m.HighWater
	}
	// It may have grown since the opening.
	end := m.HighWater * uint64(m.PageSize)
	if m.HighWater > 1<<40 {
		return fit
	}
	var last [1]byte
	if n, _ := f.r.ReadAt(last[:], int64(end)-1); n == 1 {
		return m.HighWater
	}
	return fit
}

// ReadAt reads bytes of the file.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.r.ReadAt(p, off) }

// Newest is the transaction that a walk would begin with.
func (f *File) Newest() uint64 {
	if f.pinned {
		return f.meta.TxID
	}
	return f.current().TxID
}
