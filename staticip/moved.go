package staticip

import (
	"math"
	"slices"
)

// Move is a run of ordinals whose addresses a change of the pool alters. From and To are what the first of them owned
// and owns; the others follow one by one. A zero To means that the ordinals lose their address, a family that is zero
// in only one of both that they lose or gain that family.
type Move struct {
	Ordinals Span
	From, To Assignment
}

// Moved compares two pools and returns the ordinals that owned something in the old one and own something else in the
// new one, ascending. oldFirst and newFirst are the ordinals of index 0. Masks are not compared. No range is
// enumerated: the work depends on the number of segments only.
//
// Appending to a pool, at the end of the text or by raising the end of the last item, moves nothing.
func Moved(old, updated Pool, oldFirst, newFirst int32) []Move {
	a, b := placement{old, max(oldFirst, 0)}, placement{updated, max(newFirst, 0)}
	cuts := append(a.cuts(), b.cuts()...)
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var moves []Move
	for i, cut := range cuts {
		next := int64(math.MaxInt32) + 1
		if i+1 < len(cuts) {
			next = cuts[i+1]
		}
		run, ok := clip(cut, next-1)
		if !ok {
			continue
		}
		from, _ := a.at(run.First)
		to, _ := b.at(run.First)
		if from != (Assignment{}) && !from.sameAddrs(to) {
			moves = append(moves, Move{run, from, to})
		}
	}
	return moves
}

// cuts returns the ordinals at which a segment starts, and those behind the last one of each family. Between two cuts
// all addresses go up by one with the ordinal.
func (a placement) cuts() []int64 {
	var cuts []int64
	for _, t := range a.pool.tracks() {
		for _, start := range t.starts {
			if start > math.MaxInt32 {
				break
			}
			cuts = append(cuts, int64(a.first)+int64(start))
		}
		cuts = append(cuts, a.end(t))
	}
	return cuts
}

// sameAddrs compares without masks.
func (a Assignment) sameAddrs(b Assignment) bool {
	return a.V4.Addr() == b.V4.Addr() && a.V6.Addr() == b.V6.Addr()
}
