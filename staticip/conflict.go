package staticip

import (
	"cmp"
	"maps"
	"slices"
)

// claimants are two workloads that claim the same addresses of one family.
type claimants struct {
	a, b   int32 // positions in the plan, a <= b
	family int
	active bool // both have Pods for the addresses
}

// conflicts sweeps over the addresses of all workloads. For each piece it looks only at the piece before it that
// reaches furthest, once among those with Pods and once among the others: who overlaps anything overlaps that one.
func conflicts(sets []*set) (problems Problems) {
	found := map[claimants]*collision{}
	for f := range 2 {
		var pieces []piece
		for i, s := range sets {
			pieces = s.pieces(pieces, f, int32(i))
		}
		slices.SortFunc(pieces, func(a, b piece) int { return cmp.Or(a.lo.cmp(b.lo), cmp.Compare(a.set, b.set)) })
		var furthest [2]*piece // without and with Pods
		for i := range pieces {
			p := &pieces[i]
			mine := p.state()
			for theirs, other := range furthest {
				if other != nil && !other.hi.less(p.lo) {
					collide(found, f, *other, *p, mine == 1 && theirs == 1)
				}
			}
			if furthest[mine] == nil || furthest[mine].hi.less(p.hi) {
				furthest[mine] = p
			}
		}
	}
	for _, c := range slices.SortedFunc(maps.Keys(found), claimants.before) {
		problems = append(problems, found[c].problem(c, sets))
	}
	return problems
}

// collision is what two workloads share.
type collision struct {
	tally
	otherFirst int32 // the ordinal of b that owns the first address
}

func collide(found map[claimants]*collision, family int, p, q piece, active bool) {
	if q.set < p.set {
		p, q = q, p
	}
	key := claimants{p.set, q.set, family, active}
	c := found[key]
	if c == nil {
		c = &collision{}
		found[key] = c
	}
	shared := p.common(q.zone)
	c.add(p, shared)
	if c.addr == shared.lo.addr(p.is4) {
		c.otherFirst = q.ordinals(shared).First
	}
}

// before is the order in which conflicts are told: errors before warnings for one pair and family.
func (c claimants) before(o claimants) int {
	rank := func(active bool) int {
		if active {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(c.a, o.a), cmp.Compare(c.b, o.b), cmp.Compare(c.family, o.family), cmp.Compare(rank(c.active), rank(o.active)))
}

func (c *collision) problem(key claimants, sets []*set) Problem {
	a, b := sets[key.a], sets[key.b]
	state := ""
	if !key.active {
		state = ", though not all have a Pod yet"
	}
	p := c.tally.problem(CodeConflict, key.active, "is also that of %s ordinal %d, of the pool %q%s; give one of them other addresses",
		b, c.otherFirst, shorten(b.text()), state)
	p.Object, p.Other = a.String(), b.String()
	p.Key, p.Value = a.key, shorten(a.text())
	return p
}
