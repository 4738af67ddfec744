package eventsink_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubewright/kubewright/eventsink"
)

// backOff is an Event as a kubelet writes it.
func backOff() *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-7c5ddbdf54-x2x9k.17f3b1c0a9d4e2f1", Namespace: "shop", UID: "0f8fad5b-d9cb-469f-a165-70867728950e",
			ResourceVersion: "184467", CreationTimestamp: metav1.NewTime(t0),
		},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Pod", Namespace: "shop", Name: "web-7c5ddbdf54-x2x9k", UID: "7c9e6679-7425-40de-944b-e07fc1f90ae7",
			APIVersion: "v1", ResourceVersion: "184301", FieldPath: "spec.containers{web}",
		},
		Reason: "BackOff", Message: "Back-off restarting failed container web in pod web-7c5ddbdf54-x2x9k_shop(7c9e6679-7425-40de-944b-e07fc1f90ae7)",
		Source:         corev1.EventSource{Component: "kubelet", Host: "node-17.example.com"},
		FirstTimestamp: metav1.NewTime(t0.Add(-time.Minute)), LastTimestamp: metav1.NewTime(t0), Count: 7, Type: "Warning",
		ReportingController: "kubelet", ReportingInstance: "node-17.example.com",
	}
}

func backOffRecord() eventsink.Record {
	var r eventsink.Record
	eventsink.FromCore(&r, backOff())
	return r
}

func BenchmarkFromCore(b *testing.B) {
	ev := backOff()
	var r eventsink.Record
	b.ReportAllocs()
	for b.Loop() {
		eventsink.FromCore(&r, ev)
	}
}

func BenchmarkAppendBulk(b *testing.B) {
	for _, schema := range []eventsink.Schema{eventsink.ECS, eventsink.Raw} {
		b.Run(map[eventsink.Schema]string{eventsink.ECS: "ecs", eventsink.Raw: "raw"}[schema], func(b *testing.B) {
			f, err := eventsink.NewRenderer(eventsink.Format{Schema: schema, Cluster: "blue"})
			require.NoError(b, err)
			r := backOffRecord()
			buf := f.AppendBulk(nil, &r)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				buf = f.AppendBulk(buf[:0], &r)
			}
		})
	}
}

func BenchmarkTracker(b *testing.B) {
	for _, n := range []int{20_000, 500_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			records := make([]eventsink.Record, n)
			for i := range records {
				records[i] = eventsink.Record{UID: fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012x", i), Created: t0, Occurrences: 1}
			}
			t := eventsink.NewTracker(0, 0, t0)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if i == n {
					i = 0
				}
				records[i].Occurrences++
				t.Observe(&records[i], t0, true)
				i++
			}
		})
	}
}

func BenchmarkAggregator(b *testing.B) {
	a, err := eventsink.NewAggregator(eventsink.Limits{})
	require.NoError(b, err)
	r := backOffRecord()
	b.ReportAllocs()
	for b.Loop() {
		a.Add(&r, eventsink.Repeat, 1)
	}
}

// BenchmarkFlow is the whole way of an Event from its Go value to a settled document.
func BenchmarkFlow(b *testing.B) {
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(b, err)
	ev := backOff()
	var r eventsink.Record
	uids := make([]types.UID, 10_000)
	for i := range uids {
		uids[i] = types.UID(fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012x", i))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		ev.UID = uids[i%len(uids)]
		ev.Count = int32(i/len(uids)) + 1
		i++
		eventsink.FromCore(&r, ev)
		if _, err := f.Admit(t0, &r, true); err != nil {
			b.Fatal(err)
		}
		if batch := f.Next(t0, false); batch != nil {
			for i := range batch.Len() {
				f.Settle(batch.Token(i), eventsink.Delivered, "")
			}
			f.Recycle(batch)
		}
	}
}

func TestHotPathsAllocateNothing(t *testing.T) {
	ev := backOff()
	var r eventsink.Record
	require.Zero(t, testing.AllocsPerRun(100, func() { eventsink.FromCore(&r, ev) }))
	r.Labels = map[string]string{"a": "1", "b": "2"}
	for _, schema := range []eventsink.Schema{eventsink.ECS, eventsink.Raw} {
		f, err := eventsink.NewRenderer(eventsink.Format{Schema: schema, Cluster: "blue"})
		require.NoError(t, err)
		buf := f.AppendBulk(nil, &r)
		require.Zero(t, testing.AllocsPerRun(100, func() { buf = f.AppendBulk(buf[:0], &r) }))
	}
	tracker := eventsink.NewTracker(0, 0, t0)
	require.Zero(t, testing.AllocsPerRun(100, func() { tracker.Observe(&r, t0, true) }))
	a, err := eventsink.NewAggregator(eventsink.Limits{})
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { a.Add(&r, eventsink.Repeat, 1) }))
	shard := eventsink.Shard{Index: 1, Count: 3}
	require.Zero(t, testing.AllocsPerRun(100, func() { shard.Owns(r.UID) }))
}
