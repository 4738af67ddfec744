package eventsink_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/eventsink"
)

func aggregator(t testing.TB, l eventsink.Limits) *eventsink.Aggregator {
	t.Helper()
	a, err := eventsink.NewAggregator(l)
	require.NoError(t, err)
	return a
}

func TestSeries(t *testing.T) {
	a := aggregator(t, eventsink.Limits{})
	r := record("u1", "1", 3)
	r.Regarding = corev1.ObjectReference{Kind: "Node", Name: "node-1"}
	key := a.Add(r, eventsink.New, 3)
	require.Equal(t, eventsink.SeriesKey{Type: "Warning", Reason: "BackOff", Kind: "Node", Component: "kubelet"}, key)
	r.UID, r.Last = "u2", t0.Add(time.Second)
	a.Add(r, eventsink.Repeat, 2)
	r.Type = "Critical"
	a.Add(r, eventsink.New, 1)
	require.Equal(t, map[eventsink.SeriesKey]eventsink.Counts{
		key: {Occurrences: 5, Objects: 1, Last: t0.Add(time.Second), Exemplar: eventsink.Exemplar{UID: "u2", Time: t0.Add(time.Second)}},
		{Type: "other", Reason: "BackOff", Kind: "Node", Component: "kubelet"}: {
			Occurrences: 1, Objects: 1, Last: t0.Add(time.Second), Exemplar: eventsink.Exemplar{UID: "u2", Time: t0.Add(time.Second)},
		},
	}, maps.Collect(a.All()))
	for range a.All() {
		break
	}
	for range a.Overflow() {
		break
	}
}

// Whatever names a cluster makes up, the series stay within their limit, their sum is what was added, every value is
// one that a scraper takes, and what was folded is counted.
func TestSeriesAreBounded(t *testing.T) {
	for seed := range seeds() {
		rnd := rand.New(rand.NewPCG(seed, 5))
		l := eventsink.Limits{Series: 8 + rnd.IntN(40), Reasons: 1 + rnd.IntN(9), Kinds: 1 + rnd.IntN(4), Namespaces: 1 + rnd.IntN(9), Components: 1 + rnd.IntN(4)}
		a := aggregator(t, l)
		var sum, objects, folded uint64
		for i := range 500 {
			r := record(fmt.Sprint(i), "1", 1)
			r.Type = []string{"Normal", "Warning", "", "x"}[rnd.IntN(4)]
			r.Reason = []string{"a", "b", fmt.Sprint(rnd.IntN(100)), strings.Repeat("x", 200), "\xff"}[rnd.IntN(5)]
			r.Regarding.Kind, r.Regarding.Namespace, r.Component = fmt.Sprint(rnd.IntN(9)), fmt.Sprint(rnd.IntN(100)), fmt.Sprint(rnd.IntN(9))
			key := a.Add(r, eventsink.New, uint32(i))
			sum, objects = sum+uint64(i), objects+1
			if key != (eventsink.SeriesKey{Type: key.Type, Reason: r.Reason, Kind: r.Regarding.Kind, Namespace: r.Regarding.Namespace, Component: r.Component}) {
				folded++
			}
			require.LessOrEqual(t, a.Len(), a.Limit())
		}
		reasons := map[string]bool{}
		for key, c := range a.All() {
			sum, objects = sum-c.Occurrences, objects-c.Objects
			require.LessOrEqual(t, len(key.Reason), 128)
			require.NotEqual(t, "\xff", key.Reason)
			reasons[key.Reason] = true
		}
		require.LessOrEqual(t, len(reasons), l.Reasons+1)
		require.Zero(t, sum)
		require.Zero(t, objects)
		var overflow uint64
		for _, n := range a.Overflow() {
			overflow += n
		}
		require.GreaterOrEqual(t, overflow, folded)
	}
}

func TestExpireMakesRoom(t *testing.T) {
	a := aggregator(t, eventsink.Limits{Namespaces: 1})
	r := record("u", "1", 1)
	r.Regarding.Namespace = "a"
	require.Equal(t, "a", a.Add(r, eventsink.New, 1).Namespace)
	r.Regarding.Namespace, r.Last = "b", t0.Add(time.Hour)
	require.Equal(t, "other", a.Add(r, eventsink.New, 1).Namespace)
	require.Equal(t, 1, a.Expire(t0.Add(time.Minute)))
	require.Equal(t, "b", a.Add(r, eventsink.New, 1).Namespace)
	require.Equal(t, map[string]uint64{"reason": 0, "kind": 0, "namespace": 1, "component": 0, "series": 0}, maps.Collect(a.Overflow()))
}

func TestLimitsAreChecked(t *testing.T) {
	_, err := eventsink.NewAggregator(eventsink.Limits{Reasons: -1})
	require.EqualError(t, err, "eventsink: Limits.Reasons is -1; write 1 or more, or 0 for 500")
	_, err = eventsink.NewAggregator(eventsink.Limits{Series: 3})
	require.EqualError(t, err, "eventsink: Limits.Series is 3; write at least 8, since three are kept for overflow")
}
