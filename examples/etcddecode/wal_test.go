package main

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dataDirectory is what etcd 3.5 left: a database and the log behind it.
func dataDirectory(t *testing.T) string {
	t.Helper()
	const fixture = "../../etcddecode/etcddb/testdata/etcd-3.5.21"
	dir := filepath.Join(t.TempDir(), "member")
	for from, to := range map[string]string{
		"early.db.gz": "snap/db",
		"0000000000000000-0000000000000000.wal.gz": "wal/0000000000000000-0000000000000000.wal",
	} {
		packed, err := os.Open(filepath.Join(fixture, from))
		require.NoError(t, err)
		r, err := gzip.NewReader(packed)
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, packed.Close())
		file := filepath.Join(dir, filepath.FromSlash(to))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, content, 0o600))
	}
	return filepath.Dir(dir)
}

func TestLogOfADataDirectory(t *testing.T) {
	dir := dataDirectory(t)
	all := cli(t, nil, "wal", dir)
	require.Zero(t, all.code, all.err)
	for _, want := range []string{" term ", " put ", " txn", "then: put ", "else: put ", " lease grant ", " up to "} {
		require.Contains(t, all.out, want)
	}
	require.NotContains(t, all.out, "\n    ", "values are not asked for")
	some := cli(t, nil, "wal", dir, "--from", "20")
	require.Less(t, len(some.out), len(all.out))
	require.True(t, strings.HasSuffix(all.out, some.out))
	values := cli(t, nil, "wal", dir, "--yaml")
	require.Greater(t, len(values.out), len(all.out))
}

func TestLogIsReplayed(t *testing.T) {
	dir := dataDirectory(t)
	with := cli(t, nil, "list", "-f", dir)
	require.Zero(t, with.code, with.err)
	without := cli(t, nil, "list", "-f", dir, "--ignore-wal")
	require.Zero(t, without.code, without.err)
	require.Greater(t, len(with.out), len(without.out))
}

func TestCarveOfASnapshot(t *testing.T) {
	got := cli(t, nil, "carve", "-f", "../../etcddecode/etcddb/testdata/etcd-3.5.21/snapshot.gz")
	require.Contains(t, got.out, "# /registry/")
	require.Contains(t, got.out, ", revision ")
	none := cli(t, nil, "carve", "-f", "../../etcddecode/etcddb/testdata/etcd-3.5.21/snapshot.gz", "--since-rev", "1000000")
	require.Zero(t, none.code)
	require.Empty(t, none.out)
}

func TestProgress(t *testing.T) {
	var none *progress
	none.add(1) // does nothing where there is no terminal
	none.finish()
	require.Nil(t, newProgress(streams{err: io.Discard}, fakeStore{}))
	var out strings.Builder
	p := &progress{out: &out, total: 1000, start: time.Now().Add(-time.Minute), shown: time.Now().Add(-time.Minute)}
	for range 64 {
		p.add(10)
	}
	require.Contains(t, out.String(), "[###################...........] 64 records, 0.0 MiB, 60 s")
	p.finish()
	require.True(t, strings.HasSuffix(out.String(), "\r\x1b[K"))
	p.total = 0
	require.True(t, strings.HasPrefix(p.line(), "64 records"))
	p.done, p.total = 5000, 1000
	require.Contains(t, p.line(), "["+strings.Repeat("#", 30)+"]", "compressed, it may be more than its size")
}
