package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const collectHelp = `
Usage: collector [collect] [flags]

Reads every Event of a cluster and ships it, once, to -sink. Serves /metrics, /healthz and /readyz.

  collector -kubeconfig ~/.kube/config                         documents on standard output, one a line
  collector -from events.ndjson                                the same from a file, without a cluster
  collector -kubeconfig ~/.kube/config -sink http://localhost:9200 -setup

  In a cluster, several replicas of which one reads, and the next one goes on where it stopped (see the manifests):

  collector -sink https://search.example.com:9200 -api-key-file /secrets/api-key \
    -lease kubewright-collector/collector -checkpoint configmap:kubewright-collector/collector

While the sink is away, documents wait in memory up to -buffer-bytes. Then the watch is closed: etcd keeps the Events, for
an hour by default, and reading goes on from there. -spool keeps them on disk for longer.

SIGTERM and SIGINT end the reading; what was read is delivered within -drain-timeout, and the rest is read again by the
next process. A second signal ends it at once.
`

func collect(ctx context.Context, args []string, s streams) error {
	o := &options{}
	flags := newFlags("collect", s, collectHelp)
	o.addClusterFlags(flags)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` for /metrics, /healthz and /readyz; empty for none")
	o.addSinkFlags(flags)
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	limitMemory(o.memoryLimit)
	e := &environment{out: s.Out, log: o.log.New(s.Err), metrics: newMetrics()}
	if o.from != "" {
		return collectFile(ctx, o, e, s)
	}
	c, err := newCollector(o, e)
	if err != nil {
		return err
	}
	return c.run(ctx)
}

// limitMemory has the garbage collector run more often instead of the kernel's killer.
func limitMemory(bytes int64) {
	if _, given := os.LookupEnv("GOMEMLIMIT"); !given && bytes > 0 {
		debug.SetMemoryLimit(bytes)
	}
}

// session is a pipeline with its senders: everything but where Events come from.
type session struct {
	*pipeline
	o    *options
	e    *environment
	sink sink

	spool    *spooler // nil without -spool
	draining context.CancelFunc
	senders  sync.WaitGroup
	ctx      context.Context //nolint:containedctx // it is cancelled with its cause when a sender fails
	cancel   context.CancelCauseFunc
}

// start makes senders wait for batches. They go on when the context ends, until finish.
func (e *environment) start(ctx context.Context, o *options, out sink, flow eventsink.FlowOptions) (*session, error) {
	p, err := newPipeline(flow, time.Now)
	if err != nil {
		return nil, cli.Usage(err)
	}
	s := &session{pipeline: p, o: o, e: e, sink: out}
	s.ctx, s.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := out.prepare(ctx); err != nil {
		return nil, err
	}
	if err := s.startSpool(); err != nil {
		return nil, err
	}
	e.metrics.registry.MustRegister(newFlowMetrics(p, out.name()))
	for range o.workers {
		s.senders.Go(s.send)
	}
	return s, nil
}

func (s *session) startSpool() (err error) {
	s.draining = func() {}
	if s.o.spool == "" {
		return nil
	}
	if s.spool, err = openSpooler(s, s.o.spool, s.o.spoolBytes, s.o.spoolAfter); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.draining = cancel
	s.senders.Go(func() { s.spool.drain(ctx) })
	return nil
}

func (s *session) deliver(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) error {
	if s.spool != nil {
		return s.spool.deliver(ctx, b, settle)
	}
	return s.sink.deliver(ctx, b, settle)
}

func (s *session) send() {
	for b := s.next(s.ctx); b != nil; b = s.next(s.ctx) {
		switch err := s.deliver(s.ctx, b, s.acknowledge(b)); {
		case err == nil: // every document is settled
			s.with(func(_ time.Time, f *eventsink.Flow) { f.Recycle(b) })
		case s.ctx.Err() == nil:
			s.cancel(err)
		}
	}
}

// acknowledge measures how long it took from the occurrences to the answer of the sink, and settles. Tokens of a batch
// ascend, so that a document is found by its token.
func (s *session) acknowledge(b *eventsink.Batch) func(...settlement) {
	histogram := s.e.metrics.lag.WithLabelValues(s.sink.name())
	return func(done ...settlement) {
		now := s.now()
		for _, d := range done {
			i := sort.Search(b.Len(), func(i int) bool { return b.Token(i) >= d.token })
			if i < b.Len() && d.outcome == eventsink.Delivered && !b.Time(i).IsZero() {
				histogram.Observe(max(now.Sub(b.Time(i)), 0).Seconds())
			}
		}
		s.settle(done...)
	}
}

// finish delivers what was read, as long as there is time, and ends the senders. It reports whether everything was
// settled.
func (s *session) finish() bool {
	s.draining() // what is on disk stays there
	s.flush()
	within, cancel := context.WithTimeout(s.ctx, s.o.drainTimeout)
	defer cancel()
	settled := s.await(within, empty)
	s.cancel(nil)
	s.senders.Wait()
	err := s.sink.close()
	if s.spool != nil {
		err = errors.Join(err, s.spool.close())
	}
	if err != nil {
		s.e.log.Error("closing the sink", "error", err)
	}
	return settled
}

// failure is why a sender gave up, or nil.
func (s *session) failure() error {
	if cause := context.Cause(s.ctx); cause != context.Canceled { //nolint:errorlint // the very value that cancel(nil) sets
		return cause
	}
	return nil
}
