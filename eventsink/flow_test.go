package eventsink_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

// t0 is when every test's clock starts.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// record is an Event of one object, created at t0.
func record(uid, rv string, occurrences uint32) *eventsink.Record {
	return &eventsink.Record{
		UID: uid, Namespace: "shop", Name: uid + ".17a", ResourceVersion: rv,
		Type: "Warning", Reason: "BackOff", Message: "Back-off restarting failed container", Component: "kubelet",
		First: t0, Last: t0, Created: t0, LastFrom: eventsink.TimeLast, Occurrences: occurrences,
	}
}

func TestFlowDelivers(t *testing.T) {
	f, err := eventsink.NewFlow(eventsink.FlowOptions{Start: t0, Holder: "a"})
	require.NoError(t, err)
	v, err := f.Admit(t0, record("u1", "10", 1), true)
	require.NoError(t, err)
	require.Equal(t, eventsink.New, v)
	v, err = f.Admit(t0, record("u1", "11", 3), true)
	require.NoError(t, err)
	require.Equal(t, eventsink.Repeat, v)
	require.Nil(t, f.Next(t0, false))
	b := f.Next(t0.Add(time.Second), false)
	require.Equal(t, 2, b.Len())
	_, due := f.Checkpoint(t0)
	require.False(t, due)
	require.True(t, f.Settle(b.Token(1), eventsink.Delivered, ""))
	_, due = f.Checkpoint(t0)
	require.False(t, due, "the first document is not settled")
	require.True(t, f.Settle(b.Token(0), eventsink.Delivered, ""))
	require.False(t, f.Settle(b.Token(0), eventsink.Delivered, ""))
	c, due := f.Checkpoint(t0)
	require.True(t, due)
	require.Equal(t, eventsink.Checkpoint{ResourceVersion: "11", Time: t0, Holder: "a"}, c)
	l := f.Ledger()
	require.True(t, l.Balanced())
	require.Equal(t, uint64(2), l.Delivered)
	for _, counts := range f.Aggregator().All() {
		require.Equal(t, uint64(3), counts.Occurrences)
		require.Equal(t, uint64(1), counts.Objects)
	}
}

// A batch in the memory of an earlier one has the bytes that it would have in its own, and what was copied stays.
func TestRecycledMemory(t *testing.T) {
	next := func(f *eventsink.Flow, n int) *eventsink.Batch {
		for i := range 3 {
			_, err := f.Admit(t0, record(fmt.Sprintf("u%d", 10*n+i), fmt.Sprint(100*n+i), uint32(n)), true)
			require.NoError(t, err)
		}
		return f.Next(t0, true)
	}
	with, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	without, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	var kept *eventsink.Batch
	var want string
	for n := range 5 {
		a, b := next(with, n), next(without, n)
		require.Equal(t, string(b.Bytes()), string(a.Bytes()))
		for i := range a.Len() {
			require.Equal(t, b.UID(i), a.UID(i))
			require.Equal(t, b.Token(i), a.Token(i))
			require.True(t, with.Settle(a.Token(i), eventsink.Delivered, ""))
		}
		if n == 1 {
			kept, want = a.Keep([]int{1}), string(a.Doc(1))
		}
		with.Recycle(a)
		require.Zero(t, a.Len(), "it can't be used by mistake")
		require.Empty(t, a.Bytes())
	}
	require.Equal(t, want, string(kept.Bytes()))
	l := with.Ledger()
	require.True(t, l.Balanced())
	require.EqualValues(t, 15, l.Delivered)
}
