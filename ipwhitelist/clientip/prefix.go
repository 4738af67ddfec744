package clientip

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrPrefix is the error of prefixes that are refused.
var ErrPrefix = errors.New("prefix")

// ParsePrefix reads "203.0.113.0/24", or one address. An IPv4-mapped IPv6 prefix becomes the IPv4 prefix that it means.
// Host bits are refused, because 10.1.2.3/8 is a mistake either in the address or in the length; so are zones, which
// mean something on one host alone.
func ParsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, addrErr := netip.ParseAddr(s)
		if addrErr != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%w %q: write an address or a block, like 203.0.113.7 or 203.0.113.0/24", ErrPrefix, shorten(s))
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%w %q: an IPv4-mapped block needs a length of at least 96: write it as IPv4", ErrPrefix, s)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return netip.Prefix{}, fmt.Errorf("%w %q: bits are set behind the length: write %s, or %s/%d", ErrPrefix, s, p.Masked(), p.Addr(), p.Addr().BitLen())
	}
	return p, nil
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
