package staticip

import (
	"iter"
	"net/netip"
	"slices"
)

// Reservations returns the addresses of all pools, with and without a Pod, as the fewest ranges, IPv4 first. While a
// Pod restarts, its address is free, and the CNI may give it to any other Pod; reserve them so that it cannot. Blocks
// that are Manual do not need it and are left out.
//
// separator stands between the first and the last address of a range: ".." for spec.excludeIps of Kube-OVN's Subnet,
// "-" for spec.excludeIPs of the SpiderIPPools that other Pods use. Without separator the ranges are CIDRs, for
// spec.reservedCIDRs of Calico's IPReservation. Spiderpool's cluster-wide SpiderReservedIP is not for this: it would
// keep the addresses from their owners too.
func (r Report) Reservations(separator string) []string {
	var out []string
	for family := range 2 {
		var zones []zone
		for _, u := range r.Usage {
			for _, s := range u.Pool.tracks()[family].segs {
				zones = append(zones, zone{lo: s.lo, hi: s.hi})
			}
		}
		for _, z := range mergeZones(zones) {
			for _, gap := range gaps(r.manual(family), z) {
				out = gap.appendAs(out, separator, family == 0)
			}
		}
	}
	return out
}

func (r Report) manual(family int) []zone {
	if r.index == nil {
		return nil
	}
	return r.index.manual[family]
}

// appendAs writes a zone as a range, or as CIDRs.
func (z zone) appendAs(out []string, separator string, is4 bool) []string {
	switch first := z.lo.addr(is4).String(); {
	case separator == "":
		return z.appendCIDRs(out, is4)
	case z.lo == z.hi:
		return append(out, first)
	default:
		return append(out, first+separator+z.hi.addr(is4).String())
	}
}

// appendCIDRs cuts a zone into the fewest blocks: from the bottom, always the largest that fits.
func (z zone) appendCIDRs(out []string, is4 bool) []string {
	for {
		free := min(z.lo.zeros(), width(is4))
		for z.hi.less(z.lo.host(free)) {
			free--
		}
		out = append(out, netip.PrefixFrom(z.lo.addr(is4), width(is4)-free).String())
		last := z.lo.host(free)
		if last == z.hi {
			return out
		}
		z.lo = last.add(1)
	}
}

// poolRenderer is a [Renderer] that needs an object for each ordinal and family.
type poolRenderer interface {
	manifest(t target, is4 bool, addr, subnet netip.Prefix) map[string]any
}

// reservingRenderer is a [Renderer] whose CNI takes reservations as an object of their own.
type reservingRenderer interface {
	reservation(cidrs []string) map[string]any
}

// idleManifests is up to how many ordinals without a Pod pools are made.
const idleManifests = 1024

// Manifests returns the objects that must exist before the Pods, ready for a JSON or YAML encoder, in a stable order:
// one IPReservation named "staticip" for [Calico], a pool for each ordinal and family for [Spiderpool] and [Cilium], and
// nothing for other CNIs, which take addresses as they are.
//
// The ordinals are those that have a Pod, and of each workload the first 1024 of its pool, since [CheckScale] lets it
// grow into these. Who scales further makes the manifests again first.
func (r Report) Manifests() iter.Seq[map[string]any] {
	return func(yield func(map[string]any) bool) {
		switch m := r.renderer.(type) {
		case reservingRenderer:
			if cidrs := r.Reservations(""); cidrs != nil {
				yield(m.reservation(cidrs))
			}
		case poolRenderer:
			for _, u := range r.Usage {
				if !u.rows(u.provisioned(), func(row Row) bool { return r.pools(m, row, yield) }) {
					return
				}
			}
		}
	}
}

// provisioned are the ordinals that get objects of their own.
func (u Usage) provisioned() []Span {
	spans := slices.Clone(u.Active)
	if idle, ok := clip(int64(u.FirstOrdinal), int64(u.FirstOrdinal)+idleManifests-1); ok {
		spans = append(spans, idle)
	}
	return tidy(spans)
}

// pools makes the objects of one row.
func (r Report) pools(m poolRenderer, row Row, yield func(map[string]any) bool) bool {
	t := target{namespace: row.Namespace, set: row.Set, ordinal: row.Ordinal, Assignment: row.Assignment}
	for _, p := range [2]netip.Prefix{t.V4, t.V6} {
		if p.IsValid() && !yield(m.manifest(t, p.Addr().Is4(), p, r.subnetOf(p))) {
			return false
		}
	}
	return true
}

// subnetOf returns the subnet of an address: that of its mask, or else the block of the network around it.
func (r Report) subnetOf(p netip.Prefix) netip.Prefix {
	if p.Bits() < p.Addr().BitLen() || r.index == nil {
		return p.Masked()
	}
	i := slices.IndexFunc(r.index.Blocks, func(b Block) bool { return b.Prefix.Contains(p.Addr()) })
	if i < 0 {
		return p
	}
	return r.index.Blocks[i].Prefix.Masked()
}
