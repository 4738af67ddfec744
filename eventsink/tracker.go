package eventsink

import (
	"hash/maphash"
	"time"
)

// Verdict says what a record is beside what the Tracker saw of the same Event before.
type Verdict uint8

const (
	// New means the first record of an Event; its occurrences are the delta.
	New Verdict = iota
	// Repeat means it happened again, as often as the delta says.
	Repeat
	// Refresh means written again, with no new occurrence. A document of it is already on its way.
	Refresh
	// Stale means older than what was seen before.
	Stale
	// Seeded means it was there before counting began. Remembered, not counted.
	Seeded
)

var verdicts = [...]string{"new", "repeat", "refresh", "stale", "seeded"} //nolint:gochecknoglobals // a constant

// String is the word that metrics carry.
func (v Verdict) String() string { return word(verdicts[:], int(v)) }

// Tracker turns the revisions of Events into occurrences to count. It remembers, for each UID, the occurrences last
// seen, in two generations of bounded size: when the younger is full or old, it becomes the older and what was older is
// forgotten. An Event that is written once in a generation is never forgotten.
//
// A Tracker is a state machine: it has no clock and is not safe for concurrent use.
type Tracker struct {
	seed       maphash.Seed
	young, old map[uint64]uint32
	half       int
	ttl        time.Duration
	began      time.Time // of the young generation
	since      time.Time // when counting began
	forgotten  uint64

	// The newest creation in each generation, and in those that were forgotten, if any was: what was created later and is
	// not in the table is new. These are the API server's clock, whatever that of the reader says.
	youngest, oldest, gone time.Time
	forgot                 bool
}

// Defaults of a Tracker.
const (
	DefaultTracked = 1 << 20       // UIDs; about 40 MB at the most
	DefaultTTL     = 2 * time.Hour // the API server's default event-ttl is one, counted from the last write
)

// NewTracker returns a Tracker of at most limit UIDs (0 means [DefaultTracked]) that forgets none within ttl of its
// last write (0 means [DefaultTTL]; it should be more than the API server's event-ttl), unless limit makes it.
//
// since is when counting began: an unknown Event that was created before is not new. It is the time of the checkpoint
// that the source resumes from or, without one, the start of the process.
func NewTracker(limit int, ttl time.Duration, since time.Time) *Tracker {
	if limit <= 0 {
		limit = DefaultTracked
	}
	if ttl <= 0 {
		ttl = DefaultTTL
	}
	return &Tracker{
		seed: maphash.MakeSeed(), half: max(limit/2, 1), ttl: ttl,
		young: map[uint64]uint32{}, old: map[uint64]uint32{},
		began: since, since: since,
	}
}

// Observe remembers the record and says what it is, and how many occurrences to add. written says that the record is a
// write that happened since the reader last looked: a frame of a watch, or an item of a list that is newer than the
// checkpoint. Other items of a list merely exist.
//
//	known, more occurrences   Repeat, the difference
//	known, as many            Refresh, 0
//	known, fewer              Stale, 0
//	unknown, created since    New, all occurrences
//	unknown, older, written   Repeat, 1: it happened at least once more, and what was before was counted before
//	unknown, older            Seeded, 0
//
// Neither a restart nor a relist adds what was counted before. Where the table is too small for the cluster the last
// two rules apply, which count too little rather than too much ([Tracker.Forgotten]), but for one case: the write of an
// unknown, older Event counts as one also when it only renews the Event, which nothing in it tells.
func (t *Tracker) Observe(r *Record, now time.Time, written bool) (v Verdict, delta uint32) {
	key := maphash.String(t.seed, r.UID)
	seen, known := t.young[key]
	if !known {
		if seen, known = t.old[key]; known {
			delete(t.old, key)
		}
		t.rotate(now)
		t.young[key] = max(seen, r.Occurrences)
	} else if r.Occurrences > seen {
		t.young[key] = r.Occurrences
	}
	t.youngest = later(t.youngest, r.Created)
	switch {
	case known && r.Occurrences > seen:
		return Repeat, r.Occurrences - seen
	case known && r.Occurrences == seen:
		return Refresh, 0
	case known:
		return Stale, 0
	case !r.Created.Before(t.since) && (!t.forgot || r.Created.After(t.gone)):
		return New, r.Occurrences
	case written:
		return Repeat, 1
	}
	return Seeded, 0
}

// Len is the number of UIDs remembered.
func (t *Tracker) Len() int { return len(t.young) + len(t.old) }

// Forgotten is how many UIDs were forgotten before their time because the table was full. When it moves, the limit is
// too small for the cluster, and repeats of what was forgotten are counted as one.
func (t *Tracker) Forgotten() uint64 { return t.forgotten }

// rotate starts a generation when the young one is full or old.
func (t *Tracker) rotate(now time.Time) {
	full := len(t.young) >= t.half
	if !full && now.Sub(t.began) < t.ttl {
		return
	}
	if full && now.Sub(t.began) < t.ttl {
		t.forgotten += uint64(len(t.old))
	}
	if len(t.old) > 0 {
		t.gone, t.forgot = later(t.gone, t.oldest), true
	}
	t.oldest, t.youngest = t.youngest, time.Time{}
	clear(t.old)
	t.young, t.old = t.old, t.young
	t.began = now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
