package eventsink

import (
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// ErrFull means the flow holds as much as it may. The record was not taken and nothing was counted: close the watch, settle
// what is in flight, and read the record again. etcd keeps it meanwhile.
var ErrFull = errors.New("eventsink: the buffer is full")

// FlowOptions configure a [Flow]. Every zero field means its default.
type FlowOptions struct {
	Renderer   *Renderer   // one of the zero Format
	Aggregator *Aggregator // one of the zero Limits
	// Tracked and TTL bound the [Tracker]: see NewTracker.
	Tracked int
	TTL     time.Duration

	// A batch goes out when it has BatchBytes (5 MiB; Elasticsearch advises 5 to 15) or BatchDocs (5000), or when its
	// first document is BatchAge old (1s).
	BatchBytes, BatchDocs int
	BatchAge              time.Duration

	// BufferBytes is the most that may be in flight (64 MiB, some 60,000 documents), BufferDocs the most documents that
	// are in flight or wait for an earlier one (262144).
	BufferBytes, BufferDocs int

	// Resume is the checkpoint that the source resumes from, zero without one.
	Resume Checkpoint
	// Start is when the process started: without a checkpoint, what is older is delivered but not counted. The zero Time
	// counts everything, as a file wants.
	Start time.Time
	// CheckpointEvery is the least time between two checkpoints (5s).
	CheckpointEvery time.Duration
	// Holder and Shard go into checkpoints.
	Holder, Shard string
}

// Flow is the way of records from a source to a sink: verdict, series, document, batch, and then, when the sink has
// spoken, the accounts and the checkpoint. It is a state machine that reads no clock, starts nothing and waits for
// nothing. It is not safe for concurrent use: one mutex around it is enough, since nothing in it takes long.
//
// Its memory is bounded by FlowOptions, whatever the cluster and the sink do.
type Flow struct {
	o       FlowOptions
	tracker *Tracker
	mark    watermark
	ledger  Ledger

	open      *Batch
	spare     *Batch    // memory for the next one, nil if there is none
	opened    time.Time // when the open batch got its first document
	sealed    []*Batch
	bytes     int           // in flight
	spool     map[Token]int // documents taken back from the spool, and their sizes
	unspooled Token
	last      string             // the newest resourceVersion seen
	saved     string             // the position that was stored last
	savedAt   time.Time          // and when
	counts    [Seeded + 1]uint64 // by verdict
}

// spoolToken marks the tokens of documents from the spool, which hold no checkpoint back.
const spoolToken Token = 1 << 63

// NewFlow checks the options and returns a Flow. All problems are reported together.
func NewFlow(o FlowOptions) (*Flow, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	since := o.Start
	if o.Resume.ResourceVersion != "" {
		since = o.Resume.Time
	}
	f := &Flow{
		o: o, tracker: NewTracker(o.Tracked, o.TTL, since), open: &Batch{}, spool: map[Token]int{},
		last: o.Resume.ResourceVersion, saved: o.Resume.ResourceVersion,
	}
	f.mark.position, f.mark.at = o.Resume.ResourceVersion, o.Resume.Time
	return f, nil
}

func (o *FlowOptions) fill() error {
	var errs []error
	for _, f := range []struct {
		value    *int
		fallback int
		name     string
	}{
		{&o.BatchBytes, 5 << 20, "BatchBytes"},
		{&o.BatchDocs, 5000, "BatchDocs"},
		{&o.BufferBytes, 64 << 20, "BufferBytes"},
		{&o.BufferDocs, 1 << 18, "BufferDocs"},
		{&o.Tracked, DefaultTracked, "Tracked"},
	} {
		if *f.value < 0 {
			errs = append(errs, fmt.Errorf("eventsink: FlowOptions.%s is %d; write 1 or more, or 0 for %d", f.name, *f.value, f.fallback))
		}
		if *f.value == 0 {
			*f.value = f.fallback
		}
	}
	for _, f := range []struct {
		value    *time.Duration
		fallback time.Duration
		name     string
	}{
		{&o.BatchAge, time.Second, "BatchAge"},
		{&o.CheckpointEvery, 5 * time.Second, "CheckpointEvery"},
		{&o.TTL, DefaultTTL, "TTL"},
	} {
		if *f.value < 0 {
			errs = append(errs, fmt.Errorf("eventsink: FlowOptions.%s is %s; write a time above 0, or 0 for %s", f.name, *f.value, f.fallback))
		}
		if *f.value == 0 {
			*f.value = f.fallback
		}
	}
	if o.Resume.Shard != o.Shard && o.Resume.ResourceVersion != "" {
		errs = append(errs, fmt.Errorf("eventsink: FlowOptions.Resume is of shard %q, this is shard %q; store each under its own name", o.Resume.Shard, o.Shard))
	}
	return errors.Join(append(errs, o.parts())...)
}

func (o *FlowOptions) parts() (err error) {
	if o.Renderer == nil {
		if o.Renderer, err = NewRenderer(Format{}); err != nil {
			return err
		}
	}
	if o.Aggregator == nil {
		o.Aggregator, err = NewAggregator(Limits{})
	}
	return err
}

// Admit takes a record: it is counted, put into a series and, unless the same state of the Event is on its way already,
// into a batch. The record may be reused when Admit returns.
//
// watched says that the record is a frame of a watch, whose resourceVersion is a place in the stream; an item of a list
// is none, and [Flow.Pass] notes the list's own at its end.
//
// It returns [ErrFull] when the record was not taken, and [ErrNoUID] when it was taken and dropped.
func (f *Flow) Admit(now time.Time, r *Record, watched bool) (Verdict, error) {
	if f.Full() {
		return 0, ErrFull
	}
	f.ledger.Received++
	written := watched || f.newer(r.ResourceVersion)
	rv := ""
	if watched {
		rv, f.last = r.ResourceVersion, r.ResourceVersion
	}
	if r.UID == "" || len(r.UID) > maxUID {
		f.ledger.drop("invalid", 1)
		f.mark.pass(now, rv)
		return 0, r.Validate(now, 0)
	}
	v, delta := f.tracker.Observe(r, now, written)
	f.counts[v]++
	if v == New || delta > 0 {
		f.o.Aggregator.Add(r, v, delta)
	}
	if v == Refresh || v == Stale {
		f.ledger.Duplicate++
		f.mark.pass(now, rv)
		return v, nil
	}
	f.add(now, r, rv)
	return v, nil
}

// Seed remembers how often an Event had happened, counts nothing and delivers nothing: for a list at the checkpoint's
// resourceVersion (resourceVersionMatch Exact), read before the watch resumes from there. With it, a restart counts
// repeats of older Events exactly; without it, the first repeat of each counts as one.
func (f *Flow) Seed(now time.Time, r *Record) {
	if r.Validate(r.Last, 0) == nil {
		f.tracker.Observe(r, now, false)
	}
}

// newer says whether a listed object was written after the newest frame seen. What cannot be compared was not.
func (f *Flow) newer(rv string) bool {
	if f.last == "" {
		return false
	}
	c, err := resourceversion.CompareResourceVersion(rv, f.last)
	return err == nil && c > 0
}

// Pass notes a place in the stream at which there is no document: a DELETED frame or a bookmark, an Event of another
// shard, or the end of a list. The checkpoint reaches it when everything before is settled.
func (f *Flow) Pass(now time.Time, resourceVersion string) {
	if resourceVersion != "" {
		f.last = resourceVersion
	}
	f.mark.pass(now, resourceVersion)
}

// Drop takes a record and drops it on purpose, for a cause that is counted: one of a few constants, such as "filtered".
func (f *Flow) Drop(now time.Time, r *Record, watched bool, cause string) {
	f.ledger.Received++
	f.ledger.drop(cause, 1)
	if watched {
		f.Pass(now, r.ResourceVersion)
	}
}

// Full reports whether [Flow.Admit] would refuse.
func (f *Flow) Full() bool { return f.bytes >= f.o.BufferBytes || f.mark.len() >= f.o.BufferDocs }

// Settle says what became of a document: once for each token, in any order. A cause is for Dropped alone. ok is false
// for a token that was settled before, which changes nothing.
func (f *Flow) Settle(t Token, o Outcome, cause string) (ok bool) {
	size, ok := f.release(t)
	if !ok {
		return false
	}
	f.bytes -= size
	f.ledger.InFlight--
	f.ledger.count(o, cause)
	return true
}

func (f *Flow) release(t Token) (size int, ok bool) {
	if t&spoolToken == 0 {
		return f.mark.done(t)
	}
	size, ok = f.spool[t]
	delete(f.spool, t)
	return size, ok
}

// isOpen reports whether a document is not settled.
func (f *Flow) isOpen(t Token) bool {
	if t&spoolToken == 0 {
		return f.mark.isOpen(t)
	}
	_, ok := f.spool[t]
	return ok
}

// Ledger is a copy of the accounts.
func (f *Flow) Ledger() Ledger { return f.ledger.clone() }

// Verdicts is how many records had each verdict.
func (f *Flow) Verdicts(v Verdict) uint64 {
	if int(v) >= len(f.counts) {
		return 0
	}
	return f.counts[v]
}

// Tracker is the flow's own, to read its size. Aggregator is that of the options.
func (f *Flow) Tracker() *Tracker { return f.tracker }

// Aggregator is the one that the flow counts into.
func (f *Flow) Aggregator() *Aggregator { return f.o.Aggregator }

// Buffered is how many bytes are in flight.
func (f *Flow) Buffered() int { return f.bytes }

// Oldest is when the oldest document that holds the checkpoint back was read: how late delivery is. ok is false when
// everything is settled.
func (f *Flow) Oldest() (at time.Time, ok bool) {
	if f.mark.len() == 0 {
		return time.Time{}, false
	}
	return f.mark.pending[f.mark.head].begun, true
}

// Checkpoint returns the newest one and whether it should be stored now: it moved, and the last one was stored
// CheckpointEvery ago. At the end of a process store it whatever due says, if it is not zero.
func (f *Flow) Checkpoint(now time.Time) (c Checkpoint, due bool) {
	if f.mark.position == "" {
		return Checkpoint{}, false
	}
	c = Checkpoint{ResourceVersion: f.mark.position, Time: f.mark.at, Holder: f.o.Holder, Shard: f.o.Shard}
	return c, c.ResourceVersion != f.saved && now.Sub(f.savedAt) >= f.o.CheckpointEvery
}

// Saved notes that a checkpoint was stored.
func (f *Flow) Saved(now time.Time, c Checkpoint) { f.saved, f.savedAt = c.ResourceVersion, now }
