package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/watchcodec"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// collector reads a cluster, when it is its turn.
type collector struct {
	*environment
	o       *options
	client  kubernetes.Interface
	events  typedcorev1.EventInterface // of all namespaces; its watches are of watchcodec.Events
	store   store
	sink    sink
	pods    *podWatcher // nil without -pods
	started time.Time

	state atomic.Pointer[reading] // nil while it stands by
}

// reading is what /readyz asks.
type reading struct {
	session *session
	synced  atomic.Bool
}

func newCollector(o *options, e *environment) (*collector, error) {
	config, err := o.restConfig()
	if err != nil {
		return nil, err
	}
	client, events, err := newClients(config, o.shard)
	if err != nil {
		return nil, err
	}
	s, err := newStore(o.checkpoint, o.shard.String(), client)
	if err != nil {
		return nil, err
	}
	out, err := newSink(o, e)
	if err != nil {
		return nil, err
	}
	c := &collector{environment: e, o: o, client: client, events: events, store: s, sink: out, started: time.Now()}
	if o.pods {
		c.pods, err = newPodWatcher(client.CoreV1().Pods(metav1.NamespaceAll), c.started, c.log)
	}
	return c, err
}

// newClients speak protobuf: decoding a frame of JSON takes 20 times as long. The one that reads Events decodes them
// straight into records. They do not limit themselves to 5 requests a second, since the API server protects itself by
// priority and fairness.
func newClients(config *rest.Config, shard eventsink.Shard) (kubernetes.Interface, typedcorev1.EventInterface, error) {
	config = rest.CopyConfig(config)
	config.Wrap(shardTransport(shard))
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	config.QPS = -1
	config.UserAgent = "kubewright-collector"
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfigAndClient(config, transport)
	if err != nil {
		return nil, nil, err
	}
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = watchcodec.NewSerializer(scheme.Codecs.WithoutConversion())
	events, err := rest.RESTClientForConfigAndClient(config, transport)
	if err != nil {
		return nil, nil, err
	}
	return client, typedcorev1.New(events).Events(metav1.NamespaceAll), nil
}

func (c *collector) run(ctx context.Context) error {
	stop, err := serveHTTP(ctx, c.o.listen, c.metrics, c.ready, c.log)
	if err != nil {
		return err
	}
	defer stop()
	if c.o.lease == "" {
		return c.lead(ctx)
	}
	return c.elect(ctx)
}

// ready is for the kubelet and for those who are paged: standing by is being ready, as long as somebody reads.
func (c *collector) ready() error {
	r := c.state.Load()
	switch {
	case r == nil && c.o.lease != "":
		return nil
	case r == nil || !r.synced.Load():
		return errors.New("not all Events that exist were read yet")
	}
	if behind := r.session.lag(); behind > c.o.readyLag {
		if why := c.metrics.held.reason(); why != nil {
			return fmt.Errorf("documents wait for the sink for %s: %w", behind.Round(time.Second), why)
		}
		return fmt.Errorf("documents wait for the sink for %s", behind.Round(time.Second))
	}
	return nil
}

var errLeaseLost = errors.New("the lease is lost: somebody else reads now")

// elect reads while it holds the Lease. A holder that is told to end delivers what it read and stores its position
// before it gives the Lease up, so that its successor starts from there. One that loses the Lease goes on delivering
// while its successor has begun: an overlap costs duplicates, which the sink recognises, and a gap would cost Events.
func (c *collector) elect(ctx context.Context) error {
	namespace, name, _ := strings.Cut(c.o.lease, "/")
	electing, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var leading atomic.Bool
	result := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		if !leading.Load() {
			stop()
		}
	})()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Client: c.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.o.identity},
		},
		LeaseDuration: c.o.leaseDuration, RenewDeadline: c.o.leaseDuration * 2 / 3, RetryPeriod: c.o.leaseDuration / 8,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				leading.Store(true)
				defer stop()
				both, cancel := context.WithCancel(ctx)
				defer cancel()
				defer context.AfterFunc(held, cancel)()
				result <- c.lead(both)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return cli.Usage(fmt.Errorf("-lease: %w", err))
	}
	c.log.Info("standing by for the lease", "lease", c.o.lease, "identity", c.o.identity)
	elector.Run(electing)
	if leading.Load() {
		err = <-result
	}
	if err == nil && ctx.Err() == nil {
		err = errLeaseLost
	}
	return err
}

// lead reads, delivers and stores the position until the context ends.
func (c *collector) lead(ctx context.Context) error {
	from, err := c.resume(ctx)
	if err != nil {
		return err
	}
	flow, err := c.o.flow(c.started)
	if err != nil {
		return err
	}
	flow.Resume = from
	s, err := c.start(ctx, c.o, c.sink, flow)
	if err != nil {
		return err
	}
	source, err := newSource(c.o.pages, from.ResourceVersion)
	if err != nil {
		return err
	}
	state := &reading{session: s}
	state.synced.Store(from.ResourceVersion != "")
	c.state.Store(state)
	c.metrics.leader.Set(1)
	defer c.metrics.leader.Set(0)
	c.log.Info("reading", "from", from.ResourceVersion, "sink", redacted(c.o.sink), "shard", c.o.shard.String())
	r := &reader{
		events: c.events, pipeline: s.pipeline, source: source, shard: c.o.shard,
		metrics: c.metrics, log: c.log, synced: func() { state.synced.Store(true) },
	}
	return c.work(ctx, s, r, from)
}

// work runs the reader and what goes on beside it. The senders end last.
func (c *collector) work(ctx context.Context, s *session, r *reader, from eventsink.Checkpoint) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(s.ctx, stop)() // a sender that fails ends the reading
	var beside sync.WaitGroup
	beside.Go(func() { c.keepPosition(reading, s) })
	if c.pods != nil {
		c.metrics.registry.MustRegister(c.pods)
		beside.Go(func() { c.pods.run(reading) })
	}
	if from.ResourceVersion != "" {
		r.seed(reading, from.ResourceVersion)
	}
	r.run(reading)
	stop()
	beside.Wait()
	settled := s.finish()
	c.savePosition(context.WithoutCancel(ctx), s, true)
	if err := s.failure(); err != nil {
		return err
	}
	if !settled {
		c.log.Warn("not everything was delivered in time; the next process reads it again", "timeout", c.o.drainTimeout)
	}
	c.log.Info("stopped")
	return nil
}

// resume loads the position, as often as it takes: starting without it would count everything anew.
func (c *collector) resume(ctx context.Context) (eventsink.Checkpoint, error) {
	for attempt := 0; ; attempt++ {
		from, err := c.store.load(ctx)
		if err == nil && from.Shard != c.o.shard.String() && from.ResourceVersion != "" {
			return from, cli.Usagef("-checkpoint %s is of shard %q, this is %q: give each shard its own", c.o.checkpoint, from.Shard, c.o.shard)
		}
		if err == nil {
			return from, nil
		}
		c.log.Error("the position can't be read", "checkpoint", c.o.checkpoint, "error", err)
		if !pause(ctx, attempt) {
			return from, err
		}
	}
}

// keepPosition stores the position now and then, and forgets series of which nothing was heard for a day, so that
// namespaces that come and go do not use up -series.
func (c *collector) keepPosition(ctx context.Context, s *session) {
	for tick := 1; sleep(ctx, time.Second); tick++ {
		c.savePosition(ctx, s, false)
		if tick%600 == 0 {
			c.expire(s, time.Now().Add(-24*time.Hour))
		}
	}
}

func (c *collector) expire(s *session, since time.Time) {
	s.with(func(_ time.Time, f *eventsink.Flow) { f.Aggregator().Expire(since) })
	if c.pods != nil {
		c.pods.expire(since)
	}
}

func (c *collector) savePosition(ctx context.Context, s *session, whatever bool) {
	var position eventsink.Checkpoint
	var due bool
	s.with(func(now time.Time, f *eventsink.Flow) { position, due = f.Checkpoint(now) })
	if position.ResourceVersion == "" || !due && !whatever {
		return
	}
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := c.store.save(within, position)
	result := "stored"
	if err != nil {
		result = "failed"
		c.log.Warn("the position is not stored", "error", err)
	}
	c.metrics.checkpoints.WithLabelValues(result).Inc()
	s.with(func(now time.Time, f *eventsink.Flow) {
		if err == nil {
			f.Saved(now, position)
		}
	})
}
