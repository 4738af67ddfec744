package staticip

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
)

// change says what an update of the pool does to the Pods that run before and after it. home are the ordinals, by
// family, whose Pods are known to have what the update gives them already: for them nothing changes.
func change(old, updated *set, home [2][]Span) Problems {
	live := intersect(old.active, updated.active)
	switch {
	case old.equal(updated.placement):
		return nil
	case updated.pool.IsZero():
		if updated.asked {
			return nil // the pool is wrong, which has been said
		}
		return removal(old, updated, live)
	case old.pool.IsZero():
		if live == nil {
			return nil
		}
		p := warn(CodeGains, "%s get the address of the pool when they are recreated; until then they keep what they have", ordinals(live))
		return Problems{*p.about(live, netip.Addr{})}
	}
	taken := takenOver(old, updated, home)
	problems := altered(old, updated, live, taken, home)
	if p := deadlock(old, updated, taken); p != nil {
		problems = append(problems, *p)
	}
	return problems
}

// removal refuses to drop the pool of Pods that run: nothing would happen until the day that one of them restarts. Who
// means it says so.
func removal(old, updated *set, live []Span) Problems {
	var owners []Span
	for _, t := range old.pool.tracks() {
		owners = append(owners, intersect(live, old.owned(t))...)
	}
	if owners = tidy(owners); len(owners) == 0 {
		return nil
	}
	p := warn(CodeShrink, "the pool is given up: %s keep their address until they restart, then get a random one", ordinals(owners))
	if !updated.released {
		p = refuse(CodeShrink, "the pool is removed, but there are Pods of %s, which would get a random address when they restart; restore it, scale to 0 first, or write %q in its place to give the addresses up",
			ordinals(owners), noPool)
	}
	return Problems{*p.about(owners, netip.Addr{})}
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
func takenOver(old, updated *set, home [2][]Span) (taken []takeover) {
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
					for _, rest := range subtract([]Span{now}, now.of(home[f])) {
						behind := rest.First - now.First
						addr := shared.lo.add(uint64(behind)).addr(a.is4)
						taken = append(taken, takeover{addr, rest, was.First + behind, b.active, a.active})
					}
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
func altered(old, updated *set, live []Span, taken []takeover, home [2][]Span) (problems Problems) {
	moved, lost, gained := moves(old, updated, live, home)
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
func moves(old, updated *set, live []Span, home [2][]Span) (moved, lost, gained []Span) {
	for _, m := range Moved(old.pool, updated.pool, old.first, updated.first) {
		spans := m.Ordinals.of(live)
		for f, change := range [2][2]netip.Prefix{{m.From.V4, m.To.V4}, {m.From.V6, m.To.V6}} {
			switch from, to := change[0], change[1]; {
			case !to.IsValid() && from.IsValid():
				lost = append(lost, spans...)
			case to.IsValid() && !from.IsValid():
				gained = append(gained, subtract(spans, m.Ordinals.of(home[f]))...)
			case from.Addr() != to.Addr():
				moved = append(moved, subtract(spans, m.Ordinals.of(home[f]))...)
			}
		}
	}
	return tidy(moved), tidy(lost), tidy(gained)
}

// deadlock finds ordinals that get an address which another one keeps until they are ready. The controller creates
// Pods that are missing before it deletes or replaces any, and then replaces the others from the highest ordinal to the
// lowest, waiting for each to become ready. So an ordinal without a Pod waits for every holder, and one with a Pod for
// a lower holder that stays. Under Parallel it deletes the Pods that are too many without waiting, so that an ordinal
// without a Pod waits only for a holder that stays. maxUnavailable, which few clusters honor, is not counted on: it
// would let some of these end, depending on which Pods are ready when.
func deadlock(old, updated *set, taken []takeover) *Problem {
	var spans []Span
	var first *takeover
	firstStuck := Span{First: math.MaxInt32}
	for i, t := range taken {
		stuck := t.stuck(old.active, updated.active, updated.Parallel)
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
	if (Span{waits, waits}).of(old.active) == nil {
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
// Pod before and after. Under parallel management both kinds wait for such holders only.
func (t *takeover) stuck(before, after []Span, parallel bool) []Span {
	if !t.held || !t.wanted {
		return nil
	}
	missing := subtract([]Span{t.now}, t.now.of(before))
	// Ordinal o wants what ordinal o-distance has.
	distance := int64(t.now.First) - int64(t.was)
	var stay []Span
	holders, _ := clip(int64(t.was), int64(t.now.Last)-distance)
	for _, s := range holders.of(after) {
		waiter, _ := clip(int64(s.First)+distance, int64(s.Last)+distance)
		stay = append(stay, waiter)
	}
	stuck := missing
	if parallel {
		stuck = intersect(missing, stay)
	}
	if distance > 0 {
		stuck = append(stuck, subtract(stay, missing)...)
	}
	return tidy(stuck)
}
