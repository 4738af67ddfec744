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

// add reports whether the first of z is the lowest so far.
func (t *tally) add(p piece, z zone) (lowest bool) {
	s := p.ordinals(z)
	if lowest = t.spans == nil || s.First < t.first; lowest {
		t.first, t.addr = s.First, z.lo.addr(p.is4)
	}
	t.spans = append(t.spans, s)
	return lowest
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
		why := "is in no enabled block of the CNI"
		first := value(t.addr)
		off := touching(x.disabled[f], zone{lo: first, hi: first})
		if off != nil {
			why = "is in " + off[0].name + ", which is disabled"
		}
		problems = append(problems, t.problem(CodeOutsideCNI, t == &live, "%s; %s", why, x.instead(f, off != nil)))
	}
	return problems
}

// instead is what to do about an address outside.
func (x *index) instead(f int, disabled bool) string {
	family := familyName(f == 0)
	switch enabled := x.enabled[f]; {
	case len(enabled) > 0 && disabled:
		return "enable it or write addresses of " + list(names(enabled))
	case len(enabled) > 0:
		return "write addresses of " + list(names(enabled))
	case disabled:
		return "enable it, or leave the " + family + " addresses out: there is no other block of them"
	}
	return "it has none for " + family + ": add one, or leave the " + family + " addresses out"
}

func names(zones []zone) []string {
	out := make([]string, len(zones))
	for i, z := range zones {
		out[i] = z.name
	}
	return out
}

// list is a few words of many.
func list(words []string) string {
	const limit = 4
	if len(words) > limit {
		words = append(slices.Clone(words[:limit]), fmt.Sprintf("%d more", len(words)-limit))
	}
	return strings.Join(words, ", ")
}

// isReserved reports addresses that are not for Pods.
func (x *index) isReserved(f int, pieces []piece) (problems Problems) {
	var found [2]struct { // without and with Pods
		tally
		names []string
	}
	seen := [2]map[string]bool{{}, {}}
	for _, p := range pieces {
		state := p.state()
		for _, z := range touching(x.reserved[f], p.zone) {
			found[state].add(p, z.common(p.zone))
			if !seen[state][z.name] {
				seen[state][z.name] = true
				found[state].names = append(found[state].names, z.name)
			}
		}
	}
	for _, state := range []int{1, 0} {
		if t := &found[state]; t.spans != nil {
			problems = append(problems, t.problem(CodeReserved, state == 1, "is reserved: %s; exclude it with \"!\" before Pods use the pool", list(t.names)))
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
