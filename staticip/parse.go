package staticip

import (
	"encoding/json"
	"slices"
	"strings"
)

// Limits on what a user may write: annotations have 256 KiB together, and 4096 items are more than a StatefulSet has
// Pods. They hold for the canonical form too, so that it can always be read back.
const (
	maxText  = 64 << 10
	maxItems = 4096
	// An IPv6 range with its mask and comma: ffff:…:ffff-ffff:…:ffff/128,
	maxItemText = 39 + 1 + 39 + 4 + 1
)

// masks are the prefix lengths for items that have none of their own; 0 stands for the full length.
type masks struct{ v4, v6 int }

// raw is the prefix length as given.
func (m masks) raw(is4 bool) int {
	if is4 {
		return m.v4
	}
	return m.v6
}

// of is the prefix length to use: one that does not exist counts as none.
func (m masks) of(is4 bool) int {
	length, w := m.raw(is4), width(is4)
	if length <= 0 || length > w {
		return w
	}
	return length
}

// ParsePool reads a pool. Items are separated by commas, semicolons or white space, or are the strings of a JSON list:
//
//	10.0.0.10                  an address
//	10.0.0.10-10.0.0.15        a range, literal: both ends and all between, also .0 and .255
//	10.0.0.10..10.0.0.15       the same
//	10.0.0.10-10.0.0.15/24     a range whose addresses have the mask /24
//	10.0.0.0/28                the hosts of a block: without network and broadcast address
//	!10.0.0.12                 an exclusion, of any form, at any place
//
// IPv4 and IPv6 items may be mixed; each family keeps its own order, and index i owns the i-th address of both. So
// the list "10.0.0.1,fd00::1;10.0.0.2,fd00::2" of Kube-OVN means what it means there.
//
// Warnings are about text that works but has no effect. The error, of type [Problems], has everything that is wrong,
// in the order of the items; the pool is then zero.
func ParsePool(text string) (pool Pool, warnings Problems, err error) {
	pool, problems := parsePool(text, masks{})
	if err := problems.Err(); err != nil {
		return Pool{}, nil, err
	}
	return pool, problems, nil
}

// parsePool returns the pool, or its zero value when one of the problems is an error.
func parsePool(text string, m masks) (Pool, Problems) {
	words, p := splitItems(text)
	if p != nil {
		return Pool{}, Problems{*p}
	}
	var v4, v6 family
	var problems Problems
	for i, word := range words {
		it, p := parseItem(i+1, word, m)
		switch {
		case p != nil:
			p.Item, p.Value = i+1, shorten(word)
			problems = append(problems, *p)
		case it.is4:
			v4.add(it)
		default:
			v6.add(it)
		}
	}
	problems = append(problems, v4.overlaps()...)
	problems = append(problems, v6.overlaps()...)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Item - b.Item })
		return Pool{}, problems
	}
	return assemble(v4, v6)
}

// splitItems cuts the text at separators, or decodes the JSON list that Calico's annotation has.
func splitItems(text string) ([]string, *Problem) {
	if len(text) > maxText {
		return nil, refuse(CodeTooBig, "pool has %d bytes; at most %d: write ranges", len(text), maxText)
	}
	var items []string
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "[") {
		if err := json.Unmarshal([]byte(trimmed), &items); err != nil {
			p := refuse(CodeBadList, `starts with "[" but is not a JSON list of strings; write ["10.0.0.10","10.0.0.11"]`)
			p.Value, p.Err = shorten(trimmed), err
			return nil, p
		}
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
	} else {
		items = strings.FieldsFunc(text, isSeparator)
	}
	if len(items) > maxItems {
		return nil, refuse(CodeTooBig, "pool has %d items; at most %d: write ranges", len(items), maxItems)
	}
	return items, nil
}

func isSeparator(r rune) bool {
	switch r {
	case ',', ';', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// family gathers the items of one address family in the order they were written.
type family struct{ listed, excluded []item }

func (f *family) add(it item) {
	if it.exclude {
		f.excluded = append(f.excluded, it)
	} else {
		f.listed = append(f.listed, it)
	}
}

// byAddress returns the items sorted by first address, and among equals by their place in the text.
func byAddress(items []item) []item {
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b item) int { return a.lo.cmp(b.lo) })
	return sorted
}

// overlaps names each item that shares an address with another at least once.
func (f *family) overlaps() (problems Problems) {
	if len(f.listed) < 2 {
		return nil
	}
	var widest item // the item before this one in address order that reaches furthest
	for i, it := range byAddress(f.listed) {
		if i > 0 && !widest.hi.less(it.lo) {
			a, b := min(widest.n, it.n), max(widest.n, it.n)
			shared := it.lo.addr(it.is4)
			p := refuse(CodeOverlap, "items %d and %d both contain %s: two ordinals would share it; remove one", a, b, shared)
			p.Item, p.Value, p.Addr = b, shorten(it.text), shared
			if widest.n == b {
				p.Value = shorten(widest.text)
			}
			problems = append(problems, *p)
		}
		if i == 0 || widest.hi.less(it.hi) {
			widest = it
		}
	}
	return problems
}

// assemble applies the exclusions and checks what is left.
func assemble(v4, v6 family) (Pool, Problems) {
	if len(v4.listed)+len(v6.listed) == 0 {
		p := refuse(CodePoolEmpty, `pool is empty: list at least one address, e.g. "10.0.0.10-10.0.0.15"`)
		return Pool{}, Problems{*p}
	}
	t4, problems4 := v4.track(true)
	t6, problems6 := v6.track(false)
	problems := slices.Concat(problems4, problems6)
	slices.SortStableFunc(problems, func(a, b Problem) int { return a.Item - b.Item })
	if problems.Err() != nil {
		return Pool{}, problems
	}
	pool := Pool{t4, t6}
	if p := pool.tooBig(); p != nil {
		return Pool{}, append(problems, *p)
	}
	return pool, problems
}

// track subtracts the exclusions from the listed items.
func (f *family) track(is4 bool) (track, Problems) {
	var holes []zone
	for _, it := range f.excluded {
		holes = append(holes, zone{lo: it.lo, hi: it.hi})
	}
	holes = mergeZones(holes)
	segs := make([]segment, 0, len(f.listed))
	for _, it := range f.listed {
		s := segment{it.lo, it.hi, it.length}
		if holes == nil {
			segs = append(segs, s)
			continue
		}
		segs = append(segs, s.without(holes)...)
	}
	problems := f.useless()
	if len(segs) == 0 && len(f.listed) > 0 {
		p := refuse(CodeAllExcluded, "every %s address is excluded; remove an exclusion or list more addresses", familyName(is4))
		problems = append(problems, *p)
	}
	return newTrack(is4, segs), problems
}

// useless warns of exclusions that hit nothing, which are often typing mistakes.
func (f *family) useless() (problems Problems) {
	if len(f.excluded) == 0 {
		return nil
	}
	var listed []zone
	for _, it := range byAddress(f.listed) {
		listed = append(listed, zone{lo: it.lo, hi: it.hi})
	}
	for _, it := range f.excluded {
		if touching(listed, zone{lo: it.lo, hi: it.hi}) == nil {
			p := warn(CodeExcludeUseless, "excludes no address of the pool; remove it or correct it")
			p.Item, p.Value, p.Addr = it.n, shorten(it.text), it.lo.addr(it.is4)
			problems = append(problems, *p)
		}
	}
	return problems
}

// tooBig refuses a pool whose canonical form could not be read back: exclusions and default masks make it longer than
// the text. It has no more segments than the text has items, since an exclusion cuts one segment in two at most.
func (p Pool) tooBig() *Problem {
	if (len(p.v4.segs)+len(p.v6.segs))*maxItemText <= maxText {
		return nil
	}
	if length := len(p.String()); length > maxText {
		return refuse(CodeTooBig, "pool has %d bytes when written out; at most %d: write larger ranges", length, maxText)
	}
	return nil
}

func familyName(is4 bool) string {
	if is4 {
		return "IPv4"
	}
	return "IPv6"
}
