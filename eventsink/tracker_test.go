package eventsink_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

func TestObserve(t *testing.T) {
	old := record("old", "1", 500)
	old.Created = t0.Add(-time.Minute)
	tracker := eventsink.NewTracker(0, 0, t0)
	for _, c := range []struct {
		record  *eventsink.Record
		written bool
		verdict eventsink.Verdict
		delta   uint32
	}{
		{old, false, eventsink.Seeded, 0},
		{old, true, eventsink.Refresh, 0},
		{withOccurrences(old, 510), true, eventsink.Repeat, 10},
		{withOccurrences(old, 505), true, eventsink.Stale, 0},
		{withOccurrences(old, 511), false, eventsink.Repeat, 1},
		{withUID(old, "older"), true, eventsink.Repeat, 1},
		{withUID(old, "older"), true, eventsink.Refresh, 0},
		{record("new", "2", 1), true, eventsink.New, 1},
		{record("new", "2", 3), true, eventsink.Repeat, 2},
		{record("gap", "3", 12), false, eventsink.New, 12},
	} {
		v, delta := tracker.Observe(c.record, t0, c.written)
		require.Equal(t, c.verdict, v)
		require.Equal(t, c.delta, delta)
	}
	require.Equal(t, 4, tracker.Len())
}

func withOccurrences(r *eventsink.Record, n uint32) *eventsink.Record {
	c := *r
	c.Occurrences = n
	return &c
}

func withUID(r *eventsink.Record, uid string) *eventsink.Record {
	c := *r
	c.UID = uid
	return &c
}

func TestWordsOfEnumerations(t *testing.T) {
	require.Equal(t, "new repeat refresh stale seeded 5", words(eventsink.New, eventsink.Repeat, eventsink.Refresh, eventsink.Stale, eventsink.Seeded, eventsink.Verdict(5)))
	require.Equal(t, "delivered spooled 9", words(eventsink.Delivered, eventsink.Spooled, eventsink.Outcome(9)))
	require.Equal(t, "none created", words(eventsink.NoTime, eventsink.TimeCreated))
	require.Equal(t, "watch probe", words(eventsink.Watch, eventsink.Probe))
	require.Equal(t, "timeout backpressure", words(eventsink.Timeout, eventsink.Backpressure))
}

func words(all ...fmt.Stringer) string {
	text := ""
	for i, s := range all {
		if i > 0 {
			text += " "
		}
		text += s.String()
	}
	return text
}

// However small the table: what is counted is never more than what happened, the table never grows beyond its bound,
// and an Event that is written within the time to live is not forgotten unless the table is full.
func TestTrackerIsBoundedAndNeverCountsTwice(t *testing.T) {
	for seed := range seeds() {
		rnd := rand.New(rand.NewPCG(seed, 3))
		limit := 2 + rnd.IntN(60)
		tracker := eventsink.NewTracker(limit, time.Hour, t0)
		now := t0
		var records []eventsink.Record
		happened, counted := uint64(0), uint64(0)
		for range 2000 {
			now = now.Add(time.Duration(rnd.IntN(3000)) * time.Millisecond)
			if len(records) == 0 || rnd.IntN(3) == 0 {
				r := *record(fmt.Sprint(len(records)), "1", 1)
				r.Created = now
				happened++
				records = append(records, r)
				_, delta := tracker.Observe(&r, now, true)
				counted += uint64(delta)
			} else {
				r := &records[len(records)-1-rnd.IntN(min(len(records), 100))]
				n := uint32(rnd.IntN(3))
				r.Occurrences += n
				happened += uint64(n)
				_, delta := tracker.Observe(r, now, n > 0)
				counted += uint64(delta)
			}
			require.LessOrEqual(t, tracker.Len(), limit)
			require.LessOrEqual(t, counted, happened, "seed %d", seed)
		}
		if limit >= len(records)*2 {
			require.Zero(t, tracker.Forgotten())
			require.Equal(t, happened, counted, "seed %d", seed)
		}
	}
}

// An Event that is written once an hour is known for as long as that, and the table of a cluster whose Events expire
// stays small.
func TestTrackerForgetsWhatExpired(t *testing.T) {
	tracker := eventsink.NewTracker(0, 0, t0)
	kept := record("kept", "1", 1)
	now := t0
	tracker.Observe(kept, now, true)
	for i := range 1000 {
		now = now.Add(10 * time.Minute)
		r := record(fmt.Sprint("other-", i), "1", 1)
		r.Created = now
		tracker.Observe(r, now, true)
		if i%6 == 5 {
			kept.Occurrences++
			v, delta := tracker.Observe(kept, now, true)
			require.Equal(t, eventsink.Repeat, v)
			require.Equal(t, uint32(1), delta)
		}
	}
	require.Less(t, tracker.Len(), 30)
	require.Zero(t, tracker.Forgotten())
}

// The reader's clock and the API server's may differ, and either may be set back: what was forgotten is not new.
func TestForgottenIsNotNewWhateverTheClocksSay(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, -time.Second, 0, time.Second, time.Hour} {
		for _, step := range []time.Duration{-time.Minute, 0, time.Minute} {
			since := t0.Add(min(ahead, 0)).Add(-time.Hour)
			tracker := eventsink.NewTracker(4, time.Hour, since)
			now := t0
			var records []eventsink.Record
			for i := range 20 {
				now = now.Add(step)
				r := *record(fmt.Sprint(i), "1", 7)
				r.Created = now.Add(ahead).Truncate(time.Second)
				tracker.Observe(&r, now, true)
				records = append(records, r)
			}
			for _, r := range records {
				v, delta := tracker.Observe(&r, now, true)
				require.NotEqual(t, eventsink.New, v, "%s ahead, steps of %s", ahead, step)
				require.LessOrEqual(t, delta, uint32(1))
			}
		}
	}
}
