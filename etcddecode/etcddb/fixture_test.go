package etcddb

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// The directories of testdata were written by etcds of these versions; internal/e2e/etcddb/fixtures_test.go says how.
type fixture struct {
	version, walName     string
	snapshot, early, wal []byte
	golden               struct {
		Revision, Compacted int64
		Hash                uint32
		Live                []Record
	}
}

func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(name)
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	z, err := gzip.NewReader(file)
	require.NoError(t, err)
	content, err := io.ReadAll(z)
	require.NoError(t, err)
	return content
}

func fixtures(t testing.TB) (list []fixture) {
	t.Helper()
	dirs, err := filepath.Glob("testdata/etcd-*")
	require.NoError(t, err)
	require.Len(t, dirs, 3)
	for _, dir := range dirs {
		logs, err := filepath.Glob(dir + "/*.wal.gz")
		require.NoError(t, err)
		require.Len(t, logs, 1)
		f := fixture{
			version: filepath.Base(dir), walName: strings.TrimSuffix(filepath.Base(logs[0]), ".gz"),
			snapshot: gunzip(t, dir+"/snapshot.gz"), early: gunzip(t, dir+"/early.db.gz"), wal: gunzip(t, logs[0]),
		}
		require.NoError(t, json.Unmarshal(gunzip(t, dir+"/golden.json.gz"), &f.golden))
		list = append(list, f)
	}
	return list
}

// dir is the data directory of the database of the beginning and the log.
func (f *fixture) dir() fstest.MapFS {
	return fstest.MapFS{"member/snap/db": {Data: f.early}, "member/wal/" + f.walName: {Data: f.wal}}
}

// plain leaves out of records what etcd does not tell.
func plain(records []Record) []Record {
	for i := range records {
		records[i].Rev.Sub, records[i].Origin = 0, OriginTree
		if len(records[i].Value) == 0 {
			records[i].Value = nil
		}
	}
	return records
}

// Law: what is read is what etcd said of itself, its HashKV with it: from the snapshot that it sent, and from the log on top
// of a database in which there was nothing yet.
func TestFixturesAreWhatEtcdSaid(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.version, func(t *testing.T) {
			snapshot := open(t, f.snapshot, Options{})
			replayed, err := OpenDir(f.dir(), Options{Pending: true})
			require.NoError(t, err)
			for _, db := range []*DB{snapshot, replayed} {
				info, err := db.Info()
				require.NoError(t, err)
				require.Equal(t, f.golden.Revision, info.Revision)
				require.Equal(t, f.golden.Compacted, info.Compacted)
				require.Equal(t, f.golden.Live, plain(collect(t, db.Live(t.Context(), Query{}))))
				hash, err := db.HashKV(t.Context(), 0)
				require.NoError(t, err)
				require.Equal(t, f.golden.Hash, hash)
				_, err = db.HashKV(t.Context(), f.golden.Compacted-1)
				require.ErrorIs(t, err, ErrCompacted)
				for _, err := range db.Live(t.Context(), Query{Revision: f.golden.Compacted - 1}) {
					require.ErrorIs(t, err, ErrCompacted)
				}
				for _, want := range f.golden.Live {
					got, err := db.Get(t.Context(), string(want.Key), 0)
					require.NoError(t, err)
					require.Equal(t, want.Mod, got.Mod)
				}
				report, err := db.Verify(t.Context())
				require.NoError(t, err)
				require.Empty(t, report.Problems)
				require.True(t, report.OK())
				stats, err := db.Stats(t.Context())
				require.NoError(t, err)
				require.Equal(t, len(f.golden.Live), stats.Keys)
			}
			report, err := snapshot.Verify(t.Context())
			require.NoError(t, err)
			require.Equal(t, ChecksumValid, report.Checksum)
			require.NoError(t, replayed.Close())
		})
	}
}

// The log of a fixture has every kind of request that its load made, and carving finds in the snapshot what the log wrote.
func TestLogAndCarvingAgree(t *testing.T) {
	for _, f := range fixtures(t) {
		written := map[string]bool{}
		kinds := map[string]int{}
		for e, err := range WALEntries(f.dir()) {
			require.NoError(t, err)
			kinds[e.Kind]++
			for _, o := range e.Ops {
				written[string(o.Key)+"="+string(o.Value)] = true
			}
		}
		for _, kind := range []string{"put", "delete", "txn", "compaction", "lease grant", "lease revoke", "membership", "empty"} {
			require.Positive(t, kinds[kind], "%s: %s", f.version, kind)
		}
		require.Zero(t, kinds["unknown"])
		carved := 0
		for r, err := range open(t, f.snapshot, Options{}).Carve(t.Context(), Query{}) {
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			require.Equal(t, OriginFree, r.Origin)
			require.LessOrEqual(t, r.Mod, f.golden.Revision)
			if !r.Tombstone && r.Lease == 0 && len(r.Value) > 0 && r.Version == 1 {
				require.True(t, written[string(r.Key)+"="+string(r.Value)], "%s", r.Key)
			}
			carved++
		}
		t.Logf("%s: %d carved", f.version, carved)
	}
}

// Damage: what the torn end of a log holds is left out and reported; a flipped bit ends the replay and is an error.
func TestDamagedLog(t *testing.T) {
	f := fixtures(t)[2]
	end := len(bytes.TrimRight(f.wal, "\x00"))
	torn := f.dir()
	torn["member/wal/"+f.walName] = &fstest.MapFile{Data: f.wal[:end-10]}
	db, err := OpenDir(torn, Options{Pending: true})
	require.NoError(t, err)
	info, err := db.Info()
	require.NoError(t, err)
	require.True(t, info.WAL.Torn)
	require.NoError(t, info.WAL.Err)
	entries := 0
	for _, err := range WALEntries(torn) {
		require.NoError(t, err)
		entries++
	}
	require.Greater(t, entries, 50)

	flipped := bytes.Clone(f.wal)
	flipped[end/2] ^= 4
	broken := f.dir()
	broken["member/wal/"+f.walName] = &fstest.MapFile{Data: flipped}
	db, err = OpenDir(broken, Options{Pending: true})
	require.NoError(t, err)
	info, err = db.Info()
	require.NoError(t, err)
	require.ErrorIs(t, info.WAL.Err, ErrCorrupt)
	require.Positive(t, info.WAL.Replayed)
	failed := 0
	for _, err := range db.Live(t.Context(), Query{}) {
		if err != nil {
			failed++
		}
	}
	require.Equal(t, 1, failed, "the damage of the log is not hidden")
	failed = 0
	for _, err := range WALEntries(broken) {
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Contains(t, err.Error(), f.walName)
			failed++
		}
	}
	require.Positive(t, failed)
}

func TestLogThatBeginsTooLate(t *testing.T) {
	f := fixtures(t)[2]
	late := f.dir()
	var entry []byte
	for r := range frames(f.wal) {
		entry = r // any: the last
	}
	require.NotEmpty(t, entry)
	var w walWriter
	w.entry(500, 3, nil)
	late["member/wal/"+f.walName] = &fstest.MapFile{Data: w.b}
	_, err := OpenDir(late, Options{})
	require.ErrorContains(t, err, "begins with entry 500")
	db, err := OpenDir(late, Options{IgnoreWAL: true})
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// A database that a leader sent is taken if it is newer and its snapshot file is complete.
func TestReceivedDatabase(t *testing.T) {
	f := fixtures(t)[2]
	dir := fstest.MapFS{
		"snap/db":                       {Data: f.early},
		"snap/00000000000fffff.snap.db": {Data: f.snapshot[:len(f.snapshot)-32]},
		"snap/0000000000000002-00000000000fffff.snap": {Data: []byte("x")},
	}
	db, err := OpenDir(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, f.golden.Live, plain(collect(t, db.Live(t.Context(), Query{}))))
	delete(dir, "snap/db")
	db, err = OpenDir(dir, Options{})
	require.NoError(t, err)
	require.NotEmpty(t, collect(t, db.Live(t.Context(), Query{})))
	delete(dir, "snap/0000000000000002-00000000000fffff.snap")
	_, err = OpenDir(dir, Options{})
	require.Error(t, err)
}
