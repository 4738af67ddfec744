package staticip

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Span is a run of ordinals, both ends included.
type Span struct{ First, Last int32 }

// String is "4" or "4-7".
func (s Span) String() string {
	first := strconv.Itoa(int(s.First))
	if s.First == s.Last {
		return first
	}
	return first + "-" + strconv.Itoa(int(s.Last))
}

// clip returns the span of the ordinals from first to last that exist (an ordinal is an int32 that is not negative),
// and whether there are any.
func clip(first, last int64) (Span, bool) {
	first, last = max(first, 0), min(last, math.MaxInt32)
	if first > last {
		return Span{}, false
	}
	return Span{int32(first), int32(last)}, true
}

// tidy sorts spans, merges those that touch and drops those that are empty.
func tidy(spans []Span) []Span {
	sorted := slices.Clone(spans)
	slices.SortFunc(sorted, func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	out := sorted[:0]
	for _, s := range sorted {
		if s.First > s.Last {
			continue
		}
		if n := len(out); n > 0 && int64(s.First) <= int64(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, s.Last)
			continue
		}
		out = append(out, s)
	}
	return out
}

// intersect returns the ordinals that are in both lists; both must be tidy.
func intersect(a, b []Span) []Span {
	var out []Span
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if s := (Span{max(a[i].First, b[j].First), min(a[i].Last, b[j].Last)}); s.First <= s.Last {
			out = append(out, s)
		}
		if a[i].Last < b[j].Last {
			i++
		} else {
			j++
		}
	}
	return out
}

// subtract returns the ordinals of a that are not in b; both must be tidy.
func subtract(a, b []Span) []Span {
	var out []Span
	for _, s := range a {
		for len(b) > 0 && b[0].Last < s.First {
			b = b[1:]
		}
		next := int64(s.First)
		for _, hole := range b {
			if hole.First > s.Last {
				break
			}
			if gap, ok := clip(next, int64(hole.First)-1); ok {
				out = append(out, gap)
			}
			next = int64(hole.Last) + 1
		}
		if rest, ok := clip(next, int64(s.Last)); ok {
			out = append(out, rest)
		}
	}
	return out
}

// between returns the ordinals of tidy spans from lo to below hi.
func between(spans []Span, lo, hi int64) []Span {
	s, ok := clip(lo, hi-1)
	if !ok {
		return nil
	}
	return s.of(spans)
}

// of returns the ordinals of s that are in tidy spans. There may be as many spans as ordinals, so they are searched.
func (s Span) of(spans []Span) []Span {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].Last >= s.First })
	j := i + sort.Search(len(spans)-i, func(j int) bool { return spans[i+j].First > s.Last })
	return intersect([]Span{s}, spans[i:j])
}

// count is the number of ordinals in tidy spans.
func count(spans []Span) (n int64) {
	for _, s := range spans {
		n += int64(s.Last) - int64(s.First) + 1
	}
	return n
}

// ordinals is "ordinal 4" or "ordinals 0-2, 4", cut after a few spans because each may be one Pod.
func ordinals(spans []Span) string {
	const limit = 8
	var words []string
	for i, s := range spans {
		if i == limit {
			words = append(words, "…")
			break
		}
		words = append(words, s.String())
	}
	noun := "ordinals "
	if len(spans) == 1 && spans[0].First == spans[0].Last {
		noun = "ordinal "
	}
	return noun + strings.Join(words, ", ")
}
