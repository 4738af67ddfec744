package service

import (
	"slices"
	"time"
)

// table decides where a new connection goes. It is a plain value driven by the times it is given.
type table struct {
	lag      time.Duration
	backends []*backend // in the order of their first observation
	next     int        // round robin
}

// backend is one endpoint, as kube-proxy knows it and as it really is.
type backend struct {
	addr    string
	known   bool     // what connections go by
	pending []change // what is observed but not known yet, oldest first
}

type change struct {
	due   time.Time
	ready bool
}

// observe notes that a backend was seen ready or not. Connections follow after the lag.
func (t *table) observe(now time.Time, addr string, ready bool) {
	b := t.find(addr)
	if b.latest() != ready {
		b.pending = append(b.pending, change{due: now.Add(t.lag), ready: ready})
	}
}

// pick returns the next backend that is known to be ready.
func (t *table) pick(now time.Time) (addr string, ok bool) {
	t.advance(now)
	for range t.backends {
		b := t.backends[t.next%len(t.backends)]
		t.next++
		if b.known {
			return b.addr, true
		}
	}
	return "", false
}

// ready lists the backends that pick may return.
func (t *table) ready(now time.Time) []string {
	t.advance(now)
	var addrs []string
	for _, b := range t.backends {
		if b.known {
			addrs = append(addrs, b.addr)
		}
	}
	slices.Sort(addrs)
	return addrs
}

// advance makes known what has been observed for as long as the lag.
func (t *table) advance(now time.Time) {
	for _, b := range t.backends {
		for len(b.pending) > 0 && !now.Before(b.pending[0].due) {
			b.known = b.pending[0].ready
			b.pending = b.pending[1:]
		}
	}
}

func (t *table) find(addr string) *backend {
	for _, b := range t.backends {
		if b.addr == addr {
			return b
		}
	}
	b := &backend{addr: addr}
	t.backends = append(t.backends, b)
	return b
}

// latest is the last observation, known or not.
func (b *backend) latest() bool {
	if n := len(b.pending); n > 0 {
		return b.pending[n-1].ready
	}
	return b.known
}
