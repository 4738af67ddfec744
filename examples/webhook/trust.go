package main

import (
	"slices"
	"sync"
	"time"
)

// overlap is how long the CA of a replaced pair stays published: kubelets take up to two minutes to update the Secret of
// the other replicas.
const overlap = 10 * time.Minute

// trust knows which CAs API servers should have, and which they do have. No replica removes a CA that it has not used
// itself before, since another replica may be serving with it.
type trust struct {
	own   func() bundle
	alone bool // no other replica has a CA of its own: ours replaces what is there
	now   func() time.Time
	// settle is how long a published CA takes to reach every API server's watch cache, with room to spare.
	settle time.Duration

	mu        sync.Mutex
	lastOwn   map[string]time.Time // when a CA was last our own
	published map[string]time.Time // since when a CA is in the configurations
	synced    bundle               // what was published last
	at        time.Time            // and when
}

func newTrust(own func() bundle, alone bool, now func() time.Time) *trust {
	return &trust{own: own, alone: alone, now: now, settle: 5 * time.Second, lastOwn: map[string]time.Time{}}
}

func (t *trust) noteOwn() bundle {
	own, now := t.own(), t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ca := range own {
		t.lastOwn[ca] = now
	}
	return own
}

func (t *trust) notePublished(own bundle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.published
	t.published = map[string]time.Time{}
	for _, ca := range own {
		since, ok := before[ca]
		if !ok {
			since = t.now()
		}
		t.published[ca] = since
	}
	t.synced, t.at = own, t.now()
}

// due reports whether it is time to publish again: because our own CAs changed, or to see whether somebody removed them.
func (t *trust) due() bool {
	own := t.own()
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.Equal(own, t.synced) || t.now().Sub(t.at) >= lookThere
}

// has reports whether all CAs of a bundle have been published for long enough.
func (t *trust) has(ca []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, der := range parseBundle(ca) {
		if since, ok := t.published[der]; !ok || t.now().Sub(since) < t.settle {
			return false
		}
	}
	return true
}

// bundleFor is the bundle for a configuration that has one already.
func (t *trust) bundleFor(had, own bundle) bundle {
	switch {
	case len(own) == 0:
		return had // a CA that we do not know, such as one that cert-manager injects
	case t.alone:
		return own
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	return had.without(func(der string) bool {
		last, ours := t.lastOwn[der]
		return expired(der, now) || ours && now.Sub(last) >= overlap
	}).union(own)
}
