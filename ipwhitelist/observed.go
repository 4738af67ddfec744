package ipwhitelist

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/kubewright/kubewright/ipwhitelist/clientip"
)

// gained returns the rules that hold an address which no rule of the same name held in old, nil for none: nobody has
// watched it under this name. It may be in a prefix that is new, or one that another rule has given up.
func (s *snapshot) gained(old *snapshot) map[*rule]bool {
	out := map[*rule]bool{}
	if old == nil {
		old = &snapshot{table: &clientip.Table[*rule]{}}
	}
	for a := range edges(old.prefixes(), s.prefixes()) {
		now, held := s.table.Lookup(a)
		if before, ok := old.table.Lookup(a); held && (!ok || before.Name != now.Name) {
			out[now] = true
		}
	}
	return out
}

func (s *snapshot) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, r := range s.rules {
		all = append(all, r.prefixes...)
	}
	return all
}

// edges are the addresses at which it can change in which prefixes an address lies: from one to the next, all are alike.
func edges(lists ...[]netip.Prefix) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, list := range lists {
			for _, p := range list {
				if behind := last(p).Next(); !yield(p.Addr()) || behind.IsValid() && !yield(behind) {
					return
				}
			}
		}
	}
}

// last is the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // of 4 or 16 bytes
	return a
}

// within reports whether every address of inner is in outer. They are texts of reports: what can't be read is not.
func within(inner, outer []string) bool {
	if slices.Equal(inner, outer) {
		return true
	}
	list, in, ok := parsePrefixes(inner)
	outerList, out, okOuter := parsePrefixes(outer)
	for a := range edges(list, outerList) {
		_, held := in.Lookup(a)
		_, covered := out.Lookup(a)
		ok = ok && (!held || covered)
	}
	return ok && okOuter
}

func parsePrefixes(texts []string) (list []netip.Prefix, t *clientip.Table[struct{}], ok bool) {
	var entries []clientip.Entry[struct{}]
	for _, text := range texts {
		p, err := clientip.ParsePrefix(text)
		if err != nil {
			return nil, &clientip.Table[struct{}]{}, false
		}
		list, entries = append(list, p), append(entries, clientip.Entry[struct{}]{Prefix: p})
	}
	t, err := clientip.NewTable(entries)
	if err != nil {
		return nil, &clientip.Table[struct{}]{}, false
	}
	return list, t, true
}
