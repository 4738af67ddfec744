package clientip

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.7":            "203.0.113.7/32",
		"203.0.113.0/24":         "203.0.113.0/24",
		"::ffff:10.0.0.0/104":    "10.0.0.0/8",
		"::ffff:10.1.2.3":        "10.1.2.3/32",
		"2001:db8::/32":          "2001:db8::/32",
		"0.0.0.0/0":              "0.0.0.0/0",
		"::ffff:0.0.0.0/96":      "0.0.0.0/0",
		"2001:DB8::1":            "2001:db8::1/128",
		"255.255.255.255/32":     "255.255.255.255/32",
		"::ffff:10.1.2.3/128":    "10.1.2.3/32",
		"fe80::/10":              "fe80::/10",
		"::/0":                   "::/0",
		"64:ff9b::192.0.2.0/120": "64:ff9b::c000:200/120",
	} {
		p, err := ParsePrefix(in)
		require.NoError(t, err, in)
		require.Equal(t, want, p.String())
	}
}

func TestParsePrefixRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"10.1.2.3/8":             "write 10.0.0.0/8, or 10.1.2.3/32",
		"010.0.0.1":              "write an address or a block",
		"10.1":                   "write an address or a block",
		"0x0a000001":             "write an address or a block",
		"10.0.0.0/08":            "write an address or a block",
		"10.0.0.0/33":            "write an address or a block",
		"fe80::1%eth0":           "write an address or a block",
		"fe80::%eth0/64":         "write an address or a block",
		"::ffff:0:0/90":          "at least 96",
		"":                       "write an address or a block",
		"example.com":            "write an address or a block",
		"2001:db8::1/32":         "write 2001:db8::/32",
		"10.0.0.1 ":              "write an address or a block", //nolint:gocritic // the space is the point
		strings.Repeat("1", 500): "…",
	} {
		_, err := ParsePrefix(in)
		require.ErrorIs(t, err, ErrPrefix, in)
		require.ErrorContains(t, err, says, in)
		require.Less(t, len(err.Error()), 250)
	}
}

// model is the slow and obvious table.
func model(entries []Entry[int], a netip.Addr) (int, bool) {
	best, value := -1, 0
	if a.Zone() != "" {
		return 0, false
	}
	for _, e := range entries {
		if e.Prefix.Contains(a.Unmap()) && e.Prefix.Bits() > best {
			best, value = e.Prefix.Bits(), e.Value
		}
	}
	return value, best >= 0
}

func TestTableAgreesWithTheModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		entries := randomEntries(rng, rng.IntN(40))
		table, err := NewTable(entries)
		require.NoError(t, err)
		for range 300 {
			a := randomAddr(rng)
			if len(entries) > 0 && rng.IntN(2) == 0 { // edges
				p := entries[rng.IntN(len(entries))].Prefix
				last := newBlock(p, 0).last
				edges := []netip.Addr{p.Addr(), p.Addr().Prev(), addr(last, p.Addr().Is4()), addr(last, p.Addr().Is4()).Next()}
				a = edges[rng.IntN(len(edges))]
			}
			want, wantOK := model(entries, a)
			got, ok := table.Lookup(a)
			require.Equal(t, wantOK, ok, "%s in %v", a, entries)
			require.Equal(t, want, got, "%s in %v", a, entries)
			if a.Is4() {
				got, ok = table.Lookup(netip.AddrFrom16(a.As16()))
				require.Equal(t, wantOK, ok, "mapped %s", a)
				require.Equal(t, want, got)
			} else if a.IsValid() && !a.Is4In6() {
				_, ok = table.Lookup(a.WithZone("eth0"))
				require.False(t, ok)
			}
		}
	}
}

func addr(n u128, is4 bool) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	if is4 {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.AddrFrom16(b)
}

// Few different bytes, so that prefixes meet.
func randomAddr(rng *rand.Rand) netip.Addr {
	var b [16]byte
	for i := range b {
		b[i] = []byte{0, 1, 0x80, 0xff}[rng.IntN(4)]
	}
	if rng.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	b[0] = 0x20
	return netip.AddrFrom16(b)
}

func randomEntries(rng *rand.Rand, n int) []Entry[int] {
	seen := map[netip.Prefix]bool{}
	var entries []Entry[int]
	for i := range n {
		a := randomAddr(rng)
		p, _ := a.Prefix(rng.IntN(a.BitLen() + 1))
		if !seen[p] {
			seen[p] = true
			entries = append(entries, Entry[int]{p, i + 1})
		}
	}
	return entries
}

func TestNewTableRefuses(t *testing.T) {
	p := netip.MustParsePrefix("10.0.0.0/8")
	_, err := NewTable([]Entry[int]{{p, 1}, {p, 2}})
	require.ErrorContains(t, err, "10.0.0.0/8: stands twice")
	_, err = NewTable([]Entry[int]{{netip.MustParsePrefix("10.1.2.3/8"), 1}})
	require.ErrorIs(t, err, ErrPrefix)
	_, err = NewTable([]Entry[int]{{}})
	require.ErrorIs(t, err, ErrPrefix)
	var zero Table[int]
	_, ok := zero.Lookup(netip.MustParseAddr("10.0.0.1"))
	require.False(t, ok)
}

func resolver(t testing.TB, trusted ...string) *Resolver {
	t.Helper()
	r, err := NewResolver(Options{TrustedProxies: trusted})
	require.NoError(t, err)
	return r
}

func TestResolve(t *testing.T) {
	r := resolver(t, "10.9.0.5", "10.9.1.0/24", "fd00::5")
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string
		err        error
	}{
		{"no proxy", "198.51.100.1:1234", nil, "198.51.100.1", nil},
		{"a stranger's header has no effect", "198.51.100.1:1234", []string{"203.0.113.7"}, "198.51.100.1", nil},
		{"not even a broken one", "198.51.100.1:1234", []string{"bogus"}, "198.51.100.1", nil},
		{"through the proxy", "10.9.0.5:1", []string{"203.0.113.7"}, "203.0.113.7", nil},
		{"what the client claims is left of it", "10.9.0.5:1", []string{"127.0.0.1, 203.0.113.7"}, "203.0.113.7", nil},
		{"garbage left of the client", "10.9.0.5:1", []string{"x', 203.0.113.7"}, "203.0.113.7", nil},
		{"two proxies", "10.9.0.5:1", []string{"203.0.113.7,10.9.1.9"}, "203.0.113.7", nil},
		{"several lines are one list", "10.9.0.5:1", []string{"127.0.0.1", "203.0.113.7", "10.9.1.9"}, "203.0.113.7", nil},
		{"a mapped peer", "[::ffff:10.9.0.5]:1", []string{"::ffff:203.0.113.7"}, "203.0.113.7", nil},
		{"IPv6", "[fd00::5]:1", []string{"2001:db8::1"}, "2001:db8::1", nil},
		{"tabs", "10.9.0.5:1", []string{"\t203.0.113.7 "}, "203.0.113.7", nil},
		{"absence is no direct client", "10.9.0.5:1", nil, "", ErrNoHeader},
		{"an empty line", "10.9.0.5:1", []string{""}, "", ErrHop},
		{"an empty hop", "10.9.0.5:1", []string{"203.0.113.7,"}, "", ErrHop},
		{"an unknown hop", "10.9.0.5:1", []string{"203.0.113.7, unknown"}, "", ErrHop},
		{"garbage between proxies", "10.9.0.5:1", []string{"203.0.113.7, x, 10.9.1.9"}, "", ErrHop},
		{"a port", "10.9.0.5:1", []string{"203.0.113.7:80"}, "", ErrHop},
		{"a leading zero", "10.9.0.5:1", []string{"203.0.113.07"}, "", ErrHop},
		{"a zone", "10.9.0.5:1", []string{"fe80::1%eth0"}, "", ErrZone},
		{"a mapped zone", "10.9.0.5:1", []string{"::ffff:10.9.1.9%x"}, "", ErrZone},
		{"all trusted", "10.9.0.5:1", []string{"10.9.1.1, 10.9.1.2"}, "", ErrTrusted},
		{"too many", "10.9.0.5:1", []string{"203.0.113.7" + strings.Repeat(", 10.9.1.1", 16)}, "", ErrHops},
		{"just not too many", "10.9.0.5:1", []string{"203.0.113.7" + strings.Repeat(", 10.9.1.1", 15)}, "203.0.113.7", nil},
		{"a long hop", "10.9.0.5:1", []string{strings.Repeat("1", 1000)}, "", ErrHop},
		{"a Unix socket", "@", []string{"203.0.113.7"}, "", ErrPeer},
		{"nothing", "", []string{"203.0.113.7"}, "", ErrPeer},
		{"no port", "10.9.0.5", []string{"203.0.113.7"}, "", ErrPeer},
		{"a peer with a zone", "[fe80::1%eth0]:1", nil, "", ErrZone},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := r.Resolve(c.peer, c.header)
			require.ErrorIs(t, err, c.err)
			if c.err == nil {
				require.Equal(t, c.want, a.String())
				return
			}
			require.False(t, a.IsValid())
		})
	}
	a, err := (&Resolver{}).Resolve("10.9.0.5:1", []string{"203.0.113.7"})
	require.NoError(t, err)
	require.Equal(t, "10.9.0.5", a.String())
}

func TestNewResolverRefuses(t *testing.T) {
	_, err := NewResolver(Options{TrustedProxies: []string{"10.1.2.3/8", "0.0.0.0/0", "x"}, MaxHops: -1})
	for _, says := range []string{"10.0.0.0/8", "believe everybody", `"x"`, "max hops -1"} {
		require.ErrorContains(t, err, says)
	}
	_, err = NewResolver(Options{TrustedProxies: []string{"10.0.0.1", "10.0.0.1/32"}})
	require.ErrorContains(t, err, "stands twice")
}

func TestNoAllocations(t *testing.T) {
	r := resolver(t, "10.9.0.0/16")
	table, err := NewTable(randomEntries(rand.New(rand.NewPCG(1, 1)), 500))
	require.NoError(t, err)
	header := []string{"127.0.0.1, 203.0.113.7, 10.9.1.1, 10.9.1.2"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a, _ := r.Resolve("10.9.0.5:1234", header)
		table.Lookup(a)
	}))
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "1.1.1.1, 10.9.0.5", ",", "fe80::1%25eth0", "::ffff:1.2.3.4", "a,b", `"1.1.1.1"`} {
		f.Add("10.9.0.5:1", s, s)
	}
	r := resolver(f, "10.9.0.5")
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		a, err := r.Resolve(peer, []string{first, second})
		if err != nil {
			require.False(t, a.IsValid())
			return
		}
		require.True(t, a.IsValid() && a.Zone() == "" && !a.Is4In6())
		// What a client puts in front changes nothing.
		b, err := r.Resolve(peer, []string{"evil, 192.0.2.1", first, second})
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}

func FuzzParsePrefix(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "::ffff:10.0.0.0/104", "fe80::1%eth0", "10.1.2.3/8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePrefix(s)
		if err != nil {
			require.Zero(t, p)
			return
		}
		again, err := ParsePrefix(p.String())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

func BenchmarkLookup(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	var entries []Entry[int]
	seen := map[netip.Prefix]bool{}
	for len(entries) < 10_000 {
		var raw [4]byte
		binary.BigEndian.PutUint32(raw[:], rng.Uint32())
		p, _ := netip.AddrFrom4(raw).Prefix(16 + rng.IntN(17))
		if !seen[p] {
			seen[p] = true
			entries = append(entries, Entry[int]{p, len(entries)})
		}
	}
	table, err := NewTable(entries)
	require.NoError(b, err)
	addrs := make([]netip.Addr, 1024)
	for i := range addrs {
		addrs[i] = entries[rng.IntN(len(entries))].Prefix.Addr()
		if i%2 == 0 {
			addrs[i] = addrs[i].Prev()
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Lookup(addrs[i%len(addrs)])
	}
}

func BenchmarkResolve(b *testing.B) {
	r := resolver(b, "10.9.0.0/16")
	header := []string{"127.0.0.1, 203.0.113.7, 10.9.1.1"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Resolve("10.9.0.5:1234", header); err != nil {
			b.Fatal(err)
		}
	}
}
