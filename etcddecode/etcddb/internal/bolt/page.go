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

// leaf returns element i, and where in the page its value begins. ok is false if it does not lie inside the page.
func (p page) leaf(i int) (flags uint32, key, value []byte, at int, ok bool) {
	e := p.buf[headerSize+i*elementSize:]
	pos, klen, vlen := p.order.u32(e[4:]), p.order.u32(e[8:]), p.order.u32(e[12:])
	begin := uint64(headerSize+i*elementSize) + uint64(pos)
	middle := begin + uint64(klen)
	end := middle + uint64(vlen)
	if end > uint64(len(p.buf)) || begin < uint64(headerSize+p.count()*elementSize) {
		return 0, nil, nil, 0, false
	}
	return p.order.u32(e), p.buf[begin:middle:middle], p.buf[middle:end:end], int(middle), true
}

// branch returns the smallest key and the page of child i.
func (p page) branch(i int) (key []byte, child uint64, ok bool) {
	e := p.buf[headerSize+i*elementSize:]
	pos, klen := p.order.u32(e), p.order.u32(e[4:])
	begin := uint64(headerSize+i*elementSize) + uint64(pos)
	end := begin + uint64(klen)
	if end > uint64(len(p.buf)) || begin < uint64(headerSize+p.count()*elementSize) {
		return nil, 0, false
	}
	return p.buf[begin:end:end], p.order.u64(e[8:]), true
}

// maxRun bounds a page with its overflow, in bytes. etcd refuses requests of more than 1.5 MiB unless told otherwise, and
// bbolt splits pages down to two entries.
const maxRun = 64 << 20

// maxDepth bounds the height of a tree. A tree of height 64 that bbolt has written would not fit any disk.
const maxDepth = 64

const noPage = math.MaxUint64
