package staticip

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"strings"
)

// Report is what [Plan] finds. It does not change, and is safe for concurrent use.
type Report struct {
	// Problems are those of all workloads, sorted by object, and last those of the network.
	Problems Problems
	// Usage has the workloads with a pool, sorted by namespace and name.
	Usage []Usage

	renderer Renderer
	index    *index
}

// Usage is how a workload uses its pool.
type Usage struct {
	Workload Workload
	Pool     Pool
	// FirstOrdinal is the ordinal of index 0 of the pool.
	FirstOrdinal int32
	// Active are the ordinals that have a Pod.
	Active []Span
	// Headroom is by how many replicas the workload can grow until the first ordinal without an address.
	Headroom int32
}

// Row is a line of the table of ordinals and addresses. The Pod is named <Set>-<Ordinal>.
type Row struct {
	Namespace, Set string
	Ordinal        int32
	Assignment     Assignment
}

// Plan judges all workloads of a cluster together: what [CheckCreate] says of each, and which addresses two of them
// claim ([CodeConflict], an error when both have a Pod for it and a warning when not yet). Every workload that is in
// conflict is named in at least one problem, as Object or as Other; not every pair is, so that a hundred copies of one
// pool make a hundred problems and not ten thousand.
//
// The answer does not depend on the order of workloads. The work grows with the number of segments S as S log S and not
// with the number of addresses.
func Plan(workloads []Workload, n Network, opts Options) Report {
	x, networkProblems := n.index()
	r := Report{renderer: opts.renderer(), index: x}
	all := make([]verdict, len(workloads))
	for i, w := range workloads {
		all[i].set, all[i].problems = x.judge(w, opts)
	}
	slices.SortFunc(all, verdict.compare)
	var pooled []*set
	for _, v := range all {
		r.Problems = append(r.Problems, v.problems...)
		if !v.set.pool.IsZero() {
			pooled = append(pooled, v.set)
			r.Usage = append(r.Usage, v.set.usage())
		}
	}
	r.Problems = append(r.Problems, conflicts(pooled)...)
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return cmp.Compare(a.Object, b.Object) })
	r.Problems = append(r.Problems, networkProblems...)
	return r
}

// verdict is a workload with what was found about it alone.
type verdict struct {
	set      *set
	problems Problems
}

// compare is the order of a plan. Namespace and name are enough for objects of one cluster; the rest keeps the order
// also for input that lists one twice.
func (v verdict) compare(o verdict) int {
	a, b := v.set, o.set
	if c := cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name)); c != 0 {
		return c
	}
	return cmp.Or(
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.UID, b.UID),
		cmp.Compare(a.first, b.first),
		strings.Compare(a.pool.String(), b.pool.String()),
		slices.CompareFunc(a.active, b.active, func(x, y Span) int {
			return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.Last, y.Last))
		}),
		strings.Compare(v.problems.Error(), o.problems.Error()),
	)
}

func (s *set) usage() Usage {
	return Usage{s.Workload, s.pool, s.first, s.active, s.headroom()}
}

// headroom counts the ordinals behind the last Pod that are not skipped and have all addresses.
func (s *set) headroom() int32 {
	next := int64(max(s.Start, 0))
	if n := len(s.active); n > 0 {
		next = int64(s.active[n-1].Last) + 1
	}
	if next < int64(s.first) {
		return 0
	}
	end, _, _ := s.ends()
	free, ok := clip(next, end-1)
	if !ok {
		return 0
	}
	return int32(min(count(subtract([]Span{free}, tidy(s.Skipped))), math.MaxInt32))
}

// Rows returns the table: the active ordinals of all workloads that own an address, sorted by namespace, name and
// ordinal. Ordinals without an address are among the problems. The rows are computed while they are read; how many
// there are, a replicas field decides.
func (r Report) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, u := range r.Usage {
			if !u.rows(u.Active, yield) {
				return
			}
		}
	}
}

// rows returns those of the given ordinals that own an address.
func (u Usage) rows(of []Span, yield func(Row) bool) bool {
	s := set{Workload: u.Workload, placement: placement{u.Pool, u.FirstOrdinal}}
	_, end, _ := s.ends()
	for _, span := range between(of, int64(u.FirstOrdinal), end) {
		for o := int64(span.First); o <= int64(span.Last); o++ {
			a, _ := s.at(int32(o))
			if !yield(Row{u.Workload.Namespace, u.Workload.Name, int32(o), a}) {
				return false
			}
		}
	}
	return true
}
