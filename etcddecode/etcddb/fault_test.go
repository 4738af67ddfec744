package etcddb

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// badSector can't read some bytes.
type badSector struct {
	io.ReaderAt
	from, to int64
}

func (b badSector) ReadAt(p []byte, off int64) (int, error) {
	if off >= b.to || off+int64(len(p)) <= b.from {
		return b.ReaderAt.ReadAt(p, off)
	}
	n, _ := b.ReaderAt.ReadAt(p[:max(0, b.from-off)], off)
	return n, errBroken
}

// Law: a disk that can't read a sector costs what is on its page; it is said, and all else is as it was.
func TestLawBadSectorsAreSaid(t *testing.T) {
	g := newGenerator(26, 40)
	g.size = func(rng *rand.Rand) int { return rng.IntN(12_000) }
	content, _ := g.database(t, 120)
	written := map[Revision]Record{}
	for _, r := range g.m.changes {
		written[r.Rev] = r
	}
	rng, lost := rand.New(rand.NewPCG(9, 1)), 0
	for range 40 {
		at := 4096*2 + rng.Int64N(int64(len(content))-4096*2)
		db, err := Open(badSector{bytes.NewReader(content), at, at + 512}, int64(len(content)), Options{})
		require.NoError(t, err)
		for name, walk := range map[string]iter.Seq2[Record, error]{
			"revisions": db.Revisions(t.Context(), Query{}), "by key": db.Live(t.Context(), Query{}),
			"newest first": db.Live(t.Context(), Query{NewestFirst: true}),
		} {
			failed, read := false, 0
			for r, err := range walk {
				if err != nil {
					require.ErrorIs(t, err, errBroken, name)
					failed = true
					continue
				}
				want := written[r.Rev]
				require.Equal(t, string(want.Key), string(r.Key), name)
				require.True(t, bytes.Equal(want.Value, r.Value), name)
				read++
			}
			if name == "revisions" && read < len(written) {
				require.True(t, failed, "%d of %d were read, and nothing was said", read, len(written))
				lost++
			}
		}
	}
	require.Positive(t, lost)
}

// Law: the index has the newest change of each key, as a map would, and sorts as strings are.
func TestLawIndexIsAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	ix, want := newIndex(), map[string]Revision{}
	for rev := range int64(20_000) {
		key := fmt.Sprintf("/registry/%d/%d", rng.IntN(5), rng.IntN(3000))
		r := Revision{Main: rng.Int64N(rev + 1), Sub: rev}
		ix.add(&Query{Prefix: "/registry/"}, &change{Record: Record{Rev: r, Key: []byte(key)}})
		ix.add(&Query{Prefix: "/registry/"}, &change{Record: Record{Rev: r, Key: []byte("/other/" + key)}})
		if r.Compare(want[key]) >= 0 {
			want[key] = r
		}
	}
	require.Greater(t, len(want), 5000)
	require.EqualValues(t, len(want), ix.n)
	previous := ""
	for _, e := range ix.sorted() {
		require.Less(t, previous, e.key)
		require.Equal(t, want[e.key], e.rev)
		require.Same(t, e.entry, ix.get([]byte(e.key)))
		previous = e.key
	}
	require.Nil(t, ix.get([]byte("/other/")))
}

// segmented is a log in files of one put each, the way etcd cuts a log: a file begins with the checksum of the one before.
func segmented(puts ...[]byte) fstest.MapFS {
	dir := fstest.MapFS{}
	var w walWriter
	for i, request := range puts {
		w.b = nil
		w.record(4, nil)
		w.entry(uint64(i+1), 1, request)
		w.commit(uint64(i + 1))
		dir[fmt.Sprintf("wal/%016x-%016x.wal", i, i+1)] = &fstest.MapFile{Data: w.b}
	}
	return dir
}

func TestLogOfSeveralFiles(t *testing.T) {
	early := fixtures(t)[0].early
	puts := [][]byte{put("a", "1"), put("b", "2"), put("c", "3")}
	keys := func(dir fstest.MapFS) (found string, err error) {
		dir["snap/db"] = &fstest.MapFile{Data: early}
		db, err := OpenDir(dir, Options{})
		require.NoError(t, err)
		for r, e := range db.Live(t.Context(), Query{}) {
			if found += string(r.Key); e != nil {
				err = e
			}
		}
		return found, err
	}
	found, err := keys(segmented(puts...))
	require.NoError(t, err)
	require.Equal(t, "abc", found)

	missing := segmented(puts...)
	delete(missing, "wal/0000000000000001-0000000000000002.wal")
	found, err = keys(missing)
	require.ErrorContains(t, err, "the file after number 0 is missing")
	require.ErrorIs(t, err, ErrCorrupt)
	require.Equal(t, "a", found)

	foreign := segmented(puts...)
	other := segmented(put("x", "9"), put("b", "2"))
	foreign["wal/0000000000000001-0000000000000002.wal"] = other["wal/0000000000000001-0000000000000002.wal"]
	found, err = keys(foreign)
	require.ErrorContains(t, err, "the checksum of the file before is another")
	require.Equal(t, "a", found)

	entries, failed := 0, 0
	for _, err := range WALEntries(missing) {
		if err != nil {
			require.ErrorContains(t, err, "is missing")
			failed++
		} else {
			entries++
		}
	}
	require.Equal(t, []int{2, 1}, []int{entries, failed}, "the walk goes on behind the gap")
}

// A put may keep the value or the lease that the key has in the database.
func TestPutThatKeeps(t *testing.T) {
	content, g := generate(t, 27, 40, 100)
	var old Record
	for _, r := range g.live {
		if len(r.Value) > 0 && r.Lease != 0 && string(r.Key) > string(old.Key) {
			old = r
		}
	}
	key := slices.Clip(wire.AppendBytes(nil, 1, old.Key))
	for name, c := range map[string]struct {
		put   []byte
		value []byte
		lease int64
	}{
		"value": {wire.AppendVarint(key, 5, 1), old.Value, 0},
		"lease": {wire.AppendVarint(wire.AppendBytes(key, 2, []byte("new")), 6, 1), []byte("new"), old.Lease},
	} {
		dir := segmented(wire.AppendBytes(nil, 4, c.put))
		dir["snap/db"] = &fstest.MapFile{Data: content}
		db, err := OpenDir(dir, Options{Pending: true})
		require.NoError(t, err, name)
		got, err := db.Get(t.Context(), string(old.Key), 0)
		require.NoError(t, err, name)
		require.Equal(t, OriginWAL, got.Origin, name)
		require.True(t, bytes.Equal(c.value, got.Value), name)
		require.Equal(t, c.lease, got.Lease, name)
		require.Equal(t, old.Version+1, got.Version, name)
		require.Equal(t, old.Create, got.Create, name)
	}
}
