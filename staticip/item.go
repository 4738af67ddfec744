package staticip

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// item is one entry of a pool as the user wrote it.
type item struct {
	n       int // counted from 1
	text    string
	exclude bool
	is4     bool
	lo, hi  u128
	length  int // of the mask, for renderers
}

// parseItem reads one item. Problems are returned without Item and Value, which the caller knows.
func parseItem(n int, text string, m masks) (item, *Problem) {
	it := item{n: n, text: text}
	body, exclude := strings.CutPrefix(text, "!")
	it.exclude = exclude
	if addr, zone, ok := strings.Cut(body, "%"); ok {
		// netip drops zones from ranges without a word, so they are refused before it sees them.
		return it, refuse(CodeZone, "zones are not allowed; write %s without %q", shorten(addr), shorten("%"+zone))
	}
	var p *Problem
	if first, last, ok := cutRange(body); ok {
		p = it.parseRange(first, last, m)
	} else if addr, length, ok := strings.Cut(body, "/"); ok {
		p = it.parseBlock(addr, length)
	} else {
		p = it.parseAddr(body, m)
	}
	if p == nil && !it.exclude {
		p = notUnicast(it.is4, it.lo, it.hi)
	}
	return it, p
}

// cutRange splits at ".." or "-"; neither occurs inside an address.
func cutRange(s string) (first, last string, ok bool) {
	if first, last, ok = strings.Cut(s, ".."); ok {
		return first, last, ok
	}
	return strings.Cut(s, "-")
}

// set stores two addresses of one family.
func (it *item) set(lo, hi netip.Addr, length int) {
	it.is4, it.lo, it.hi, it.length = lo.Is4(), value(lo), value(hi), length
}

func (it *item) parseAddr(s string, m masks) *Problem {
	a, p := parseAddr(s)
	if p == nil {
		it.set(a, a, m.of(a.Is4()))
	}
	return p
}

func (it *item) parseRange(first, rest string, m masks) *Problem {
	last, mask, masked := strings.Cut(rest, "/")
	if first == "" || last == "" {
		return refuse(CodeBadAddress, "a range has an address at both ends; write first-last without spaces")
	}
	if addr, length, ok := strings.Cut(first, "/"); ok {
		return refuse(CodeBadAddress, "the mask of a range is written once, at the end; write %s", it.asRange(addr, last, length))
	}
	a, p := parseAddr(first)
	if p != nil {
		return p
	}
	b, p := parseAddr(last)
	switch {
	case p != nil:
		if full, ok := complete(a, last); ok {
			return refuse(CodeShorthand, "the end is not a whole address; write %s", it.asRange(first, full.String(), mask))
		}
		return p
	case a.Is4() != b.Is4():
		return refuse(CodeMixedRange, "a range cannot go from %s to %s; write one range for each", familyName(a.Is4()), familyName(b.Is4()))
	case b.Less(a):
		return refuse(CodeReversed, "range is reversed; write %s", it.asRange(b.String(), a.String(), mask))
	}
	length := m.of(a.Is4())
	if masked {
		if length, p = parseLength(mask, a.Is4()); p != nil {
			return p
		}
	}
	it.set(a, b, length)
	if w := width(it.is4); (masked || length < w) && !sameSubnet(it.lo, it.hi, length, w) {
		end := it.lo.host(w - length).addr(it.is4)
		return refuse(CodeMaskMismatch, "ends are in different /%d subnets; write %s and go on with the next subnet in another item",
			length, it.asRange(first, end.String(), strconv.Itoa(length)))
	}
	return nil
}

// asRange is the item that a message tells the user to write.
func (it *item) asRange(first, last, mask string) string {
	s := first + "-" + last
	if mask != "" {
		s += "/" + mask
	}
	if it.exclude {
		s = "!" + s
	}
	return shorten(s)
}

// parseBlock reads a CIDR. For an exclusion it is every address, else every address that a host may have.
func (it *item) parseBlock(addr, mask string) *Problem {
	a, p := parseAddr(addr)
	if p != nil {
		return p
	}
	length, p := parseLength(mask, a.Is4())
	if p != nil {
		return p
	}
	block := netip.PrefixFrom(a, length).Masked()
	if block.Addr() != a {
		if it.exclude {
			return refuse(CodeHostBits, "has host bits set; write !%s for the block or !%s for one address", block, a)
		}
		return refuse(CodeHostBits, "has host bits set; write %s for the block or %s for one address with mask /%d", block, it.asRange(addr, addr, mask), length)
	}
	it.set(a, a, length)
	it.hi = it.lo.host(width(it.is4) - length)
	if !it.exclude {
		it.lo, it.hi = usable(block)
	}
	return nil
}

// parseLength reads the canonical decimal of a prefix length.
func parseLength(s string, is4 bool) (int, *Problem) {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s || n < 0 || n > width(is4) {
		return 0, refuse(CodeBadMask, "mask %q is not a prefix length; write a number from 0 to %d", shorten(s), width(is4))
	}
	return n, nil
}

// parseAddr reads an address and says what is wrong with almost-addresses.
func parseAddr(s string) (netip.Addr, *Problem) {
	a, err := netip.ParseAddr(s)
	if err == nil {
		if a.Is4In6() {
			return a, refuse(CodeMapped, "IPv4-mapped addresses are not allowed; write %s", a.Unmap())
		}
		return a, nil
	}
	if plain, ok := stripZeros(s); ok {
		return a, refuse(CodeLeadingZero, "leading zeros are not allowed; write %s", plain)
	}
	reason := strings.TrimPrefix(err.Error(), "ParseAddr("+strconv.Quote(s)+"): ")
	p := refuse(CodeBadAddress, "%s; write an address such as 10.0.0.10, a range first-last or a block address/length", shorten(reason))
	p.Err = err
	return a, p
}

// stripZeros returns the IPv4 address that is left without leading zeros in its octets.
func stripZeros(s string) (netip.Addr, bool) {
	octets := strings.Split(s, ".")
	for i, o := range octets {
		if octets[i] = strings.TrimLeft(o, "0"); o != "" && octets[i] == "" {
			octets[i] = "0"
		}
	}
	a, err := netip.ParseAddr(strings.Join(octets, "."))
	return a, err == nil && a.Is4()
}

// complete returns the address meant by the end of a range that gives only the last octets or the last group.
func complete(first netip.Addr, last string) (netip.Addr, bool) {
	sep := "."
	if first.Is6() {
		sep = ":"
		if strings.ContainsAny(last, ".:") {
			return netip.Addr{}, false
		}
	}
	head := strings.Split(first.String(), sep)
	tail := strings.Split(last, sep)
	if len(tail) >= len(head) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.Join(append(head[:len(head)-len(tail)], tail...), sep))
	return a, err == nil
}

// special is a run of addresses that no Pod can have.
type special struct {
	lo, hi u128
	what   string
}

// notUnicast refuses a run of addresses that touches a special one.
func notUnicast(is4 bool, lo, hi u128) *Problem {
	if is4 {
		return touches(is4, lo, hi,
			special{u128{}, u128{}, "is unspecified"},
			special{u128{lo: 1}, u128{lo: 0x00ff_ffff}, `is in "this network", 0.0.0.0/8`},
			special{u128{lo: 0x7f00_0000}, u128{lo: 0x7fff_ffff}, "is loopback"},
			special{u128{lo: 0xa9fe_0000}, u128{lo: 0xa9fe_ffff}, "is link-local"},
			special{u128{lo: 0xe000_0000}, u128{lo: 0xefff_ffff}, "is multicast"},
			special{u128{lo: 0xffff_ffff}, u128{lo: 0xffff_ffff}, "is broadcast"})
	}
	return touches(is4, lo, hi,
		special{u128{}, u128{}, "is unspecified"},
		special{u128{lo: 1}, u128{lo: 1}, "is loopback"},
		special{u128{lo: 0xffff_0000_0000}, u128{lo: 0xffff_ffff_ffff}, "is IPv4-mapped"},
		special{u128{hi: 0xfe80 << 48}, u128{hi: 0xfec0<<48 - 1, lo: math.MaxUint64}, "is link-local"},
		special{u128{hi: 0xff00 << 48}, u128{hi: math.MaxUint64, lo: math.MaxUint64}, "is multicast"})
}

// touches names the first address of the run that is in one of the table.
func touches(is4 bool, lo, hi u128, table ...special) *Problem {
	for _, s := range table {
		if hi.less(s.lo) || s.hi.less(lo) {
			continue
		}
		if lo.less(s.lo) {
			lo = s.lo
		}
		p := refuse(CodeNotUnicast, "%s %s; write unicast addresses of the Pod network", lo.addr(is4), s.what)
		p.Addr = lo.addr(is4)
		return p
	}
	return nil
}
