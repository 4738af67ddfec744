package staticip

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func mustPool(t testing.TB, text string) Pool {
	t.Helper()
	p, _, err := ParsePool(text)
	require.NoError(t, err, "pool %q", text)
	return p
}

func TestLawAtEqualsEnumeration(t *testing.T) {
	eachModel(t, 1000, func(t *testing.T, _ *rand.Rand, m modelPool) {
		v4, v6 := m.pool.Len()
		require.Equal(t, [2]int{len(m.v4), len(m.v6)}, [2]int{int(v4), int(v6)}, "Len of %q", m.text)
		for i := range m.size() + 3 {
			a, ok := m.pool.At(uint64(i))
			require.Equal(t, m.at(i), a, "At(%d) of %q", i, m.text)
			complete := (len(m.v4) == 0 || i < len(m.v4)) && (len(m.v6) == 0 || i < len(m.v6))
			require.Equal(t, complete, ok, "At(%d) of %q", i, m.text)
		}
	})
}

func TestLawIndexOfInvertsAt(t *testing.T) {
	eachModel(t, 700, func(t *testing.T, _ *rand.Rand, m modelPool) {
		for f, list := range [][]netip.Prefix{m.v4, m.v6} {
			want := map[netip.Addr]uint64{}
			for i, p := range list {
				_, twice := want[p.Addr()]
				require.False(t, twice, "At is not injective in %q: %s", m.text, p)
				want[p.Addr()] = uint64(i)
			}
			for n := range 256 {
				a := byteAddr(f == 1, n)
				i, ok := m.pool.IndexOf(a)
				index, listed := want[a]
				require.Equal(t, listed, ok, "IndexOf(%s) in %q", a, m.text)
				if ok {
					require.Equal(t, index, i, "IndexOf(%s) in %q", a, m.text)
				}
			}
		}
	})
}

func TestLawStringRoundTrip(t *testing.T) {
	eachModel(t, 1000, func(t *testing.T, _ *rand.Rand, m modelPool) {
		again, warnings, err := ParsePool(m.pool.String())
		require.NoError(t, err, "%q from %q", m.pool, m.text)
		require.Empty(t, warnings, "%q from %q", m.pool, m.text)
		require.Equal(t, m.pool, again, "%q from %q", m.pool, m.text)
	})
}

func TestLawAppendMovesNothing(t *testing.T) {
	eachModel(t, 1000, func(t *testing.T, r *rand.Rand, m modelPool) {
		parts := slices.Clone(m.parts)
		if last := &parts[len(parts)-1]; r.IntN(2) == 0 && !last.block && !last.exclude && last.hi < 250 {
			last.hi += 1 + r.IntN(4)
		} else {
			parts = append(parts, part{v6: r.IntN(2) == 0, lo: 251, hi: 251 + r.IntN(4)})
		}
		longer, _, err := ParsePool(newText(r, parts))
		if err != nil {
			return // the appended addresses were already in the pool
		}
		for i := range m.size() {
			before := m.at(i)
			after, _ := longer.At(uint64(i))
			for _, f := range [][2]netip.Prefix{{before.V4, after.V4}, {before.V6, after.V6}} {
				if f[0].IsValid() {
					require.Equal(t, f[0], f[1], "ordinal %d moves from %q to %q", i, m.text, longer)
				}
			}
		}
		for _, move := range Moved(m.pool, longer, 0, 0) {
			for _, f := range [][2]netip.Prefix{{move.From.V4, move.To.V4}, {move.From.V6, move.To.V6}} {
				require.False(t, f[0].IsValid() && f[0].Addr() != f[1].Addr(), "Moved from %q to %q: %v", m.text, longer, move)
			}
		}
	})
}

func newText(r *rand.Rand, parts []part) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = p.text(r)
	}
	return strings.Join(words, ",")
}

// What is safe to edit and what is not, in the words of the law.
func TestStability(t *testing.T) {
	for _, tc := range []struct {
		name, old, updated string
		moved              []Span
	}{
		{"append an item", "10.0.0.10-10.0.0.12", "10.0.0.10-10.0.0.12,10.9.0.1", nil},
		{"raise the last bound", "10.0.0.10-10.0.0.12", "10.0.0.10-10.0.0.20", nil},
		{"/29 to /28 with the same base", "10.0.0.0/29", "10.0.0.0/28", nil},
		{"/32 to /31 with the same base", "10.0.0.0/32", "10.0.0.0/31", nil},
		{"/31 to /30 loses the first address", "10.0.0.0/31", "10.0.0.0/30", []Span{{0, 1}}},
		{"/127 to /126 loses the first address", "fd00::/127", "fd00::/126", []Span{{0, 1}}},
		{"/29 to /28 with another base", "10.0.0.8/29", "10.0.0.0/28", []Span{{0, 5}}},
		{"prepend", "10.0.0.10-10.0.0.12", "10.0.0.9-10.0.0.12", []Span{{0, 2}}},
		{"reorder", "10.0.0.1,10.0.0.5", "10.0.0.5,10.0.0.1", []Span{{0, 0}, {1, 1}}},
		{"raise a bound that is not the last", "10.0.0.1-10.0.0.2,10.0.0.8", "10.0.0.1-10.0.0.3,10.0.0.8", []Span{{2, 2}}},
		{"exclude before the end", "10.0.0.1-10.0.0.4", "10.0.0.1-10.0.0.4,!10.0.0.2", []Span{{1, 2}, {3, 3}}},
		{"exclude at the end", "10.0.0.1-10.0.0.4", "10.0.0.1-10.0.0.4,!10.0.0.4", []Span{{3, 3}}},
		{"replace one address in place", "10.0.0.1-10.0.0.3", "10.0.0.1,10.0.0.9,10.0.0.3", []Span{{1, 1}}},
		{"add a family", "10.0.0.1-10.0.0.3", "10.0.0.1-10.0.0.3,fd00::1-fd00::3", []Span{{0, 2}}},
		{"another mask", "10.0.0.1-10.0.0.3", "10.0.0.1-10.0.0.3/24", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []Span
			for _, m := range Moved(mustPool(t, tc.old), mustPool(t, tc.updated), 0, 0) {
				got = append(got, m.Ordinals)
			}
			require.Equal(t, tc.moved, got)
		})
	}
}

func TestLawMovedEqualsBruteForce(t *testing.T) {
	eachModel(t, 1000, func(t *testing.T, r *rand.Rand, old modelPool) {
		parts := randomParts(r)
		if r.IntN(2) == 0 { // a small edit is more likely to keep some ordinals
			parts = slices.Clone(old.parts)
			parts[r.IntN(len(parts))].hi -= r.IntN(2)
			r.Shuffle(r.IntN(len(parts)), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		}
		for i := range parts {
			parts[i].hi = max(parts[i].hi, parts[i].lo)
			if parts[i].block && !parts[i].exclude {
				parts[i].block, parts[i].length = false, 0
			}
		}
		updated, _, err := ParsePool(newText(r, parts))
		if err != nil {
			return
		}
		oldFirst, newFirst := int32(r.IntN(4)), int32(r.IntN(4))
		got := map[int32]Move{}
		last := int32(-1)
		for _, m := range Moved(old.pool, updated, oldFirst, newFirst) {
			require.Greater(t, m.Ordinals.First, last, "moves are ascending and disjoint")
			last = m.Ordinals.Last
			for o := m.Ordinals.First; o <= m.Ordinals.Last; o++ {
				got[o] = m
			}
		}
		for o := range int32(600) {
			before := old.at(int(o - oldFirst))
			var after Assignment
			if o >= newFirst {
				after, _ = updated.At(uint64(o - newFirst))
			}
			m, moved := got[o]
			want := before != Assignment{} && !before.sameAddrs(after)
			require.Equal(t, want, moved, "ordinal %d from %q (%d) to %q (%d)", o, old.text, oldFirst, updated, newFirst)
			if moved {
				n := uint64(o - m.Ordinals.First)
				require.Equal(t, before.String(), further(m.From, n).String(), "ordinal %d from %q", o, old.text)
				require.Equal(t, after.String(), further(m.To, n).String(), "ordinal %d to %q", o, updated)
			}
		}
	})
}

// further is the assignment n ordinals behind the first one of a move.
func further(a Assignment, n uint64) Assignment {
	for _, p := range [2]*netip.Prefix{&a.V4, &a.V6} {
		if p.IsValid() {
			*p = netip.PrefixFrom(value(p.Addr()).add(n).addr(p.Addr().Is4()), p.Bits())
		}
	}
	return a
}

func TestMovedOfHugePools(t *testing.T) {
	old, updated := mustPool(t, "fd00::/64"), mustPool(t, "fd00::/64,!fd00::ffff:ffff")
	require.Empty(t, Moved(old, updated, 0, 0), "the excluded address is that of ordinal 2^32-2, which cannot exist")
	moves := Moved(old, mustPool(t, "fd00::/64,!fd00::5"), 0, 0)
	require.Len(t, moves, 1)
	require.Equal(t, Span{4, math.MaxInt32}, moves[0].Ordinals)
	require.Equal(t, "fd00::5", moves[0].From.String())
	require.Equal(t, "fd00::6", moves[0].To.String())
	require.Equal(t, moves, Moved(old, mustPool(t, "fd00::/64,!fd00::5"), -3, -3), "negative ordinals count as 0")
	require.Empty(t, Moved(Pool{}, old, 0, 0))
	require.Len(t, Moved(old, Pool{}, 7, 0), 1)
}

func TestPoolOfHugeBlocks(t *testing.T) {
	p := mustPool(t, "fd00::/64")
	_, v6 := p.Len()
	require.Equal(t, uint64(math.MaxUint64), v6, "2^64 hosts without the anycast address")
	for _, i := range []uint64{0, 1, 1 << 31, math.MaxUint64 - 1} {
		a, ok := p.At(i)
		require.True(t, ok)
		back, ok := p.IndexOf(a.V6.Addr())
		require.True(t, ok)
		require.Equal(t, i, back)
	}
	a, _ := p.At(math.MaxUint64 - 1)
	require.Equal(t, "fd00::ffff:ffff:ffff:ffff/64", a.V6.String())
	_, ok := p.At(math.MaxUint64)
	require.False(t, ok)

	p = mustPool(t, "fd00::/8,10.0.0.1")
	_, v6 = p.Len()
	require.Equal(t, uint64(math.MaxUint64), v6, "saturated")
	_, ok = p.IndexOf(netip.MustParseAddr("fdff::"))
	require.False(t, ok, "its index does not fit 64 bits")

	p = mustPool(t, "fd00::/64,2001:db8::/64")
	_, ok = p.IndexOf(netip.MustParseAddr("2001:db8::1"))
	require.False(t, ok, "behind the last index of 64 bits")
	require.Equal(t, "fd00::/64,2001:db8::/64", p.String())
}

// Ranges that end at the last address there is must not wrap around to the first.
func TestPoolUpperBounds(t *testing.T) {
	p := mustPool(t, "255.255.255.250-255.255.255.254")
	a, ok := p.At(4)
	require.True(t, ok)
	require.Equal(t, "255.255.255.254", a.String())
	_, ok = p.At(5)
	require.False(t, ok)

	p = mustPool(t, "240.0.0.0/4,!255.255.255.128-255.255.255.255")
	v4, _ := p.Len()
	require.Equal(t, uint64(1<<28-129), v4)
	a, _ = p.At(v4 - 1)
	require.Equal(t, "255.255.255.127/4", a.V4.String())

	_, _, err := ParsePool("fd00::1,!::/0")
	require.ErrorIs(t, err, CodeAllExcluded)
	_, _, err = ParsePool("10.0.0.1,!0.0.0.0/0")
	require.ErrorIs(t, err, CodeAllExcluded)
	p = mustPool(t, "fd00::1-fd00::9,!ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	require.Equal(t, "fd00::1-fd00::9", p.String())
	for _, text := range []string{"255.255.255.254/31", "255.255.255.255", "::/0", "fd00::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0/0"} {
		_, _, err := ParsePool(text)
		require.ErrorIs(t, err, CodeNotUnicast, text)
	}
}

// The parser refuses what these tracks hold, but the arithmetic below it must be right for every value.
func TestTrackOfEverything(t *testing.T) {
	ones := u128{math.MaxUint64, math.MaxUint64}
	for _, tr := range []track{
		newTrack(false, []segment{{u128{}, ones, 0}}),
		newTrack(true, []segment{{u128{}, u128{lo: math.MaxUint32}, 0}}),
		newTrack(false, []segment{{ones, ones, 128}, {u128{}, u128{}, 128}}),
	} {
		for _, i := range []uint64{0, tr.size / 2, tr.size - 1} {
			p, ok := tr.at(i)
			require.True(t, ok)
			back, ok := tr.indexOf(value(p.Addr()))
			require.True(t, ok)
			require.Equal(t, i, back)
		}
		_, ok := tr.at(tr.size)
		require.False(t, ok)
	}
	require.Len(t, newTrack(false, []segment{{ones, ones, 128}, {u128{}, u128{}, 128}}).segs, 2, "the last and the first address are no neighbors")
	require.Equal(t, []zone{{lo: u128{}, hi: ones}}, mergeZones([]zone{{lo: u128{}, hi: ones}, {lo: ones, hi: ones}}))
	require.Equal(t, []zone{{lo: u128{lo: 1}, hi: ones.sub(u128{lo: 1})}},
		gaps([]zone{{hi: u128{}}, {lo: ones, hi: ones}}, zone{lo: u128{}, hi: ones}))
}

func TestPoolString(t *testing.T) {
	for _, tc := range [][2]string{
		{"10.0.0.1", "10.0.0.1"},
		{"10.0.0.1/32", "10.0.0.1"},
		{"10.0.0.1,10.0.0.2 ; 10.0.0.3", "10.0.0.1-10.0.0.3"},
		{"10.0.0.3,10.0.0.2", "10.0.0.3,10.0.0.2"},
		{"10.0.0.0/29", "10.0.0.0/29"},
		{"10.0.0.0/31", "10.0.0.0/31"},
		{"10.0.0.0/31,10.0.0.2/31", "10.0.0.0/31,10.0.0.2/31"},
		{"10.0.0.1-10.0.0.6/29", "10.0.0.0/29"},
		{"10.0.0.5-10.0.0.5/24", "10.0.0.5-10.0.0.5/24"},
		{"10.0.0.5..10.0.0.7/24\n!10.0.0.6", "10.0.0.5-10.0.0.5/24,10.0.0.7-10.0.0.7/24"},
		{"FD00::0:A", "fd00::a"},
		{"fd00::1,10.0.0.1", "10.0.0.1,fd00::1"},
		{`["10.0.0.1", "fd00::1"]`, "10.0.0.1,fd00::1"},
		{"10.0.0.1,fd00::1;10.0.0.2,fd00::2;", "10.0.0.1-10.0.0.2,fd00::1-fd00::2"},
		{"192.168.2.225-192.168.2.230/28", "192.168.2.225-192.168.2.230/28"},
	} {
		require.Equal(t, tc[1], mustPool(t, tc[0]).String(), tc[0])
	}
	require.Empty(t, Pool{}.String())
}

func TestZeroPool(t *testing.T) {
	var p Pool
	_, ok := p.At(0)
	require.False(t, ok)
	for _, a := range []netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1")} {
		_, ok = p.IndexOf(a)
		require.False(t, ok)
	}
	require.True(t, p.IsZero())
	v4, v6 := p.Len()
	require.Zero(t, v4+v6)
}

func TestIndexOfForeignAddresses(t *testing.T) {
	p := mustPool(t, "10.0.0.1,fd00::1")
	for _, a := range []string{"::ffff:10.0.0.1", "fd00::1%eth0", "10.0.0.0", "10.0.0.2", "fd00::2"} {
		_, ok := p.IndexOf(netip.MustParseAddr(a))
		require.False(t, ok, a)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	for name, p := range map[string]Pool{"/64": mustPool(t, "fd00::/64"), "1000 segments": mustPool(t, manySegments(1000))} {
		v4, v6 := p.Len()
		n := max(v4, v6)
		a, _ := p.At(n / 2)
		addr := a.first()
		i := uint64(0)
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			i += n / 7
			p.At(i % n)
			p.IndexOf(addr)
			p.Len()
		}), name)
	}
}
