package etcddb

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// Law: beside a running etcd under load, what the reader finds at its revision is what etcd answers for that revision; the
// database alone, and with the log on top.
func TestBesideARunningEtcd(t *testing.T) {
	versions(t, func(t *testing.T, program string) {
		e := startEtcd(t, program)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			l := newLoad(e, 1, 400)
			for ctx.Err() == nil {
				_, err := l.client.Put(ctx, l.key(), l.value())
				if err != nil && ctx.Err() == nil {
					t.Errorf("the load: %v", err)
					return
				}
			}
		}()
		last := map[string]int64{}
		for round := range 8 {
			for _, name := range []string{e.database(), e.data()} {
				db, err := etcddb.OpenFile(name, etcddb.Options{})
				require.NoError(t, err)
				info, err := db.Info()
				require.NoError(t, err)
				require.GreaterOrEqual(t, info.Revision, last[name])
				q := etcddb.Query{Revision: info.Revision, NewestFirst: round%4 == 3}
				got := live(t, db, q)
				want := e.rangeAt(info.Revision)
				if q.NewestFirst {
					require.Len(t, got, len(want))
				} else {
					requireSame(t, want, got, "of %s at %d (%+v)", name, info.Revision, info.WAL)
				}
				require.NoError(t, db.Close())
				last[name] = info.Revision
			}
		}
		cancel()
		<-stopped
		t.Logf("revision %d after 16 walks beside the load", last[e.data()])
		require.Greater(t, last[e.database()], int64(100))
	})
}

// Law: after kill -9, with the last changes in the log alone, the reader finds what etcd finds when it starts again; and so
// it does with a database of the beginning under the whole log, in which there is every kind of request.
func TestKilled(t *testing.T) {
	versions(t, func(t *testing.T, program string) {
		e := startEtcd(t, program, "--backend-batch-interval=1h", "--backend-batch-limit=100000000", "--snapshot-count=1000000")
		early, err := os.ReadFile(e.database())
		require.NoError(t, err)
		l := newLoad(e, 3, 60)
		for range 800 {
			l.step(t.Context(), t)
		}
		for range 50 {
			_, err := l.client.Put(t.Context(), l.key(), l.value())
			require.NoError(t, err)
		}
		answer, err := e.client.Get(t.Context(), "ready")
		require.NoError(t, err)
		e.kill()
		old := filepath.Join(t.TempDir(), "old")
		require.NoError(t, os.CopyFS(old, os.DirFS(e.data())))
		require.NoError(t, os.WriteFile(filepath.Join(old, "member", "snap", "db"), early, 0o600))
		// A member that is alone commits alone, which the database of the beginning may not say.
		asKilled, whole := read(t, e.data(), etcddb.Options{}), read(t, old, etcddb.Options{Pending: true})
		for _, found := range []state{asKilled, whole} {
			t.Logf("%+v", *found.info.WAL)
			require.Equal(t, answer.Header.Revision, found.info.Revision)
		}
		require.GreaterOrEqual(t, asKilled.info.WAL.Records, 50)
		require.Greater(t, whole.info.WAL.Records, 800)

		e.start()
		granted, err := e.client.Leases(t.Context())
		require.NoError(t, err)
		leases := []int64{}
		for _, lease := range granted.Leases {
			leases = append(leases, int64(lease.ID))
		}
		for _, found := range []state{asKilled, whole} {
			requireSame(t, e.rangeAt(answer.Header.Revision), found.newest, "newest")
			requireSame(t, e.rangeAt(answer.Header.Revision/2), found.half, "newest")
			require.Equal(t, hashKV(t, e, answer.Header.Revision).Hash, found.hash)
			require.ElementsMatch(t, leases, found.leases)
		}
	})
}

// state is what the reader finds in a data directory.
type state struct {
	info         etcddb.Info
	newest, half []etcddb.Record
	hash         uint32
	leases       []int64
}

func read(t *testing.T, dir string, o etcddb.Options) state {
	t.Helper()
	db, err := etcddb.OpenFile(dir, o)
	require.NoError(t, err)
	s := state{leases: []int64{}}
	s.info, err = db.Info()
	require.NoError(t, err)
	require.NoError(t, s.info.WAL.Err)
	require.Zero(t, s.info.WAL.Unknown)
	s.newest, s.half = live(t, db, etcddb.Query{}), live(t, db, etcddb.Query{Revision: s.info.Revision / 2})
	s.hash, err = db.HashKV(t.Context(), 0)
	require.NoError(t, err)
	for lease, err := range db.Leases(t.Context()) {
		require.NoError(t, err)
		s.leases = append(s.leases, lease.ID)
	}
	require.NoError(t, db.Close())
	return s
}

// A snapshot has a checksum, and all that etcd knows; so has it compressed.
func TestSnapshot(t *testing.T) {
	versions(t, func(t *testing.T, program string) {
		e := startEtcd(t, program)
		l := newLoad(e, 5, 100)
		for range 400 {
			l.step(t.Context(), t)
		}
		content := e.snapshot()
		var gz, zipped bytes.Buffer
		g := gzip.NewWriter(&gz)
		_, err := g.Write(content)
		require.NoError(t, errors.Join(err, g.Close()))
		z := zip.NewWriter(&zipped)
		w, err := z.Create("etcd-snapshot")
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, errors.Join(err, z.Close()))
		for name, b := range map[string][]byte{"plain": content, "gz": gz.Bytes(), "zip": zipped.Bytes()} {
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(path, b, 0o600))
			db := openFile(t, path)
			report, err := db.Verify(t.Context())
			require.NoError(t, err)
			require.Empty(t, report.Problems)
			require.Equal(t, etcddb.ChecksumValid, report.Checksum)
			info, err := db.Info()
			require.NoError(t, err)
			requireSame(t, e.rangeAt(info.Revision), live(t, db, etcddb.Query{}), "newest")
		}
	})
}

// Law: the reader's HashKV is etcd's, before and after compaction, from a snapshot and from the data directory.
// What compaction removed is carved from free pages, as it was written, until a defragmentation.
func TestCompaction(t *testing.T) {
	versions(t, func(t *testing.T, program string) {
		e := startEtcd(t, program)
		l := newLoad(e, 7, 100)
		for range 600 {
			l.step(t.Context(), t)
		}
		before := openBytes(t, e.snapshot())
		info, err := before.Info()
		require.NoError(t, err)
		for _, rev := range []int64{0, 1, info.Revision / 3, info.Revision} {
			got, err := before.HashKV(t.Context(), rev)
			require.NoError(t, err)
			require.Equal(t, hashKV(t, e, rev).Hash, got, "at %d", rev)
		}
		history := map[etcddb.Revision]etcddb.Record{}
		for r, err := range before.Revisions(t.Context(), etcddb.Query{}) {
			require.NoError(t, err)
			r = r.Clone()
			r.Origin, r.Page, r.Offset = 0, 0, 0
			history[r.Rev] = r
		}

		compacted := info.Revision - 50
		_, err = e.client.Compact(t.Context(), compacted, clientv3.WithCompactPhysical())
		require.NoError(t, err)
		for range 20 {
			l.step(t.Context(), t)
		}
		after := openBytes(t, e.snapshot())
		info, err = after.Info()
		require.NoError(t, err)
		require.Equal(t, compacted, info.Compacted)
		for _, rev := range []int64{0, compacted + 1, compacted + 10, info.Revision} {
			got, err := after.HashKV(t.Context(), rev)
			require.NoError(t, err)
			require.Equal(t, hashKV(t, e, rev).Hash, got, "at %d", rev)
		}
		for _, err := range after.Live(t.Context(), etcddb.Query{Revision: compacted - 1}) {
			require.ErrorIs(t, err, etcddb.ErrCompacted)
		}
		requireSame(t, e.rangeAt(compacted), live(t, after, etcddb.Query{Revision: compacted}), "newest")

		carved := 0
		for r, err := range after.Carve(t.Context(), etcddb.Query{}) {
			if err != nil {
				require.ErrorIs(t, err, etcddb.ErrCorrupt)
				continue
			}
			r = r.Clone()
			r.Origin, r.Page, r.Offset = 0, 0, 0
			require.Empty(t, cmp.Diff(history[r.Rev], r))
			carved++
		}
		t.Logf("carved %d of %d revisions", carved, len(history))
		require.Greater(t, carved, 10)

		_, err = e.client.Defragment(t.Context(), "unix://"+e.dir+"/client:1")
		require.NoError(t, err)
		db := openFile(t, e.database())
		requireSame(t, e.rangeAt(info.Revision), live(t, db, etcddb.Query{Revision: info.Revision}), "newest")
		stats, err := db.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.Damaged)
	})
}

func openBytes(t *testing.T, content []byte) *etcddb.DB {
	t.Helper()
	db, err := etcddb.Open(bytes.NewReader(content), int64(len(content)), etcddb.Options{})
	require.NoError(t, err)
	return db
}
