package staticip

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLawReservationsEqualBruteForce(t *testing.T) {
	eachCluster(t, 300, func(_ *rand.Rand, sets []Workload, models []modelPool, n Network) {
		report := Plan(sets, n, Options{})
		want := map[netip.Addr]bool{}
		for a := range ownersOf(sets, models) {
			if !slices.ContainsFunc(n.Blocks, func(b Block) bool { return b.Manual && !b.Disabled && b.Prefix.Contains(a) }) {
				want[a] = true
			}
		}
		cidrs := report.Reservations("")
		covered := map[netip.Addr]int{}
		for i, s := range cidrs {
			block := netip.MustParsePrefix(s)
			require.Equal(t, block, block.Masked())
			for a := range want {
				if block.Contains(a) {
					covered[a]++
				}
			}
			if i > 0 { // two halves of one block would be a block
				prev := netip.MustParsePrefix(cidrs[i-1])
				joined := netip.PrefixFrom(prev.Addr(), max(prev.Bits()-1, 0)).Masked()
				require.False(t, prev.Bits() == block.Bits() && joined.Addr() == prev.Addr() && joined.Contains(block.Addr()), "%v", cidrs)
			}
		}
		for a := range want {
			require.Equal(t, 1, covered[a], "%s in %v", a, cidrs)
		}
		total := 0
		for _, s := range cidrs {
			p := netip.MustParsePrefix(s)
			total += 1 << (p.Addr().BitLen() - p.Bits())
		}
		require.Len(t, want, total, "nothing else is reserved: %v", cidrs)
	})
}

func TestReservationFormats(t *testing.T) {
	report := Plan([]Workload{redis(3, "10.0.0.10-10.0.0.12,10.0.0.20,fd00::1-fd00::4")}, Network{}, Options{})
	require.Equal(t, []string{"10.0.0.10/31", "10.0.0.12/32", "10.0.0.20/32", "fd00::1/128", "fd00::2/127", "fd00::4/128"}, report.Reservations(""))
	require.Equal(t, []string{"10.0.0.10..10.0.0.12", "10.0.0.20", "fd00::1..fd00::4"}, report.Reservations(".."))
	require.Equal(t, []string{"10.0.0.10-10.0.0.12", "10.0.0.20", "fd00::1-fd00::4"}, report.Reservations("-"))
	all := zone{hi: u128{math.MaxUint64, math.MaxUint64}}
	require.Equal(t, []string{"::/0"}, all.appendCIDRs(nil, false))
	require.Equal(t, []string{"0.0.0.0/0"}, zone{hi: u128{lo: math.MaxUint32}}.appendCIDRs(nil, true))
	all.lo = u128{lo: 1}
	require.Len(t, all.appendCIDRs(nil, false), 128)
}

func TestManifests(t *testing.T) {
	w := redis(2, "10.0.0.10-10.0.0.12/24,fd00::a-fd00::b") // ordinal 2 has no Pod yet
	n := Network{Blocks: []Block{{Name: "v6", Prefix: netip.MustParsePrefix("fd00::/64")}, {Name: "v4", Prefix: netip.MustParsePrefix("10.0.0.0/16")}}}
	for _, tc := range []struct {
		name string
		r    Renderer
		want []string
	}{
		{"Calico", nil, []string{
			`{"apiVersion":"projectcalico.org/v3","kind":"IPReservation","metadata":{"name":"staticip"},"spec":{"reservedCIDRs":["10.0.0.10/31","10.0.0.12/32","fd00::a/127"]}}`,
		}},
		{"Kube-OVN", KubeOVN{}, nil},
		{"Spiderpool", Spiderpool{}, []string{
			`{"apiVersion":"spiderpool.spidernet.io/v2beta1","kind":"SpiderIPPool","metadata":{"name":"shop.redis-0.v4"},"spec":{"ipVersion":4,"ips":["10.0.0.10"],"subnet":"10.0.0.0/24"}}`,
			`{"apiVersion":"spiderpool.spidernet.io/v2beta1","kind":"SpiderIPPool","metadata":{"name":"shop.redis-0.v6"},"spec":{"ipVersion":6,"ips":["fd00::a"],"subnet":"fd00::/64"}}`,
			`{"apiVersion":"spiderpool.spidernet.io/v2beta1","kind":"SpiderIPPool","metadata":{"name":"shop.redis-1.v4"},"spec":{"ipVersion":4,"ips":["10.0.0.11"],"subnet":"10.0.0.0/24"}}`,
			`{"apiVersion":"spiderpool.spidernet.io/v2beta1","kind":"SpiderIPPool","metadata":{"name":"shop.redis-1.v6"},"spec":{"ipVersion":6,"ips":["fd00::b"],"subnet":"fd00::/64"}}`,
			`{"apiVersion":"spiderpool.spidernet.io/v2beta1","kind":"SpiderIPPool","metadata":{"name":"shop.redis-2.v4"},"spec":{"ipVersion":4,"ips":["10.0.0.12"],"subnet":"10.0.0.0/24"}}`,
		}},
		{"Cilium", Cilium{}, []string{
			`{"apiVersion":"cilium.io/v2alpha1","kind":"CiliumPodIPPool","metadata":{"name":"shop.redis-0.v4"},"spec":{"ipv4":{"cidrs":["10.0.0.10/32"],"maskSize":32}}}`,
			`{"apiVersion":"cilium.io/v2alpha1","kind":"CiliumPodIPPool","metadata":{"name":"shop.redis-0.v6"},"spec":{"ipv6":{"cidrs":["fd00::a/128"],"maskSize":128}}}`,
			`{"apiVersion":"cilium.io/v2alpha1","kind":"CiliumPodIPPool","metadata":{"name":"shop.redis-1.v4"},"spec":{"ipv4":{"cidrs":["10.0.0.11/32"],"maskSize":32}}}`,
			`{"apiVersion":"cilium.io/v2alpha1","kind":"CiliumPodIPPool","metadata":{"name":"shop.redis-1.v6"},"spec":{"ipv6":{"cidrs":["fd00::b/128"],"maskSize":128}}}`,
			`{"apiVersion":"cilium.io/v2alpha1","kind":"CiliumPodIPPool","metadata":{"name":"shop.redis-2.v4"},"spec":{"ipv4":{"cidrs":["10.0.0.12/32"],"maskSize":32}}}`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			report := Plan([]Workload{w}, n, Options{Renderer: tc.r})
			var got []string
			for object := range report.Manifests() {
				text, err := json.Marshal(object)
				require.NoError(t, err)
				got = append(got, string(text))
			}
			require.Equal(t, tc.want, got)
			for range report.Manifests() {
				break // a reader may stop early
			}
		})
	}
	for object := range Plan([]Workload{redis(1, "10.0.0.10")}, Network{}, Options{Renderer: Spiderpool{}}).Manifests() {
		require.Equal(t, "10.0.0.10/32", object["spec"].(map[string]any)["subnet"], "no mask and no block is known")
	}
}

// TestManifestsAreBounded: a pool may be a /64.
func TestManifestsAreBounded(t *testing.T) {
	manifested := func(w Workload) (n int, last any) {
		for object := range Plan([]Workload{w}, Network{}, Options{Renderer: Cilium{}}).Manifests() {
			n, last = n+1, object["metadata"].(map[string]any)["name"]
		}
		return n, last
	}
	n, last := manifested(redis(3, "fd00::/64"))
	require.Equal(t, 1024, n)
	require.Equal(t, "shop.redis-1023.v6", last)
	n, last = manifested(redis(1500, "fd00::/64"))
	require.Equal(t, 1500, n, "those with a Pod have one, however many")
	require.Equal(t, "shop.redis-1499.v6", last)
	far := redis(2, "fd00::/64")
	far.Start = 5000
	n, last = manifested(far)
	require.Equal(t, 1026, n)
	require.Equal(t, "shop.redis-5001.v6", last)
	far.Annotations[Options{}.firstKey()] = "2147483646"
	far.Start = 0
	n, _ = manifested(far)
	require.Equal(t, 2, n, "ordinals end")
}
