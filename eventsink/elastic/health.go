package elastic

import "sync/atomic"

// Health is what the deliveries to one sink tell each other: a refusal is about the document as long as the sink takes
// others, and about the sink when it takes none. The zero value is ready, and safe for concurrent use. Share one among
// all deliveries to a sink ([DeliveryOptions]): without it, a batch that is refused as a whole, or a document that is
// alone in its batch, has nothing to be compared with.
type Health struct {
	taken   atomic.Uint64 // documents, ever
	refused atomic.Int64  // documents that were given up since the sink took the last one
}

func (h *Health) take(n int) {
	if n > 0 {
		h.taken.Add(uint64(n))
		h.refused.Store(0)
	}
}

// working reports whether the sink has taken a document of any delivery since this one last heard of it.
func (d *Delivery) working() bool { return d.o.Health.taken.Load() > d.seen }

// believes reports whether a refusal that nothing contradicts gives its document up: the first few in a row do, since
// some documents are bad and in a quiet cluster a request has one.
func (d *Delivery) believes() bool {
	return d.working() || d.o.MaxRefused < 0 || d.o.Health.refused.Add(1) <= int64(d.o.MaxRefused)
}
