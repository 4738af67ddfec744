package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kubewright/kubewright/eventsink"
)

// script is an API server that answers requests one after the other, and then has nothing more to tell.
type script struct {
	typedcorev1.EventInterface
	mu      sync.Mutex
	answers []answer
	asked   []metav1.ListOptions
	done    chan struct{}
}

type answer struct {
	list   *corev1.EventList
	frames []watch.Event
	err    error
}

func (s *script) next(o metav1.ListOptions) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) == 0 {
		select {
		case <-s.done:
		default:
			close(s.done)
		}
		return answer{}, false
	}
	a := s.answers[0]
	s.answers, s.asked = s.answers[1:], append(s.asked, o)
	return a, true
}

func (s *script) List(ctx context.Context, o metav1.ListOptions) (*corev1.EventList, error) {
	a, ok := s.next(o)
	if !ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return a.list, a.err
}

func (s *script) Watch(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
	a, ok := s.next(o)
	if !ok {
		return watch.NewFake(), nil
	}
	if a.err != nil {
		return nil, a.err
	}
	w := watch.NewFakeWithChanSize(len(a.frames), false)
	for _, f := range a.frames {
		w.Action(f.Type, f.Object)
	}
	w.Stop() // what is in the channel is still read
	return w, nil
}

func ev(n, count int) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{UID: types.UID(fmt.Sprintf("%x", sha256.Sum256([]byte{byte(n)}))), Name: fmt.Sprint("e", n), Namespace: "ns", ResourceVersion: fmt.Sprint(100 + 10*n + count), CreationTimestamp: metav1.Now()},
		Type:       "Normal", Reason: "Started", Count: int32(count), LastTimestamp: metav1.Now(), FirstTimestamp: metav1.Now(),
	}
}

// end is the bookmark behind the initial Events of a stream.
func end(rv string) watch.Event {
	e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{ResourceVersion: rv, Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
	return watch.Event{Type: watch.Bookmark, Object: e}
}

func expired() watch.Event {
	status := apierrors.NewResourceExpired("too old").Status()
	return watch.Event{Type: watch.Error, Object: &status}
}

// readAll runs a reader against a script, delivering everything, until the script has nothing more.
func readAll(t *testing.T, o eventsink.FlowOptions, resume string, shard eventsink.Shard, answers ...answer) (*script, *pipeline, *metrics) {
	t.Helper()
	server := &script{answers: answers, done: make(chan struct{})}
	p, err := newPipeline(o, time.Now)
	require.NoError(t, err)
	source, err := eventsink.NewSource(eventsink.SourceOptions{Backoff: time.Microsecond}, resume)
	require.NoError(t, err)
	r := &reader{events: server, pipeline: p, source: source, shard: shard, metrics: newMetrics(), log: slog.New(slog.DiscardHandler), synced: func() {}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	running.Go(func() {
		for b := p.next(ctx); b != nil; b = p.next(ctx) {
			p.settle(all(b, eventsink.Delivered)...)
		}
	})
	<-server.done
	eventually(t, func() bool { return p.lag() == 0 }, "settled")
	cancel()
	running.Wait()
	return server, p, r.metrics
}

func ledger(p *pipeline) (l eventsink.Ledger) {
	p.with(func(_ time.Time, f *eventsink.Flow) { l = f.Ledger() })
	return l
}

func position(p *pipeline) (rv string) {
	p.with(func(now time.Time, f *eventsink.Flow) { c, _ := f.Checkpoint(now); rv = c.ResourceVersion })
	return rv
}

// TestWatchList reads initial Events, their end, writes, an expiry, and a close, and goes on from where it was.
func TestWatchList(t *testing.T) {
	server, p, m := readAll(t, eventsink.FlowOptions{BatchAge: time.Millisecond}, "", eventsink.Shard{},
		answer{frames: []watch.Event{
			{Type: watch.Added, Object: ev(1, 1)},
			{Type: watch.Added, Object: ev(2, 1)},
			end("150"),
			{Type: watch.Modified, Object: ev(5, 2)},
			{Type: watch.Deleted, Object: ev(6, 1)},
		}},
		answer{frames: []watch.Event{{Type: watch.Added, Object: ev(7, 1)}, expired()}},
		answer{frames: []watch.Event{{Type: watch.Added, Object: ev(1, 1)}, {Type: watch.Added, Object: ev(8, 3)}, end("200")}},
	)
	require.True(t, *server.asked[0].SendInitialEvents)
	require.Equal(t, "161", server.asked[1].ResourceVersion, "a deletion is progress")
	require.True(t, *server.asked[2].SendInitialEvents, "what is compacted is listed")
	l := ledger(p)
	require.EqualValues(t, 6, l.Received)
	require.EqualValues(t, 5, l.Delivered)
	require.EqualValues(t, 1, l.Duplicate, "the Event that both lists have")
	require.True(t, l.Balanced())
	require.Equal(t, "200", position(p))
	text := scrape(t, m)
	require.Contains(t, text, `eventsink_watch_restarts_total{cause="expired"} 1`)
	require.Contains(t, text, `eventsink_watch_frames_total{type="deleted"} 1`)
	require.Contains(t, text, "eventsink_relists_total 2")
}

// TestPages lists where the server does not stream, and starts over when the continue token expires.
func TestPages(t *testing.T) {
	list := func(rv, next string, events ...*corev1.Event) *corev1.EventList {
		l := &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: rv, Continue: next}}
		for _, e := range events {
			l.Items = append(l.Items, *e)
		}
		return l
	}
	invalid := apierrors.NewInvalid(schema.GroupKind{Kind: "ListOptions"}, "", nil)
	server, p, m := readAll(t, eventsink.FlowOptions{BatchAge: time.Millisecond}, "", eventsink.Shard{},
		answer{err: invalid},
		answer{list: list("300", "token", ev(1, 1), ev(2, 1))},
		answer{err: apierrors.NewResourceExpired("the token is too old")},
		answer{err: errors.New("connection refused")},
		answer{list: list("310", "token", ev(1, 1), ev(2, 1))},
		answer{list: list("310", "", ev(3, 1))},
		answer{frames: []watch.Event{{Type: watch.Added, Object: ev(30, 1)}}},
	)
	require.EqualValues(t, 10_000, server.asked[1].Limit)
	require.Equal(t, "token", server.asked[2].Continue)
	require.Empty(t, server.asked[4].Continue)
	require.Equal(t, "310", server.asked[6].ResourceVersion)
	require.EqualValues(t, 4, ledger(p).Delivered)
	require.Equal(t, "401", position(p))
	require.Contains(t, scrape(t, m), `eventsink_watch_restarts_total{cause="unsupported"} 1`)
}

// TestResume watches from the checkpoint, unless the cluster is older than it.
func TestResume(t *testing.T) {
	resume := eventsink.Checkpoint{ResourceVersion: "500", Time: time.Now()}
	probe := &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: "520"}}
	server, p, _ := readAll(t, eventsink.FlowOptions{BatchAge: time.Millisecond, Resume: resume}, "500", eventsink.Shard{},
		answer{list: probe}, answer{frames: []watch.Event{{Type: watch.Added, Object: ev(41, 1)}}})
	require.Equal(t, "500", server.asked[1].ResourceVersion)
	require.Equal(t, "511", position(p))

	probe.ResourceVersion = "20"
	server, _, m := readAll(t, eventsink.FlowOptions{BatchAge: time.Millisecond, Resume: resume}, "500", eventsink.Shard{},
		answer{list: probe}, answer{frames: []watch.Event{end("21")}})
	require.True(t, *server.asked[1].SendInitialEvents)
	require.Contains(t, scrape(t, m), `eventsink_watch_restarts_total{cause="rewound"} 1`)
}

// TestSeedsCountRepeatsExactly restarts between two repeats of an Event.
func TestSeedsCountRepeatsExactly(t *testing.T) {
	began := time.Now()
	old := ev(1, 7)
	old.CreationTimestamp = metav1.NewTime(began.Add(-time.Hour))
	again := old.DeepCopy()
	again.Count, again.ResourceVersion = 12, "900"
	page := func(next string, e *corev1.Event) answer {
		return answer{list: &corev1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: "500", Continue: next}, Items: []corev1.Event{*e}}}
	}
	server := &script{answers: []answer{page("token", old), page("", ev(2, 1)), {err: errors.New("too old")}}, done: make(chan struct{})}
	p, err := newPipeline(eventsink.FlowOptions{Resume: eventsink.Checkpoint{ResourceVersion: "500", Time: began}}, time.Now)
	require.NoError(t, err)
	r := &reader{events: server, pipeline: p, metrics: newMetrics(), log: slog.New(slog.DiscardHandler)}
	r.seed(t.Context(), "500")
	require.Equal(t, metav1.ResourceVersionMatchExact, server.asked[0].ResourceVersionMatch)
	require.Equal(t, metav1.ListOptions{Limit: seedPage, Continue: "token"}, server.asked[1])
	r.seed(t.Context(), "500") // what fails does no harm
	eventsink.FromCore(&r.record, again)
	require.NoError(t, p.admit(&r.record, true))
	require.Zero(t, ledger(p).Delivered)
	require.EqualValues(t, 1, ledger(p).Received)
	for _, c := range p.flow.Aggregator().All() {
		require.EqualValues(t, 5, c.Occurrences)
	}
}

// TestNoPlaceIsPassedDuringAList has frames among the initial events that are places in a watch, and no end of the list:
// what is still to come may be older, so there is no position yet.
func TestNoPlaceIsPassedDuringAList(t *testing.T) {
	frames := []watch.Event{{Type: watch.Added, Object: ev(1, 1)}, {Type: watch.Deleted, Object: ev(2, 1)}, {Type: watch.Bookmark, Object: &corev1.Event{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1200"}}}}
	_, p, _ := readAll(t, eventsink.FlowOptions{BatchAge: time.Millisecond}, "", eventsink.Shard{}, answer{frames: frames})
	require.EqualValues(t, 1, ledger(p).Delivered)
	require.Empty(t, position(p))
}

// TestShardsPartEvents reads the same Events in three shards.
func TestShardsPartEvents(t *testing.T) {
	var frames []watch.Event
	for n := range 100 {
		frames = append(frames, watch.Event{Type: watch.Added, Object: ev(n, 1)})
	}
	sum := uint64(0)
	for i := range 3 {
		_, p, _ := readAll(t, eventsink.FlowOptions{BatchAge: time.Millisecond}, "", eventsink.Shard{Index: i, Count: 3},
			answer{frames: []watch.Event{end("50")}}, answer{frames: frames})
		require.Less(t, ledger(p).Delivered, uint64(100))
		require.Equal(t, "1091", position(p), "what is of others is progress")
		sum += ledger(p).Delivered
	}
	require.EqualValues(t, 100, sum)
}

// TestAFullBufferClosesTheWatch reads more than fits while nothing is delivered, and all of it when there is room.
func TestAFullBufferClosesTheWatch(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the 5 s after which a watch is closed")
	}
	var frames []watch.Event
	for n := range 50 {
		frames = append(frames, watch.Event{Type: watch.Added, Object: ev(n, 1)})
	}
	server := &script{done: make(chan struct{}), answers: []answer{
		{frames: append([]watch.Event{end("50")}, frames...)},
		{frames: frames[5:]},
	}}
	p, err := newPipeline(eventsink.FlowOptions{BufferBytes: 5000, BatchBytes: 1000, BatchAge: time.Millisecond}, time.Now)
	require.NoError(t, err)
	source, err := eventsink.NewSource(eventsink.SourceOptions{}, "")
	require.NoError(t, err)
	r := &reader{events: server, pipeline: p, source: source, metrics: newMetrics(), log: slog.New(slog.DiscardHandler), synced: func() {}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.run(ctx) })
	eventually(t, func() bool {
		server.mu.Lock()
		defer server.mu.Unlock()
		return len(server.asked) == 1 && p.lag() > 4*time.Second
	}, "paused")
	require.NoError(t, ctx.Err())
	running.Go(func() {
		for b := p.next(ctx); b != nil; b = p.next(ctx) {
			p.settle(all(b, eventsink.Delivered)...)
		}
	})
	<-server.done
	eventually(t, func() bool { return ledger(p).Delivered == 50 }, "delivered")
	cancel()
	running.Wait()
	require.True(t, func() bool { l := ledger(p); return l.Balanced() }())
}
