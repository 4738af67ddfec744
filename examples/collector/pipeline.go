package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kubewright/kubewright/eventsink"
)

// pipeline is an eventsink.Flow with the lock around it, and with the waiting that the Flow leaves to its caller.
type pipeline struct {
	now    func() time.Time
	buffer int // the flow's BufferBytes

	mu       sync.Mutex
	flow     *eventsink.Flow
	flushing bool
	wake     chan struct{} // holds a token when there may be a batch
	settled  chan struct{} // closed and replaced when documents were settled
}

func newPipeline(o eventsink.FlowOptions, now func() time.Time) (*pipeline, error) {
	flow, err := eventsink.NewFlow(o)
	if err != nil {
		return nil, err
	}
	return &pipeline{now: now, buffer: o.BufferBytes, flow: flow, wake: make(chan struct{}, 1), settled: make(chan struct{})}, nil
}

// admit is Flow.Admit. It returns eventsink.ErrFull if the record was not taken.
func (p *pipeline) admit(r *eventsink.Record, watched bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	_, waited := p.flow.Due()
	_, err := p.flow.Admit(now, r, watched)
	if due, ok := p.flow.Due(); ok && (!waited || !due.After(now)) {
		p.nudge()
	}
	if errors.Is(err, eventsink.ErrFull) {
		return err
	}
	return nil // what is invalid was dropped, and counted
}

// with runs f on the flow.
func (p *pipeline) with(f func(now time.Time, flow *eventsink.Flow)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p.now(), p.flow)
}

// nudge wakes one sender.
func (p *pipeline) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// next waits for a batch. It returns nil when the context ends, or when the pipeline is flushed and empty.
func (p *pipeline) next(ctx context.Context) *eventsink.Batch {
	for {
		b, wait, done := p.poll()
		if b != nil || done {
			return b
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-p.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// idle is how long a sender sleeps when nothing is due: something that is admitted wakes it.
const idle = time.Minute

func (p *pipeline) poll() (b *eventsink.Batch, wait time.Duration, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	b = p.flow.Next(now, p.flushing)
	due, more := p.flow.Due()
	if b != nil && more || b == nil && p.flushing {
		p.nudge() // another sender has something to do: a batch, or to end
	}
	if !more {
		return b, idle, p.flushing
	}
	return b, max(due.Sub(now), 0), false
}

// settle tells the flow what became of documents.
func (p *pipeline) settle(outcomes ...settlement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range outcomes {
		p.flow.Settle(s.token, s.outcome, s.cause)
	}
	close(p.settled)
	p.settled = make(chan struct{})
}

// settlement is what became of a document.
type settlement struct {
	token   eventsink.Token
	outcome eventsink.Outcome
	cause   string // of one that was dropped
}

// await waits until the flow fulfils a condition, which only settling can bring about. It reports false if the context
// ended first.
func (p *pipeline) await(ctx context.Context, condition func(*eventsink.Flow) bool) bool {
	for {
		p.mu.Lock()
		ok, changed := condition(p.flow), p.settled
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// flush makes senders end once everything has been handed out.
func (p *pipeline) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flushing = true
	p.nudge()
}

func roomy(f *eventsink.Flow) bool { return !f.Full() }

// halfEmpty is when reading goes on after a pause: a watch that is opened for one Event is not worth it.
func (p *pipeline) halfEmpty(f *eventsink.Flow) bool { return !f.Full() && f.Buffered() <= p.buffer/2 }

func empty(f *eventsink.Flow) bool { return f.Buffered() == 0 }

// lag is how long the oldest document has been in flight, 0 if there is none.
func (p *pipeline) lag() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lagNow(p.now())
}

func (p *pipeline) lagNow(now time.Time) time.Duration {
	oldest, ok := p.flow.Oldest()
	if !ok {
		return 0
	}
	return max(now.Sub(oldest), 0)
}
