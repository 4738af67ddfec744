package clientip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Why a client's address is not known. Whoever gets one of these must not fall back to another address.
var (
	ErrPeer     = errors.New("the peer's address can't be read")                    // a Unix socket, or a server that sets none
	ErrNoHeader = errors.New("a trusted proxy sent no X-Forwarded-For")             // it may have been removed by the client
	ErrHop      = errors.New("a hop of X-Forwarded-For is no address")              // whatever stands left of it
	ErrHops     = errors.New("X-Forwarded-For has too many hops")                   // more than MaxHops
	ErrTrusted  = errors.New("every hop of X-Forwarded-For is a trusted proxy")     // there is no client
	ErrZone     = errors.New("an address with a zone means another host elsewhere") // fe80::1%eth0
)

// DefaultMaxHops is how many proxies may stand in X-Forwarded-For when nothing else is said.
const DefaultMaxHops = 16

// Options configure a [Resolver].
type Options struct {
	// TrustedProxies are the addresses of proxies that append to X-Forwarded-For the address that they were called from,
	// as [ParsePrefix] reads them. Whoever has one of these addresses can claim any other: list single addresses, not the
	// block of a cluster. An egress proxy of callers is a client, and does not belong here.
	TrustedProxies []string
	MaxHops        int // 0 is DefaultMaxHops
}

// Resolver finds the address of a request's client. It is immutable and safe for concurrent use. The zero Resolver
// trusts no proxy.
type Resolver struct {
	trusted *Table[struct{}]
	maxHops int
}

// NewResolver checks the options and returns all that is wrong with them.
func NewResolver(o Options) (*Resolver, error) {
	var problems []error
	var entries []Entry[struct{}]
	for _, s := range o.TrustedProxies {
		p, err := ParsePrefix(s)
		if err == nil && p.Bits() == 0 {
			err = fmt.Errorf("%w %s: to trust every address is to believe everybody", ErrPrefix, p)
		}
		problems = append(problems, err)
		entries = append(entries, Entry[struct{}]{Prefix: p})
	}
	if o.MaxHops < 0 {
		problems = append(problems, fmt.Errorf("max hops %d: must not be negative", o.MaxHops))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	t, err := NewTable(entries)
	if err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	if o.MaxHops == 0 {
		o.MaxHops = DefaultMaxHops
	}
	return &Resolver{t, o.MaxHops}, nil
}

// Resolve returns the client's address from http.Request.RemoteAddr and all lines of X-Forwarded-For.
//
// The peer comes first: if it is no trusted proxy, it is the client, whatever the header says. If it is, the header is
// walked from right to left over the trusted proxies to the first address that is none. What can't be read stops the
// walk without an address. The result is unmapped and has no zone. It does not allocate when there is an address.
func (r *Resolver) Resolve(remoteAddr string, forwardedFor []string) (netip.Addr, error) {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return netip.Addr{}, ErrPeer
	}
	addr, err := plain(peer.Addr())
	if err != nil || !r.trusts(addr) {
		return addr, err
	}
	if len(forwardedFor) == 0 {
		return netip.Addr{}, ErrNoHeader
	}
	hops := 0
	for _, line := range slices.Backward(forwardedFor) {
		for rest, more := line, true; more; hops++ {
			if hops == r.maxHops {
				return netip.Addr{}, ErrHops
			}
			var hop string
			if rest, hop, more = lastCut(rest); len(hop) > maxAddress {
				return netip.Addr{}, ErrHop
			}
			a, err := netip.ParseAddr(hop)
			if err != nil {
				return netip.Addr{}, ErrHop
			}
			if a, err = plain(a); err != nil || !r.trusts(a) {
				return a, err
			}
		}
	}
	return netip.Addr{}, ErrTrusted
}

// maxAddress is the length of "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".
const maxAddress = 45

// lastCut splits a list at its last comma.
func lastCut(s string) (rest, last string, more bool) {
	i := strings.LastIndexByte(s, ',')
	if i >= 0 {
		rest, more = s[:i], true
	}
	last = s[i+1:]
	for len(last) > 0 && blank(last[0]) { // strings.Trim, without what it prepares
		last = last[1:]
	}
	for len(last) > 0 && blank(last[len(last)-1]) {
		last = last[:len(last)-1]
	}
	return rest, last, more
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

func (r *Resolver) trusts(a netip.Addr) bool {
	if r.trusted == nil {
		return false
	}
	_, ok := r.trusted.Lookup(a)
	return ok
}

func plain(a netip.Addr) (netip.Addr, error) {
	if a.Zone() != "" {
		return netip.Addr{}, ErrZone
	}
	return a.Unmap(), nil
}
