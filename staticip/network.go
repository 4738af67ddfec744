package staticip

import (
	"cmp"
	"iter"
	"math"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// Network is what is known about the cluster's addresses. The zero value knows nothing, and nothing is then checked
// against it.
type Network struct {
	// Blocks are the address blocks of the CNI: Calico's IPPools, Kube-OVN's Subnets … Addresses outside of the
	// enabled ones are refused. Without blocks any address is accepted.
	Blocks []Block
	// Reserved are addresses that are not for Pods: gateways, nodes, the Service CIDR.
	Reserved []Block
	// InUse says which Pod has an address now ([Options.PrimaryNetwork]), or asks for it ([Requested]), as
	// "namespace/name".
	InUse map[netip.Addr]string
	// DualStack says that the CNI gives Pods an address of each family when it is not asked for one.
	DualStack bool
	// StrictAffinity is Calico's IPAMConfig of that name.
	StrictAffinity bool
}

// Block is a block of addresses with the name that messages give it.
type Block struct {
	Name   string
	Prefix netip.Prefix
	// Disabled blocks give out no addresses: Calico's spec.disabled, or allowedUses without Workload.
	Disabled bool
	// Manual blocks give out only addresses that are asked for (Calico's assignmentMode Manual), so addresses in them
	// need no reservation.
	Manual bool
}

// String is "name 10.0.0.0/16".
func (b Block) String() string { return strings.TrimSpace(b.Name + " " + b.Prefix.String()) }

// index is a Network in the form in which it is searched. Arrays of two are indexed by family: IPv4, IPv6.
type index struct {
	Network
	enabled, disabled, manual, reserved [2][]zone
	inUse                               [2][]holder
}

// holder is an address in use.
type holder struct {
	addr u128
	pod  string
}

// holders returns who has the addresses of z, in their order.
func (x *index) holders(f int, z zone) iter.Seq[holder] {
	i, _ := slices.BinarySearchFunc(x.inUse[f], z.lo, func(h holder, lo u128) int { return h.addr.cmp(lo) })
	return func(yield func(holder) bool) {
		for _, h := range x.inUse[f][i:] {
			if z.hi.less(h.addr) || !yield(h) {
				return
			}
		}
	}
}

// familyOf is the place of a family in arrays of two.
func familyOf(is4 bool) int {
	if is4 {
		return 0
	}
	return 1
}

func (n Network) index() (*index, Problems) {
	x := &index{Network: n}
	x.enabled = zonesOf(n.Blocks, func(b Block) bool { return !b.Disabled })
	x.disabled = zonesOf(n.Blocks, func(b Block) bool { return b.Disabled })
	x.manual = zonesOf(n.Blocks, func(b Block) bool { return b.Manual && !b.Disabled })
	x.reserved = zonesOf(n.Reserved, func(Block) bool { return true })
	for addr, pod := range n.InUse {
		addr = addr.Unmap()
		if addr.IsValid() {
			f := familyOf(addr.Is4())
			x.inUse[f] = append(x.inUse[f], holder{value(addr), pod})
		}
	}
	for f := range x.inUse {
		slices.SortFunc(x.inUse[f], func(a, b holder) int {
			return cmp.Or(a.addr.cmp(b.addr), strings.Compare(a.pod, b.pod))
		})
	}
	return x, invalid(append(slices.Clone(n.Blocks), n.Reserved...))
}

// zonesOf returns the chosen blocks for searching.
func zonesOf(blocks []Block, choose func(Block) bool) (out [2][]zone) {
	for _, b := range blocks {
		if !choose(b) || !b.Prefix.IsValid() || b.Prefix.Addr().Is4In6() {
			continue
		}
		first := b.Prefix.Masked().Addr()
		lo, f := value(first), familyOf(first.Is4())
		hi := lo.host(width(first.Is4()) - b.Prefix.Bits())
		out[f] = append(out[f], zone{lo, hi, b.String()})
	}
	return [2][]zone{outermost(out[0]), outermost(out[1])}
}

// invalid reports the blocks that are left out.
func invalid(blocks []Block) (problems Problems) {
	for _, b := range blocks {
		if !b.Prefix.IsValid() || b.Prefix.Addr().Is4In6() {
			p := refuse(CodeBadOptions, "block %q has no valid prefix; write one such as 10.0.0.0/16", b.Name)
			p.Object = "network"
			problems = append(problems, *p)
		}
	}
	return problems
}

// piece is a run of addresses with the ordinals that own them, all with a Pod or all without.
type piece struct {
	zone
	first  int32 // the ordinal of lo
	set    int32 // position of the owner in a plan
	is4    bool
	active bool
}

// state is the place of a piece in arrays of two: without and with Pods.
func (p piece) state() int {
	if p.active {
		return 1
	}
	return 0
}

// pieces cuts the segments of one family at the ends of the active spans. Addresses that no int32 reaches are left out.
func (s *set) pieces(dst []piece, f int, id int32) []piece {
	t := s.pool.tracks()[f]
	for k, start := range t.starts {
		if start > math.MaxInt32 {
			break
		}
		seg := t.segs[k]
		first := int64(s.first) + int64(start)
		run, ok := clip(first, first+int64(min(size(seg.lo, seg.hi), 1<<31))-1)
		if !ok {
			break
		}
		rest := piece{zone{lo: seg.lo, hi: seg.lo.add(uint64(run.Last - run.First))}, run.First, id, t.is4, false}
		dst = rest.cut(dst, s.active)
	}
	return dst
}

// cut appends the parts of p that are active and those that are not.
func (p piece) cut(dst []piece, active []Span) []piece {
	last := p.ordinals(p.zone).Last
	i := sort.Search(len(active), func(i int) bool { return active[i].Last >= p.first })
	for ; i < len(active) && active[i].First <= last; i++ {
		if p.first < active[i].First {
			dst = append(dst, p.part(p.first, active[i].First-1, false))
		}
		end := min(active[i].Last, last)
		dst = append(dst, p.part(max(p.first, active[i].First), end, true))
		if end == last {
			return dst
		}
		p = p.part(end+1, last, false)
	}
	return append(dst, p)
}

// part returns the addresses of some of the ordinals.
func (p piece) part(first, last int32, active bool) piece {
	lo := p.lo.add(uint64(first - p.first))
	return piece{zone{lo: lo, hi: lo.add(uint64(last - first))}, first, p.set, p.is4, active}
}

// ordinals returns the ordinals of the addresses of z, which must be inside the piece.
func (p piece) ordinals(z zone) Span {
	return Span{p.first + int32(z.lo.sub(p.lo).lo), p.first + int32(z.hi.sub(p.lo).lo)}
}

// common returns the addresses in both.
func (z zone) common(other zone) zone {
	if z.lo.less(other.lo) {
		z.lo = other.lo
	}
	if other.hi.less(z.hi) {
		z.hi = other.hi
	}
	return z
}
