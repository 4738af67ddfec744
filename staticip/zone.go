package staticip

import (
	"cmp"
	"slices"
	"sort"
)

// zone is a run of addresses, both ends included, that may have a name. Lists of zones are sorted and disjoint.
type zone struct {
	lo, hi u128
	name   string
}

// mergeZones sorts zones and joins those that overlap or touch; names are lost.
func mergeZones(zones []zone) []zone {
	slices.SortFunc(zones, func(a, b zone) int { return a.lo.cmp(b.lo) })
	out := zones[:0]
	for _, z := range zones {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if !last.hi.less(z.lo) || last.hi.add(1) == z.lo {
				if last.hi.less(z.hi) {
					last.hi = z.hi
				}
				continue
			}
		}
		out = append(out, zone{lo: z.lo, hi: z.hi})
	}
	return out
}

// outermost sorts blocks and drops those inside another: blocks are CIDRs, so they are nested or disjoint.
func outermost(zones []zone) []zone {
	slices.SortFunc(zones, func(a, b zone) int {
		return cmp.Or(a.lo.cmp(b.lo), b.hi.cmp(a.hi), cmp.Compare(a.name, b.name))
	})
	out := zones[:0]
	for _, z := range zones {
		if n := len(out); n == 0 || out[n-1].hi.less(z.lo) {
			out = append(out, z)
		}
	}
	return out
}

// touching returns the zones that share an address with z.
func touching(zones []zone, z zone) []zone {
	i := sort.Search(len(zones), func(i int) bool { return !zones[i].hi.less(z.lo) })
	j := sort.Search(len(zones), func(j int) bool { return z.hi.less(zones[j].lo) })
	if i >= j {
		return nil
	}
	return zones[i:j]
}

// gaps returns what the zones leave of z.
func gaps(zones []zone, z zone) []zone {
	var out []zone
	for _, hole := range touching(zones, z) {
		if z.lo.less(hole.lo) {
			out = append(out, zone{lo: z.lo, hi: hole.lo.sub(u128{lo: 1})})
		}
		if !hole.hi.less(z.hi) {
			return out
		}
		z.lo = hole.hi.add(1)
	}
	return append(out, z)
}
