package staticip

import (
	"net/netip"
	"slices"
)

// segment is a run of addresses, both ends included. length is the prefix length that renderers put behind the
// address; the full width means that none was given.
type segment struct {
	lo, hi u128
	length int
}

// track is one address family of a pool: segments in the order they were declared, which is the order of ordinals.
type track struct {
	is4    bool
	segs   []segment
	starts []uint64 // starts[k] is the index of segs[k].lo, saturated
	size   uint64   // saturated
	byAddr []int32  // positions in segs, in order of address
}

// newTrack merges neighbors that continue each other, so that a mapping has one form, and sums the sizes. It takes segs
// over.
func newTrack(is4 bool, segs []segment) track {
	t := track{is4: is4, segs: segs[:0]}
	for _, s := range segs {
		if n := len(t.segs); n > 0 && t.continues(t.segs[n-1], s) {
			t.segs[n-1].hi = s.hi
			continue
		}
		t.segs = append(t.segs, s)
	}
	if len(t.segs) == 0 {
		return track{is4: is4}
	}
	t.starts = make([]uint64, len(t.segs))
	t.byAddr = make([]int32, len(t.segs))
	for i, s := range t.segs {
		t.starts[i], t.byAddr[i] = t.size, int32(i)
		t.size = addSize(t.size, size(s.lo, s.hi))
	}
	slices.SortFunc(t.byAddr, func(a, b int32) int { return t.segs[a].lo.cmp(t.segs[b].lo) })
	return t
}

// continues reports whether b goes on where a ends. A mask keeps two segments apart that are in different subnets:
// the range over both could not be written.
func (t *track) continues(a, b segment) bool {
	w := width(t.is4)
	return a.hi.less(b.lo) && a.hi.add(1) == b.lo && a.length == b.length &&
		(a.length == w || sameSubnet(a.lo, b.hi, a.length, w))
}

// at returns the i-th address in O(log segments).
func (t *track) at(i uint64) (netip.Prefix, bool) {
	if i >= t.size {
		return netip.Prefix{}, false
	}
	// The one assignment in the branch becomes a conditional move: which way a search goes, no branch predictor knows.
	lo := 0
	for n := len(t.starts); n > 1; {
		half := n / 2
		if t.starts[lo+half] <= i {
			lo += half
		}
		n -= half
	}
	s := &t.segs[lo]
	return netip.PrefixFrom(s.lo.add(i-t.starts[lo]).addr(t.is4), s.length), true
}

// indexOf is the inverse of at.
func (t *track) indexOf(u u128) (uint64, bool) {
	if t.size == 0 {
		return 0, false
	}
	lo := 0
	for n := len(t.byAddr); n > 1; {
		half := n / 2
		if !u.less(t.segs[t.byAddr[lo+half]].lo) {
			lo += half
		}
		n -= half
	}
	k := t.byAddr[lo]
	if u.less(t.segs[k].lo) || t.segs[k].hi.less(u) {
		return 0, false
	}
	d := u.sub(t.segs[k].lo)
	i := addSize(t.starts[k], d.lo)
	return i, d.hi == 0 && i < t.size
}

// without cuts holes, which must be sorted and disjoint, out of s.
func (s segment) without(holes []zone) []segment {
	var out []segment
	for _, gap := range gaps(holes, zone{lo: s.lo, hi: s.hi}) {
		out = append(out, segment{gap.lo, gap.hi, s.length})
	}
	return out
}
