package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/watchcodec"
)

// reader reads the Events of a cluster into a pipeline, by the decisions of an eventsink.Source. It keeps no Event.
type reader struct {
	events   typedcorev1.EventInterface
	pipeline *pipeline
	source   *eventsink.Source
	shard    eventsink.Shard
	metrics  *metrics
	log      *slog.Logger
	synced   func() // a list is complete

	record eventsink.Record // of what came as an Event, reused
}

// fullFor is how long a full buffer is waited for before the watch is closed. A reader that merely stops reading has the
// API server buffer for it, without a bound: etcd keeps the Events at no cost.
const fullFor = 5 * time.Second

// errPaused says that the buffer is full.
var errPaused = errors.New("the buffer is full")

// run reads until the context ends.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		request := r.source.Next()
		if !sleep(ctx, request.Wait) {
			return
		}
		started := time.Now()
		again, err := r.send(ctx, request)
		switch {
		case ctx.Err() != nil || again:
		case errors.Is(err, errPaused):
			r.ended(request, r.source.Paused(), err)
			r.inPages(request)
			r.pipeline.await(ctx, r.pipeline.halfEmpty)
		default:
			r.ended(request, r.source.Ended(time.Since(started), err), err)
		}
	}
}

// inPages goes on in pages when a list was streamed faster than the sink takes it: a stream that is closed starts over
// from its first Event, whereas a page waits in memory.
func (r *reader) inPages(request eventsink.Request) {
	if request.Verb != eventsink.WatchList || !r.source.Listing() {
		return
	}
	if source, err := newSource(true, ""); err == nil {
		r.source = source
	}
}

func newSource(pages bool, resume string) (*eventsink.Source, error) {
	return eventsink.NewSource(eventsink.SourceOptions{Pages: pages, Jitter: rand.Float64}, resume)
}

func (r *reader) ended(request eventsink.Request, cause eventsink.Cause, err error) {
	level := slog.LevelInfo
	switch cause {
	case eventsink.Timeout, eventsink.Unsupported:
		level = slog.LevelDebug
	case eventsink.Denied, eventsink.Failed, eventsink.Rewound:
		level = slog.LevelWarn
	}
	r.metrics.restarts.WithLabelValues(cause.String()).Inc()
	args := []any{"request", request.Verb.String(), "cause", cause.String()}
	if err != nil {
		args = append(args, "error", err)
	}
	r.log.Log(context.Background(), level, "reading ended", args...)
}

// send sends one request and takes what comes. again says that the source wants to go on at once.
func (r *reader) send(ctx context.Context, request eventsink.Request) (again bool, err error) {
	switch request.Verb {
	case eventsink.Probe:
		return r.probe(ctx, request)
	case eventsink.List:
		return r.page(ctx, request)
	case eventsink.WatchList:
		r.metrics.relists.Inc()
		return false, r.watch(ctx, metav1.ListOptions{
			SendInitialEvents: new(true), ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
			AllowWatchBookmarks: true, TimeoutSeconds: watchTimeout(),
		})
	}
	return false, r.watch(ctx, metav1.ListOptions{
		ResourceVersion: request.ResourceVersion, AllowWatchBookmarks: true, TimeoutSeconds: watchTimeout(),
	})
}

// watchTimeout spreads the reconnects of many readers, as client-go's reflector does.
func watchTimeout() *int64 {
	return new(int64(300 * (1 + rand.Float64())))
}

func (r *reader) probe(ctx context.Context, request eventsink.Request) (bool, error) {
	list, err := r.events.List(ctx, metav1.ListOptions{Limit: request.Limit})
	if err != nil {
		return false, err
	}
	if r.source.Probed(list.ResourceVersion) {
		r.ended(request, eventsink.Rewound, nil)
	}
	return true, nil
}

// page takes one page of a list. Its items are in memory, so that nobody buffers for a reader that waits.
func (r *reader) page(ctx context.Context, request eventsink.Request) (bool, error) {
	if request.Continue == "" {
		r.metrics.relists.Inc()
	}
	list, err := r.events.List(ctx, metav1.ListOptions{Limit: request.Limit, Continue: request.Continue})
	if err != nil {
		return false, err
	}
	r.metrics.relistItems.Add(float64(len(list.Items)))
	for i := range list.Items {
		eventsink.FromCore(&r.record, &list.Items[i])
		for err = r.take(ctx, &r.record, false); errors.Is(err, errPaused); err = r.take(ctx, &r.record, false) {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
		}
		if err != nil {
			return false, err
		}
	}
	if r.source.Page(list.ResourceVersion, list.Continue) {
		r.complete(list.ResourceVersion)
	}
	return true, nil
}

// complete notes the end of a list.
func (r *reader) complete(resourceVersion string) {
	r.pass(resourceVersion)
	r.synced()
}

func (r *reader) pass(resourceVersion string) {
	r.pipeline.with(func(now time.Time, f *eventsink.Flow) { f.Pass(now, resourceVersion) })
}

// progress notes a place in the stream. During a list there is none: items that are still to come may be older.
func (r *reader) progress(resourceVersion string) {
	if !r.source.Listing() {
		r.pass(resourceVersion)
	}
}

func (r *reader) watch(ctx context.Context, o metav1.ListOptions) error {
	w, err := r.events.Watch(ctx, o)
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-w.ResultChan():
			if !ok {
				return nil
			}
			if err := r.frame(ctx, e); err != nil {
				return err
			}
		}
	}
}

// frame takes one frame. The source learns of its resourceVersion once it is taken, not before: that is where the next
// watch starts.
func (r *reader) frame(ctx context.Context, e watch.Event) error {
	r.metrics.frames.WithLabelValues(frameType(e.Type)).Inc()
	if e.Type == watch.Error {
		return apierrors.FromObject(e.Object)
	}
	record := r.recordOf(e.Object)
	if record == nil {
		return errors.New("a frame that is no Event")
	}
	switch e.Type {
	case watch.Bookmark:
		if record.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
			r.source.Synced(record.ResourceVersion)
			r.complete(record.ResourceVersion)
			return nil
		}
		r.progress(record.ResourceVersion)
	case watch.Deleted: // it expired: nothing to tell, but progress
		r.progress(record.ResourceVersion)
	default:
		if r.source.Listing() {
			r.metrics.relistItems.Inc()
		}
		if err := r.take(ctx, record, !r.source.Listing()); err != nil {
			return err
		}
	}
	r.source.Frame(record.ResourceVersion)
	return nil
}

// recordOf is the record of a frame, nil if it has none: as it was decoded from protobuf or, from a server that answers
// in JSON, made of the Event.
func (r *reader) recordOf(o runtime.Object) *eventsink.Record {
	switch o := o.(type) {
	case *watchcodec.Event:
		return &o.Record
	case *corev1.Event:
		eventsink.FromCore(&r.record, o)
		return &r.record
	}
	return nil
}

// take admits an Event and, if the buffer is full, waits a moment for room.
func (r *reader) take(ctx context.Context, record *eventsink.Record, watched bool) error {
	if !r.shard.Owns(record.UID) {
		r.metrics.otherShard.Inc()
		if watched {
			r.pass(record.ResourceVersion)
		}
		return nil
	}
	r.metrics.observeSkew(record)
	err := r.pipeline.admit(record, watched)
	for deadline := time.Now().Add(fullFor); errors.Is(err, eventsink.ErrFull); err = r.pipeline.admit(record, watched) {
		wait, cancel := context.WithDeadline(ctx, deadline)
		ok := r.pipeline.await(wait, roomy)
		cancel()
		if !ok {
			return errPaused
		}
	}
	return err
}

func frameType(t watch.EventType) string {
	switch t {
	case watch.Added:
		return "added"
	case watch.Modified:
		return "modified"
	case watch.Deleted:
		return "deleted"
	case watch.Bookmark:
		return "bookmark"
	}
	return "error"
}

// sleep waits, unless the context ends first, which it reports as false.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// pause is the wait after the n-th failure of something that is tried for ever.
func pause(ctx context.Context, n int) bool {
	const base, most = 100 * time.Millisecond, 15 * time.Second
	d := most
	if n < 8 {
		d = base << n
	}
	return sleep(ctx, d/2+rand.N(d/2))
}
