package clientip

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sort"
)

// Entry is a prefix and what belongs to it.
type Entry[V any] struct {
	Prefix netip.Prefix
	Value  V
}

// Table finds the value of the longest prefix that holds an address. It is immutable, and safe for concurrent use. The
// zero Table holds nothing.
type Table[V any] struct {
	v4    []uint32 // where spans begin, ascending
	v6    []u128
	span4 []int32 // index into values, or none
	span6 []int32
	value []V
}

const none = -1

// NewTable makes a table of prefixes as [ParsePrefix] returns them. A prefix may lie in another, and is stronger; the
// same prefix twice is an error.
func NewTable[V any](entries []Entry[V]) (*Table[V], error) {
	t := &Table[V]{}
	sorted := make([]block, 0, len(entries))
	for i, e := range entries {
		if p, err := ParsePrefix(e.Prefix.String()); err != nil || p != e.Prefix {
			return nil, fmt.Errorf("%w %s: not as ParsePrefix returns it", ErrPrefix, e.Prefix)
		}
		t.value = append(t.value, e.Value)
		sorted = append(sorted, newBlock(e.Prefix, int32(i)))
	}
	// A block before those that it holds.
	slices.SortFunc(sorted, func(a, b block) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		return a.prefix.Bits() - b.prefix.Bits()
	})
	for i := range sorted[min(1, len(sorted)):] {
		if sorted[i].prefix == sorted[i+1].prefix {
			return nil, fmt.Errorf("%w %s: stands twice", ErrPrefix, sorted[i].prefix)
		}
	}
	split, _ := slices.BinarySearchFunc(sorted, true, func(b block, _ bool) int {
		if b.prefix.Addr().Is4() {
			return -1
		}
		return 1
	})
	for _, s := range flatten(sorted[:split]) {
		if s.first.lo > math.MaxUint32 {
			break // behind 255.255.255.255
		}
		t.v4, t.span4 = append(t.v4, uint32(s.first.lo)), append(t.span4, s.owner)
	}
	for _, s := range flatten(sorted[split:]) {
		t.v6, t.span6 = append(t.v6, s.first), append(t.span6, s.owner)
	}
	return t, nil
}

// Lookup returns the value for an address. IPv4-mapped addresses are looked up as IPv4. An address with a zone belongs to
// nothing: it is link-local, and means another host on another link. It takes O(log n) and does not allocate.
func (t *Table[V]) Lookup(a netip.Addr) (v V, ok bool) {
	owner := int32(none)
	switch {
	case a.Is4() || a.Is4In6() && a.Zone() == "":
		b := a.As4()
		x := binary.BigEndian.Uint32(b[:])
		from, to := 0, len(t.v4)
		for from < to { // sort.Search, without its calls
			if mid := int(uint(from+to) >> 1); t.v4[mid] > x {
				to = mid
			} else {
				from = mid + 1
			}
		}
		if from > 0 {
			owner = t.span4[from-1]
		}
	case a.Is6() && a.Zone() == "":
		x := number(a)
		if i := sort.Search(len(t.v6), func(i int) bool { return x.less(t.v6[i]) }); i > 0 {
			owner = t.span6[i-1]
		}
	}
	if owner == none {
		return v, false
	}
	return t.value[owner], true
}

// u128 is an address as a number; IPv4 has hi 0.
type u128 struct{ hi, lo uint64 }

func (a u128) less(b u128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func number(a netip.Addr) u128 {
	if a.Is4() {
		b := a.As4()
		return u128{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return u128{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// block is a prefix from its first to its last address.
type block struct {
	prefix      netip.Prefix
	first, last u128
	owner       int32
}

func newBlock(p netip.Prefix, owner int32) block {
	b := block{prefix: p, first: number(p.Addr()), last: number(p.Addr()), owner: owner}
	switch free := p.Addr().BitLen() - p.Bits(); {
	case free > 64:
		b.last.hi |= 1<<(free-64) - 1
		b.last.lo = ^uint64(0)
	case free == 64:
		b.last.lo = ^uint64(0)
	default:
		b.last.lo |= 1<<free - 1
	}
	return b
}

// span is where an owner begins; it ends where the next one begins.
type span struct {
	first u128
	owner int32
}

// flatten turns blocks, which lie in one another or apart, into spans. The stack holds the blocks around the present
// place, the innermost on top.
func flatten(sorted []block) []span {
	var spans []span
	var stack []block
	closeBefore := func(b *block) {
		for len(stack) > 0 && (b == nil || stack[len(stack)-1].last.less(b.first)) {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			next, more := top.last.next()
			if !more {
				continue // nothing lies behind the last address
			}
			outer := int32(none)
			if len(stack) > 0 {
				outer = stack[len(stack)-1].owner
			}
			spans = begin(spans, span{next, outer})
		}
	}
	for i := range sorted {
		closeBefore(&sorted[i])
		spans = begin(spans, span{sorted[i].first, sorted[i].owner})
		stack = append(stack, sorted[i])
	}
	closeBefore(nil)
	return spans
}

// begin adds a span, in the place of one that would be empty.
func begin(spans []span, s span) []span {
	if n := len(spans); n > 0 && spans[n-1].first == s.first {
		spans[n-1] = s
		return spans
	}
	return append(spans, s)
}

func (a u128) next() (u128, bool) {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a, a != u128{}
}
