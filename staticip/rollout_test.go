package staticip

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// rollout plays an update as the controller of StatefulSets does it, Pod after Pod: it creates those that are missing,
// from the lowest ordinal on, deletes those that are too many, and replaces the others from the highest ordinal to the
// lowest. Each waits until its addresses are free. In parallel, it does not wait before it deletes those that are too
// many. It returns the ordinals that would wait for ever if the update reached them.
func rollout(old, updated func(ordinal int) Assignment, before, after set64, parallel bool) (stuck set64) {
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
	create := func() {
		for o := range 64 {
			if (after&^before)>>o&1 == 1 {
				start(o)
			}
		}
	}
	if !parallel {
		create()
	}
	for o := range 64 {
		if (before&^after)>>o&1 == 1 {
			stop(o)
		}
	}
	if parallel {
		create()
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
		b.Parallel = r.IntN(2) == 0
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
		want := rollout(func(o int) Assignment { return old.at(o - oldFirst) }, func(o int) Assignment { return updated.at(o - newFirst) }, before, after, b.Parallel)
		require.Equal(t, want, stuck, "%q to %q, ordinals %v to %v, first %d: %v", old.text, updated.text, a.active(), b.active(), newFirst, problems)
		if problems.Err() == nil {
			require.Zero(t, stuck, "admitted, but it deadlocks")
		}
	})
	require.Greater(t, deadlocks, 50, "the generator makes too few of them")
}

// TestLawUpdateFromWhatPodsHave: the Pods have addresses of a pool that neither object has, as after two changes.
func TestLawUpdateFromWhatPodsHave(t *testing.T) {
	admitted, refused, restored := 0, 0, 0
	eachModel(t, 3000, func(t *testing.T, r *rand.Rand, held modelPool) {
		old, ok1 := edited(t, r, held)
		updated, ok2 := edited(t, r, held)
		if !ok1 || !ok2 || held.size() > 60 {
			return
		}
		if r.IntN(4) == 0 {
			updated = held
		}
		replicas := int32(1 + r.IntN(min(old.size(), updated.size(), held.size())))
		a, b := old.workload("redis", replicas), updated.workload("redis", replicas)
		b.Replicas = max(0, b.Replicas+int32(r.IntN(3)-1))
		b.Start = int32(r.IntN(2))
		b.Parallel = r.IntN(2) == 0
		if r.IntN(3) == 0 {
			a.Annotations = nil
		}
		before, after := bitsOf(a.active()), bitsOf(b.active())
		n := Network{InUse: map[netip.Addr]string{}}
		for o := range 64 {
			if before>>o&1 == 1 {
				for _, addr := range addrs(held.at(o)) {
					n.InUse[addr] = "shop/redis-" + strconv.Itoa(o)
				}
			}
		}
		problems := CheckUpdate(a, b, n, Options{})
		stuck := rollout(held.at, updated.at, before, after, b.Parallel)
		if problems.Err() == nil {
			admitted++
			for o := range 64 {
				if stuck>>o&1 == 1 {
					require.True(t, a.Annotations != nil && before>>o&1 == 1 && old.at(o).sameAddrs(updated.at(o)),
						"%q, %q to %q: ordinal %d is stuck, and was not before: %v", held.text, old.text, updated.text, o, problems)
				}
			}
		} else if stuck != 0 {
			refused++
		}
		if updated.text == held.text && before == after && a.Annotations != nil {
			restored++
			for _, p := range problems {
				if p.Code == CodeMoves || p.Code == CodeRolloutDeadlock || p.Code == CodeConflict {
					require.Equal(t, SeverityWarning, p.Severity, "%q, %q to %q: what the Pods have is refused: %s", held.text, old.text, updated.text, p)
				}
			}
		}
	})
	require.Greater(t, admitted, 100)
	require.Greater(t, refused, 100)
	require.Greater(t, restored, 20)
}
