package etcddb

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

var fixtures = flag.String("fixtures", "", "version=program,…: write etcddecode/etcddb/testdata anew with these etcds")

// golden is what etcd said of itself when a fixture was written.
type golden struct {
	Revision, Compacted int64
	Hash                uint32
	Live                []etcddb.Record
}

// The fixtures of the unit tests are made with
//
//	go test ./etcddb -run TestWriteFixtures -fixtures 3.4.23=/usr/bin/etcd,3.5.21=…,3.6.8=…
//
// of a snapshot after a compaction, and the log that led to it with the database that it began with.
func TestWriteFixtures(t *testing.T) {
	if *fixtures == "" {
		t.Skip("writes files: only with -fixtures")
	}
	for pair := range strings.SplitSeq(*fixtures, ",") {
		version, program, _ := strings.Cut(pair, "=")
		e := startEtcd(t, program, "--backend-batch-interval=1h", "--snapshot-count=1000000")
		early, err := os.ReadFile(e.database())
		require.NoError(t, err)
		l := newLoad(e, 11, 30)
		l.small = true
		for range 150 {
			l.step(t.Context(), t)
		}
		now, err := e.client.Get(t.Context(), "ready")
		require.NoError(t, err)
		g := golden{Revision: now.Header.Revision, Compacted: now.Header.Revision - 40}
		_, err = e.client.Compact(t.Context(), g.Compacted, clientv3.WithCompactPhysical())
		require.NoError(t, err)
		g.Live, g.Hash = e.rangeAt(g.Revision), hashKV(t, e, g.Revision).Hash
		snapshot := e.snapshot()
		e.kill()
		logs, err := filepath.Glob(filepath.Join(e.data(), "member", "wal", "*.wal"))
		require.NoError(t, err)
		require.Len(t, logs, 1)
		wal, err := os.ReadFile(logs[0])
		require.NoError(t, err)
		wal = append(bytes.TrimRight(wal, "\x00"), make([]byte, 4096)...)
		text, err := json.Marshal(g)
		require.NoError(t, err)
		for name, content := range map[string][]byte{"snapshot": snapshot, "early.db": early, filepath.Base(logs[0]): wal, "golden.json": text} {
			var b bytes.Buffer
			z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			require.NoError(t, err)
			_, err = z.Write(content)
			require.NoError(t, err)
			require.NoError(t, z.Close())
			dir := filepath.Join("..", "..", "..", "etcddecode", "etcddb", "testdata", "etcd-"+version)
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name+".gz"), b.Bytes(), 0o644))
		}
	}
}
