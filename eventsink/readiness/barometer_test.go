package readiness_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubewright/kubewright/eventsink/readiness"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pod of the Deployment shop/web, created and scheduled at a time, and ready after took unless that is negative.
func pod(uid string, created time.Time, took time.Duration) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "web-5d4f8-" + uid, UID: types.UID(uid), CreationTimestamp: metav1.NewTime(created),
		Labels:          map[string]string{"pod-template-hash": "5d4f8"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d4f8", Controller: new(true)}},
	}}
	p.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(created)},
		{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(created)},
	}
	if took >= 0 {
		p.Status.Conditions[1].Status = corev1.ConditionTrue
		p.Status.Conditions[1].LastTransitionTime = metav1.NewTime(created.Add(took))
	}
	return p
}

func barometer(t testing.TB, o readiness.Options) *readiness.Barometer {
	t.Helper()
	b, err := readiness.New(o)
	require.NoError(t, err)
	return b
}

var web = readiness.Workload{Namespace: "shop", Kind: "Deployment", Name: "web"}

func TestMeasuredOnceAtTheFirstTimeReady(t *testing.T) {
	b := barometer(t, readiness.Options{Start: t0})
	_, ok := b.Observe(pod("a", t0, -1), t0)
	require.False(t, ok)
	s, ok := b.Observe(pod("a", t0, 7*time.Second), t0)
	require.True(t, ok)
	require.Equal(t, readiness.Sample{Workload: web, Took: 7 * time.Second}, s)
	_, ok = b.Observe(pod("a", t0, -1), t0)
	require.False(t, ok, "not ready any more")
	_, ok = b.Observe(pod("a", t0, 700*time.Second), t0)
	require.False(t, ok, "ready again")
	_, ok = b.Observe(pod("b", t0.Add(-time.Second), 3*time.Second), t0)
	require.False(t, ok, "older than the reader")
	s, ok = b.Observe(pod("c", t0.Add(time.Second), 3*time.Second), t0)
	require.True(t, ok, "became ready while the reader was not looking")
	require.Equal(t, 3*time.Second, s.Took)
	skewed := pod("d", t0, 0)
	skewed.Status.Conditions[1].LastTransitionTime = metav1.NewTime(t0.Add(-time.Minute))
	s, ok = b.Observe(skewed, t0)
	require.True(t, ok)
	require.Zero(t, s.Took)
	unscheduled := pod("e", t0, time.Second)
	unscheduled.Status.Conditions = unscheduled.Status.Conditions[1:]
	_, ok = b.Observe(unscheduled, t0)
	require.False(t, ok)
	series := slices.Collect(b.All())
	require.Len(t, series, 1)
	require.Equal(t, uint64(3), series[0].Count)
	require.Equal(t, 10*time.Second, series[0].Sum)
	require.Equal(t, []uint64{1, 1, 2, 3, 3}, series[0].Cumulative[:5])
}

func TestAShiftIsASignal(t *testing.T) {
	b := barometer(t, readiness.Options{})
	rnd := rand.New(rand.NewPCG(1, 1))
	start := func(i int, took time.Duration) readiness.Sample {
		s, ok := b.Observe(pod(fmt.Sprint(i), t0, took), t0)
		require.True(t, ok)
		return s
	}
	for i := range 100 {
		s := start(i, time.Duration(18+rnd.IntN(5))*time.Second)
		if i < 8 {
			require.Zero(t, s.Baseline)
			require.Zero(t, s.Score)
		} else {
			require.Less(t, s.Score, 4.0)
			require.InDelta(t, 20, s.Baseline.Median.Seconds(), 2.5)
		}
	}
	require.InDelta(t, 0, shift(b), 2)
	require.Greater(t, start(100, time.Minute).Score, 10.0)
	require.InDelta(t, 0, shift(b), 2, "one bad start is no shift")
	for i := range 5 {
		start(101+i, 50*time.Second)
	}
	require.Greater(t, shift(b), 10.0)
	for i := range 100 {
		start(200+i, 50*time.Second)
	}
	require.Zero(t, shift(b), "the new normal")
}

func shift(b *readiness.Barometer) float64 {
	for s := range b.All() {
		return s.Shift
	}
	return 0
}

func TestBounds(t *testing.T) {
	b := barometer(t, readiness.Options{Workloads: 3, Pods: 10})
	for i := range 50 {
		p := pod(fmt.Sprint(i), t0.Add(time.Duration(i)*time.Minute), time.Second)
		p.OwnerReferences[0].Name = fmt.Sprintf("w%d-5d4f8", i)
		s, ok := b.Observe(p, t0.Add(time.Duration(i)*time.Minute))
		require.True(t, ok)
		require.Equal(t, i >= 2, s.Workload == readiness.Other)
	}
	require.Len(t, slices.Collect(b.All()), 3)
	require.Equal(t, uint64(48), b.Overflow())
	_, ok := b.Observe(pod("0", t0, time.Second), t0.Add(time.Hour))
	require.False(t, ok, "forgotten, and so not measured again")
	require.Equal(t, 2, b.Expire(t0.Add(2*time.Minute)))
	require.Len(t, slices.Collect(b.All()), 1)
}

// Observing any prefix again, as a relist does, changes nothing.
func TestReplay(t *testing.T) {
	rnd := rand.New(rand.NewPCG(2, 2))
	b := barometer(t, readiness.Options{Start: t0})
	var seen []*corev1.Pod
	measured := map[types.UID]int{}
	for i := range 300 {
		p := pod(fmt.Sprint(rnd.IntN(60)), t0, time.Duration(rnd.IntN(40)-10)*time.Second)
		seen = append(seen, p)
		if _, ok := b.Observe(p, t0.Add(time.Duration(i)*time.Second)); ok {
			measured[p.UID]++
		}
		before := slices.Collect(b.All())
		for _, old := range seen[:rnd.IntN(len(seen))] {
			_, ok := b.Observe(old, t0)
			if ok {
				measured[old.UID]++
			}
			require.LessOrEqual(t, measured[old.UID], 1)
		}
		require.Equal(t, before, slices.Collect(b.All()))
	}
}

func TestWorkloadOf(t *testing.T) {
	for _, c := range []struct {
		kind, name, hash string
		want             readiness.Workload
	}{
		{"ReplicaSet", "web-5d4f8", "5d4f8", web},
		{"ReplicaSet", "web", "5d4f8", readiness.Workload{Namespace: "shop", Kind: "ReplicaSet", Name: "web"}},
		{"ReplicaSet", "web", "", readiness.Workload{Namespace: "shop", Kind: "ReplicaSet", Name: "web"}},
		{"StatefulSet", "db", "", readiness.Workload{Namespace: "shop", Kind: "StatefulSet", Name: "db"}},
		{"Job", "backup-29380320", "", readiness.Workload{Namespace: "shop", Kind: "CronJob", Name: "backup"}},
		{"Job", "migrate-7", "", readiness.Workload{Namespace: "shop", Kind: "Job", Name: "migrate-7"}},
		{"Job", "migrate", "", readiness.Workload{Namespace: "shop", Kind: "Job", Name: "migrate"}},
	} {
		p := pod("a", t0, 0)
		p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name = c.kind, c.name
		p.Labels["pod-template-hash"] = c.hash
		require.Equal(t, c.want, readiness.WorkloadOf(p))
	}
	bare := pod("a", t0, 0)
	bare.OwnerReferences = nil
	require.Equal(t, readiness.Workload{Namespace: "shop", Kind: "Pod"}, readiness.WorkloadOf(bare))
}

func TestRefuses(t *testing.T) {
	_, err := readiness.New(readiness.Options{Workloads: -1, Buckets: []time.Duration{time.Second, time.Second}})
	require.EqualError(t, err, "readiness: Workloads -1, Pods 0; write none below 0\nreadiness: Buckets[1] is 1s; write times above 0 in ascending order")
}

func BenchmarkObserve(b *testing.B) {
	m := barometer(b, readiness.Options{})
	p := pod("a", t0, time.Second)
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(p, t0)
	}
}

func ExampleBarometer() {
	b, err := readiness.New(readiness.Options{})
	if err != nil {
		panic(err)
	}
	for i, seconds := range []int{20, 21, 19, 20, 22, 20, 19, 21, 20, 95} {
		s, _ := b.Observe(pod(fmt.Sprint(i), t0, time.Duration(seconds)*time.Second), t0)
		if s.Score > 6 {
			fmt.Printf("%s took %s, normal is %s\n", s.Workload.Name, s.Took, s.Baseline.Median)
		}
	}
	// Output: web took 1m35s, normal is 20s
}

// The API server's clock may be ahead of the reader's: a Pod that was forgotten is not measured again.
func TestForgottenIsNotMeasuredAgain(t *testing.T) {
	for _, ahead := range []time.Duration{0, time.Second, time.Hour} {
		b := barometer(t, readiness.Options{Start: t0, Pods: 4})
		measured := 0
		for range 2 {
			for i := range 20 {
				now := t0.Add(time.Duration(i) * time.Second)
				if _, ok := b.Observe(pod(fmt.Sprint(i), now.Add(ahead), time.Second), now); ok {
					measured++
				}
			}
		}
		require.Equal(t, 20, measured, "%s ahead", ahead)
	}
}
