package eventsink_test

import (
	"fmt"
	"hash/fnv"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

// Every UID is in exactly one shard: the one whose selector has its hash, computed apart.
func TestShardsAreAPartition(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	counts := []int{1, 2, 3, 4, 7, 64}
	if testing.Short() {
		counts = []int{1, 3, 16}
	}
	for _, count := range counts {
		owned := make([]int, count)
		selectors := make([]func(uint64) bool, count)
		for index := range count {
			selectors[index] = within(t, eventsink.Shard{Index: index, Count: count}.Selector())
		}
		for range 4000 {
			uid := fmt.Sprintf("%08x-d9cb-469f-a165-%012x", rnd.Uint32(), rnd.Uint64()>>16)
			h := fnv.New64a()
			_, _ = h.Write([]byte(uid))
			owners := 0
			for index := range count {
				s := eventsink.Shard{Index: index, Count: count}
				owns := s.Owns(uid)
				if owns != selectors[index](h.Sum64()) {
					require.Fail(t, "not the selector's", "%s %s", s, uid)
				}
				if owns {
					owners++
					owned[index]++
				}
			}
			if owners != 1 {
				require.Equal(t, 1, owners, uid)
			}
		}
		for _, n := range owned {
			require.InDelta(t, 4000/count, n, 4000/float64(count)*0.7)
		}
	}
}

// within reads a selector: shardRange(object.metadata.uid, '0x…', '0x…'), the first inclusive.
func within(t *testing.T, selector string) func(hash uint64) bool {
	t.Helper()
	if selector == "" {
		return func(uint64) bool { return true }
	}
	parts := strings.Split(selector, "'")
	require.Len(t, parts, 5)
	require.Equal(t, "shardRange(object.metadata.uid, ", parts[0])
	require.Len(t, parts[1], 18)
	low, ok := new(big.Int).SetString(parts[1][2:], 16)
	require.True(t, ok)
	high, ok := new(big.Int).SetString(parts[3][2:], 16)
	require.True(t, ok)
	last := high.Sub(high, big.NewInt(1)) // 2^64-1 at the most
	require.True(t, low.IsUint64() && last.IsUint64())
	return func(hash uint64) bool { return low.Uint64() <= hash && hash <= last.Uint64() }
}

func TestParseShard(t *testing.T) {
	for _, text := range []string{"", "0/2", "3/4"} {
		s, err := eventsink.ParseShard(text)
		require.NoError(t, err)
		require.Equal(t, text, s.String())
	}
	require.Equal(t, "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')", eventsink.Shard{Index: 1, Count: 2}.Selector())
	for _, text := range []string{"2", "2/2", "-1/2", "0/0", "00/2", "+0/2", "0/99999", "a/b", "0/2 "} {
		_, err := eventsink.ParseShard(text)
		require.EqualError(t, err, fmt.Sprintf("eventsink: shard %q: write index/count with index below count, such as 0/4", text))
	}
	require.False(t, eventsink.Shard{Index: 9, Count: 2}.Owns("u"), "a Shard that no one parsed does not panic")
	require.NotEmpty(t, eventsink.Shard{Index: -1, Count: 2}.Selector())
}
