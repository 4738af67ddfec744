package ipwhitelist

import (
	"sync"
	"sync/atomic"
	"time"
)

// ledger holds the counters. They belong to names, not to a configuration, and outlive its changes. Names come from
// configurations alone, so that no client makes the ledger grow.
type ledger struct {
	since time.Time

	mu      sync.Mutex
	callers map[string]*callerCounts
	rules   map[string]*ruleCounts
	keys    map[string]*keyCounts

	unknown    failureCounts // of nobody in particular
	unresolved atomic.Uint64 // requests whose client's address is not known
}

func newLedger(since time.Time) *ledger {
	return &ledger{since: since, callers: map[string]*callerCounts{}, rules: map[string]*ruleCounts{}, keys: map[string]*keyCounts{}}
}

func named[T any](l *ledger, m map[string]*T, name string) *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := m[name]
	if c == nil {
		c = new(T)
		m[name] = c
	}
	return c
}

func (l *ledger) caller(name string) *callerCounts { return named(l, l.callers, name) }
func (l *ledger) rule(name string) *ruleCounts     { return named(l, l.rules, name) }
func (l *ledger) key(id string) *keyCounts         { return named(l, l.keys, id) }

// event is how often something happened, and when first and last.
type event struct {
	n           atomic.Uint64
	first, last atomic.Int64 // seconds since 1970
}

func (e *event) add(now time.Time) {
	seconds := now.Unix()
	e.n.Add(1)
	e.first.CompareAndSwap(0, seconds)
	if e.last.Load() < seconds {
		e.last.Store(seconds)
	}
}

// Event is how often something happened, and when first and last: zero times if never.
type Event struct {
	Count uint64    `json:"count"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

func (e *event) snapshot() Event {
	at := func(seconds int64) time.Time {
		if seconds == 0 {
			return time.Time{}
		}
		return time.Unix(seconds, 0).UTC()
	}
	return Event{e.n.Load(), at(e.first.Load()), at(e.last.Load())}
}

func (e Event) merge(o Event) Event {
	e.Count += o.Count
	if e.First.IsZero() || !o.First.IsZero() && o.First.Before(e.First) {
		e.First = o.First
	}
	if o.Last.After(e.Last) {
		e.Last = o.Last
	}
	return e
}

// failureCounts counts by reason.
type failureCounts [len(reasons)]atomic.Uint64

func (f *failureCounts) add(r Reason) {
	for i := range reasons {
		if reasons[i] == r {
			f[i].Add(1)
		}
	}
}

func (f *failureCounts) snapshot() map[Reason]uint64 {
	var m map[Reason]uint64 // nil if there is none
	for i := range f {
		if n := f[i].Load(); n > 0 {
			m = addCounts(m, map[Reason]uint64{reasons[i]: n})
		}
	}
	return m
}

type callerCounts struct {
	signed, apiKey, failed, suspect event
	failures, suspects              failureCounts
}

type keyCounts struct{ used event }

func (k *keyCounts) use(now time.Time) { k.used.add(now) }

type ruleCounts struct {
	ipOnly, refused, canary event
	tried                   atomic.Uint64 // requests that the canary percentage was applied to
	since                   atomic.Int64  // seconds since 1970: when the rule last got an address that it did not hold

	mu                       sync.Mutex
	addresses, paths, agents top
}

// sample keeps what helps to find out who it was.
func (r *ruleCounts) sample(address, path, agent string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses.add(address)
	r.paths.add(path)
	r.agents.add(agent)
}

// deniesCanary counts a request and reports whether it is one of the percent to refuse, evenly spread and without
// chance: the same requests in the same order have the same answers.
func (r *ruleCounts) deniesCanary(percent int) bool {
	if percent <= 0 {
		return false
	}
	n, p := r.tried.Add(1), uint64(percent)
	return n*p/100 > (n-1)*p/100
}

// Sample is one of the most frequent values of something, with about how often it was there.
type Sample struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// topSize bounds what is remembered of values that clients choose; so does topBytes for each.
const (
	topSize  = 10
	topBytes = 128
)

// top keeps the most frequent values in bounded memory ("space-saving": a new value takes the place and the count of the
// rarest one, so counts are upper bounds).
type top []Sample

func (t *top) add(value string) {
	if value == "" {
		return
	}
	if len(value) > topBytes {
		value = value[:topBytes]
	}
	rarest := 0
	for i := range *t {
		if (*t)[i].Value == value {
			(*t)[i].Count++
			return
		}
		if (*t)[i].Count < (*t)[rarest].Count {
			rarest = i
		}
	}
	value = string([]byte(value)) // not the whole request
	if len(*t) < topSize {
		*t = append(*t, Sample{value, 1})
		return
	}
	(*t)[rarest] = Sample{value, (*t)[rarest].Count + 1}
}
