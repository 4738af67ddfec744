package elastic_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

// faultySink is a sink that keeps documents and answers as badly as servers do.
type faultySink struct {
	rnd    *rand.Rand
	stored map[string]int
	limit  int             // bytes of a body
	poison map[string]bool // documents that spoil their request
	reject map[string]bool // documents that are refused alone
	faults bool
}

func (s *faultySink) answer(b *eventsink.Batch) elastic.Reply {
	if s.faults {
		switch s.rnd.IntN(12) {
		case 0:
			return elastic.Reply{Err: errors.New("no answer")}
		case 1:
			return elastic.Reply{Status: []int{429, 502, 503, 504, 500, 401, 403}[s.rnd.IntN(7)], RetryAfter: time.Duration(s.rnd.IntN(3)) * time.Second}
		}
	}
	if len(b.Bytes()) > s.limit {
		return elastic.Reply{Status: 413}
	}
	for i := range b.Len() {
		if s.poison[b.UID(i)] {
			return elastic.Reply{Status: 400, Body: []byte(`{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line [1]"},"status":400}`)}
		}
	}
	var items []string
	for i := range b.Len() {
		items = append(items, fmt.Sprintf(`{"status":%d}`, s.item(b.UID(i))))
	}
	r := reply(items...)
	if !s.faults {
		return r
	}
	switch s.rnd.IntN(6) {
	case 0: // stored, and the answer is lost
		return elastic.Reply{Err: errors.New("reset")}
	case 1:
		r.Body = r.Body[:s.rnd.IntN(len(r.Body))]
	}
	return r
}

func (s *faultySink) item(uid string) int {
	if s.faults && s.rnd.IntN(5) == 0 {
		return []int{429, 503, 403, 404}[s.rnd.IntN(4)]
	}
	if s.reject[uid] {
		return 400
	}
	s.stored[uid]++
	if s.stored[uid] > 1 {
		return 409
	}
	return 201
}

// Whatever the sink answers: every document is settled once; delivered or duplicate exactly when it is stored, dead
// exactly when it can't be; the flow's accounts close and its checkpoint reaches the end.
func TestEveryDocumentIsSettledOnce(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 9))
		n := 2 + rnd.IntN(30)
		f, b := batch(t, n)
		s := &faultySink{rnd: rnd, stored: map[string]int{}, limit: 1 << 20, poison: map[string]bool{}, reject: map[string]bool{}, faults: true}
		if rnd.IntN(3) == 0 {
			s.limit = 2000
		}
		for i := range n - 1 { // at least one is sound
			switch rnd.IntN(8) {
			case 0:
				s.poison[fmt.Sprintf("u%d", i)] = true
			case 1:
				s.reject[fmt.Sprintf("u%d", i)] = true
			}
		}
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{Jitter: rnd.Float64})
		steps := 0
		for part, wait := d.Next(); part != nil; part, wait = d.Next() {
			require.LessOrEqual(t, wait, 30*time.Second)
			require.Equal(t, uint64(total(d.Pending())), f.Ledger().InFlight, "seed %d: nothing is forgotten", seed)
			if steps++; steps > 1000 {
				require.Fail(t, "no end", "seed %d", seed)
			}
			for _, settled := range d.Settle(s.answer(part)) {
				uid := strings.TrimPrefix(string(settled.Action), `{"index":{"_index":"k8s-events-2026.03.01","_id":"`)
				uid, _, _ = strings.Cut(uid, `"`)
				require.True(t, f.Settle(settled.Token, settled.Outcome, ""), "seed %d: twice", seed)
				dead := s.poison[uid] || s.reject[uid]
				require.Equal(t, dead, settled.Outcome == eventsink.DeadLettered, "seed %d: %s %s", seed, uid, settled.Outcome)
				require.Equal(t, !dead, s.stored[uid] > 0)
			}
		}
		l := f.Ledger()
		require.True(t, l.Balanced())
		require.Zero(t, l.InFlight)
		require.NoError(t, d.Held())
		c, _ := f.Checkpoint(t0)
		require.Equal(t, fmt.Sprint(n), c.ResourceVersion)
	}
}

func total(all []*eventsink.Batch) (n int) {
	for _, b := range all {
		n += b.Len()
	}
	return n
}

// A 400 to everything is about the sink: nothing is given up, and it is said.
func TestARefusalOfEverythingIsHeld(t *testing.T) {
	_, b := batch(t, 5)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	refusal := elastic.Reply{Status: 400, Body: []byte(`{"error":{"type":"x","reason":"all are bad"}}`)}
	for range 100 {
		_, _ = d.Next()
		require.Empty(t, d.Settle(refusal))
		require.Equal(t, 5, total(d.Pending()))
	}
	require.ErrorIs(t, d.Held(), elastic.ErrHeld)
	require.EqualError(t, d.Held(), "elastic: the sink refuses with status 400 x: all are bad: held until it is set right")
	part, _ := d.Next()
	for part.Len() < 5 { // back to the start of a round
		require.Empty(t, d.Settle(refusal))
		part, _ = d.Next()
	}
	require.Len(t, d.Settle(reply(`{"status":201}`, `{"status":201}`, `{"status":201}`, `{"status":201}`, `{"status":201}`)), 5)
	require.NoError(t, d.Held())
}

func TestTooLarge(t *testing.T) {
	_, b := batch(t, 3)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	var dead []elastic.Settled
	refusals := 0
	for part, _ := d.Next(); part != nil; part, _ = d.Next() {
		switch {
		case bytes.Contains(part.Bytes(), []byte(`"_id":"u1"`)):
			dead = append(dead, d.Settle(elastic.Reply{Status: 413})...)
		case refusals < 2:
			refusals++
			require.Empty(t, d.Settle(elastic.Reply{Status: 403, Body: []byte(`{"error":{"type":"security_exception","reason":"no permission"}}`)}))
			require.ErrorContains(t, d.Held(), "security_exception: no permission")
		default:
			require.Len(t, d.Settle(reply(`{"status":201}`)), 1)
		}
	}
	require.Len(t, dead, 1)
	require.Equal(t, eventsink.Token(1), dead[0].Token)
	require.Equal(t, 413, dead[0].Item.Status)
	require.Nil(t, d.Settle(elastic.Reply{Status: 200}), "nothing is under way")
}

// What a server fails on again and again, while it takes others, is given up in the end; what it is too busy for never.
func TestAttempts(t *testing.T) {
	_, b := batch(t, 2)
	health := &elastic.Health{}
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{MaxAttempts: 3, Jitter: func() float64 { return 1 }, Health: health})
	var waits []time.Duration
	for i := range 20 {
		part, wait := d.Next()
		waits = append(waits, wait)
		_, one := batch(t, 1)
		require.Len(t, elastic.NewDelivery(one, elastic.DeliveryOptions{Health: health}).Settle(reply(`{"status":201}`)), 1)
		if part.Len() == 2 {
			require.Equal(t, i == 2, len(d.Settle(reply(`{"status":500}`, `{"status":429}`))) == 1)
		} else {
			require.Empty(t, d.Settle(reply(`{"status":429}`)))
		}
	}
	require.Equal(t, []time.Duration{0, 200 * time.Millisecond, 400 * time.Millisecond}, waits[:3])
	require.Equal(t, 30*time.Second, waits[19])
	require.Equal(t, 20, d.Retries())
	empty := elastic.NewDelivery(&eventsink.Batch{}, elastic.DeliveryOptions{})
	part, _ := empty.Next()
	require.Nil(t, part)
}

func TestDeadLetters(t *testing.T) {
	_, b := batch(t, 2)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	settled := d.Settle(reply(`{"status":400,"error":{"type":"document_parsing_exception","reason":"a \"reason\"\nof two lines"}}`, `{"status":413}`))
	require.Len(t, settled, 2)
	var file []byte
	for _, s := range settled {
		file = s.AppendDeadLetter(file, t0)
	}
	require.True(t, bytes.HasPrefix(file, []byte(`{"time":"2026-03-01T12:00:00Z","status":400,"type":"document_parsing_exception","reason":"a \"reason\"\nof two lines","action":{"index":`)), string(file))
	file = append(file, "\n{\"time\":\"2026-03-01T12:00:00Z\",\"action\":1}\n{\"cut"...)
	var letters []elastic.DeadLetter
	var errs []error
	for letter, err := range elastic.DeadLetters(bytes.NewReader(file)) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		letters = append(letters, letter)
	}
	require.Len(t, letters, 2)
	require.Equal(t, string(b.Doc(0)), string(letters[0].Doc()))
	require.Equal(t, string(b.Doc(1)), string(letters[1].Doc()))
	require.Equal(t, "a \"reason\"\nof two lines", letters[0].Reason)
	require.Len(t, errs, 2)
	require.ErrorContains(t, errs[0], "elastic: dead letters: line 4: want objects in action and source")
	require.ErrorContains(t, errs[1], "line 5")
	for _, err := range elastic.DeadLetters(bytes.NewReader(file)) {
		require.NoError(t, err)
		break
	}
	long := bytes.Repeat([]byte("x"), 17<<20)
	for _, err := range elastic.DeadLetters(bytes.NewReader(long)) {
		require.ErrorContains(t, err, "no line may have more than")
	}
}

func FuzzDeadLetters(f *testing.F) {
	f.Add([]byte(`{"time":"2026-03-01T12:00:00Z","status":400,"action":{},"source":{}}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for letter, err := range elastic.DeadLetters(bytes.NewReader(text)) {
			if err == nil {
				require.Equal(t, 2, bytes.Count(letter.Doc(), []byte("\n"))-bytes.Count(letter.Action, []byte("\n"))-bytes.Count(letter.Source, []byte("\n")))
			}
		}
	})
}
