package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

const etcdKeys = 20_000

// etcdDatabase makes, once, a database like that of a cluster of 20,000 Pods, about 120 MB, as etcd writes it: revisions in
// order, a batch a transaction.
var etcdDatabase = sync.OnceValues(func() (path string, err error) {
	dir, err := os.MkdirTemp("", "etcddb")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, NoSync: true, PageSize: 4096, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return "", err
	}
	rng := rand.New(rand.NewPCG(1, 1))
	filler := make([]byte, 8192)
	for i := range filler {
		filler[i] = byte('a' + rng.IntN(26))
	}
	for first := 0; first < etcdKeys; first += 500 {
		if err := db.Update(func(tx *bbolt.Tx) error { return putBatch(tx, rng, filler, first) }); err != nil {
			return "", err
		}
	}
	return path, db.Close()
})

func putBatch(tx *bbolt.Tx, rng *rand.Rand, filler []byte, first int) error {
	for _, name := range []string{"meta", "lease", "members"} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	b, err := tx.CreateBucketIfNotExists([]byte("key"))
	if err != nil {
		return err
	}
	b.FillPercent = 0.9 // as etcd does for what is appended
	for i := first; i < first+500; i++ {
		rev := uint64(i + 2)
		name := append(binary.BigEndian.AppendUint64(nil, rev), '_', 0, 0, 0, 0, 0, 0, 0, 0)
		if err := b.Put(name, keyValue(etcdKey(i), rev, filler[:3800+rng.IntN(2700)])); err != nil {
			return err
		}
	}
	return nil
}

func etcdKey(i int) string {
	return fmt.Sprintf("/registry/pods/ns-%03d/pod-%08x", i%40, uint32(i)*2654435761)
}

func keyValue(key string, rev uint64, value []byte) []byte {
	b := append(binary.AppendUvarint([]byte{0x0a}, uint64(len(key))), key...)
	b = binary.AppendUvarint(append(b, 0x10), rev)
	b = binary.AppendUvarint(append(b, 0x18), rev)
	b = append(b, 0x20, 1)
	return append(binary.AppendUvarint(append(b, 0x2a), uint64(len(value))), value...)
}

// etcdWork runs work beside the cursor of bbolt, which opens the database and visits each entry of the bucket; it finds out
// neither what is live nor any key.
func etcdWork(b *testing.B, work func(b *testing.B, db *etcddb.DB) int) {
	path, err := etcdDatabase()
	require.NoError(b, err)
	info, err := os.Stat(path)
	require.NoError(b, err)
	run := func(name string, f func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(info.Size())
			before := cpuTime()
			for b.Loop() {
				f(b)
			}
			b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
	run("kubewright", func(b *testing.B) {
		db, err := etcddb.OpenFile(path, etcddb.Options{})
		require.NoError(b, err)
		require.Positive(b, work(b, db))
		require.NoError(b, db.Close())
	})
	run("bbolt-cursor", func(b *testing.B) { require.Equal(b, etcdKeys, bboltCursor(b, path)) })
}

func bboltCursor(b *testing.B, path string) (n int) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(b, err)
	require.NoError(b, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("key")).ForEach(func(_, v []byte) error {
			if bytes.IndexByte(v[:1], 0x0a) == 0 {
				n++
			}
			return nil
		})
	}))
	require.NoError(b, db.Close())
	return n
}

func BenchmarkDatabase(b *testing.B) {
	count := func(q etcddb.Query) func(b *testing.B, db *etcddb.DB) int {
		return func(b *testing.B, db *etcddb.DB) (n int) {
			for _, err := range db.Live(b.Context(), q) {
				require.NoError(b, err)
				n++
			}
			return n
		}
	}
	b.Run("one-key", func(b *testing.B) {
		etcdWork(b, func(b *testing.B, db *etcddb.DB) int {
			r, err := db.Get(b.Context(), etcdKey(etcdKeys/2), 0)
			require.NoError(b, err)
			return len(r.Value)
		})
	})
	b.Run("oldest-key", func(b *testing.B) {
		etcdWork(b, func(b *testing.B, db *etcddb.DB) int {
			r, err := db.Get(b.Context(), etcdKey(0), 0)
			require.NoError(b, err)
			return len(r.Value)
		})
	})
	b.Run("list-keys", func(b *testing.B) { etcdWork(b, count(etcddb.Query{KeysOnly: true})) })
	b.Run("all-values-by-key", func(b *testing.B) { etcdWork(b, count(etcddb.Query{})) })
	b.Run("all-values-newest-first", func(b *testing.B) { etcdWork(b, count(etcddb.Query{NewestFirst: true})) })
	b.Run("revisions", func(b *testing.B) {
		etcdWork(b, func(b *testing.B, db *etcddb.DB) (n int) {
			for _, err := range db.Revisions(b.Context(), etcddb.Query{}) {
				require.NoError(b, err)
				n++
			}
			return n
		})
	})
	b.Run("verify", func(b *testing.B) {
		etcdWork(b, func(b *testing.B, db *etcddb.DB) int {
			report, err := db.Verify(b.Context())
			require.NoError(b, err)
			require.Empty(b, report.Problems)
			return report.Revisions
		})
	})
}
