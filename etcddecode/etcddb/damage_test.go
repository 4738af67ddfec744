package etcddb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// TestLawDamageIsBounded damages databases in the ways of FuzzMutated, at random places. Whatever comes out makes sense,
// and most of the damage is seen.
func TestLawDamageIsBounded(t *testing.T) {
	var bases [][]byte
	for _, fixture := range fixtures(t) {
		bases = append(bases, fixture.snapshot)
	}
	content, _ := generate(t, 9, 20, 150)
	bases = append(bases, content)
	rng := rand.New(rand.NewPCG(3, 4))
	rounds, seen, opened := 150, 0, 0
	if testing.Short() {
		rounds = 40
	}
	for i := range rounds {
		base := bases[i%len(bases)]
		program := make([]byte, 6*(1+rng.IntN(6)))
		for j := range program {
			program[j] = byte(rng.Uint32())
		}
		// Most pages of a small database are near its beginning.
		for j := 0; j < len(program); j += 6 {
			binary.LittleEndian.PutUint16(program[j+1:], uint16(rng.IntN(len(base)/4096)))
		}
		damaged := mutate(base, program)
		db, err := Open(bytes.NewReader(damaged), int64(len(damaged)), Options{Salvage: true, Previous: i%10 == 9})
		if err != nil {
			continue
		}
		opened++
		exercise(t, db, len(damaged)+1)
		if report, err := db.Verify(t.Context()); err == nil && !report.OK() {
			seen++
		}
	}
	require.Greater(t, seen, opened/2)
}

// TestLawDamagedRequestsAreSaid cuts the requests of real logs off and flips their bits behind a right checksum. A request
// that can't be read is of no known kind; the entries around it are read.
func TestLawDamagedRequestsAreSaid(t *testing.T) {
	requests := map[string][]byte{}
	for _, fixture := range fixtures(t) {
		for frame := range frames(fixture.wal) {
			for f, ok := range wire.Fields(frame) {
				if !ok || f.Num != 3 {
					continue
				}
				for e, ok := range wire.Fields(f.Bytes) {
					if ok && e.Num == 4 && len(e.Bytes) < 300 {
						requests[string(e.Bytes[:min(4, len(e.Bytes))])] = e.Bytes // one of each kind
					}
				}
			}
		}
	}
	require.Greater(t, len(requests), 10)
	unknown, step := 0, 1
	if testing.Short() {
		step = 5
	}
	early := fixtures(t)[0].early
	for _, request := range requests {
		for n := 0; n < len(request); n += step {
			var w walWriter
			w.entry(1, 1, put("a", "1"))
			w.entry(2, 1, request[:n])
			flipped := bytes.Clone(request)
			flipped[n] ^= 1 << (n % 8)
			w.entry(3, 1, flipped)
			w.entry(4, 1, put("b", "2"))
			w.commit(4)
			dir := fstest.MapFS{"snap/db": {Data: early}, "wal/0000000000000000-0000000000000000.wal": {Data: w.b}}
			var read []uint64
			for e, err := range WALEntries(dir) {
				require.NoError(t, err)
				if e.Kind == "unknown" {
					unknown++
				}
				read = append(read, e.Index)
			}
			require.Equal(t, []uint64{1, 2, 3, 4}, read, "%x cut off after %d", request, n)
			if n%32 == 0 {
				_, err := OpenDir(dir, Options{})
				require.NoError(t, err)
			}
		}
	}
	require.Positive(t, unknown)
}

// TestCancelledWalks ends everything that takes long with its context.
func TestCancelledWalks(t *testing.T) {
	content, _ := generate(t, 5, 300, 3000)
	db := open(t, content, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	last := func(walk func(func(Record, error) bool)) (err error) {
		walk(func(_ Record, e error) bool {
			err = e
			return true
		})
		return err
	}
	for name, err := range map[string]error{
		"live":      last(db.Live(ctx, Query{})),
		"newest":    last(db.Live(ctx, Query{NewestFirst: true})),
		"revisions": last(db.Revisions(ctx, Query{})),
		"history":   last(db.History(ctx, "/a")),
		"carve":     last(db.Carve(ctx, Query{})),
	} {
		require.ErrorIs(t, err, context.Canceled, name)
	}
	for d, err := range db.Deleted(ctx, Query{}) {
		require.Nil(t, d.Last.Key)
		require.ErrorIs(t, err, context.Canceled)
	}
	for _, err := range db.Leases(ctx) {
		require.ErrorIs(t, err, context.Canceled)
	}
	for _, err := range db.Bucket(ctx, "meta") {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err := db.Get(ctx, "/none", 0)
	require.ErrorIs(t, err, context.Canceled)
	_, err = db.HashKV(ctx, 0)
	require.ErrorIs(t, err, context.Canceled)
	_, err = db.Stats(ctx)
	require.ErrorIs(t, err, context.Canceled)
	_, err = db.Verify(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// TestConsumersMayStop breaks off every walk at its first step.
func TestConsumersMayStop(t *testing.T) {
	for _, fixture := range fixtures(t) {
		db := open(t, fixture.snapshot, Options{})
		logged, err := OpenDir(fixture.dir(), Options{})
		require.NoError(t, err)
		for _, db := range []*DB{db, logged} {
			for _, walk := range []func(func(Record, error) bool){
				db.Live(t.Context(), Query{}), db.Live(t.Context(), Query{NewestFirst: true}), db.Revisions(t.Context(), Query{}),
				db.Carve(t.Context(), Query{}), db.Live(t.Context(), Query{KeysOnly: true}), db.Carve(t.Context(), Query{KeysOnly: true}),
			} {
				steps := 0
				walk(func(Record, error) bool {
					steps++
					return false
				})
				require.LessOrEqual(t, steps, 1)
			}
			for _, err := range db.Deleted(t.Context(), Query{}) {
				require.NoError(t, err)
				break
			}
			for _, err := range db.Leases(t.Context()) {
				require.NoError(t, err)
				break
			}
			for _, err := range db.Bucket(t.Context(), "meta") {
				require.NoError(t, err)
				break
			}
		}
	}
}

// brokenFS opens what its name says, or fails.
type brokenFS struct {
	fs.FS
	name string
}

var errBroken = errors.New("broken disk")

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, errBroken
	}
	return b.FS.Open(name)
}

func TestDirectoriesThatCantBeRead(t *testing.T) {
	f := fixtures(t)[0]
	for _, name := range []string{"member/snap/db", "member/wal", "member/wal/" + f.walName} {
		_, err := OpenDir(brokenFS{f.dir(), name}, Options{})
		require.ErrorIs(t, err, errBroken, name)
	}
	for _, err := range WALEntries(brokenFS{f.dir(), "member/wal"}) {
		require.Error(t, err)
	}
	_, err := OpenDir(fstest.MapFS{"member/snap/db": {Mode: fs.ModeDir}}, Options{})
	require.ErrorContains(t, err, "not a regular file")
	_, err = OpenDir(fstest.MapFS{"member/snap/db": {Data: []byte("nothing")}}, Options{})
	require.ErrorIs(t, err, ErrNoMeta)
	db, err := OpenDir(brokenFS{f.dir(), "member/wal"}, Options{IgnoreWAL: true})
	require.NoError(t, err, "the log is not looked at")
	require.NoError(t, db.Close())
}
