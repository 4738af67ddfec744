package etcddb

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// running is a database in use: every so many reads, another transaction has been committed.
type running struct {
	files        [][]byte // after each transaction
	every, reads int
}

func (r *running) ReadAt(p []byte, off int64) (int, error) {
	r.reads++
	now := r.files[min(r.reads/r.every, len(r.files)-1)]
	return bytes.NewReader(now).ReadAt(p, off)
}

// commits makes a database and keeps a copy of the file after each of the last transactions.
func commits(t *testing.T, g *generator) (files [][]byte, revisions []int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, NoSync: true, PageSize: 4096, InitialMmapSize: 8 << 20})
	require.NoError(t, err)
	for n := range 60 {
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists([]byte("meta"))
			require.NoError(t, err)
			b, err := tx.CreateBucketIfNotExists([]byte("key"))
			require.NoError(t, err)
			for range 10 {
				require.NoError(t, g.step(b))
			}
			return nil
		}))
		if n >= 20 {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			files, revisions = append(files, content), append(revisions, g.rev)
		}
	}
	require.NoError(t, db.Close())
	return files, revisions
}

// Law: whatever is committed while a walk is under way, it gives the state of the revision that it began with.
func TestCommitsDuringAWalk(t *testing.T) {
	g := newGenerator(31, 50)
	files, revisions := commits(t, g)
	for _, every := range []int{7, 12, 23, 50, 111} {
		for _, newestFirst := range []bool{false, true} {
			r := &running{files: files, every: every}
			db, err := Open(r, int64(len(files[0])), Options{})
			require.NoError(t, err)
			rev := revisions[0]
			var want []Record
			for _, record := range g.m.at(rev) {
				want = append(want, record)
			}
			order := func(a, b Record) int { return strings.Compare(string(a.Key), string(b.Key)) }
			slices.SortFunc(want, order)
			got := collect(t, db.Live(t.Context(), Query{Revision: rev, NewestFirst: newestFirst}))
			slices.SortFunc(got, order)
			require.Equal(t, want, got, "a commit every %d reads", every)
			require.Greater(t, r.reads, every, "nothing was committed")
		}
	}
	// Pages are visited as of one transaction, and an earlier one is soon overwritten.
	db, err := Open(&running{files: files, every: 9}, int64(len(files[0])), Options{})
	require.NoError(t, err)
	_, err = db.Verify(t.Context())
	require.ErrorIs(t, err, ErrChanged)
	db, err = Open(&running{files: files, every: 9}, int64(len(files[0])), Options{Previous: true})
	require.NoError(t, err)
	_, err = db.Get(t.Context(), "x", 0)
	require.ErrorIs(t, err, ErrChanged)
}

// With its alarm for space raised, etcd refuses what costs space, and still deletes.
func TestAlarmInTheLog(t *testing.T) {
	alarm := func(action uint64) []byte {
		return wire.AppendBytes(nil, 10, wire.AppendVarint(wire.AppendVarint(wire.AppendVarint(nil, 1, action), 2, 7), 3, 1))
	}
	remove := wire.AppendBytes(nil, 5, wire.AppendBytes(nil, 1, []byte("a")))
	var w walWriter
	for i, request := range [][]byte{put("a", "1"), alarm(1), put("b", "2"), remove, alarm(2), put("c", "3")} {
		w.entry(uint64(i+1), 1, request)
	}
	w.commit(5)
	dir := fstest.MapFS{
		"snap/db": {Data: fixtures(t)[0].early}, "wal/0000000000000000-0000000000000000.wal": {Data: w.b},
	}
	for pending, want := range map[bool]string{false: "", true: "c@4 pending"} {
		db, err := OpenDir(dir, Options{Pending: pending})
		require.NoError(t, err)
		var got []string
		for _, r := range collect(t, db.Live(t.Context(), Query{})) {
			got = append(got, string(r.Key)+"@"+r.Rev.String()[:1]+" "+r.Origin.String())
		}
		require.Equal(t, want, strings.Join(got, " "))
	}
}
