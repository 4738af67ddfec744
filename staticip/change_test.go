package staticip

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rollout plays an update as the controller of StatefulSets does it, Pod after Pod: it creates those that are missing,
// from the lowest ordinal on, deletes those that are too many, and replaces the others from the highest ordinal to the
// lowest. Each waits until its addresses are free. It returns the ordinals that would wait for ever if the update
// reached them.
func rollout(old, updated func(ordinal int) Assignment, before, after set64) (stuck set64) {
	holds := map[netip.Addr]int{}
	start := func(o int) {
		for _, a := range addrs(updated(o)) {
			if _, taken := holds[a]; taken {
				stuck |= 1 << o
			}
		}
	}
	stop := func(o int) {
		for _, a := range addrs(old(o)) {
			delete(holds, a)
		}
	}
	for o := range 64 {
		if before>>o&1 == 1 {
			for _, a := range addrs(old(o)) {
				holds[a] = o
			}
		}
	}
	for o := range 64 {
		if (after&^before)>>o&1 == 1 {
			start(o)
		}
	}
	for o := range 64 {
		if (before&^after)>>o&1 == 1 {
			stop(o)
		}
	}
	for o := 63; o >= 0; o-- {
		if (before&after)>>o&1 == 1 {
			stop(o)
			start(o)
		}
	}
	return stuck
}

func addrs(a Assignment) (out []netip.Addr) {
	for _, p := range []netip.Prefix{a.V4, a.V6} {
		if p.IsValid() {
			out = append(out, p.Addr())
		}
	}
	return out
}

// edited returns a random edit of a pool: parts dropped, added, cut or reordered.
func edited(t *testing.T, r *rand.Rand, m modelPool) (modelPool, bool) {
	t.Helper()
	parts := slices.Clone(m.parts)
	switch i := r.IntN(len(parts)); r.IntN(5) {
	case 0:
		parts = append(parts[:i], parts[i+1:]...)
	case 1:
		parts = append([]part{{lo: 251, hi: 251 + r.IntN(3), v6: r.IntN(2) == 0}}, parts...)
	case 2:
		if p := &parts[i]; !p.block {
			p.lo = max(p.lo-r.IntN(2), 2)
		}
	case 3:
		parts = append(parts, part{exclude: true, lo: parts[i].lo, hi: parts[i].lo, v6: parts[i].v6})
	default:
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	if _, _, err := ParsePool(newText(r, parts)); err != nil || len(parts) == 0 {
		return modelPool{}, false
	}
	return newModel(t, r, parts)
}

func TestLawUpdateEqualsSimulation(t *testing.T) {
	deadlocks := 0
	eachModel(t, 2000, func(t *testing.T, r *rand.Rand, old modelPool) {
		updated, ok := edited(t, r, old)
		if !ok {
			return
		}
		replicas := 1 + r.IntN(min(old.size(), 50))
		a, b := old.workload("redis", int32(replicas)), updated.workload("redis", int32(replicas))
		for _, w := range []*Workload{&a, &b} {
			if r.IntN(3) == 0 {
				w.Start = int32(r.IntN(4))
				w.Replicas = max(0, w.Replicas+int32(r.IntN(5)-2))
				for range r.IntN(3) {
					first := int32(r.IntN(10))
					w.Skipped = append(w.Skipped, Span{first, first + int32(r.IntN(2))})
				}
			}
		}
		before, after := bitsOf(a.active()), bitsOf(b.active())
		oldFirst, newFirst := 0, 0
		if r.IntN(4) == 0 {
			newFirst = r.IntN(2)
			b.Annotations[Options{}.firstKey()] = Span{int32(newFirst), int32(newFirst)}.String()
		}
		var stuck, moved, shifted, lost set64
		for o := range 64 {
			if (before&after)>>o&1 == 0 {
				continue
			}
			from, to := old.at(o-oldFirst), updated.at(o-newFirst)
			for _, f := range [][2]netip.Prefix{{from.V4, to.V4}, {from.V6, to.V6}} {
				switch {
				case !f[0].IsValid():
				case !f[1].IsValid():
					lost |= 1 << o
				case f[0].Addr() != f[1].Addr():
					moved |= 1 << o
				}
				if i, ok := old.pool.IndexOf(f[1].Addr()); ok && int(i)+oldFirst != o {
					shifted |= 1 << o
				}
			}
		}
		problems := CheckUpdate(a, b, Network{}, Options{})
		for _, p := range problems {
			switch p.Code {
			case CodeRolloutDeadlock:
				stuck |= bitsOf(p.Ordinals)
				deadlocks++
			case CodeMoves:
				want := moved & shifted
				if p.Severity == SeverityWarning {
					want = moved &^ shifted
				}
				require.Equal(t, want, bitsOf(p.Ordinals), "%q to %q: %s", old.text, updated.text, p)
				moved &^= want
			case CodeShrink:
				require.Equal(t, lost, bitsOf(p.Ordinals), "%q to %q: %s", old.text, updated.text, p)
				lost = 0
			}
		}
		require.Zero(t, moved|lost, "%q to %q: not reported in %v", old.text, updated.text, problems)
		want := rollout(func(o int) Assignment { return old.at(o - oldFirst) }, func(o int) Assignment { return updated.at(o - newFirst) }, before, after)
		require.Equal(t, want, stuck, "%q to %q, ordinals %v to %v, first %d: %v", old.text, updated.text, a.active(), b.active(), newFirst, problems)
		if problems.Err() == nil {
			require.Zero(t, stuck, "admitted, but it deadlocks")
		}
	})
	require.Greater(t, deadlocks, 50, "the generator makes too few of them")
}

func codes(problems Problems) (out []string) {
	for _, p := range problems {
		mark := ""
		if p.Severity == SeverityWarning {
			mark = "?"
		}
		out = append(out, string(p.Code)+mark)
	}
	return out
}

func TestCheckUpdate(t *testing.T) {
	key := Options{}.PoolKey()
	for _, tc := range []struct {
		name string
		old  Workload
		edit func(w *Workload)
		want []string
	}{
		{"nothing changes", redis(3, "10.0.0.10-10.0.0.12"), func(*Workload) {}, nil},
		{"another spelling", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.10 10.0.0.11 10.0.0.12" }, nil},
		{"append and scale", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key], w.Replicas = "10.0.0.10-10.0.0.13", 4 }, nil},
		{"pool and replicas shrink together", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key], w.Replicas = "10.0.0.10-10.0.0.11", 2 }, nil},
		{"shift down", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.11-10.0.0.13" }, []string{"Moves", "Moves?"}},
		{"shift with no Pods", redis(0, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.9-10.0.0.12" }, nil},
		{"a new range", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.1.10-10.0.1.12" }, []string{"Moves?"}},
		{"shrink below replicas", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.10" }, []string{"Shrink"}},
		{"drop a family", redis(3, "10.0.0.10-10.0.0.12,fd00::1-fd00::3"), func(w *Workload) { w.Annotations[key] = "10.0.0.10-10.0.0.12" }, []string{"Shrink"}},
		{"move the first ordinal", redis(3, "10.0.0.10-10.0.0.13"), func(w *Workload) { w.Annotations[defaultPrefix+"/first-ordinal"] = "1" }, []string{"Moves", "Shrink", "RolloutDeadlock"}},
		{"start 0 to 2 with live Pods moves nothing", redis(3, "10.0.0.10-10.0.0.14"), func(w *Workload) { w.Start = 2 }, nil},
		{"start 0 to 2 needs two more", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Start = 2 }, []string{"BeyondPool"}},
		{"the pool was broken before", redis(3, "10.0.0.256"), func(w *Workload) { w.Replicas = 2 }, []string{"BadAddress?"}},
		{"the pool is broken now", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.256" }, []string{"BadAddress"}},
		{"the pool is repaired", redis(3, "10.0.0.256"), func(w *Workload) { w.Annotations[key] = "10.0.0.10-10.0.0.12" }, []string{"Gains?"}},
		{"a pool that helps a little", redis(8, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations[key] = "10.0.0.10-10.0.0.13" }, []string{"BeyondPool?"}},
		{"scale down in trouble", redis(8, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Replicas = 7 }, []string{"BeyondPool?"}},
		{"scale up in trouble", redis(8, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Replicas = 9 }, []string{"BeyondPool"}},
		{"the pool moves to the template", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations, w.Template = nil, w.Annotations }, nil},
		{"no pool and no Pods", redis(0, "10.0.0.10"), func(w *Workload) { w.Annotations = nil }, nil},
		{"a pool before there are Pods", Workload{Namespace: "shop", Name: "redis"}, func(w *Workload) { w.Annotations = map[string]string{key: "10.0.0.1"} }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			updated := tc.old
			updated.Annotations = copyOf(tc.old.Annotations, nil)
			tc.edit(&updated)
			got := CheckUpdate(tc.old, updated, Network{}, Options{})
			require.Equal(t, tc.want, codes(got), "%v", got)
			for _, p := range got {
				require.Equal(t, "StatefulSet shop/redis", p.Object)
			}
		})
	}
}

// TestUpdateThatNeverStarts gives the address of a Pod to an ordinal that has none yet, and so is created first.
func TestUpdateThatNeverStarts(t *testing.T) {
	firstKey := Options{}.firstKey()
	old, updated := redis(2, "10.0.0.10-10.0.0.11"), redis(4, "10.0.0.10-10.0.0.13")
	old.Start, old.Annotations[firstKey] = 2, "2"
	problems := CheckUpdate(old, updated, Network{}, Options{})
	require.Equal(t, []string{"Moves?", "RolloutDeadlock"}, codes(problems), "%v", problems)
	require.Equal(t, []Span{{0, 1}}, problems[1].Ordinals)
	require.Contains(t, problems[1].Message, "ordinal 0 would wait for 10.0.0.10 that ordinal 2 still holds: a missing Pod is created before others are replaced or deleted;")

	updated.OnDelete = true
	problems = CheckUpdate(old, updated, Network{}, Options{})
	require.Equal(t, []string{"Moves?", "RolloutDeadlock?"}, codes(problems), "%v", problems)
	require.Contains(t, problems[1].Message, "delete the Pods that hold the addresses by hand")

	updated.OnDelete, updated.Replicas = false, 2
	require.Equal(t, []string{"RolloutDeadlock"}, codes(CheckUpdate(old, updated, Network{}, Options{})), "2 and 3 would go, but only after 0 and 1 are ready")

	old, updated = redis(3, "10.0.0.10-10.0.0.13"), redis(3, "10.0.0.10,10.0.0.13,10.0.0.11-10.0.0.12")
	old.Skipped = []Span{{1, 1}}
	require.Contains(t, codes(CheckUpdate(old, updated, Network{}, Options{})), "RolloutDeadlock", "ordinal 1 is no longer skipped and takes the address of 3")
}

// TestUpdateThatMakesItWorse is trouble that looks like the old one and is not.
func TestUpdateThatMakesItWorse(t *testing.T) {
	key := Options{}.PoolKey()
	w := Workload{Namespace: "shop", Name: "redis", Replicas: 3, Template: map[string]string{calicoKey: `["10.0.0.99"]`}}
	asks := w
	asks.Annotations = map[string]string{key: "10.0.0.10-10.0.0.12"}
	require.Equal(t, []string{"TemplateFixed", "Gains?"}, codes(CheckUpdate(w, asks, Network{}, Options{})), "now no Pod could start")
	require.Equal(t, []string{"TemplateFixed?"}, codes(CheckUpdate(asks, asks, Network{}, Options{})))

	n := network("10.0.0.0/24", "")
	a, b := redis(3, "10.9.0.10,10.0.0.5,10.0.0.6"), redis(3, "10.9.0.10,10.8.0.5,10.0.0.6")
	require.Equal(t, []string{"OutsideCNI", "Moves?"}, codes(CheckUpdate(a, b, n, Options{})))
	a, b = redis(3, "10.9.0.10-10.9.0.12"), redis(3, "10.9.0.10,10.8.0.5,10.8.0.6")
	require.Equal(t, []string{"OutsideCNI", "Moves?"}, codes(CheckUpdate(a, b, n, Options{})), "the same ordinals, the same first address")
	b = redis(3, "10.0.0.10,10.9.0.11,10.9.0.12")
	require.Equal(t, []string{"OutsideCNI?", "Moves?"}, codes(CheckUpdate(a, b, n, Options{})), "one is repaired, the others are as they were")

	a, b = redis(3, "10.0.0.10-10.0.0.12"), redis(3, "10.0.0.10-10.0.0.12")
	a.Annotations[defaultPrefix+"/note"], b.Annotations[defaultPrefix+"/note"] = "x", "x"
	b.Annotations[defaultPrefix+"/first-ordnal"] = "1"
	require.Equal(t, []string{"UnknownKey", "UnknownKey?"}, codes(CheckUpdate(a, b, n, Options{})))
}

// TestTemplateThatNoPodCanHave is what Assign would refuse, Pod by Pod.
func TestTemplateThatNoPodCanHave(t *testing.T) {
	const networks, defaultNetwork = "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network"
	for _, tc := range []struct {
		name       string
		replicas   int32
		renderer   Renderer
		key, value string
		want       []string
	}{
		{"another address", 1, Calico{}, calicoKey, `["10.0.0.99"]`, []string{"AlreadySet"}},
		{"its own address", 1, Calico{}, calicoKey, `["10.0.0.10"]`, nil},
		{"a fixed address is said once", 3, Calico{}, calicoKey, `["10.0.0.10"]`, []string{"TemplateFixed"}},
		{"no Pods", 0, Calico{}, calicoKey, `["10.0.0.99"]`, nil},
		{"a family that the pool lacks", 3, Template{"example.com/ip": "$(v4),$(v6)"}, "a", "b", []string{"DualShort"}},
		{"networks that are no list", 3, Multus{Network: "net", Attachment: true}, networks, `{"name":"other"}`, []string{"BadAnnotation"}},
		{"another network", 3, Multus{Network: "net", Attachment: true}, networks, `other`, nil},
		{"another default network", 3, Multus{Network: "net"}, defaultNetwork, "kube-system/calico", []string{"AlreadySet"}},
		{"another subnet", 3, KubeOVN{Subnet: "a"}, "ovn.kubernetes.io/logical_switch", "b", []string{"AlreadySet"}},
		{"the same subnet", 3, KubeOVN{Subnet: "a"}, "ovn.kubernetes.io/logical_switch", "a", nil},
		{"other IPPools", 3, Antrea{Pools: []string{"a"}}, antreaPoolsKey, "b", []string{"AlreadySet"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := redis(tc.replicas, "10.0.0.10-10.0.0.12/24")
			w.Template = map[string]string{tc.key: tc.value}
			opts := Options{Renderer: tc.renderer}
			problems := CheckCreate(w, Network{}, opts)
			require.Equal(t, tc.want, codes(problems), "%v", problems)
			require.Equal(t, map[string]string{tc.key: tc.value}, w.Template)
			pod := redisPod(0)
			pod.Annotations = w.Template
			if _, err := Assign(pod, w, opts); tc.want == nil && tc.replicas > 0 {
				require.NoError(t, err)
			} else if len(tc.want) > 0 && tc.want[0] != string(CodeTemplateFixed) {
				require.ErrorIs(t, err, Code(tc.want[0]))
			}
			for _, p := range CheckScale(w, max(tc.replicas-1, 0), Network{}, opts) {
				require.Equal(t, SeverityWarning, p.Severity, "it can be scaled down")
			}
		})
	}
}

// A problem with the network that came up after a workload was admitted must not keep it from being edited, but
// ordinals that are new in the same trouble are refused.
func TestCheckUpdateOfNetworkTrouble(t *testing.T) {
	w := redis(2, "10.0.0.10-10.0.0.14")
	n := network("10.0.0.8/30", "10.0.0.12/32")
	require.Equal(t, []string{"OutsideCNI?", "Reserved?"}, codes(CheckScale(w, 1, n, Options{})))
	require.Equal(t, []string{"OutsideCNI", "OutsideCNI?", "Reserved"}, codes(CheckScale(w, 3, n, Options{})))
	w.Replicas = 3
	require.Equal(t, []string{"OutsideCNI?", "OutsideCNI?", "Reserved?"}, codes(CheckScale(w, 3, n, Options{})))
	require.Equal(t, []string{"OutsideCNI?", "Reserved?"}, codes(CheckScale(w, 2, n, Options{})))

	moved := w
	moved.Annotations = map[string]string{Options{}.PoolKey(): "10.0.1.10-10.0.1.14"}
	require.Equal(t, []string{"OutsideCNI", "OutsideCNI?", "Moves?"}, codes(CheckUpdate(w, moved, n, Options{})))
}

func TestCheckScale(t *testing.T) {
	w := redis(3, "10.0.0.10-10.0.0.15")
	require.Empty(t, CheckScale(w, 6, Network{}, Options{}))
	require.Empty(t, CheckScale(w, 0, Network{}, Options{}))
	require.Equal(t, []string{"BeyondPool"}, codes(CheckScale(w, 7, Network{}, Options{})))
	require.Equal(t, []string{"BeyondPool"}, codes(CheckScale(w, 1<<31-1, Network{}, Options{})))
	w.Template = map[string]string{calicoKey: `["10.0.0.10"]`}
	w.Annotations, w.Replicas = nil, 1
	require.Equal(t, []string{"TemplateFixed"}, codes(CheckScale(w, 3, Network{}, Options{})))
	fixed := w
	fixed.Replicas = 5
	require.Equal(t, []string{"TemplateFixed?"}, codes(CheckScale(fixed, 4, Network{}, Options{})), "not worse than before")
	require.EqualValues(t, 1, w.Replicas, "the argument is not changed")
}
