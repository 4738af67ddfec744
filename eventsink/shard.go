package eventsink

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Shard is one of Count equal parts of the Events, by the hash of their UID: the ranges of KEP-5866, so that a reader
// can filter itself and let the API server filter where it does, with the same parts. The zero Shard owns all.
type Shard struct{ Index, Count int }

// ParseShard reads "index/count", such as "0/4". The empty text is the zero Shard.
func ParseShard(s string) (Shard, error) {
	if s == "" {
		return Shard{}, nil
	}
	index, count, ok := strings.Cut(s, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(count)
	if !ok || err1 != nil || err2 != nil || n < 1 || n > 1<<16 || i < 0 || i >= n || (Shard{i, n}).text() != s {
		return Shard{}, fmt.Errorf("eventsink: shard %q: write index/count with index below count, such as 0/4", short(s))
	}
	return Shard{i, n}, nil
}

// String is what ParseShard reads, empty when the shard owns all.
func (s Shard) String() string {
	if s.Count <= 1 {
		return ""
	}
	return s.text()
}

func (s Shard) text() string { return strconv.Itoa(s.Index) + "/" + strconv.Itoa(s.Count) }

// Owns reports whether the Event with this UID is in the shard. Each is in exactly one.
func (s Shard) Owns(uid string) bool {
	if s.Count <= 1 {
		return true
	}
	h := fnv1a(uid)
	return h >= s.bound(s.Index) && (s.Index+1 >= s.Count || h < s.bound(s.Index+1))
}

// Selector is the ListOptions.ShardSelector of the shard, for API servers with the feature gate ShardedListAndWatch
// (alpha in 1.36). Empty when the shard owns all.
func (s Shard) Selector() string {
	if s.Count <= 1 {
		return ""
	}
	end := "10000000000000000" // 2^64, the exclusive end of the whole
	if s.Index+1 < s.Count {
		end = fmt.Sprintf("%016x", s.bound(s.Index+1))
	}
	return fmt.Sprintf("shardRange(object.metadata.uid, '0x%016x', '0x%s')", s.bound(s.Index), end)
}

// bound is i/Count of the hash space, rounded down.
func (s Shard) bound(i int) uint64 {
	if i < 0 || i >= s.Count { // a Shard that ParseShard did not make
		return math.MaxUint64
	}
	q, _ := bits.Div64(uint64(i), 0, uint64(s.Count))
	return q
}

// fnv1a is the 64-bit FNV-1a hash, as the API server computes it, without hash/fnv's allocation.
func fnv1a(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
