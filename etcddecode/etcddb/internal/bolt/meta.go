package bolt

import (
	"hash/fnv"
	"io"
)

const (
	magic        = 0xED0CDAED
	version      = 2
	metaSize     = 64
	minPageSize  = 512
	maxPageSize  = 64 << 10
	metaReadSize = headerSize + metaSize
)

// Meta is a meta page: the root of everything that one transaction committed.
type Meta struct {
	// Page is 0 or 1.
	Page int
	// PageSize is in bytes.
	PageSize int64
	// Root is the page of the root bucket.
	Root uint64
	// Freelist is the page of the list of free pages, or all ones if it was not written (etcd does not).
	Freelist uint64
	// HighWater is the number of pages that were ever in use.
	HighWater uint64
	TxID      uint64
}

// parseMeta reads a meta page with its header. The byte order is the one in which the magic number fits.
func parseMeta(b []byte, number int) (m Meta, o order, ok bool) {
	if len(b) < metaReadSize {
		return Meta{}, false, false
	}
	body := b[headerSize:]
	o = body[1] == magic>>16&0xff // the outer bytes of the magic number are the same
	size := o.u32(body[8:])
	m = Meta{
		Page: number, PageSize: int64(size), Root: o.u64(body[16:]), Freelist: o.u64(body[32:]),
		HighWater: o.u64(body[40:]), TxID: o.u64(body[48:]),
	}
	sum := fnv.New64a()
	_, _ = sum.Write(body[:56])
	ok = o.u32(body) == magic && o.u32(body[4:]) == version && o.u64(body[56:]) == sum.Sum64() && validPageSize(int64(size))
	return m, o, ok
}

func validPageSize(n int64) bool { return n >= minPageSize && n <= maxPageSize && n&(n-1) == 0 }

// findMetas looks for the meta pages of a file of which nothing is known. The second one's place depends on the page size,
// which is in the first one; if that is invalid, every size is tried.
func findMetas(r io.ReaderAt) (metas []Meta, o order) {
	first, o, ok := readMeta(r, 0, 0)
	if ok {
		metas = append(metas, first)
		if second, o2, ok := readMeta(r, first.PageSize, 1); ok && o2 == o && second.PageSize == first.PageSize {
			metas = append(metas, second)
		}
		return metas, o
	}
	for size := int64(minPageSize); size <= maxPageSize; size *= 2 {
		if second, o, ok := readMeta(r, size, 1); ok && second.PageSize == size {
			return []Meta{second}, o
		}
	}
	return nil, false
}

func readMeta(r io.ReaderAt, off int64, number int) (Meta, order, bool) {
	var buf [metaReadSize]byte
	n, _ := r.ReadAt(buf[:], off) // what can't be read is not valid
	return parseMeta(buf[:n], number)
}

// newest sorts two metas by their transaction.
func newest(metas []Meta) []Meta {
	if len(metas) == 2 && metas[1].TxID > metas[0].TxID {
		metas[0], metas[1] = metas[1], metas[0]
	}
	return metas
}
