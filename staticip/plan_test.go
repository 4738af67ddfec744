package staticip

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomCluster returns workloads with generated pools, which overlap often, and what the model says of them.
func randomCluster(t *testing.T, r *rand.Rand) (sets []Workload, models []modelPool) {
	t.Helper()
	for i := range 2 + r.IntN(5) {
		m, ok := newModel(t, r, randomParts(r))
		if !ok {
			continue
		}
		w := m.workload(fmt.Sprintf("set-%d", i), r.Int32N(int32(m.size())+2))
		w.Namespace = []string{"a", "b"}[r.IntN(2)]
		w.Start = r.Int32N(2)
		sets, models = append(sets, w), append(models, m)
	}
	return sets, models
}

func randomNetwork(r *rand.Rand) (n Network) {
	block := func() Block {
		v6 := r.IntN(2) == 0
		free := r.IntN(8)
		a := byteAddr(v6, r.IntN(256))
		p := netip.PrefixFrom(a, a.BitLen()-free).Masked()
		return Block{Name: fmt.Sprintf("block-%d", r.IntN(5)), Prefix: p, Disabled: r.IntN(4) == 0, Manual: r.IntN(3) == 0}
	}
	for range r.IntN(6) {
		n.Blocks = append(n.Blocks, block())
	}
	for range r.IntN(3) {
		b := block()
		b.Disabled = false
		n.Reserved = append(n.Reserved, b)
	}
	n.InUse = map[netip.Addr]string{}
	for range r.IntN(4) {
		n.InUse[byteAddr(r.IntN(2) == 0, r.IntN(256))] = fmt.Sprintf("%s/set-%d-%d", []string{"a", "b"}[r.IntN(2)], r.IntN(4), r.IntN(4))
	}
	return n
}

func eachCluster(t *testing.T, runs int, law func(r *rand.Rand, sets []Workload, models []modelPool, n Network)) {
	t.Helper()
	for seed := range runs {
		r := rand.New(rand.NewPCG(uint64(seed), 44))
		sets, models := randomCluster(t, r)
		law(r, sets, models, randomNetwork(r))
	}
}

// everything is all that a report says, in a form that prints.
func everything(r Report) string {
	var rows, manifests []any
	for row := range r.Rows() {
		rows = append(rows, row)
	}
	for m := range r.Manifests() {
		manifests = append(manifests, m)
	}
	return fmt.Sprintf("%s\n%v\n%v\n%v\n%v", r.Problems.Error(), r.Usage, rows, manifests, r.Reservations("-"))
}

func TestLawPlanIsOrderIndependent(t *testing.T) {
	eachCluster(t, 200, func(r *rand.Rand, sets []Workload, _ []modelPool, n Network) {
		if len(sets) > 1 && r.IntN(3) == 0 { // the same name twice, as in a list of manifests
			sets[1].Namespace, sets[1].Name = sets[0].Namespace, sets[0].Name
		}
		opts := Options{Renderer: []Renderer{nil, Spiderpool{}, Cilium{}}[r.IntN(3)]}
		want := everything(Plan(sets, n, opts))
		for range 3 {
			shuffled := slices.Clone(sets)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			n.Blocks, n.Reserved = slices.Clone(n.Blocks), slices.Clone(n.Reserved)
			r.Shuffle(len(n.Reserved), func(i, j int) { n.Reserved[i], n.Reserved[j] = n.Reserved[j], n.Reserved[i] })
			require.Equal(t, want, everything(Plan(shuffled, n, opts)), "%+v", sets)
		}
	})
}

// owners is what the model says of one address: who owns it, by which ordinal, and whether there is a Pod.
type owners struct {
	set     int
	ordinal int32
	active  bool
}

func ownersOf(sets []Workload, models []modelPool) map[netip.Addr][]owners {
	all := map[netip.Addr][]owners{}
	for i, m := range models {
		active := bitsOfWide(sets[i].active())
		for o := range m.size() {
			for _, a := range addrs(m.at(o)) {
				all[a] = append(all[a], owners{i, int32(o), active[int32(o)]})
			}
		}
	}
	return all
}

func bitsOfWide(spans []Span) map[int32]bool {
	out := map[int32]bool{}
	for _, s := range spans {
		for o := s.First; o <= s.Last; o++ {
			out[o] = true
		}
	}
	return out
}

func TestLawConflictsEqualBruteForce(t *testing.T) {
	eachCluster(t, 300, func(_ *rand.Rand, sets []Workload, models []modelPool, _ Network) {
		all := ownersOf(sets, models)
		inError, inAny := map[string]bool{}, map[string]bool{} // objects that the model sees in conflict
		for _, list := range all {
			for _, x := range list {
				for _, y := range list {
					if x.set != y.set {
						inAny[sets[x.set].String()] = true
						if x.active && y.active {
							inError[sets[x.set].String()] = true
						}
					}
				}
			}
		}
		gotError, gotAny := map[string]bool{}, map[string]bool{}
		for _, p := range Plan(sets, Network{}, Options{}).Problems {
			if p.Code != CodeConflict {
				continue
			}
			requireTrueConflict(t, p, sets, models, all)
			gotAny[p.Object], gotAny[p.Other] = true, true
			if p.Severity == SeverityError {
				gotError[p.Object], gotError[p.Other] = true, true
			}
		}
		require.Equal(t, inError, gotError)
		require.Equal(t, inAny, gotAny)
	})
}

// requireTrueConflict checks that every ordinal of a conflict shares an address with the other workload, and the first
// one the address that is named.
func requireTrueConflict(t *testing.T, p Problem, sets []Workload, models []modelPool, all map[netip.Addr][]owners) {
	t.Helper()
	find := func(object string) int {
		return slices.IndexFunc(sets, func(w Workload) bool { return w.String() == object })
	}
	a, b := find(p.Object), find(p.Other)
	for o := range bitsOfWide(p.Ordinals) {
		shared := false
		for _, addr := range addrs(models[a].at(int(o))) {
			for _, y := range all[addr] {
				both := y.active && bitsOfWide(sets[a].active())[o]
				shared = shared || y.set == b && both == (p.Severity == SeverityError)
			}
		}
		require.True(t, shared, "ordinal %d of %v", o, p)
	}
	require.Contains(t, addrs(models[a].at(int(p.Ordinals[0].First))), p.Addr, "%v", p)
}

func TestLawNetworkEqualsBruteForce(t *testing.T) {
	eachCluster(t, 300, func(_ *rand.Rand, sets []Workload, models []modelPool, n Network) {
		for i, w := range sets {
			want, got := map[string]bool{}, map[string]bool{}
			active := bitsOfWide(w.active())
			note := func(into map[string]bool, code Code, o int32, v6, isActive bool) {
				into[fmt.Sprint(code, " ", o, " v6 ", v6, " active ", isActive)] = true
			}
			for o := range models[i].size() {
				for _, a := range addrs(models[i].at(o)) {
					o, on := int32(o), active[int32(o)]
					if len(n.Blocks) > 0 && !slices.ContainsFunc(n.Blocks, func(b Block) bool { return !b.Disabled && b.Prefix.Contains(a) }) {
						note(want, CodeOutsideCNI, o, a.Is6(), on)
					}
					if slices.ContainsFunc(n.Reserved, func(b Block) bool { return b.Prefix.Contains(a) }) {
						note(want, CodeReserved, o, a.Is6(), on)
					}
					if pod, used := n.InUse[a]; used && pod != fmt.Sprintf("%s/%s-%d", w.Namespace, w.Name, o) {
						note(want, CodeConflict, o, a.Is6(), on)
					}
				}
			}
			for _, p := range CheckCreate(w, n, Options{}) {
				switch p.Code {
				case CodeOutsideCNI, CodeReserved, CodeConflict:
					for o := range bitsOfWide(p.Ordinals) {
						note(got, p.Code, o, p.Addr.Is6(), p.Severity == SeverityError)
					}
				}
			}
			require.Equal(t, want, got, "%q in %+v", models[i].text, n)
		}
	})
}

func TestLawRowsAndHeadroom(t *testing.T) {
	eachCluster(t, 300, func(_ *rand.Rand, sets []Workload, models []modelPool, _ Network) {
		report := Plan(sets, Network{}, Options{})
		got := map[string]Assignment{}
		for row := range report.Rows() {
			got[fmt.Sprintf("%s/%s-%d", row.Namespace, row.Set, row.Ordinal)] = row.Assignment
		}
		want := map[string]Assignment{}
		for i, w := range sets {
			for o := range bitsOfWide(w.active()) {
				if a := models[i].at(int(o)); a != (Assignment{}) {
					want[fmt.Sprintf("%s/%s-%d", w.Namespace, w.Name, o)] = a
				}
			}
		}
		require.Equal(t, want, got)
		for _, u := range report.Usage {
			grown := u.Workload
			grown.Replicas += u.Headroom
			require.Equal(t, shortages(CheckScale(u.Workload, u.Workload.Replicas, Network{}, Options{})),
				shortages(CheckScale(u.Workload, grown.Replicas, Network{}, Options{})), "the headroom is there")
			require.NotEmpty(t, shortages(CheckScale(u.Workload, grown.Replicas+1, Network{}, Options{})), "and no more")
		}
	})
}

// shortages are the ordinals without an address that keep a workload from growing.
func shortages(problems Problems) (out []string) {
	for _, p := range problems {
		if (p.Code == CodeBeyondPool || p.Code == CodeDualShort) && p.Severity == SeverityError {
			out = append(out, ordinals(p.Ordinals))
		}
	}
	return out
}

// LeaderWorkerSet copies the annotations of its template to several StatefulSets, so they all claim one pool.
func TestPlanOfCopies(t *testing.T) {
	var sets []Workload
	for i := range 100 {
		w := redis(3, "10.0.0.10-10.0.0.13")
		w.Name, w.Start = fmt.Sprintf("worker-%03d", i), 1
		sets = append(sets, w)
	}
	report := Plan(sets, Network{}, Options{})
	named := map[string]bool{}
	for _, p := range report.Problems {
		named[p.Object], named[p.Other] = true, true
	}
	require.Len(t, named, 100)
	require.Less(t, len(report.Problems), 400, "the report grows with the workloads, not with their pairs")
}

// TestConflictSaysBothPools wherever they stand.
func TestConflictSaysBothPools(t *testing.T) {
	a, b := redis(1, "10.0.0.10"), redis(1, "")
	b.Name, b.Annotations, b.Template = "cache", nil, map[string]string{Options{}.PoolKey(): "10.0.0.10, 10.0.0.20"}
	for _, sets := range [][]Workload{{a, b}, {b, a}} {
		p := Plan(sets, Network{}, Options{}).Problems[0]
		require.Equal(t, Options{}.PoolKey(), p.Key)
		require.Equal(t, "10.0.0.10, 10.0.0.20", p.Value)
		require.Equal(t, "StatefulSet shop/redis", p.Other)
		require.Contains(t, p.Message, `ordinal 0, of the pool "10.0.0.10"; give`)
	}
}

func TestPlanOfHugePools(t *testing.T) {
	a, b := redis(3, "fd00::/64"), redis(3, "fd00:0:0:0:8000::/65")
	b.Name = "other"
	require.Empty(t, Plan([]Workload{a, b}, Network{}, Options{}).Problems, "no ordinal reaches the shared addresses")
	b = redis(3, "fd00::4-fd00::9")
	b.Name = "other"
	report := Plan([]Workload{a, b}, Network{Blocks: []Block{{Name: "all", Prefix: netip.MustParsePrefix("::/0")}}}, Options{})
	require.Equal(t, []string{"Conflict?"}, codes(report.Problems))
	require.EqualValues(t, math.MaxInt32-2, report.Usage[1].Headroom)
	require.Equal(t, []string{"fd00::1/128", "fd00::2/127", "fd00::4/126"}, report.Reservations("")[:3])
}

func TestPlanSkipsWhatHasNoPool(t *testing.T) {
	plain, broken := redis(3, ""), redis(3, "10.0.0.256")
	plain.Annotations, broken.Name = nil, "broken"
	report := Plan([]Workload{plain, broken}, Network{Blocks: []Block{{Name: "none"}}}, Options{})
	require.Equal(t, []string{"BadAddress", "BadOptions"}, codes(report.Problems))
	require.Equal(t, "StatefulSet shop/broken", report.Problems[0].Object)
	require.Empty(t, report.Usage)
	require.Empty(t, report.Reservations(""))
	for range report.Rows() {
		t.Fatal("no rows")
	}
	for range report.Manifests() {
		t.Fatal("no manifests")
	}
	require.Empty(t, Report{}.Reservations(""), "the zero Report is empty")
	for range (Report{}).Manifests() {
		t.Fatal("no manifests")
	}
}

// TestPlanIsAggregated: how many Pods and Services there are does not decide how long the answer is.
func TestPlanIsAggregated(t *testing.T) {
	const taken = 5000
	n := Network{InUse: map[netip.Addr]string{}}
	for i := range uint64(taken) {
		a := u128{lo: 0x0a00_0001 + i}.addr(true)
		n.InUse[a] = fmt.Sprintf("other/web-%d", i)
		n.Reserved = append(n.Reserved, Block{Name: fmt.Sprintf("Service s%d", i), Prefix: netip.PrefixFrom(a, 32)})
	}
	n.InUse[netip.MustParseAddr("10.0.0.1")] = "shop/redis-0"
	problems := Plan([]Workload{redis(10, "10.0.0.1-10.0.255.255")}, n, Options{}).Problems
	require.Equal(t, []string{"Reserved", "Reserved?", "Conflict", "Conflict?"}, codes(problems))
	require.Equal(t, `10.0.0.1 (first of ordinals 0-9) is reserved: Service s0 10.0.0.1/32, Service s1 10.0.0.2/32, Service s2 10.0.0.3/32, Service s3 10.0.0.4/32, 6 more; exclude it with "!" before Pods use the pool`, problems[0].Message)
	require.Equal(t, "10.0.0.2 (first of ordinals 1-9) is in use by Pod other/web-1, and 8 more addresses by other Pods; delete these Pods or write other addresses", problems[2].Message)
	require.Contains(t, problems[3].Message, "(first of ordinals 10-4999) is in use by Pod other/web-10, and 4989 more addresses by other Pods")
}

func TestHeadroom(t *testing.T) {
	for _, tc := range []struct {
		w    Workload
		want int32
	}{
		{redis(3, "10.0.0.10-10.0.0.15"), 3},
		{redis(8, "10.0.0.10-10.0.0.15"), 0},
		{redis(0, "10.0.0.10-10.0.0.15"), 6},
		{Workload{Replicas: 2, Start: 1, Skipped: []Span{{4, 4}}, Annotations: redis(0, "10.0.0.10-10.0.0.15").Annotations}, 2},
		{Workload{Annotations: map[string]string{Options{}.PoolKey(): "10.0.0.1", Options{}.firstKey(): "2"}}, 0},
	} {
		require.Equal(t, tc.want, Plan([]Workload{tc.w}, Network{}, Options{}).Usage[0].Headroom, "%+v", tc.w)
	}
}
