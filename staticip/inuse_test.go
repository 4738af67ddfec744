package staticip

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPoolInTwoSteps is an update for which the old object gives no reason to refuse it.
func TestPoolInTwoSteps(t *testing.T) {
	inUse := func(pool string) Network {
		n := Network{InUse: map[netip.Addr]string{}}
		p := mustPool(t, pool)
		for i := range uint64(3) {
			a, _ := p.At(i)
			n.InUse[a.V4.Addr()] = "shop/redis-" + strconv.FormatUint(i, 10)
		}
		return n
	}
	none, had := redis(3, "none"), inUse("10.0.0.10-10.0.0.12")
	for _, tc := range []struct {
		name         string
		old, updated Workload
		want         []string
	}{
		{"the same again", none, redis(3, "10.0.0.10-10.0.0.12"), []string{"Gains?"}},
		{"shifted up", none, redis(3, "10.0.0.9-10.0.0.12"), []string{"Conflict", "Conflict?", "Gains?"}},
		{"shifted down", none, redis(3, "10.0.0.11-10.0.0.13"), []string{"Conflict", "Gains?"}},
		{"by way of another pool", redis(3, "10.0.1.1-10.0.1.3"), redis(3, "10.0.0.11-10.0.0.13"), []string{"Conflict", "Moves?"}},
		{"restored", redis(3, "10.0.0.12,10.0.0.11,10.0.0.10"), redis(3, "10.0.0.10-10.0.0.12"), nil},
		{"given to a Pod that may come", redis(3, "10.0.1.1-10.0.1.3"), redis(3, "10.0.1.1-10.0.1.3,10.0.0.12"), []string{"Conflict?"}},
		{"given to a Pod that comes", redis(3, "10.0.1.1-10.0.1.3"), redis(4, "10.0.1.1-10.0.1.3,10.0.0.12"), []string{"Conflict"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := CheckUpdate(tc.old, tc.updated, had, Options{})
			require.Equal(t, tc.want, codes(got), "%v", got)
		})
	}
	got := CheckUpdate(none, redis(3, "10.0.0.11-10.0.0.13"), had, Options{})
	require.Equal(t, "10.0.0.11 (first of ordinals 0-1) is in use by Pod shop/redis-1, and 1 more address by other Pods; delete these Pods or write other addresses", got[0].Message)
	require.Equal(t, "Pod shop/redis-1", got[0].Other)

	grown := redis(3, "10.0.1.1-10.0.1.3,10.0.0.12")
	require.Equal(t, []string{"Conflict"}, codes(CheckScale(grown, 4, had, Options{})), "redis-2 keeps it until it restarts")
	grown.Replicas = 4
	require.Equal(t, []string{"Conflict?"}, codes(CheckScale(grown, 4, had, Options{})), "it was so before")

	// What is deleted anyhow keeps nobody waiting if the controller does not wait first.
	down := redis(1, "10.0.1.1,10.0.1.2")
	moved := redis(1, "10.0.0.11")
	require.Equal(t, []string{"Conflict", "Moves?"}, codes(CheckUpdate(down, moved, had, Options{})))
	moved.Parallel = true
	require.Equal(t, []string{"Moves?"}, codes(CheckUpdate(down, moved, had, Options{})))
}

// TestRemoval is a pool that goes while Pods have its addresses.
func TestRemoval(t *testing.T) {
	key := Options{}.PoolKey()
	inTemplate := redis(3, "")
	inTemplate.Annotations, inTemplate.Template = nil, map[string]string{key: "10.0.0.10-10.0.0.12"}
	broken, partly := redis(3, "10.0.0.256"), redis(3, "10.0.0.10")
	for _, tc := range []struct {
		name string
		old  Workload
		edit func(w *Workload)
		want []string
	}{
		{"from the metadata", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations = nil }, []string{"Shrink"}},
		{"from the template", inTemplate, func(w *Workload) { w.Template = nil }, []string{"Shrink"}},
		{"said so", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations = map[string]string{key: "none"} }, []string{"Shrink?"}},
		{"said so in the metadata", inTemplate, func(w *Workload) { w.Annotations, w.Template = map[string]string{key: "none"}, nil }, []string{"Shrink?"}},
		{"and scaled to 0", redis(3, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations, w.Replicas = nil, 0 }, nil},
		{"scaled to 0 before", redis(0, "10.0.0.10-10.0.0.12"), func(w *Workload) { w.Annotations = nil }, nil},
		{"nobody could read it", broken, func(w *Workload) { w.Annotations = nil }, nil},
		{"some never had an address", partly, func(w *Workload) { w.Annotations = nil }, []string{"Shrink"}},
		{"after none", redis(3, "none"), func(w *Workload) { w.Annotations = nil }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			updated := tc.old
			tc.edit(&updated)
			got := CheckUpdate(tc.old, updated, Network{}, Options{})
			require.Equal(t, tc.want, codes(got), "%v", got)
		})
	}
	partlyGone := partly
	partlyGone.Annotations = nil
	require.Equal(t, []Span{{0, 0}}, CheckUpdate(partly, partlyGone, Network{}, Options{})[0].Ordinals)
}

// TestParallel is that the Pods that are too many go without waiting for the new ones.
func TestParallel(t *testing.T) {
	old, updated := redis(2, "10.0.0.10-10.0.0.11"), redis(2, "10.0.0.10-10.0.0.13")
	old.Start, old.Annotations[Options{}.firstKey()] = 2, "2"
	require.Equal(t, []string{"RolloutDeadlock"}, codes(CheckUpdate(old, updated, Network{}, Options{})))
	updated.Parallel = true
	require.Empty(t, CheckUpdate(old, updated, Network{}, Options{}))
	updated.Replicas = 4
	require.Equal(t, []string{"Moves?", "RolloutDeadlock"}, codes(CheckUpdate(old, updated, Network{}, Options{})), "2 and 3 stay")
}
