package ipwhitelist

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func memory(t testing.TB, total, perKey int, retention time.Duration) *MemoryReplay {
	t.Helper()
	m, err := NewMemoryReplay(total, perKey, retention)
	require.NoError(t, err)
	return m
}

// A nonce is accepted once: one of a hundred requests at a time, over real connections.
func TestOneOfManyConcurrentReplays(t *testing.T) {
	w := newWorld(t, ModeEither)
	var handled atomic.Int64
	server := httptest.NewServer(w.g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled.Add(1) })))
	defer server.Close()
	for range 5 {
		handled.Store(0)
		signed := w.sign(request(nowhere, "GET", "/v1", ""), "billing.active")
		var codes [100]atomic.Int64
		var ready, done sync.WaitGroup
		start := make(chan struct{})
		for i := range codes {
			ready.Add(1)
			done.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1", nil)
				if err == nil {
					r.Host, r.Header = host, signed.Header.Clone()
				}
				ready.Done()
				<-start
				if res, err := server.Client().Do(r); err == nil {
					codes[i].Store(int64(res.StatusCode))
					_ = res.Body.Close()
				}
			})
		}
		ready.Wait()
		close(start)
		done.Wait()
		count := map[int64]int{}
		for i := range codes {
			count[codes[i].Load()]++
		}
		require.Equal(t, map[int64]int{200: 1, 401: 99}, count)
		require.EqualValues(t, 1, handled.Load())
	}
}

// Random steps, with a clock that is set back and forth, by seconds and by hours, against a memory that forgets nothing:
// a signature, whose nonce and end belong together, is accepted once, at whatever time it could be.
func TestMemoryReplayNeverAcceptsTwice(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fresh, accepted, again := 0, 0, 0
	for range 100 {
		m := memory(t, 100_000, 100_000, 2*time.Minute)
		seen := map[Nonce]bool{}
		var all []Nonce
		now := time.Unix(1_800_000_000, 0)
		for i := range 1500 {
			switch rng.IntN(300) {
			case 0, 1, 2:
				now = now.Add(time.Duration(rng.IntN(600)-300) * time.Second)
			case 3:
				now = now.Add(time.Duration(rng.IntN(7)-3) * time.Hour)
			default:
				now = now.Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
			}
			n := Nonce{Key: fmt.Sprint("k", i%3), Value: fmt.Sprint(i), Until: now.Add(time.Duration(rng.IntN(120)) * time.Second)}
			if len(all) > 0 && rng.IntN(3) > 0 {
				n = all[rng.IntN(len(all))]
				if n.Until.Before(now) || n.Until.Sub(now) > 2*time.Minute {
					continue // expired, or from the future
				}
			}
			send := n
			send.Now = now
			added, err := m.Add(t.Context(), send)
			require.NoError(t, err)
			switch {
			case seen[n]:
				again++
				require.False(t, added, "twice")
			case added:
				accepted++
			}
			if !seen[n] {
				fresh++
			}
			seen[n] = seen[n] || added
			all = append(all, n)
		}
	}
	require.Greater(t, again, 1000, "and there was something to refuse")
	require.Greater(t, accepted, fresh/2, "and it accepts what is new")
}

// Clocks that were an hour ahead for a while, the callers' too, are set right: what is new is accepted, though the memory
// can't know any more which nonces it has seen in that hour.
func TestMemoryReplayAfterAClockThatWasAhead(t *testing.T) {
	m := memory(t, 1000, 1000, 0)
	now := time.Unix(1_800_000_000, 0)
	first := Nonce{Key: "k", Value: "first", Now: now.Add(time.Hour), Until: now.Add(time.Hour + time.Minute)}
	spend := func(from time.Time, minutes int) {
		for i := range minutes * 60 {
			at := from.Add(time.Duration(i) * time.Second)
			added, err := m.Add(t.Context(), Nonce{"k", fmt.Sprint(at), at, at.Add(time.Minute)})
			require.NoError(t, err)
			require.True(t, added, at)
		}
	}
	spend(now, 10)
	added, err := m.Add(t.Context(), first)
	require.NoError(t, err)
	require.True(t, added)
	spend(now.Add(time.Hour), 10)
	spend(now.Add(12*time.Minute), 40)
	require.LessOrEqual(t, m.Len(), 240, "the nonces of that hour do not stay")
	first.Now = now.Add(time.Hour) // a captured signature becomes good again
	added, err = m.Add(t.Context(), first)
	require.NoError(t, err)
	require.False(t, added, "a time whose nonces are forgotten")
}

// However often a process had nothing to do, what it remembers of the past is bounded, and holds all of it.
func TestMemoryReplayForgetsInBoundedRoom(t *testing.T) {
	m := memory(t, 0, 0, 0)
	now := time.Unix(1_800_000_000, 0)
	var all []Nonce
	for i := range 40 {
		at := now.Add(time.Duration(i) * 10 * time.Minute)
		all = append(all, Nonce{"k", fmt.Sprint(i), at, at.Add(time.Minute)})
		added, err := m.Add(t.Context(), all[i])
		require.NoError(t, err)
		require.True(t, added)
	}
	require.LessOrEqual(t, len(m.forgotten), maxStretches)
	for _, n := range all {
		added, err := m.Add(t.Context(), n) // sets the clock back
		require.NoError(t, err)
		require.False(t, added)
	}
}

func TestMemoryReplayAcceptsWhatIsNew(t *testing.T) {
	m := memory(t, 0, 0, 0)
	now := time.Unix(1_800_000_000, 0)
	for i := range 10_000 { // an hour and more, without a clock that jumps
		now = now.Add(400 * time.Millisecond)
		added, err := m.Add(t.Context(), Nonce{Key: "k", Value: fmt.Sprint(i), Now: now, Until: now.Add(30 * time.Second)})
		require.NoError(t, err)
		require.True(t, added, i)
	}
	require.LessOrEqual(t, m.Len(), 600, "four minutes at most")
}

func TestMemoryReplayIsBounded(t *testing.T) {
	m := memory(t, 10, 4, 0)
	now := time.Unix(1_800_000_000, 0)
	add := func(key, value string) error {
		_, err := m.Add(t.Context(), Nonce{key, value, now, now.Add(time.Minute)})
		return err
	}
	for i := range 4 {
		require.NoError(t, add("a", fmt.Sprint(i)))
	}
	require.ErrorIs(t, add("a", "4"), ErrReplayFull, "a key has its share")
	require.NoError(t, add("a", "3"), "what is known needs no room")
	for i := range 6 {
		require.NoError(t, add(fmt.Sprint("k", i), "0"))
	}
	require.ErrorIs(t, add("b", "0"), ErrReplayFull)
	now = now.Add(2 * time.Minute)
	require.ErrorIs(t, add("b", "0"), ErrReplayFull, "the last generation is still kept")
	now = now.Add(2 * time.Minute)
	require.NoError(t, add("b", "0"))
	_, err := m.Add(t.Context(), Nonce{"a", "x", now, now.Add(3 * time.Minute)})
	require.ErrorContains(t, err, "raise the retention")
	_, err = NewMemoryReplay(-1, 0, 0)
	require.Error(t, err)
}

// Length and order of key and value can't be confused.
func TestNonceIDs(t *testing.T) {
	ids := map[[32]byte]bool{}
	for _, n := range []Nonce{{Key: "ab", Value: "c"}, {Key: "a", Value: "bc"}, {Key: "", Value: "abc"}, {Key: "abc"}} {
		ids[n.id(nil)] = true
		ids[n.id([]byte{1})] = true
	}
	require.Len(t, ids, 8)
}

func TestSharedReplay(t *testing.T) {
	store := map[string]time.Time{}
	shared := NewSharedReplay("ipw:", func(_ context.Context, key string, until time.Time) (bool, error) {
		_, known := store[key]
		store[key] = until
		return !known, nil
	})
	now := time.Unix(1_800_000_000, 0)
	for i, want := range []bool{true, false, true} {
		n := Nonce{"billing.1", fmt.Sprint("AAAAAAAAAAAAAAA", i/2), now, now.Add(time.Minute)}
		added, err := shared.Add(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, want, added)
	}
	require.Len(t, store, 2)
	for key, until := range store {
		require.Regexp(t, `^ipw:[A-Za-z0-9_-]{24}$`, key)
		require.Equal(t, now.Add(90*time.Second), until)
	}
}

func TestMemoryOfNonces(t *testing.T) {
	if testing.Short() {
		t.Skip("measures the heap, which the race detector makes larger")
	}
	const n = 500_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := memory(t, n, n, 0)
	now := time.Unix(1_800_000_000, 0)
	for i := range n {
		_, err := m.Add(t.Context(), Nonce{"k", fmt.Sprint("nonce", i), now, now.Add(time.Minute)})
		require.NoError(t, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	perNonce := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.1f bytes a nonce", perNonce)
	require.LessOrEqual(t, perNonce, 60.0)
	runtime.KeepAlive(m)
}

func BenchmarkMemoryReplay(b *testing.B) {
	m := memory(b, 10_000_000, 10_000_000, 2*time.Minute)
	now := time.Unix(1_800_000_000, 0)
	values := make([]string, 1<<16)
	for i := range values {
		values[i] = fmt.Sprintf("AAAAAAAAAAAAAAAAA%05x", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(values) == 0 {
			now = now.Add(10 * time.Minute)
		}
		if _, err := m.Add(context.Background(), Nonce{"billing.1", values[i%len(values)], now, now.Add(time.Minute)}); err != nil {
			b.Fatal(err)
		}
	}
}
