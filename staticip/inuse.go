package staticip

import (
	"fmt"
	"net/netip"
	"strings"
)

// PrimaryNetwork reports whether the addresses of pools are those that a Pod shows in status.podIPs, and not those of an
// additional interface, which may be of another network with the same numbers.
func (o Options) PrimaryNetwork() bool {
	r, ok := o.renderer().(networkRenderer)
	return !ok || !r.additional()
}

// Requested returns the addresses that the annotations of a Pod ask its CNI for, in the order in which they stand there.
// They are as good as in use ([Network.InUse]): a Pod that still waits for a node gets them when it has one. Spiderpool
// and Cilium are asked for pools, not for addresses, so for them there are none.
func Requested(pod Pod, opts Options) []netip.Addr {
	var out []netip.Addr
	for _, c := range opts.renderer().claims(pod.Namespace, pod.Annotations) {
		if !c.exact {
			continue
		}
		for word := range strings.FieldsFuncSeq(c.value, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF.:/", r) }) {
			text, _, _ := strings.Cut(word, "/")
			if a, err := netip.ParseAddr(text); err == nil {
				out = append(out, a.Unmap())
			}
		}
	}
	return out
}

// NeedsInUse reports whether [CheckUpdate] wants to know what the workload's own Pods have, in [Network.InUse]: an ordinal
// gets an address that it did not own, or a Pod. For other updates nobody has to list Pods. For a creation, old is the
// zero Workload: a StatefulSet adopts the Pods that one of its name has left behind.
func NeedsInUse(old, updated Workload, opts Options) bool {
	before, _ := read(old, opts)
	after, _ := read(updated, opts)
	return !after.pool.IsZero() && (!before.equal(after.placement) || subtract(after.active, before.active) != nil)
}

// held reports addresses that other Pods have now: the first one, and how many more.
func (x *index) held(f int, s *set, pieces []piece) (problems Problems) {
	var found [2]struct { // without and with Pods
		tally
		pod   string // that has the first address
		count int
	}
	for _, p := range pieces {
		t := &found[p.state()]
		for h := range x.holders(f, p.zone) {
			here := zone{lo: h.addr, hi: h.addr}
			if own, ok := s.ordinalOf(h.pod); ok && s.yields(own, p.ordinals(here).First) {
				continue
			}
			if t.add(p, here) {
				t.pod = h.pod
			}
			t.count++
		}
	}
	for _, state := range []int{1, 0} {
		t := &found[state]
		if t.count == 0 {
			continue
		}
		what := "; delete that Pod or write another address"
		if t.count > 1 {
			what = fmt.Sprintf(", and %s by other Pods; delete these Pods or write other addresses", addresses(uint64(t.count-1), "more"))
		}
		p := t.problem(CodeConflict, state == 1, "is in use by Pod %s%s", t.pod, what)
		p.Other = "Pod " + t.pod
		problems = append(problems, p)
	}
	return problems
}

// yields reports whether the Pod of one ordinal does not keep an address from another one: because it is the same, or
// because it is deleted without waiting for any.
func (s *set) yields(holder, wants int32) bool {
	return holder == wants || s.Parallel && (Span{holder, holder}).of(s.active) == nil
}

// ordinalOf returns the ordinal of a Pod of this workload, given as "namespace/name".
func (s *set) ordinalOf(pod string) (int32, bool) {
	suffix, ours := strings.CutPrefix(pod, s.Namespace+"/"+s.Name+"-")
	ordinal, ok := parseOrdinal(suffix)
	return ordinal, ours && ok
}

// home returns the ordinals, by family, whose Pods have their address.
func (x *index) home(s *set) (home [2][]Span) {
	for f := range home {
		for _, p := range s.pieces(nil, f, 0) {
			for h := range x.holders(f, p.zone) {
				o := p.ordinals(zone{lo: h.addr, hi: h.addr}).First
				if own, ok := s.ordinalOf(h.pod); ok && own == o {
					home[f] = append(home[f], Span{o, o})
				}
			}
		}
		home[f] = tidy(home[f])
	}
	return home
}
