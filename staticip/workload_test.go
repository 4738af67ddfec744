package staticip

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadPlaces(t *testing.T) {
	key, first := Options{}.PoolKey(), Options{}.firstKey()
	for _, tc := range []struct {
		name       string
		meta, tmpl map[string]string
		pool       string
		ordinal    int32
		codes      []string
	}{
		{"nowhere", nil, map[string]string{"a": "b"}, "", 0, nil},
		{"metadata", map[string]string{key: "10.0.0.1"}, nil, "10.0.0.1", 0, nil},
		{"template", nil, map[string]string{key: "10.0.0.1", first: "2"}, "10.0.0.1", 2, nil},
		{"both, the same", map[string]string{key: "10.0.0.1"}, map[string]string{key: "10.0.0.1"}, "10.0.0.1", 0, nil},
		{"both, in other words", map[string]string{key: "10.0.0.1", first: "0"}, map[string]string{key: "10.0.0.1/32"}, "10.0.0.1", 0, nil},
		{"other pools", map[string]string{key: "10.0.0.1"}, map[string]string{key: "10.0.0.2"}, "", 0, []string{"TwoPlaces"}},
		{"other first ordinals", map[string]string{key: "10.0.0.1", first: "1"}, map[string]string{key: "10.0.0.1"}, "", 0, []string{"TwoPlaces"}},
		{"first ordinal in the other place", map[string]string{key: "10.0.0.1"}, map[string]string{first: "1"}, "", 0, []string{"BadFirstOrdinal"}},
		{"first ordinal alone", map[string]string{first: "1"}, nil, "", 0, []string{"BadFirstOrdinal"}},
		{"first ordinal is no number", map[string]string{key: "10.0.0.1", first: "one"}, nil, "", 0, []string{"BadFirstOrdinal"}},
		{"first ordinal too large", map[string]string{key: "10.0.0.1", first: "2147483648"}, nil, "", 0, []string{"BadFirstOrdinal"}},
		{"empty", map[string]string{key: ""}, nil, "", 0, []string{"PoolEmpty"}},
		{"metadata wrong, template right", map[string]string{key: "x"}, map[string]string{key: "10.0.0.1"}, "", 0, []string{"BadAddress"}},
		{"metadata right, template wrong", map[string]string{key: "10.0.0.1"}, map[string]string{key: "x"}, "", 0, []string{"BadAddress"}},
		{"typing mistakes", map[string]string{defaultPrefix + "/pols": "x", defaultPrefix + "/pol": "y", key: "10.0.0.1"}, nil, "", 0, []string{"UnknownKey", "UnknownKey"}},
		{"another domain", map[string]string{defaultPrefix + ".example.com/pool": "x", defaultPrefix: "y"}, nil, "", 0, nil},
		{"given up", map[string]string{key: " none\n", first: "2"}, nil, "", 0, nil},
		{"given up in the template", nil, map[string]string{key: "none"}, "", 0, nil},
		{"given up in both", map[string]string{key: "none"}, map[string]string{key: "none"}, "", 0, nil},
		{"given up in one", map[string]string{key: "none"}, map[string]string{key: "10.0.0.1"}, "", 0, []string{"TwoPlaces"}},
		{"given up in the other", map[string]string{key: "10.0.0.1"}, map[string]string{key: "none"}, "", 0, []string{"TwoPlaces"}},
		{"one of several given up", map[string]string{key: "10.0.0.1,none"}, nil, "", 0, []string{"BadAddress"}},
		{"a warning keeps the pool", map[string]string{key: "10.0.0.1,!10.0.0.9"}, nil, "10.0.0.1", 0, []string{"ExcludeUseless?"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, problems := read(Workload{Annotations: tc.meta, Template: tc.tmpl}, Options{})
			require.Equal(t, tc.codes, codes(problems))
			require.Equal(t, tc.pool, s.pool.String())
			require.Equal(t, tc.ordinal, s.first)
		})
	}
}

func TestCapacityOfUnequalTracks(t *testing.T) {
	w := redis(5, "10.0.0.1-10.0.0.4,fd00::1-fd00::2")
	got := CheckCreate(w, Network{}, Options{})
	require.Equal(t, []string{"BeyondPool", "DualShort"}, codes(got))
	require.Equal(t, []Span{{4, 4}}, got[0].Ordinals)
	require.Contains(t, got[0].Message, "add 1 IPv4 address and 3 IPv6 addresses at the end")
	require.Equal(t, []Span{{2, 3}}, got[1].Ordinals)
	require.Contains(t, got[1].Message, "add 2 IPv6 addresses at the end")

	w = redis(2, "10.0.0.1-10.0.0.4,fd00::1-fd00::2")
	require.Equal(t, []string{"DualShort?"}, codes(CheckCreate(w, Network{}, Options{})))

	w = redis(2, "10.0.0.1-10.0.0.2")
	require.Equal(t, []string{"DualShort?"}, codes(CheckCreate(w, Network{DualStack: true}, Options{})))
	w = redis(2, "10.0.0.1-10.0.0.2,fd00::1-fd00::2")
	require.Empty(t, CheckCreate(w, Network{DualStack: true}, Options{}))
}

// OpenKruise's reserveOrdinals leave holes; what counts is the highest ordinal, and the addresses of the holes stay
// unused.
func TestCapacityWithSkippedOrdinals(t *testing.T) {
	w := redis(4, "10.0.0.1-10.0.0.6")
	w.Start, w.Skipped = 2, []Span{{3, 3}, {1, 1}}
	got := CheckCreate(w, Network{}, Options{})
	require.Equal(t, []string{"BeyondPool"}, codes(got))
	require.Equal(t, []Span{{6, 6}}, got[0].Ordinals)
}

func TestStrictAffinityNamesTheBlock(t *testing.T) {
	got := CheckCreate(redis(1, "10.0.0.70,fd00::7f"), Network{StrictAffinity: true}, Options{})
	require.Equal(t, []string{"StrictAffinity?", "StrictAffinity?"}, codes(got))
	require.Contains(t, got[0].Message, "10.0.0.64/26")
	require.Contains(t, got[1].Message, "fd00::40/122")
	require.Empty(t, CheckCreate(redis(0, "10.0.0.70"), Network{StrictAffinity: true}, Options{}))
}

func TestManyBlocksAreNotAllListed(t *testing.T) {
	n := network("10.1.0.0/16 10.2.0.0/16 10.3.0.0/16 10.4.0.0/16 10.5.0.0/16 10.5.1.0/24", "")
	got := CheckCreate(redis(1, "10.0.0.1"), n, Options{})
	require.Contains(t, got[0].Message, "IPPool main 10.4.0.0/16, 1 more")
	got = CheckCreate(redis(1, "fd00::1"), n, Options{})
	require.Contains(t, got[0].Message, "is in no enabled block of the CNI; it has none for IPv6: add one, or leave the IPv6 addresses out")
	n.Blocks = append(n.Blocks, Block{Name: "six", Prefix: netip.MustParsePrefix("fd00::/64"), Disabled: true})
	got = CheckCreate(redis(1, "fd00::1"), n, Options{})
	require.Contains(t, got[0].Message, "is in six fd00::/64, which is disabled; enable it, or leave the IPv6 addresses out: there is no other block of them")
}
