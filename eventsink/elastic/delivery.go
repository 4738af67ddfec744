package elastic

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/kubewright/kubewright/eventsink"
)

// Reply is the answer to one request.
type Reply struct {
	// Status of the HTTP response, 0 when there was none: then Err says why, and holds the delivery if it wraps [ErrHeld].
	Status int
	Body   []byte
	// ContentType is the header, for the error that tells of an answer which is none.
	ContentType string
	RetryAfter  time.Duration // what [RetryAfter] says of its header
	Err         error
}

// DeliveryOptions configure a [Delivery]. Every zero field means its default.
type DeliveryOptions struct {
	// The wait after the n-th failure in a row is Backoff<<n, at most MaxBackoff, of which Jitter leaves half to all.
	Backoff, MaxBackoff time.Duration // 200ms, 30s
	// Jitter gives a number from 0 to 1. 0.5 if nil.
	Jitter func() float64
	// MaxAttempts is how often a document is answered with 500, while the sink takes others, until it is given up:
	// something in it may be what the server fails on. All other failures are retried for ever. 8.
	MaxAttempts int
	// MaxRefused is how many documents may be refused in a row, with none taken in between, until the refusals are taken
	// for the sink's and everything is held. 8; below 0, every refusal is believed, for documents that somebody watches.
	MaxRefused int
	// Health is shared by all deliveries to the same sink. One of its own if nil.
	Health *Health
}

// Settled is a document whose way has ended.
type Settled struct {
	Token   eventsink.Token
	Outcome eventsink.Outcome
	Item    Item
	// Action and Source are the two lines of the document, without newlines: what a dead letter holds.
	Action, Source []byte
}

// Delivery is one batch on its way: what to send next, and what the answer settles. It is a state machine that sends
// nothing and waits for nothing, and not safe for concurrent use. Every document is settled once, by an answer of the
// sink; as long as there is none, or the sink takes nothing at all, it is sent again.
//
//	for part, wait := d.Next(); part != nil; part, wait = d.Next() {
//		… // wait
//		for _, s := range d.Settle(client.Bulk(ctx, part.Bytes())) {
//			… // write the dead letter of s, if it is one
//			flow.Settle(s.Token, s.Outcome, "")
//		}
//	}
type Delivery struct {
	o        DeliveryOptions
	queue    []part
	failures int
	wait     time.Duration
	held     error
	retries  int
	failed   map[eventsink.Token]int // how often a document was answered with 500 while others were taken
	seen     uint64                  // of Health.taken
	search
}

// part is documents that go into one request.
type part struct {
	batch *eventsink.Batch
	probe bool // one document, to learn whether the sink takes any
}

// NewDelivery starts a batch on its way.
func NewDelivery(b *eventsink.Batch, o DeliveryOptions) *Delivery {
	if o.Backoff <= 0 {
		o.Backoff = 200 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 30 * time.Second
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 8
	}
	if o.MaxRefused == 0 {
		o.MaxRefused = 8
	}
	if o.Health == nil {
		o.Health = &Health{}
	}
	d := &Delivery{o: o, failed: map[eventsink.Token]int{}, seen: o.Health.taken.Load(), search: search{whole: b}}
	if b.Len() > 0 {
		d.queue = []part{{batch: b}}
	}
	return d
}

// Next is what to send, after a wait. It is nil when every document is settled.
func (d *Delivery) Next() (part *eventsink.Batch, wait time.Duration) {
	if len(d.queue) == 0 {
		return nil, 0
	}
	return d.queue[0].batch, d.wait
}

// Pending are the parts that are not settled, to be spooled when there is no time left.
func (d *Delivery) Pending() []*eventsink.Batch {
	var all []*eventsink.Batch
	for _, p := range d.queue {
		all = append(all, p.batch)
	}
	for _, s := range d.suspects {
		all = append(all, s.batch)
	}
	return all
}

// Held is why the sink refuses what is sound, nil if it does not. A person has to know.
func (d *Delivery) Held() error { return d.held }

// Retries is how many requests were answered with a failure that made the same documents go again.
func (d *Delivery) Retries() int { return d.retries }

// Settle takes the answer to what Next gave, and returns the documents that it settles. Those with the outcome
// DeadLettered are to be written down before that is believed.
func (d *Delivery) Settle(r Reply) []Settled {
	if len(d.queue) == 0 {
		return nil
	}
	settled := d.settle(r)
	if len(d.queue) == 0 || !d.queue[0].probe { // probes are judged together
		d.seen = d.o.Health.taken.Load()
	}
	return settled
}

func (d *Delivery) settle(r Reply) []Settled {
	switch ClassifyHTTP(r.Status, r.Body) {
	case Read:
		return d.read(r)
	case Split:
		return d.divide(r, false)
	case Bisect:
		return d.divide(r, true)
	case Wait:
		d.refused(r)
	default:
		if errors.Is(r.Err, ErrHeld) {
			d.held = r.Err
		}
		d.again(r.RetryAfter)
	}
	return nil
}

// refused holds everything for an answer that is about no document.
func (d *Delivery) refused(r Reply) {
	switch {
	case r.Err != nil:
		d.held = fmt.Errorf("%w: %w", r.Err, ErrHeld)
	case isObject(r.Body):
		kind, reason := requestError(r.Body)
		d.hold(&Item{Status: r.Status, Type: kind, Reason: reason})
	default:
		d.held = fmt.Errorf("elastic: status %d, %s, is no answer to _bulk: %q: %w", r.Status, cmp.Or(clip(r.ContentType, 100), "no content type"), clip(string(r.Body[:min(len(r.Body), 200)]), 100), ErrHeld)
	}
	d.again(r.RetryAfter)
}

// read goes through the items: what has an answer is settled, the rest goes again. An answer that was cut says what it
// says; one with another number of items says nothing, since no one knows which documents its items are of, and one that
// is no JSON is that of a login page or a load balancer.
func (d *Delivery) read(r Reply) []Settled {
	p := d.queue[0]
	if !isObject(r.Body) {
		d.refused(r)
		return nil
	}
	taken, err := survey(r.Body, p.batch.Len())
	if err != nil {
		d.hold(&Item{Status: r.Status, Reason: err.Error()})
		d.again(r.RetryAfter)
		return nil
	}
	d.o.Health.take(taken)
	works := taken > 0 || d.working()
	answered := make([]bool, p.batch.Len())
	var settled []Settled
	var retry []int
	var held *Item
	for item, err := range Items(r.Body, p.batch.Len()) {
		if err != nil { // what has no answer goes again
			if len(settled) == 0 && len(retry) == 0 { // in silence, if nothing told of it
				held = &Item{Status: r.Status, Reason: err.Error()}
			}
			break
		}
		if len(settled) == 0 && len(retry) == 0 {
			settled = append(make([]Settled, 0, p.batch.Len()), d.pass()...)
		}
		answered[item.Index] = true
		outcome, ok := d.outcome(&item, p.batch.Token(item.Index), works)
		if ok {
			settled = append(settled, settle(p.batch, item, outcome))
			continue
		}
		if held == nil && (item.Result != Retry || item.Status == http.StatusInternalServerError && !works) {
			held = &item
		}
		retry = append(retry, item.Index)
	}
	for i, ok := range answered {
		if !ok {
			retry = append(retry, i)
		}
	}
	d.advance(p, retry, held, len(settled) > 0, r.RetryAfter)
	return settled
}

// advance replaces the first part by what of it goes again.
func (d *Delivery) advance(p part, retry []int, held *Item, progress bool, retryAfter time.Duration) {
	if progress {
		d.failures = 0
	}
	if len(retry) == 0 {
		d.queue = d.queue[1:]
		d.wait, d.held = 0, nil
		return
	}
	if len(retry) < p.batch.Len() {
		p.batch = p.batch.Keep(retry)
	}
	d.queue[0] = p
	d.held = nil
	if held != nil {
		d.hold(held)
	}
	d.again(retryAfter)
}

// outcome is that of an item, ok false for one that goes again. works says that the sink takes documents, this one's
// neighbours or others: where it fails on all of them, none is to blame.
func (d *Delivery) outcome(i *Item, t eventsink.Token, works bool) (o eventsink.Outcome, ok bool) {
	switch i.Result {
	case Delivered:
		return eventsink.Delivered, true
	case Duplicate:
		return eventsink.Duplicate, true
	case Redirected:
		return eventsink.Redirected, true
	case Reject:
		return eventsink.DeadLettered, works || d.believes()
	case Retry:
		if i.Status == http.StatusInternalServerError && works {
			d.failed[t]++
			return eventsink.DeadLettered, d.failed[t] >= d.o.MaxAttempts
		}
	}
	return 0, false
}

func (d *Delivery) hold(i *Item) {
	d.held = fmt.Errorf("elastic: the sink refuses with status %d %s: %s: %w", i.Status, i.Type, clip(i.Reason, 300), ErrHeld)
}

// ErrHeld means the sink refuses what is sound, because of its state or our permissions.
var ErrHeld = errors.New("held until it is set right")

func (d *Delivery) again(retryAfter time.Duration) {
	wait := d.o.MaxBackoff
	if d.o.Backoff <= wait>>d.failures {
		wait = d.o.Backoff << d.failures
	}
	share := 0.5
	if d.o.Jitter != nil {
		share = min(max(d.o.Jitter(), 0), 1)
	}
	wait = wait/2 + time.Duration(share*float64(wait/2))
	d.wait = max(wait, retryAfter)
	d.failures++
	d.retries++
}

func settle(b *eventsink.Batch, i Item, o eventsink.Outcome) Settled {
	return Settled{Token: b.Token(i.Index), Outcome: o, Item: i, Action: b.Action(i.Index), Source: b.Source(i.Index)}
}
