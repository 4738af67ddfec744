package eventsink_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

// write is one revision of etcd.
type write struct {
	record  eventsink.Record
	deleted bool
}

// world is a cluster, a sink that keeps the greatest version of each document, and a reader that may crash. It is the
// simplest thing that has what the laws speak of.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	now     time.Time
	writes  []write // by resourceVersion-1
	live    map[string]uint32
	ever    map[string]uint32
	sink    map[string]uint64
	stored  eventsink.Checkpoint
	flow    *eventsink.Flow
	read    int // writes that the reader has seen
	batches []*eventsink.Batch
	crashes int
	options eventsink.FlowOptions
	spooled [][]byte
}

func newWorld(t *testing.T, seed uint64, mode eventsink.Mode) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 7)), now: t0,
		live: map[string]uint32{}, ever: map[string]uint32{}, sink: map[string]uint64{},
	}
	renderer, err := eventsink.NewRenderer(eventsink.Format{Mode: mode})
	require.NoError(t, err)
	w.options = eventsink.FlowOptions{
		Renderer: renderer, BatchDocs: 1 + w.rnd.IntN(6), BatchBytes: 1 + w.rnd.IntN(6000),
		BufferBytes: 4000 + w.rnd.IntN(9000), BufferDocs: 4 + w.rnd.IntN(30), CheckpointEvery: 1, Start: t0,
	}
	w.start()
	return w
}

// start begins a process: what was in memory is gone, what was stored is not.
func (w *world) start() {
	w.options.Resume = w.stored
	w.options.Aggregator = nil
	flow, err := eventsink.NewFlow(w.options)
	require.NoError(w.t, err)
	w.flow, w.batches = flow, nil
	flow.Recovered(len(w.spooled))
	w.read = 0
	if w.stored.ResourceVersion != "" {
		_, err := fmt.Sscan(w.stored.ResourceVersion, &w.read)
		require.NoError(w.t, err)
	}
}

// emit is what a controller does: a new Event, one more occurrence or several, a refresh, or the end of its TTL.
func (w *world) emit() {
	uid := fmt.Sprintf("uid-%d", w.rnd.IntN(12))
	n, exists := w.live[uid]
	deleted := exists && w.rnd.IntN(12) == 0
	if deleted || (!exists && w.ever[uid] > 0) { // a UID is never used twice
		if !deleted {
			return
		}
		delete(w.live, uid)
	} else {
		n += uint32(w.rnd.IntN(4))
		n = max(n, 1)
		w.live[uid], w.ever[uid] = n, n
	}
	r := *record(uid, fmt.Sprint(len(w.writes)+1), max(n, 1))
	w.writes = append(w.writes, write{r, deleted})
}

// frame is one frame of the watch.
func (w *world) frame() {
	if w.read == len(w.writes) {
		return
	}
	next := w.writes[w.read]
	if next.deleted {
		w.flow.Pass(w.now, next.record.ResourceVersion)
		w.read++
		return
	}
	before := w.flow.Ledger()
	if _, err := w.flow.Admit(w.now, &next.record, true); err != nil {
		require.ErrorIs(w.t, err, eventsink.ErrFull)
		require.Equal(w.t, before, w.flow.Ledger(), "a refusal counts nothing")
		return
	}
	w.read++
}

// rewind reads a prefix again, as a watch from an old resourceVersion does.
func (w *world) rewind() {
	if w.read > 0 {
		w.read -= w.rnd.IntN(w.read)
	}
}

// list is a relist of what lives, in any order.
func (w *world) list() {
	latest := map[string]eventsink.Record{}
	for _, x := range w.writes {
		if x.deleted {
			delete(latest, x.record.UID)
		} else {
			latest[x.record.UID] = x.record
		}
	}
	uids := slices.Sorted(maps.Keys(latest))
	w.rnd.Shuffle(len(uids), func(i, j int) { uids[i], uids[j] = uids[j], uids[i] })
	for _, uid := range uids {
		r := latest[uid]
		if _, err := w.flow.Admit(w.now, &r, false); err != nil {
			return // given up: the reader goes on where it was
		}
	}
	if len(w.writes) > 0 {
		w.flow.Pass(w.now, fmt.Sprint(len(w.writes)))
		w.read = len(w.writes)
	}
}

// send delivers some documents of some batch. An answer may be lost after the sink stored the document.
func (w *world) send(lossy bool) {
	if b := w.flow.Next(w.now, w.rnd.IntN(2) == 0); b != nil {
		w.batches = append(w.batches, b)
	}
	if len(w.batches) == 0 {
		return
	}
	at := w.rnd.IntN(len(w.batches))
	b := w.batches[at]
	var rest []int
	for i := range b.Len() {
		if lossy && w.rnd.IntN(4) == 0 {
			rest = append(rest, i)
			continue
		}
		outcome := w.store(b.Doc(i))
		if lossy && w.rnd.IntN(4) == 0 {
			rest = append(rest, i)
			continue
		}
		if lossy && w.rnd.IntN(8) == 0 {
			outcome = eventsink.Spooled
			w.spooled = append(w.spooled, b.Doc(i))
		}
		require.True(w.t, w.flow.Settle(b.Token(i), outcome, ""))
		require.False(w.t, w.flow.Settle(b.Token(i), outcome, ""), "settled once")
	}
	w.batches = slices.Delete(w.batches, at, at+1)
	if len(rest) > 0 {
		w.batches = append(w.batches, b.Keep(rest))
	}
}

// unspool takes some documents back.
func (w *world) unspool() {
	n := w.rnd.IntN(len(w.spooled) + 1)
	b, err := w.flow.Unspool(w.spooled[:n])
	require.NoError(w.t, err)
	for i := range b.Len() {
		require.True(w.t, w.flow.Settle(b.Token(i), w.store(b.Doc(i)), ""))
	}
	w.spooled = w.spooled[n:]
}

// store is an index with external versions, or creates.
func (w *world) store(doc []byte) eventsink.Outcome {
	var action map[string]struct {
		ID      string `json:"_id"`
		Version uint64 `json:"version"`
	}
	require.NoError(w.t, json.Unmarshal(doc[:slices.Index(doc, '\n')], &action))
	if a, ok := action["create"]; ok {
		a.Version = 1
		action["index"] = a
	}
	a := action["index"]
	if w.sink[a.ID] >= a.Version {
		return eventsink.Duplicate
	}
	w.sink[a.ID] = a.Version
	return eventsink.Delivered
}

func (w *world) checkpoint() {
	if c, due := w.flow.Checkpoint(w.now); due {
		require.NoError(w.t, c.Supersedes(w.stored))
		w.stored = c
		w.flow.Saved(w.now, c)
	}
}

func (w *world) step(crashes bool) {
	w.now = w.now.Add(time.Duration(w.rnd.IntN(400)) * time.Millisecond)
	switch w.rnd.IntN(16) {
	case 0, 1, 2, 3:
		w.emit()
	case 4, 5, 6, 7, 8:
		w.frame()
	case 9, 10, 11:
		w.send(true)
	case 12:
		w.checkpoint()
	case 13:
		w.rewind()
	case 14:
		w.unspool()
	default:
		if crashes && w.rnd.IntN(4) == 0 {
			w.crashes++
			w.start()
		}
	}
	l := w.flow.Ledger()
	require.True(w.t, l.Balanced(), "%+v", l)
	require.LessOrEqual(w.t, w.flow.Buffered(), w.options.BufferBytes+2000, "one document more at the most")
}

// settle brings everything that happened to its end.
func (w *world) settle() {
	for range 10_000 {
		w.now = w.now.Add(time.Second)
		w.frame()
		w.send(false)
		w.unspool()
		w.checkpoint()
		if w.read == len(w.writes) && len(w.batches) == 0 && w.flow.Ledger().InFlight == 0 && len(w.spooled) == 0 {
			break
		}
	}
	w.checkpoint()
	l := w.flow.Ledger()
	require.Zero(w.t, l.InFlight+l.Spooled)
	require.True(w.t, l.Balanced())
	if len(w.writes) > 0 {
		require.Equal(w.t, fmt.Sprint(len(w.writes)), w.stored.ResourceVersion)
	}
}

func (w *world) occurrences() (sum, objects uint64) {
	for _, c := range w.flow.Aggregator().All() {
		sum, objects = sum+c.Occurrences, objects+c.Objects
	}
	return sum, objects
}

// seeds is how many histories a law is tested on.
func seeds() uint64 {
	if testing.Short() {
		return 10
	}
	return 100
}

// Whatever crashes, is lost or read twice: in the end the sink has the last state of every Event, once, and without a
// crash the counters are those of the cluster.
func TestEveryHistoryEndsTheSame(t *testing.T) {
	crashed := 0
	for seed := range seeds() {
		w := newWorld(t, seed, eventsink.Latest)
		crashes := seed%2 == 0
		for range 300 {
			w.step(crashes)
		}
		w.settle()
		crashed += w.crashes
		want := map[string]uint64{}
		var sum uint64
		for uid, n := range w.ever {
			want[uid] = uint64(n)
			sum += uint64(n)
		}
		require.Equal(t, want, w.sink, "seed %d", seed)
		if !crashes {
			got, objects := w.occurrences()
			require.Equal(t, sum, got, "seed %d", seed)
			require.Equal(t, uint64(len(want)), objects, "seed %d", seed)
		}
		docs, got := maps.Clone(w.sink), w.flow.Ledger()
		counts, _ := w.occurrences()
		w.read = 0 // all of it again
		w.settle()
		w.list()
		w.settle()
		require.Equal(t, docs, w.sink, "replaying changes no document")
		again, _ := w.occurrences()
		if !crashes {
			require.Equal(t, counts, again, "replaying changes no counter")
			require.Equal(t, got.Delivered, w.flow.Ledger().Delivered)
		}
	}
	require.Positive(t, crashed)
}

// History has a document for each state that was read; no state is there twice, and the last one never lacks.
func TestHistoryHasEveryState(t *testing.T) {
	for seed := range seeds() {
		w := newWorld(t, seed, eventsink.History)
		for range 300 {
			w.step(true)
		}
		w.settle()
		want := map[string]uint64{}
		for _, x := range w.writes {
			if !x.deleted {
				want[fmt.Sprintf("%s-%d", x.record.UID, x.record.Occurrences)] = 1
			}
		}
		require.Equal(t, want, w.sink, "seed %d", seed)
	}
}

// A gap that the watch cannot bridge is closed by a list: intermediate counts collapse, totals survive.
func TestRelistsLoseNoOccurrence(t *testing.T) {
	for seed := range seeds() {
		w := newWorld(t, seed, eventsink.Latest)
		for range 200 {
			if w.rnd.IntN(20) == 0 {
				w.list()
			}
			w.step(false)
		}
		w.settle()
		var least uint64
		for uid, n := range w.live {
			require.Equal(t, uint64(n), w.sink[uid], "seed %d", seed)
			least += uint64(n)
		}
		var most uint64
		for _, n := range w.ever {
			most += uint64(n)
		}
		got, _ := w.occurrences()
		require.GreaterOrEqual(t, got, least, "seed %d", seed)
		require.LessOrEqual(t, got, most, "seed %d", seed)
	}
}

// A restart with a checkpoint counts no more than what happened since.
func TestRestartDoesNotSpike(t *testing.T) {
	w := newWorld(t, 1, eventsink.Latest)
	for i := range 50 {
		r := *record(fmt.Sprint("old-", i), fmt.Sprint(i+1), 1000)
		w.writes, w.ever[r.UID], w.live[r.UID] = append(w.writes, write{record: r}), 1000, 1000
	}
	w.settle()
	w.options.BufferDocs, w.options.BufferBytes = 1000, 1<<20 // room for the whole list
	w.now = t0.Add(time.Hour)
	w.start()
	w.list()
	w.settle()
	sum, objects := w.occurrences()
	require.Zero(t, sum+objects, "nothing happened since")
	r := *record("old-7", "51", 1007)
	w.writes = append(w.writes, write{record: r})
	w.settle()
	sum, objects = w.occurrences()
	require.Equal(t, uint64(7), sum)
	require.Zero(t, objects)
	require.Equal(t, uint64(1007), w.sink["old-7"])
}

// A restart that only resumes the watch counts the first repeat of what it does not know as one; seeded with a list at
// the checkpoint it counts all.
func TestSeedMakesARestartExact(t *testing.T) {
	for seeded, want := range map[bool]uint64{false: 1, true: 7} {
		w := newWorld(t, 1, eventsink.Latest)
		old := *record("old", "1", 1000)
		w.writes = append(w.writes, write{record: old})
		w.settle()
		w.now = t0.Add(time.Hour)
		w.start()
		if seeded {
			w.flow.Seed(w.now, &old)
			w.flow.Seed(w.now, record("", "1", 1))
		}
		require.Zero(t, w.flow.Ledger())
		w.writes = append(w.writes, write{record: *record("old", "2", 1007)})
		w.settle()
		sum, objects := w.occurrences()
		require.Equal(t, want, sum)
		require.Zero(t, objects)
		require.Equal(t, uint64(1007), w.sink["old"])
	}
}
