package staticip

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// tally gathers the ordinals that have the same trouble, so that it becomes one problem.
type tally struct {
	spans []Span
	first int32 // the lowest ordinal
	addr  netip.Addr
}

func (t *tally) add(p piece, z zone) {
	s := p.ordinals(z)
	if t.spans == nil || s.First < t.first {
		t.first, t.addr = s.First, z.lo.addr(p.is4)
	}
	t.spans = append(t.spans, s)
}

// problem makes one problem of the tally: an error for ordinals with a Pod, a warning for those that would get one.
// The message begins with the first address.
func (t *tally) problem(code Code, active bool, format string, args ...any) Problem {
	report := warn
	if active {
		report = refuse
	}
	spans := tidy(t.spans)
	who := ordinals(spans)
	if count(spans) > 1 {
		who = "first of " + who
	}
	p := report(code, "%s (%s) %s", t.addr, who, fmt.Sprintf(format, args...))
	return *p.about(spans, t.addr)
}

// check compares a workload's addresses with the network.
func (x *index) check(s *set) (problems Problems) {
	for f, track := range s.pool.tracks() {
		if track.size == 0 {
			continue
		}
		pieces := s.pieces(nil, f, 0)
		problems = append(problems, x.outside(f, pieces)...)
		problems = append(problems, x.isReserved(f, pieces)...)
		problems = append(problems, x.held(f, s, pieces)...)
		problems = append(problems, x.affine(track, s)...)
	}
	if p := x.singleStack(s); p != nil {
		problems = append(problems, *p)
	}
	return problems
}

// outside reports addresses in no enabled block.
func (x *index) outside(f int, pieces []piece) (problems Problems) {
	if len(x.Blocks) == 0 {
		return nil
	}
	var live, idle tally
	for _, p := range pieces {
		t := &idle
		if p.active {
			t = &live
		}
		for _, gap := range gaps(x.enabled[f], p.zone) {
			t.add(p, gap)
		}
	}
	for _, t := range []*tally{&live, &idle} {
		if t.spans == nil {
			continue
		}
		why := "is in no enabled block of the CNI; write addresses of " + list(x.enabled[f])
		first := value(t.addr)
		if off := touching(x.disabled[f], zone{lo: first, hi: first}); off != nil {
			why = "is in " + off[0].name + ", which is disabled; enable it or write addresses of " + list(x.enabled[f])
		}
		problems = append(problems, t.problem(CodeOutsideCNI, t == &live, "%s", why))
	}
	return problems
}

// list names a few zones.
func list(zones []zone) string {
	const limit = 4
	if len(zones) == 0 {
		return "a block of this family, once there is one"
	}
	var names []string
	for i, z := range zones {
		if i == limit {
			names = append(names, fmt.Sprintf("%d more", len(zones)-limit))
			break
		}
		names = append(names, z.name)
	}
	return strings.Join(names, ", ")
}

// isReserved reports addresses that are not for Pods.
func (x *index) isReserved(f int, pieces []piece) (problems Problems) {
	type key struct {
		name   string
		active bool
	}
	var keys []key
	tallies := map[key]*tally{}
	for _, p := range pieces {
		for _, z := range touching(x.reserved[f], p.zone) {
			k := key{z.name, p.active}
			if tallies[k] == nil {
				tallies[k] = &tally{}
				keys = append(keys, k)
			}
			tallies[k].add(p, z.common(p.zone))
		}
	}
	for _, k := range keys {
		problems = append(problems, tallies[k].problem(CodeReserved, k.active, "is reserved: %s; exclude it with \"!\" before Pods use the pool", k.name))
	}
	return problems
}

// held reports addresses that another Pod has now.
func (x *index) held(f int, s *set, pieces []piece) (problems Problems) {
	for _, p := range pieces {
		i, _ := slices.BinarySearchFunc(x.inUse[f], p.lo, func(h holder, lo u128) int { return h.addr.cmp(lo) })
		for _, h := range x.inUse[f][i:] {
			if p.hi.less(h.addr) {
				break
			}
			here := zone{lo: h.addr, hi: h.addr}
			if h.pod == fmt.Sprintf("%s/%s-%d", s.Namespace, s.Name, p.ordinals(here).First) {
				continue
			}
			var t tally
			t.add(p, here)
			found := t.problem(CodeConflict, p.active, "is in use by Pod %s; delete that Pod or write another address", h.pod)
			found.Other = "Pod " + h.pod
			problems = append(problems, found)
		}
	}
	return problems
}

// affine warns that Calico with strictAffinity gives an address only to Pods on the node that owns its block.
func (x *index) affine(t *track, s *set) Problems {
	live := intersect(s.active, s.owned(t))
	if !x.StrictAffinity || len(live) == 0 {
		return nil
	}
	prefix, _ := t.at(uint64(live[0].First - s.first))
	length := 122
	if t.is4 {
		length = 26
	}
	block := netip.PrefixFrom(prefix.Addr(), length).Masked()
	p := warn(CodeStrictAffinity, "IPAMConfig strictAffinity is true: %s works only on the node that owns the block %s (or what blockSize makes of it); set it to false",
		prefix.Addr(), block)
	return Problems{*p.about(live, prefix.Addr())}
}

// owned returns the ordinals with an address of one family.
func (a placement) owned(t *track) []Span {
	s, ok := clip(int64(a.first), a.end(t)-1)
	if !ok || t.size == 0 {
		return nil
	}
	return []Span{s}
}

// singleStack warns that asking for one family means not getting the other.
func (x *index) singleStack(s *set) *Problem {
	v4, v6 := s.pool.Len()
	if !x.DualStack || (v4 > 0) == (v6 > 0) {
		return nil
	}
	missing := familyName(v4 == 0)
	return warn(CodeDualShort, "the cluster is dual-stack but the pool has no %s address: the Pods will have none; add %s addresses", missing, missing).
		about(s.active, netip.Addr{})
}
