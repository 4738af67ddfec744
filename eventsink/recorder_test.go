package eventsink_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	clientrecord "k8s.io/client-go/tools/record"

	"github.com/kubewright/kubewright/eventsink"
)

// steppedClock is the clock of a correlator.
type steppedClock struct{ now time.Time }

func (c *steppedClock) Now() time.Time                  { return c.now }
func (c *steppedClock) Since(t time.Time) time.Duration { return c.now.Sub(t) }

// What client-go's correlator makes of a crash loop is followed: counts become occurrences, the folding of similar
// messages is marked, and what the spam filter drops is not made up.
func TestCorrelatorOutput(t *testing.T) {
	clock := &steppedClock{t0}
	correlator := clientrecord.NewEventCorrelator(clock)
	stored := map[string]types.UID{}
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	written, combined := 0, 0
	want := map[types.UID]uint32{}
	for i := range 400 {
		clock.now = clock.now.Add(20 * time.Second)
		ev := backOff()
		ev.Name, ev.UID, ev.Count = fmt.Sprintf("web-0.%x", clock.now.UnixNano()), "", 1
		ev.FirstTimestamp, ev.LastTimestamp = metav1.NewTime(clock.now), metav1.NewTime(clock.now)
		if i >= 200 {
			ev.Message = fmt.Sprintf("attempt %d", i) // similar, and never the same
		}
		result, err := correlator.EventCorrelate(ev)
		require.NoError(t, err)
		if result.Skip {
			continue
		}
		written++
		out := result.Event.DeepCopy()
		if stored[out.Name] == "" { // as the API server does on create
			stored[out.Name] = types.UID(fmt.Sprintf("uid-%d", written))
		}
		out.UID, out.ResourceVersion, out.CreationTimestamp = stored[out.Name], fmt.Sprint(written), out.FirstTimestamp
		correlator.UpdateState(out)
		want[out.UID] = uint32(out.Count)
		var r eventsink.Record
		eventsink.FromCore(&r, out)
		if r.Combined {
			combined++
		}
		v, err := f.Admit(clock.now, &r, true)
		require.NoError(t, err)
		require.Contains(t, []eventsink.Verdict{eventsink.New, eventsink.Repeat}, v)
	}
	require.Less(t, written, 400, "the spam filter drops at the emitter")
	require.Positive(t, combined)
	var sum, objects uint64
	for _, c := range f.Aggregator().All() {
		sum, objects = sum+c.Occurrences, objects+c.Objects
	}
	var all uint64
	for _, n := range want {
		all += uint64(n)
	}
	require.Equal(t, all, sum)
	require.Equal(t, uint64(len(want)), objects)
}

// seriesSink is an API server for Events: it keeps them, and tells of every write.
type seriesSink struct {
	mu     sync.Mutex // the broadcaster writes each Event from a goroutine of its own
	stored *eventsv1.Event
	writes chan *eventsv1.Event
}

func (s *seriesSink) Create(_ context.Context, ev *eventsv1.Event) (*eventsv1.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = ev.DeepCopy()
	s.stored.UID, s.stored.ResourceVersion, s.stored.CreationTimestamp = "uid-1", "1", metav1.NewTime(t0)
	s.writes <- s.stored.DeepCopy()
	return s.stored.DeepCopy(), nil
}

func (s *seriesSink) Update(_ context.Context, ev *eventsv1.Event) (*eventsv1.Event, error) {
	return ev, nil
}

func (s *seriesSink) Patch(_ context.Context, _ *eventsv1.Event, patch []byte) (*eventsv1.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.Unmarshal(patch, s.stored); err != nil {
		return nil, err
	}
	s.stored.ResourceVersion = "2"
	s.writes <- s.stored.DeepCopy()
	return s.stored.DeepCopy(), nil
}

// The broadcaster of events.k8s.io writes a series: count and the old timestamps stay empty.
func TestSeriesOfTheEventsBroadcaster(t *testing.T) {
	sink := &seriesSink{writes: make(chan *eventsv1.Event, 10)}
	broadcaster := events.NewBroadcaster(sink)
	defer broadcaster.Shutdown()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(t, broadcaster.StartRecordingToSinkWithContext(ctx))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0", UID: "p"}}
	recorder := broadcaster.NewRecorder(clientgoscheme.Scheme, "example.com/controller")
	tracker := eventsink.NewTracker(0, 0, t0)
	for i, want := range []struct {
		verdict     eventsink.Verdict
		occurrences uint32
		from        eventsink.TimeSource
	}{{eventsink.New, 1, eventsink.TimeEvent}, {eventsink.Repeat, 2, eventsink.TimeSeries}} {
		recorder.Eventf(pod, nil, corev1.EventTypeWarning, "Unhealthy", "Probing", "attempt %d", i)
		var r eventsink.Record
		eventsink.FromEvents(&r, <-sink.writes)
		v, delta := tracker.Observe(&r, t0, true)
		require.Equal(t, want.verdict, v)
		require.Equal(t, uint32(1), delta)
		require.Equal(t, want.occurrences, r.Occurrences)
		require.Equal(t, want.from, r.LastFrom)
		require.Equal(t, "Probing", r.Action)
		require.Equal(t, "example.com/controller", r.Component)
	}
}
