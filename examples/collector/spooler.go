package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/spool"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// spooler puts documents on disk that the sink has not taken for a while, and takes them back when it does again.
// Meanwhile Events are read on, so that an outage may be longer than etcd keeps them.
type spooler struct {
	session *session
	after   time.Duration
	engaged atomic.Bool   // the sink is away: what is new goes to disk at once
	filled  chan struct{} // holds a token when there is something to take back

	mu      sync.Mutex
	queue   *spool.Spool
	damaged int
}

// spoolAfter is how long a request is tried before its documents go to disk. Most restarts of a sink are shorter.
const spoolAfter = 30 * time.Second

func openSpooler(s *session, dir string, bytes int64, after time.Duration) (*spooler, error) {
	queue, err := spool.Open(dir, spool.Options{MaxBytes: bytes})
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-spool: %w", err))
	}
	sp := &spooler{session: s, after: after, queue: queue, filled: make(chan struct{}, 1)}
	if n := queue.Stats().Documents; n > 0 {
		s.e.log.Info("documents were left on disk by an earlier process", "documents", n)
		s.with(func(_ time.Time, f *eventsink.Flow) { f.Recovered(n) })
		sp.filled <- struct{}{}
	}
	return sp, nil
}

// deliver is the sink's, but puts on disk what was not settled in time. While documents wait on disk because the sink is
// away, there is no point in trying others.
func (sp *spooler) deliver(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) error {
	if sp.engaged.Load() {
		return sp.put(ctx, b)
	}
	within, cancel := context.WithTimeout(ctx, sp.after)
	defer cancel()
	open := unsettled{batch: b}
	err := sp.session.sink.deliver(within, b, func(done ...settlement) {
		open.note(done)
		settle(done...)
	})
	if ctx.Err() != nil || within.Err() == nil {
		return err
	}
	if sp.engaged.CompareAndSwap(false, true) {
		sp.session.e.log.Warn("the sink takes nothing: documents go to disk until it does", "after", sp.after)
	}
	return sp.put(ctx, open.rest())
}

// put writes documents to disk, as often as it takes, and settles them.
func (sp *spooler) put(ctx context.Context, b *eventsink.Batch) error {
	for attempt := 0; ; attempt++ {
		err := sp.write(b)
		if err == nil {
			break
		}
		sp.session.e.log.Error("the spool can't be written", "error", err)
		if !pause(ctx, attempt) {
			return ctx.Err()
		}
	}
	select {
	case sp.filled <- struct{}{}:
	default:
	}
	return nil
}

// write appends all documents and settles them, in one step: a sender that drops them, or takes them back, finds them in
// the accounts. After a failure none of them is there.
func (sp *spooler) write(b *eventsink.Batch) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	dropped, err := sp.appendAll(b)
	if dropped > 0 {
		sp.session.with(func(_ time.Time, f *eventsink.Flow) { f.SpoolDropped(dropped, "spool_full") })
	}
	if err == nil {
		sp.session.settle(all(b, eventsink.Spooled)...)
	}
	return err
}

func (sp *spooler) appendAll(b *eventsink.Batch) (dropped int, err error) {
	for i := range b.Len() {
		n, err := sp.queue.Append(b.Doc(i))
		dropped += n
		if err != nil {
			return dropped, err
		}
	}
	return dropped, sp.queue.Sync()
}

// drain takes documents back, oldest first, and delivers them for as long as it takes. It takes no more when the context
// ends; what is under way then ends with the session.
func (sp *spooler) drain(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-sp.filled:
		}
		more := true
		for attempt := 0; more && ctx.Err() == nil; {
			var err error
			if more, err = sp.takeBack(sp.session.ctx); err != nil && ctx.Err() == nil {
				sp.session.e.log.Error("the spool can't be read", "error", err)
				pause(ctx, attempt)
				attempt++
			}
		}
	}
}

func (sp *spooler) takeBack(ctx context.Context) (more bool, err error) {
	docs, end, err := sp.read()
	if err != nil || len(docs) == 0 {
		return err != nil, err
	}
	var b *eventsink.Batch
	sp.session.with(func(_ time.Time, f *eventsink.Flow) { b, err = f.Unspool(docs) })
	if err != nil {
		return true, err
	}
	if err := sp.session.sink.deliver(ctx, b, sp.session.settle); err != nil {
		return false, err // the session ends: they are still on disk
	}
	if sp.engaged.CompareAndSwap(true, false) {
		sp.session.e.log.Info("the sink is back")
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return true, sp.queue.Ack(end)
}

// read gives the oldest documents, and counts those that a broken disk has spoiled.
func (sp *spooler) read() ([][]byte, spool.Position, error) {
	sp.mu.Lock()
	docs, end, err := sp.queue.Next(5000, sp.session.o.batchBytes)
	spoiled := sp.queue.Stats().DamagedDocuments - sp.damaged
	sp.damaged += spoiled
	sp.mu.Unlock()
	if spoiled > 0 {
		sp.session.with(func(_ time.Time, f *eventsink.Flow) { f.SpoolDropped(spoiled, "spool_damaged") })
	}
	return docs, end, err
}

func (sp *spooler) close() error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.queue.Close()
}

// unsettled are the documents of a batch that have no outcome yet.
type unsettled struct {
	batch *eventsink.Batch
	mu    sync.Mutex
	done  map[eventsink.Token]bool
}

func (u *unsettled) note(done []settlement) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done == nil {
		u.done = map[eventsink.Token]bool{}
	}
	for _, d := range done {
		u.done[d.token] = true
	}
}

func (u *unsettled) rest() *eventsink.Batch {
	u.mu.Lock()
	defer u.mu.Unlock()
	var indices []int
	for i := range u.batch.Len() {
		if !u.done[u.batch.Token(i)] {
			indices = append(indices, i)
		}
	}
	return u.batch.Keep(indices)
}
