package etcddb

import (
	"cmp"
	"slices"
	"strings"
)

// keyed is an entry and a part of its key as a number. Keys begin alike and lie far apart in memory, so that to compare
// them two by two costs several times as much.
type keyed struct {
	*entry
	part uint64
}

const (
	partSize = 7  // bytes of the key in a part, whose last byte is how many there are
	fewKeys  = 12 // are compared two by two
)

// sortKeyed sorts by keys, which differ, and of which the first from bytes do not.
func sortKeyed(all []keyed, from int) {
	for len(all) > fewKeys {
		for i := range all {
			all[i].part = part(all[i].key[from:])
		}
		slices.SortFunc(all, func(a, b keyed) int { return cmp.Compare(a.part, b.part) })
		from += partSize
		if all[0].part == all[len(all)-1].part {
			continue
		}
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].part == all[0].part {
				n++
			}
			sortKeyed(all[:n], from)
			all = all[n:]
		}
	}
	slices.SortFunc(all, func(a, b keyed) int { return strings.Compare(a.key[from:], b.key[from:]) })
}

// part is the next bytes of a key in the order of keys. Those that are equal and have not ended go on.
func part(key string) (n uint64) {
	if len(key) > partSize {
		return uint64(key[0])<<56 | uint64(key[1])<<48 | uint64(key[2])<<40 | uint64(key[3])<<32 |
			uint64(key[4])<<24 | uint64(key[5])<<16 | uint64(key[6])<<8 | partSize
	}
	for i := range len(key) {
		n |= uint64(key[i]) << (56 - 8*i)
	}
	return n | uint64(len(key))
}
