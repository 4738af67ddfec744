package main

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// holds are the deliveries that a sink refuses, for a reason that only a person mends.
type holds struct {
	gauge *prometheus.GaugeVec

	mu  sync.Mutex
	why map[any]error // by delivery
}

// note remembers why a delivery is held, and with nil that it is not.
func (h *holds) note(sink string, delivery any, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.why, delivery)
	if why != nil {
		h.why[delivery] = why
	}
	h.gauge.WithLabelValues(sink).Set(float64(len(h.why)))
}

// reason is one of the reasons, nil if nothing is held.
func (h *holds) reason() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, why := range h.why {
		return why
	}
	return nil
}
