package eventsink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/eventsink"
)

// asEvents is the events.k8s.io/v1 form of a core/v1 Event, as the API server converts it.
func asEvents(ev *corev1.Event) *eventsv1.Event {
	e := &eventsv1.Event{
		ObjectMeta: ev.ObjectMeta, EventTime: ev.EventTime, ReportingController: ev.ReportingController, ReportingInstance: ev.ReportingInstance,
		Action: ev.Action, Reason: ev.Reason, Regarding: ev.InvolvedObject, Related: ev.Related, Note: ev.Message, Type: ev.Type,
		DeprecatedSource: ev.Source, DeprecatedFirstTimestamp: ev.FirstTimestamp, DeprecatedLastTimestamp: ev.LastTimestamp, DeprecatedCount: ev.Count,
	}
	if ev.Series != nil {
		e.Series = &eventsv1.EventSeries{Count: ev.Series.Count, LastObservedTime: ev.Series.LastObservedTime}
	}
	return e
}

func TestTheTwoFormsAreOne(t *testing.T) {
	series := backOff()
	series.Series = &corev1.EventSeries{Count: 40, LastObservedTime: metav1.NewMicroTime(t0.Add(time.Hour))}
	series.Count, series.FirstTimestamp, series.LastTimestamp, series.EventTime = 0, metav1.Time{}, metav1.Time{}, metav1.NewMicroTime(t0)
	series.Related = &corev1.ObjectReference{Kind: "Node", Name: "node-17"}
	old := backOff()
	old.ReportingController, old.ReportingInstance = "", ""
	for _, ev := range []*corev1.Event{backOff(), series, old, {}} {
		before := ev.DeepCopy()
		var a, b eventsink.Record
		eventsink.FromCore(&a, ev)
		b = backOffRecord() // every field is overwritten
		eventsink.FromEvents(&b, asEvents(ev))
		require.Empty(t, cmp.Diff(a, b))
		require.Equal(t, before, ev)
	}
}

func TestFields(t *testing.T) {
	r := backOffRecord()
	require.Equal(t, "kubelet", r.Component)
	require.Equal(t, "node-17.example.com", r.Host)
	require.Equal(t, uint32(7), r.Occurrences)
	require.Equal(t, "Pod", r.Regarding.Kind)
	require.Zero(t, r.Related)
	skew, ok := r.Skew()
	require.True(t, ok)
	require.Equal(t, -time.Minute, skew)
	_, ok = new(eventsink.Record).Skew()
	require.False(t, ok)
	ev := backOff()
	ev.ReportingController, ev.Message, ev.Count = "", "(combined from similar events): x", -3
	eventsink.FromCore(&r, ev)
	require.Equal(t, "kubelet", r.Component)
	require.True(t, r.Combined)
	require.Equal(t, uint32(1), r.Occurrences)
}

// The chain of timestamps, from an Event that has all of them to one that has none.
func TestTimestamps(t *testing.T) {
	at := func(minutes int) time.Time { return t0.Add(time.Duration(minutes) * time.Minute) }
	ev := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(at(5))},
		Series:     &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(at(1))}, LastTimestamp: metav1.NewTime(at(2)),
		EventTime: metav1.NewMicroTime(at(3)), FirstTimestamp: metav1.NewTime(at(4)),
	}
	var r eventsink.Record
	for _, c := range []struct {
		clear       func()
		from        eventsink.TimeSource
		last, first time.Time
	}{
		{func() {}, eventsink.TimeSeries, at(1), at(4)},
		{func() { ev.Series.LastObservedTime = metav1.MicroTime{} }, eventsink.TimeLast, at(2), at(4)},
		{func() { ev.LastTimestamp = metav1.Time{} }, eventsink.TimeEvent, at(3), at(4)},
		{func() { ev.EventTime = metav1.NewMicroTime(time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)) }, eventsink.TimeFirst, at(4), at(4)},
		{func() { ev.FirstTimestamp = metav1.NewTime(time.Unix(-5, 0)) }, eventsink.TimeCreated, at(5), at(5)},
		{func() { ev.CreationTimestamp = metav1.Time{} }, eventsink.NoTime, time.Time{}, time.Time{}},
	} {
		c.clear()
		eventsink.FromCore(&r, ev)
		require.Equal(t, c.from, r.LastFrom)
		require.Equal(t, c.last, r.Last)
		require.Equal(t, c.first, r.First)
	}
	ev.LastTimestamp = metav1.NewTime(at(7))
	eventsink.FromCore(&r, ev)
	require.Equal(t, at(7), r.First)
}

func TestValidate(t *testing.T) {
	r := backOffRecord()
	require.NoError(t, r.Validate(t0, 0))
	require.NoError(t, r.Validate(t0.Add(-30*time.Second), 0))
	err := r.Validate(t0.Add(-90*time.Second), 0)
	require.ErrorIs(t, err, eventsink.ErrClockSkew)
	require.EqualError(t, err, "eventsink: Event shop/web-7c5ddbdf54-x2x9k.17f3b1c0a9d4e2f1 (0f8fad5b-d9cb-469f-a165-70867728950e): last time 2026-03-01T12:00:00Z is 1m30s ahead: time in the future; set the clock of node-17.example.com")
	r.Host, r.Instance, r.Component = "", "", ""
	require.ErrorContains(t, r.Validate(time.Time{}, time.Hour), "set the clock of the emitter")
	r.UID = strings.Repeat("ü", 100)
	err = r.Validate(t0, 0)
	require.ErrorIs(t, err, eventsink.ErrNoUID)
	require.Less(t, len(err.Error()), 400)
}

func TestDecodeJSON(t *testing.T) {
	var r eventsink.Record
	require.NoError(t, eventsink.DecodeJSON(&r, []byte(`{"metadata":{"uid":"u"},"count":3,"unknown":{}}`)))
	require.Equal(t, uint32(3), r.Occurrences)
	require.NoError(t, eventsink.DecodeJSON(&r, []byte(`{"apiVersion":"events.k8s.io/v1","kind":"Event","note":"n","series":{"count":9}}`)))
	require.Equal(t, "n", r.Message)
	require.Equal(t, uint32(9), r.Occurrences)
	for text, want := range map[string]string{
		`{`:                               "eventsink: an Event's JSON: unexpected end of JSON input",
		`{"kind":"Pod"}`:                  `eventsink: kind "Pod": want an Event`,
		`{"apiVersion":"v2"}`:             `eventsink: apiVersion "v2" of an Event: want v1 or events.k8s.io/v1`,
		`{"apiVersion":"v1","count":"x"}`: "eventsink: a core/v1 Event's JSON: json: cannot unmarshal string into Go struct field Event.count of type int32",
		`{"apiVersion":"events.k8s.io/v1","note":1}`: "eventsink: an events.k8s.io/v1 Event's JSON: json: cannot unmarshal number into Go struct field Event.note of type string",
	} {
		require.EqualError(t, eventsink.DecodeJSON(&r, []byte(text)), want)
	}
}

func TestNoIdentityIsCountedAndPassed(t *testing.T) {
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	_, err = f.Admit(t0, record("", "5", 1), true)
	require.ErrorIs(t, err, eventsink.ErrNoUID)
	f.Drop(t0, record("u", "6", 1), true, "filtered")
	f.Drop(t0, record("u", "", 1), false, "")
	l := f.Ledger()
	require.True(t, l.Balanced())
	require.Equal(t, map[string]uint64{"invalid": 1, "filtered": 1, "unknown": 1}, l.Dropped)
	c, due := f.Checkpoint(t0)
	require.True(t, due)
	require.Equal(t, "6", c.ResourceVersion)
	f.Saved(t0, c)
	_, due = f.Checkpoint(t0.Add(time.Hour))
	require.False(t, due, "it did not move")
}
