package bolt

import "io"

// guess finds the page size and byte order of a file without meta pages: the ones for which most of its pages say the
// number that is their position. A multiple of the real size fits as many of the pages it looks at, so the smallest of
// the best wins.
func guess(r io.ReaderAt, size int64) (int64, order) {
	best, bestSize, bestOrder := 0, int64(4096), order(false)
	for pageSize := int64(minPageSize); pageSize <= maxPageSize; pageSize *= 2 {
		for _, o := range []order{false, true} {
			if n := plausible(r, size, pageSize, o); n > best {
				best, bestSize, bestOrder = n, pageSize, o
			}
		}
	}
	return bestSize, bestOrder
}

// plausible counts pages that know their number, among 4096 spread over the file.
func plausible(r io.ReaderAt, size, pageSize int64, o order) int {
	pages := size / pageSize
	step := max(1, pages/4096)
	found := 0
	for id := int64(2); id < pages; id += step {
		var header [headerSize]byte
		if n, _ := r.ReadAt(header[:], id*pageSize); n < headerSize {
			continue
		}
		p := page{o, header[:]}
		if p.id() == uint64(id) && (p.flags() == flagLeaf || p.flags() == flagBranch) && p.count() > 0 {
			found++
		}
	}
	return found
}
