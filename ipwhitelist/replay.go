package ipwhitelist

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"
)

// Nonce is what must not be seen twice. It is remembered for its key alone: callers can't use up each other's.
type Nonce struct {
	Key, Value string
	Now, Until time.Time // the time of the request, and the last moment at which its signature is accepted
}

// id is a hash of key and value that no other pair has, in whatever bytes: the length of the key comes first.
func (n *Nonce) id(seed []byte) [sha256.Size]byte {
	b := make([]byte, 0, 192)
	b = append(b, seed...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(n.Key)))
	b = append(b, n.Key...)
	b = append(b, n.Value...)
	return sha256.Sum256(b)
}

// Replay remembers nonces. There are two: [MemoryReplay] for one process, and [NewSharedReplay] for all replicas.
type Replay interface {
	// Add remembers a nonce and reports whether it is new. It is atomic: of any number of concurrent calls with the same
	// nonce, one is told that it is new. An error means that it can't be known.
	Add(ctx context.Context, n Nonce) (added bool, err error)
}

// ErrReplayFull is the error of a memory that has no room left, in all or for one key.
var ErrReplayFull = errors.New("ipwhitelist: memory of nonces is full")

// MemoryReplay remembers nonces in the process. A replay to another replica, or after a restart, passes it. It takes at
// most about 60 bytes a nonce, and forgets in generations. It is safe for concurrent use.
type MemoryReplay struct {
	max, perKey int
	retention   time.Duration
	seed        [16]byte

	mu        sync.Mutex
	now, last generation
	turned    time.Time // when now began
	forgotten []stretch // in their order: nonces that were good until some time in one of them may have been forgotten
}

// generation is the nonces of one retention.
type generation struct {
	seen   map[[16]byte]struct{}
	counts map[string]int
	until  stretch // of all of them
}

// stretch is a time from its first to its last moment. The zero value is none.
type stretch struct{ from, to time.Time }

func (s stretch) holds(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// add makes the stretch hold t, too.
func (s *stretch) add(t time.Time) {
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.to) {
		s.to = t
	}
}

// maxStretches bounds how many times are kept apart. More than one or two are those of a clock that was set back and
// forth, or of a process with little to do.
const maxStretches = 16

// NewMemoryReplay makes a memory for so many nonces, of which perKey may be of one key; 0 is 1,000,000 and half of
// total. Each is kept for retention at least, 0 is 2 minutes, and at most twice that: it must not be less than
// [httpsig.Window.Retention] of the guard's window. What does not fit is refused, so make room for twice the retention:
// the default is good for 4,000 requests a second, and half as many by one key; 5,000 need 1,200,000. perKey keeps a key
// from using up what others need; a caller with several keys has several times as much.
func NewMemoryReplay(total, perKey int, retention time.Duration) (*MemoryReplay, error) {
	m := &MemoryReplay{max: total, perKey: perKey, retention: retention}
	if m.max == 0 {
		m.max = 1_000_000
	}
	if m.perKey == 0 {
		m.perKey = (m.max + 1) / 2
	}
	if m.retention == 0 {
		m.retention = 2 * time.Minute
	}
	if m.max < 0 || m.perKey < 0 || m.retention < 0 {
		return nil, errors.New("ipwhitelist: a memory of nonces needs positive limits")
	}
	m.now, m.last = newGeneration(), newGeneration()
	_, _ = rand.Read(m.seed[:]) // never fails (crypto/rand); it keeps callers from choosing nonces that collide
	return m, nil
}

func newGeneration() generation {
	return generation{seen: map[[16]byte]struct{}{}, counts: map[string]int{}}
}

// Add implements [Replay]. The error is [ErrReplayFull], or that the nonce would have to be kept for longer than this
// memory keeps any. Whatever the clock does, also backwards, no signature's nonce is new twice: if it comes again to a
// time whose nonces are forgotten, all of that time are refused.
func (m *MemoryReplay) Add(_ context.Context, n Nonce) (bool, error) {
	if n.Until.Sub(n.Now) > m.retention {
		return false, errors.New("ipwhitelist: a nonce is good for longer than nonces are remembered: raise the retention of NewMemoryReplay")
	}
	n.Now = n.Now.Round(0) // the clock on the wall, as signatures have it: the monotonic one does not see when it is set
	full := n.id(m.seed[:])
	id := [16]byte(full[:16])
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(n.Now)
	_, seen := m.now.seen[id]
	if _, before := m.last.seen[id]; seen || before || m.forgot(n.Until) {
		return false, nil
	}
	if m.len() >= m.max || m.now.counts[n.Key]+m.last.counts[n.Key] >= m.perKey {
		return false, ErrReplayFull
	}
	m.now.seen[id] = struct{}{}
	m.now.counts[n.Key]++
	m.now.until.add(n.Until)
	return true, nil
}

// turn forgets the last generation when it has been kept for long enough, and both when the clock was set back to before
// they began: what they hold is from a time that may never come, and would stay.
func (m *MemoryReplay) turn(now time.Time) {
	if m.turned.IsZero() {
		m.turned = now
	}
	back := m.turned.Sub(now) > m.retention
	for range 2 {
		if now.Sub(m.turned) < m.retention && !back {
			return
		}
		m.forget(m.last.until)
		m.last, m.now = m.now, newGeneration()
		m.turned = m.turned.Add(m.retention)
	}
	m.turned = now // both were empty, or are forgotten
}

func (m *MemoryReplay) forgot(until time.Time) bool {
	n := len(m.forgotten)
	if n == 0 || until.After(m.forgotten[n-1].to) {
		return false // unless the clock was set back
	}
	return slices.ContainsFunc(m.forgotten, func(s stretch) bool { return s.holds(until) })
}

// forget keeps which nonces can't be told from new ones any more, should the clock be set back. Times that lie apart stay
// apart: after a clock that was an hour ahead is set right, an hour of nonces must not be refused.
func (m *MemoryReplay) forget(s stretch) {
	if s.from.IsZero() {
		return
	}
	near := 2 * m.retention
	kept := m.forgotten[:0]
	for _, o := range m.forgotten {
		if o.from.Sub(s.to) > near || s.from.Sub(o.to) > near {
			kept = append(kept, o)
			continue
		}
		s.add(o.from)
		s.add(o.to)
	}
	at, _ := slices.BinarySearchFunc(kept, s, func(a, b stretch) int { return a.from.Compare(b.from) })
	m.forgotten = slices.Insert(kept, at, s)
	if len(m.forgotten) > maxStretches { // the oldest are the least likely to come again
		m.forgotten[1].add(m.forgotten[0].from)
		m.forgotten = m.forgotten[1:]
	}
}

func (m *MemoryReplay) len() int { return len(m.now.seen) + len(m.last.seen) }

// Len returns how many nonces are remembered.
func (m *MemoryReplay) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.len()
}

// sharedMargin keeps shared nonces longer than they are good for, since the clocks of replicas and of the store differ.
const sharedMargin = 30 * time.Second

// NewSharedReplay makes a memory of all replicas from a function that sets a key of a store if it is not set, and
// reports whether it did: in Redis, SET key 1 NX PX with the milliseconds from now until then. PXAT would do only as long
// as Redis' clock is right: if it is two minutes ahead, each key is gone at once, and replays pass.
//
// The function must not try again: if an answer is lost, the second attempt finds the key of the first one, and a request
// that was never carried out looks replayed. The store must not evict: with another maxmemory-policy than noeviction,
// nonces vanish when memory is short. Nor may it lose what it has acknowledged: a replica that takes over may not know the
// last nonces. Keys begin with prefix and are of one length, whatever the nonce.
func NewSharedReplay(prefix string, setNX func(ctx context.Context, key string, until time.Time) (bool, error)) Replay {
	return sharedReplay{prefix, setNX}
}

type sharedReplay struct {
	prefix string
	setNX  func(ctx context.Context, key string, until time.Time) (bool, error)
}

func (s sharedReplay) Add(ctx context.Context, n Nonce) (bool, error) {
	id := n.id(nil)
	return s.setNX(ctx, s.prefix+base64.RawURLEncoding.EncodeToString(id[:18]), n.Until.Add(sharedMargin))
}
