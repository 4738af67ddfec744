package staticip

import (
	"net/netip"
	"strconv"
	"strings"
)

// Pool is an ordered list of addresses, IPv4 and IPv6 apart. It is immutable, safe for concurrent use, and its size
// does not depend on the number of addresses: a /64 is one segment. The zero Pool has no addresses.
//
// Two pools are the same mapping exactly when their Strings are equal.
type Pool struct{ v4, v6 track }

// Assignment is what one index of a pool owns: at most one address of each family. The prefix is the host address with
// the mask that was written in the pool, 10.0.0.11/24, or the full length when none was. A family that the pool lacks
// is the zero Prefix.
type Assignment struct{ V4, V6 netip.Prefix }

// At returns the i-th address of each family. ok is false when a family that the pool lists ends before i; the other
// family is returned all the same. It takes O(log segments) and does not allocate.
func (p Pool) At(i uint64) (a Assignment, ok bool) {
	var ok4, ok6 bool
	a.V4, ok4 = p.v4.at(i)
	a.V6, ok6 = p.v6.at(i)
	return a, !p.IsZero() && (ok4 || p.v4.size == 0) && (ok6 || p.v6.size == 0)
}

// IndexOf returns the index that owns a. ok is false when the pool does not list a; IPv4-mapped addresses and
// addresses with a zone are never listed. It takes O(log segments) and does not allocate.
func (p Pool) IndexOf(a netip.Addr) (i uint64, ok bool) {
	switch {
	case a.Is4():
		return p.v4.indexOf(value(a))
	case a.Is6() && !a.Is4In6() && a.Zone() == "":
		return p.v6.indexOf(value(a))
	}
	return 0, false
}

// Len returns the number of addresses of each family. 2^64-1 also stands for everything above.
func (p Pool) Len() (v4, v6 uint64) { return p.v4.size, p.v6.size }

// IsZero reports whether the pool has no addresses.
func (p Pool) IsZero() bool { return p.v4.size == 0 && p.v6.size == 0 }

// String returns the canonical form: IPv4 before IPv6, exclusions applied, neighbors joined, IPv6 in lower case.
// [ParsePool] reads it back to the same pool.
func (p Pool) String() string {
	var b []byte
	for _, t := range p.tracks() {
		for _, s := range t.segs {
			if len(b) > 0 {
				b = append(b, ',')
			}
			b = s.appendTo(b, t.is4)
		}
	}
	return string(b)
}

// tracks returns the families in the order of every output: IPv4, IPv6.
func (p *Pool) tracks() [2]*track { return [2]*track{&p.v4, &p.v6} }

// appendTo writes a segment as a block when it is one, since that is what people wrote, and else as a literal range.
// One address with a mask is written as a range of one, because 10.0.0.5/24 is refused as ambiguous.
func (s segment) appendTo(b []byte, is4 bool) []byte {
	w := width(is4)
	lo := s.lo.addr(is4)
	if s.length < w {
		block := netip.PrefixFrom(lo, s.length).Masked()
		if first, last := usable(block); first == s.lo && last == s.hi {
			return block.AppendTo(b)
		}
	}
	b = lo.AppendTo(b)
	if s.lo != s.hi || s.length < w {
		b = s.hi.addr(is4).AppendTo(append(b, '-'))
	}
	if s.length < w {
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(s.length), 10)
	}
	return b
}

// usable returns the first and last address of a block that a host may have. IPv4 blocks lose the network and the
// broadcast address except /31 (RFC 3021) and /32, IPv6 blocks the subnet-router anycast address (RFC 4291, 2.6.1)
// except /127 (RFC 6164) and /128.
func usable(block netip.Prefix) (lo, hi u128) {
	is4 := block.Addr().Is4()
	free := width(is4) - block.Bits()
	lo = value(block.Addr())
	hi = lo.host(free)
	if free >= 2 {
		lo = lo.add(1)
		if is4 {
			hi = hi.sub(u128{lo: 1})
		}
	}
	return lo, hi
}

// String is the addresses without masks, IPv4 first, separated by a comma, the form that most CNIs read.
func (a Assignment) String() string { return strings.Join(a.texts(false), ",") }

// texts returns the addresses, with their prefix length if masked.
func (a Assignment) texts(masked bool) []string {
	var out []string
	for _, p := range [2]netip.Prefix{a.V4, a.V6} {
		switch {
		case !p.IsValid():
		case masked:
			out = append(out, p.String())
		default:
			out = append(out, p.Addr().String())
		}
	}
	return out
}
