package staticip

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
)

// u128 is an address as a number: IPv6 in all bits, IPv4 in the lowest 32. Which of the two it is, the track knows.
type u128 struct{ hi, lo uint64 }

func value(a netip.Addr) u128 {
	if a.Is4() {
		b := a.As4()
		return u128{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (a u128) addr(is4 bool) netip.Addr {
	if is4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrFrom16(b)
}

func (a u128) cmp(b u128) int {
	if c := cmp.Compare(a.hi, b.hi); c != 0 {
		return c
	}
	return cmp.Compare(a.lo, b.lo)
}

func (a u128) less(b u128) bool { return a.cmp(b) < 0 }

// add and sub wrap; callers add only what stays inside a segment and step over an end only after comparing with it.
func (a u128) add(n uint64) u128 {
	lo, carry := bits.Add64(a.lo, n, 0)
	return u128{a.hi + carry, lo}
}

func (a u128) sub(b u128) u128 {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return u128{hi, lo}
}

// len is the number of bits needed to write a.
func (a u128) len() int {
	if a.hi != 0 {
		return 64 + bits.Len64(a.hi)
	}
	return bits.Len64(a.lo)
}

// zeros is the number of zero bits at the low end, 128 for zero.
func (a u128) zeros() int {
	if a.lo != 0 {
		return bits.TrailingZeros64(a.lo)
	}
	return 64 + bits.TrailingZeros64(a.hi)
}

// host returns a with its n lowest bits set: the last address of the block that starts at a.
func (a u128) host(n int) u128 {
	// A shift by 64 or more gives 0 in Go, so the masks are right for every n.
	lo := uint64(1)<<uint(n) - 1
	hi := uint64(1)<<uint(max(n-64, 0)) - 1
	return u128{a.hi | hi, a.lo | lo}
}

// size is the number of addresses from lo to hi; 2^64-1 stands for that and everything above, which is out of reach
// of int32 ordinals.
func size(lo, hi u128) uint64 {
	d := hi.sub(lo)
	if d.hi != 0 || d.lo == math.MaxUint64 {
		return math.MaxUint64
	}
	return d.lo + 1
}

// addSize is a+b, with 2^64-1 for everything above.
func addSize(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		return math.MaxUint64
	}
	return sum
}

// width is the number of bits of an address.
func width(is4 bool) int {
	if is4 {
		return 32
	}
	return 128
}

// sameSubnet reports whether lo and hi are in one block of the given prefix length.
func sameSubnet(lo, hi u128, length, width int) bool {
	return u128{lo.hi ^ hi.hi, lo.lo ^ hi.lo}.len() <= width-length
}
