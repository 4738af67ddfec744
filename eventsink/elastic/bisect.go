package elastic

import "github.com/kubewright/kubewright/eventsink"

// bisection is the search for documents that make a server refuse a whole request. The documents of one batch are told
// apart by the others: as long as none of several got an answer of its own, a refusal is about the sink, and nothing is
// given up.
type bisection struct {
	passed   bool             // some document got an answer of its own
	whole    *eventsink.Batch // until then
	settled  map[eventsink.Token]bool
	suspects []suspect
}

// suspect is a document that is refused when it is alone in a request.
type suspect struct {
	batch  *eventsink.Batch
	answer Settled
}

// halve sends the two halves of the first part apart, and decides on a document that is alone.
func (d *Delivery) halve(r Reply, bisect bool) []Settled {
	p := d.queue[0]
	d.wait = 0
	if p.batch.Len() > 1 {
		first, second := p.batch.Halves()
		d.queue = append([]part{{first}, {second}}, d.queue[1:]...)
		return nil
	}
	kind, reason := requestError(r.Body)
	if r.Err != nil || bisect && d.whole != nil && d.whole.Len() == 1 && kind == "" {
		// Not an answer to the document: one that is too long to read, or that of something before the server, and no
		// other document to compare with.
		d.hold(&Item{Status: r.Status, Type: kind, Reason: reason})
		d.again(r.RetryAfter)
		return nil
	}
	d.queue = d.queue[1:]
	answer := settle(p.batch, Item{Status: r.Status, Result: Reject, Type: kind, Reason: reason}, eventsink.DeadLettered)
	if bisect && !d.passed {
		d.suspects = append(d.suspects, suspect{p.batch, answer})
		return d.exhausted(r)
	}
	if !d.passed {
		if d.settled == nil {
			d.settled = map[eventsink.Token]bool{}
		}
		d.settled[answer.Token] = true
	}
	return append(d.exhausted(r), answer)
}

// exhausted decides when the queue is empty and there are suspects: one is as bad as it looks, several are held.
func (d *Delivery) exhausted(r Reply) []Settled {
	if len(d.queue) > 0 || len(d.suspects) == 0 {
		return nil
	}
	if len(d.suspects) == 1 {
		return d.pass()
	}
	var indices []int
	for i := range d.whole.Len() {
		if !d.settled[d.whole.Token(i)] {
			indices = append(indices, i)
		}
	}
	d.queue, d.suspects = []part{{d.whole.Keep(indices)}}, nil
	answer := Item{Status: r.Status}
	answer.Type, answer.Reason = requestError(r.Body)
	d.hold(&answer)
	d.again(r.RetryAfter)
	return nil
}

// pass notes that the sink takes documents, and gives the suspects up.
func (d *Delivery) pass() []Settled {
	var settled []Settled
	for _, s := range d.suspects {
		settled = append(settled, s.answer)
	}
	d.bisection = bisection{passed: true}
	return settled
}
