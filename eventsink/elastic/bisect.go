package elastic

import (
	"time"

	"github.com/kubewright/kubewright/eventsink"
)

// probes is how many documents are tried alone when a request is refused as a whole. If none of them passes either, the
// refusal is about the sink: bisecting would cost it two requests a document.
const probes = 4

// search is for the documents that make a server refuse a whole request.
type search struct {
	whole    *eventsink.Batch
	passed   bool // in this round, some document got an answer of its own
	round    int
	suspects []suspect // probes that were refused, as long as none has passed
}

// suspect is a document that is refused when it is alone in a request.
type suspect struct {
	batch  *eventsink.Batch
	answer Settled
}

// divide sends the halves of a request that was refused apart, and decides on a document that is alone. With poison, the
// refusal is for one document of them rather than for their number.
func (d *Delivery) divide(r Reply, poison bool) []Settled {
	p := d.queue[0]
	d.wait = 0
	switch {
	case p.batch.Len() > 1 && poison && !d.passed && !d.working():
		d.queue = append(d.probes(p.batch), d.queue[1:]...)
		return nil
	case p.batch.Len() > 1:
		first, second := p.batch.Halves()
		d.queue = append([]part{{batch: first}, {batch: second}}, d.queue[1:]...)
		return nil
	}
	item := Item{Status: r.Status, Result: Reject}
	item.Type, item.Reason = requestError(r.Body)
	answer := settle(p.batch, item, eventsink.DeadLettered)
	switch {
	case p.probe && !d.passed:
		d.suspects = append(d.suspects, suspect{p.batch, answer})
		d.queue = d.queue[1:]
		return d.probed(r)
	case r.Err != nil || poison && !d.passed && item.Type == "" || !d.believes():
		// Not an answer to the document: one that is too long to read, or that of something before the server. Or one too
		// many of them.
		d.hold(&item)
		d.restart(r.RetryAfter)
		return nil
	}
	d.queue = d.queue[1:]
	return []Settled{answer}
}

// probes splits a batch into some documents alone, other ones in each round, and the rest.
func (d *Delivery) probes(b *eventsink.Batch) (parts []part) {
	n := b.Len()
	count := min(probes, n)
	chosen := make([]bool, n)
	start := int(uint64(d.round) * 0x9e3779b9 % uint64(n)) // scattered: what is bad comes in rows
	for i := range count {
		at := (start + i*n/count) % n
		chosen[at] = true
		parts = append(parts, part{batch: b.Keep([]int{at}), probe: true})
	}
	rest := make([]int, 0, n-count)
	for i, c := range chosen {
		if !c {
			rest = append(rest, i)
		}
	}
	if len(rest) > 0 {
		parts = append(parts, part{batch: b.Keep(rest)})
	}
	return parts
}

// probed decides when all probes were refused: unless other deliveries fare better, everything is held.
func (d *Delivery) probed(r Reply) []Settled {
	switch {
	case len(d.queue) > 0 && d.queue[0].probe:
		return nil
	case d.working():
		return d.pass()
	}
	d.hold(&d.suspects[0].answer.Item)
	d.restart(r.RetryAfter)
	return nil
}

// restart puts everything that is not settled into one request again, for later.
func (d *Delivery) restart(retryAfter time.Duration) {
	open := map[eventsink.Token]bool{}
	for _, b := range d.Pending() {
		for i := range b.Len() {
			open[b.Token(i)] = true
		}
	}
	var indices []int
	for i := range d.whole.Len() {
		if open[d.whole.Token(i)] {
			indices = append(indices, i)
		}
	}
	d.queue = []part{{batch: d.whole.Keep(indices)}}
	d.search = search{whole: d.whole, round: d.round + 1}
	d.again(retryAfter)
}

// pass notes that the sink takes documents, and gives the suspects up.
func (d *Delivery) pass() []Settled {
	var settled []Settled
	for _, s := range d.suspects {
		settled = append(settled, s.answer)
	}
	d.passed, d.suspects = true, nil
	return settled
}
