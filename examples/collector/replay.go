package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const replayHelp = `
Usage: collector replay [flags] file...

Ships the Events of files, and ends: lines of JSON, or what "kubectl get events -A -o json" prints; - is standard input.
What was shipped before is recognised by the sink, so that a replay can be repeated. The accounts are printed last.

  collector replay events.ndjson
  kubectl get events -A -o json | collector replay -sink http://localhost:9200 -
`

func replay(ctx context.Context, args []string, s streams) error {
	return ship(ctx, args, s, "replay", replayHelp, (*session).admitAll)
}

// fileReader puts what a file holds into a session. It returns how many lines were not understood.
type fileReader func(s *session, ctx context.Context, name string, in io.Reader) (bad int, err error)

// ship is replay and resend.
func ship(ctx context.Context, args []string, s streams, name, help string, read fileReader) error {
	o := &options{checkpoint: "none", watched: true}
	flags := newFlags(name, s, help)
	o.addSinkFlags(flags)
	files, err := flags.ParseFiles(args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return cli.Usagef("no file is given; write - for standard input")
	}
	if err := o.check(); err != nil {
		return err
	}
	limitMemory(o.memoryLimit)
	e := &environment{out: s.Out, log: o.log.New(s.Err), metrics: newMetrics()}
	session, err := e.startFile(ctx, o)
	if err != nil {
		return err
	}
	bad, err := session.readFiles(ctx, files, s.In, read)
	l, finished := session.conclude(ctx)
	s.Say("%s\n", accounts(l, bad))
	switch {
	case session.failure() != nil:
		return session.failure()
	case !finished || ctx.Err() != nil:
		return errors.New("not everything was shipped; repeat it")
	case err != nil:
		return err
	case bad > 0 || l.DroppedTotal() > 0 || l.DeadLettered > 0:
		return cli.ErrSilent
	}
	return nil
}

// startFile starts a session for Events that merely exist: all of them count.
func (e *environment) startFile(ctx context.Context, o *options) (*session, error) {
	flow, err := o.flow(time.Time{})
	if err != nil {
		return nil, err
	}
	out, err := newSink(o, e)
	if err != nil {
		return nil, err
	}
	return e.start(ctx, o, out, flow)
}

func (s *session) readFiles(ctx context.Context, files []string, stdin io.Reader, read fileReader) (bad int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)() // a sender that fails ends the reading
	for _, name := range files {
		in, err := openInput(ctx, name, stdin)
		if err != nil {
			return bad, err
		}
		n, err := read(s, ctx, name, in)
		bad += n
		if err = errors.Join(err, in.Close()); err != nil {
			return bad, err
		}
	}
	return bad, nil
}

// conclude delivers what was read, however long the sink takes, unless there is a signal.
func (s *session) conclude(ctx context.Context) (l eventsink.Ledger, finished bool) {
	s.flush()
	s.drained(ctx)
	finished = s.finish()
	s.with(func(_ time.Time, f *eventsink.Flow) { l = f.Ledger() })
	return l, finished
}

func accounts(l eventsink.Ledger, bad int) string {
	return fmt.Sprintf("%d Events: %d delivered, %d duplicates, %d redirected, %d dead letters, %d dropped, %d in flight; %d lines were not understood",
		l.Received, l.Delivered, l.Duplicate, l.Redirected, l.DeadLettered, l.DroppedTotal(), l.InFlight+l.Spooled, bad)
}

// collectFile is "collect -from": replay, with metrics that stay until a signal.
func collectFile(ctx context.Context, o *options, e *environment, streams streams) error {
	s, err := e.startFile(ctx, o)
	if err != nil {
		return err
	}
	stop, err := serveHTTP(ctx, o.listen, e.metrics, func() error { return nil }, e.log)
	if err != nil {
		return err
	}
	defer stop()
	e.metrics.leader.Set(1)
	if _, err := s.readFiles(ctx, []string{o.from}, streams.In, (*session).admitAll); err != nil && ctx.Err() == nil && s.failure() == nil {
		return err
	}
	settled := s.drained(ctx)
	if err := s.failure(); err != nil {
		return err
	}
	if settled {
		e.log.Info("the file is shipped; metrics are served until a signal", "file", o.from)
		<-ctx.Done()
	}
	s.finish()
	return s.failure()
}

// drained waits until all that was read is settled.
func (s *session) drained(ctx context.Context) bool {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	return s.await(waiting, empty)
}
