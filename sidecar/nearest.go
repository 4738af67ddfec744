package sidecar

import "strings"

// maxKeyName is how long the name of an annotation may be. Admission comes before that is checked, and comparing names
// takes time by the square of their length.
const maxKeyName = 63

// nearest is ` ; did you mean "x"?` for the known key that takes the fewest edits, if those are few.
func (s *schema) nearest(name string) string {
	if len(name) > maxKeyName {
		return "; remove it"
	}
	best, least := "", max(2, len(name)/3)+1
	for _, k := range s.list {
		candidate := k.Name
		if stream, _, ok := cutStream(name); ok && strings.Contains(candidate, streamPart) {
			candidate = strings.Replace(candidate, streamPart, stream, 1)
		}
		if d := distance(name, candidate, least); d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return "; remove it"
	}
	return "; did you mean " + s.prefix + "/" + best + "?"
}

// distance is how many bytes have to be added, removed, replaced or swapped with their neighbor (optimal string
// alignment), or limit if it is at least that.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
