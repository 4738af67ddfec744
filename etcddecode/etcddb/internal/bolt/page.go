package bolt

import (
	"encoding/binary"
	"math"
)

// The flags of a page.
const (
	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10
)

const (
	headerSize  = 16
	elementSize = 16

	// FlagBucket marks an entry of a leaf that is a bucket.
	FlagBucket = 1
)

// order is the byte order of a file: true is big endian.
type order bool

func (o order) u16(b []byte) uint16 {
	if o {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o order) u32(b []byte) uint32 {
	if o {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o order) u64(b []byte) uint64 {
	if o {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// page is a page with its overflow pages, or as much of them as the file holds: at least a header.
type page struct {
	order order
	buf   []byte
}

func (p page) id() uint64       { return p.order.u64(p.buf) }
func (p page) flags() uint16    { return p.order.u16(p.buf[8:]) }
func (p page) count() int       { return int(p.order.u16(p.buf[10:])) }
func (p page) overflow() uint32 { return p.order.u32(p.buf[12:]) }

// elements is how many of the page's elements lie inside it.
func (p page) elements() int {
	return min(p.count(), (len(p.buf)-headerSize)/elementSize)
}

// leafSpan is where the data of element i lies: key, then value.
func (p page) leafSpan(i int) (begin, end uint64) {
	at := headerSize + i*elementSize
	e := p.buf[at:]
	begin = uint64(at) + uint64(p.order.u32(e[4:]))
	return begin, begin + uint64(p.order.u32(e[8:])) + uint64(p.order.u32(e[12:]))
}

// branchSpan is where the key of element i lies.
func (p page) branchSpan(i int) (begin, end uint64) {
	at := headerSize + i*elementSize
	e := p.buf[at:]
	begin = uint64(at) + uint64(p.order.u32(e))
	return begin, begin + uint64(p.order.u32(e[4:]))
}

// valid says for each element whether it lies inside the page, behind the data of those before it, as bbolt writes them.
// So what is valid does not overlap, and to look at all of it takes no longer than the page is long.
func (p page) valid(valid []bool, span func(page, int) (uint64, uint64)) []bool {
	valid = valid[:0]
	free := uint64(headerSize + p.count()*elementSize)
	for i := range p.elements() {
		begin, end := span(p, i)
		ok := begin >= free && end <= uint64(len(p.buf))
		if ok {
			free = end
		}
		valid = append(valid, ok)
	}
	return valid
}

// leaf returns a valid element of a leaf page, and where in the page its value begins.
func (p page) leaf(i int) (flags uint32, key, value []byte, at int) {
	e := p.buf[headerSize+i*elementSize:]
	begin, end := p.leafSpan(i)
	middle := begin + uint64(p.order.u32(e[8:]))
	return p.order.u32(e), p.buf[begin:middle:middle], p.buf[middle:end:end], int(middle)
}

// leafHead returns what element i of a leaf page is, and the length of its key.
func (p page) leafHead(i int) (flags, keySize uint32) {
	e := p.buf[headerSize+i*elementSize:]
	return p.order.u32(e), p.order.u32(e[8:])
}

// branch returns a valid element of a branch page: the smallest key and the page of a child.
func (p page) branch(i int) (key []byte, child uint64) {
	e := p.buf[headerSize+i*elementSize:]
	begin, end := p.branchSpan(i)
	return p.buf[begin:end:end], p.order.u64(e[8:])
}

// maxRun bounds a page with its overflow, in bytes. etcd refuses requests of more than 1.5 MiB unless told otherwise, and
// bbolt splits pages down to two entries.
const maxRun = 64 << 20

// maxDepth bounds the height of a tree. A tree of height 64 that bbolt has written would not fit any disk.
const maxDepth = 64

const noPage = math.MaxUint64
