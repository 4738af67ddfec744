package staticip

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
)

// change says what an update of the pool does to the Pods that run before and after it.
func change(old, updated *set) Problems {
	live := intersect(old.active, updated.active)
	switch {
	case old.equal(updated.placement):
		return nil
	case updated.pool.IsZero():
		if updated.asked || live == nil {
			return nil // the pool is wrong, which has been said, or nobody is concerned
		}
		p := warn(CodeShrink, "the pool is removed: %s keep their address until they restart, then get a random one", ordinals(live))
		return Problems{*p.about(live, netip.Addr{})}
	case old.pool.IsZero():
		if live == nil {
			return nil
		}
		p := warn(CodeGains, "%s get the address of the pool when they are recreated; until then they keep what they have", ordinals(live))
		return Problems{*p.about(live, netip.Addr{})}
	}
	taken := takenOver(old, updated)
	problems := altered(old, updated, live, taken)
	if p := deadlock(old, updated, taken); p != nil {
		problems = append(problems, *p)
	}
	return problems
}

// takeover is a run of addresses that the update gives to other ordinals.
type takeover struct {
	addr   netip.Addr // the first one
	now    Span       // who gets them
	was    int32      // who had the first one; the others follow
	held   bool       // they had Pods
	wanted bool       // they have Pods now
}

// takenOver merges the address-sorted pieces of both pools.
func takenOver(old, updated *set) (taken []takeover) {
	byAddr := func(a, b piece) int { return a.lo.cmp(b.lo) }
	for f := range old.pool.tracks() {
		before, after := old.pieces(nil, f, 0), updated.pieces(nil, f, 0)
		slices.SortFunc(before, byAddr)
		slices.SortFunc(after, byAddr)
		for i, j := 0, 0; i < len(before) && j < len(after); {
			b, a := before[i], after[j]
			shared := b.common(a.zone)
			if !shared.hi.less(shared.lo) {
				was, now := b.ordinals(shared), a.ordinals(shared)
				if was != now {
					taken = append(taken, takeover{shared.lo.addr(a.is4), now, was.First, b.active, a.active})
				}
			}
			if b.hi.less(a.hi) {
				i++
			} else {
				j++
			}
		}
	}
	return taken
}

// altered sorts the moves of live ordinals into those to addresses of other ordinals, which are nearly always an
// accident, those to new addresses, which is how an address is retired, and families lost and gained.
func altered(old, updated *set, live []Span, taken []takeover) (problems Problems) {
	moved, lost, gained := moves(old, updated, live)
	var shifted []Span
	for _, t := range taken {
		shifted = append(shifted, t.now)
	}
	shifted = tidy(shifted)
	tell := func(p *Problem, spans []Span, advice string) {
		if len(spans) == 0 {
			return
		}
		first := spans[0].First
		from, _ := old.at(first)
		to, _ := updated.at(first)
		p.Message = fmt.Sprintf("%s %s (ordinal %d: %s -> %s)%s", ordinals(spans), p.Message, first, from, to, advice)
		problems = append(problems, *p.about(spans, from.first()))
	}
	tell(refuse(CodeMoves, "would move to addresses of other ordinals"), intersect(moved, shifted), "; append new addresses at the end instead")
	tell(warn(CodeMoves, "will move to new addresses"), subtract(moved, shifted), " at the next restart")
	tell(refuse(CodeShrink, "would lose addresses that are in use"), lost, "; keep these in the pool, or scale down first")
	tell(warn(CodeGains, "will have a further address"), gained, " after the next restart")
	return problems
}

// moves returns the live ordinals of which a family moves, is lost or is gained.
func moves(old, updated *set, live []Span) (moved, lost, gained []Span) {
	for _, m := range Moved(old.pool, updated.pool, old.first, updated.first) {
		spans := intersect([]Span{m.Ordinals}, live)
		for _, f := range [2][2]netip.Prefix{{m.From.V4, m.To.V4}, {m.From.V6, m.To.V6}} {
			switch from, to := f[0], f[1]; {
			case !to.IsValid() && from.IsValid():
				lost = append(lost, spans...)
			case to.IsValid() && !from.IsValid():
				gained = append(gained, spans...)
			case from.Addr() != to.Addr():
				moved = append(moved, spans...)
			}
		}
	}
	return tidy(moved), tidy(lost), tidy(gained)
}

// deadlock finds ordinals that get an address which another one keeps until they are ready. The controller creates
// Pods that are missing before it deletes or replaces any, and then replaces the others from the highest ordinal to the
// lowest, waiting for each to become ready. So an ordinal without a Pod waits for every holder, and one with a Pod for
// a lower holder that stays. The podManagementPolicy Parallel, under which some of these would end, is not known here.
func deadlock(old, updated *set, taken []takeover) *Problem {
	var spans []Span
	var first *takeover
	firstStuck := Span{First: math.MaxInt32}
	for i, t := range taken {
		stuck := t.stuck(old.active, updated.active)
		if len(stuck) == 0 {
			continue
		}
		spans = append(spans, stuck...)
		if first == nil || stuck[0].First < firstStuck.First {
			first, firstStuck = &taken[i], stuck[0]
		}
	}
	if first == nil {
		return nil
	}
	waits := firstStuck.First
	behind := waits - first.now.First
	addr := value(first.addr).add(uint64(behind)).addr(first.addr.Is4())
	report, when := refuse, "a rolling update goes from high ordinals to low ones and never gets there"
	if intersect(old.active, []Span{{waits, waits}}) == nil {
		when = "a missing Pod is created before others are replaced or deleted"
	}
	if updated.OnDelete {
		report, when = warn, "delete the Pods from low ordinals to high ones"
		if first.was > first.now.First {
			when = "delete the Pods that hold the addresses by hand"
		}
	}
	p := report(CodeRolloutDeadlock, "ordinal %d would wait for %s that ordinal %d still holds: %s; append new addresses at the end instead, or scale to 0 first",
		waits, addr, first.was+behind, when)
	return p.about(tidy(spans), addr)
}

// stuck returns the ordinals that would wait for ever: those without a Pod before, and those above a holder that has a
// Pod before and after.
func (t *takeover) stuck(before, after []Span) []Span {
	if !t.held || !t.wanted {
		return nil
	}
	now := []Span{t.now}
	stuck := subtract(now, before)
	if t.was >= t.now.First {
		return stuck
	}
	distance := t.now.First - t.was
	for _, s := range intersect([]Span{{t.was, t.now.Last - distance}}, after) {
		stuck = append(stuck, intersect([]Span{{s.First + distance, s.Last + distance}}, before)...)
	}
	return tidy(stuck)
}
