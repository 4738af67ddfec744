package etcddb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// model is what a generated database holds: every change in the order of revisions.
type model struct {
	changes []Record
}

// appendKeyValue writes a mvccpb.KeyValue as etcd does.
func appendKeyValue(r Record) []byte {
	b := wire.AppendBytes(nil, 1, r.Key)
	if r.Tombstone {
		return b
	}
	b = wire.AppendVarint(b, 2, uint64(r.Create))
	b = wire.AppendVarint(b, 3, uint64(r.Mod))
	b = wire.AppendVarint(b, 4, uint64(r.Version))
	b = wire.AppendBytes(b, 5, r.Value)
	return wire.AppendVarint(b, 6, uint64(r.Lease))
}

// at is the state at a revision, by key.
func (m *model) at(rev int64) map[string]Record {
	state := map[string]Record{}
	for _, r := range m.changes {
		if r.Rev.Main > rev {
			break
		}
		if r.Tombstone {
			delete(state, string(r.Key))
		} else {
			state[string(r.Key)] = r
		}
	}
	return state
}

// generator drives bbolt as etcd does: transactions of several changes, committed in batches.
type generator struct {
	rng  *rand.Rand
	keys int
	live map[string]Record
	m    model
	rev  int64
	free bool                 // of leases
	dir  string               // of the keys
	size func(*rand.Rand) int // of a value
}

func newGenerator(seed uint64, keys int) *generator {
	return &generator{
		rng: rand.New(rand.NewPCG(seed, 1)), keys: keys, live: map[string]Record{}, rev: 1, dir: "/registry/pods",
		size: func(rng *rand.Rand) int { return rng.IntN(1 + rng.IntN(9000)) },
	}
}

// step makes one etcd transaction.
func (g *generator) step(bucket *bbolt.Bucket) error {
	g.rev++
	for sub := range int64(1 + g.rng.IntN(3)) {
		key := fmt.Sprintf("%s/ns-%d/pod-%d", g.dir, g.rng.IntN(5), g.rng.IntN(g.keys))
		old, exists := g.live[key]
		r := Record{Rev: Revision{g.rev, sub}, Key: []byte(key), Mod: g.rev}
		if exists && g.rng.IntN(4) == 0 {
			r.Tombstone = true
			delete(g.live, key)
		} else {
			r.Create, r.Version = g.rev, 1
			if exists {
				r.Create, r.Version = old.Create, old.Version+1
			}
			r.Value = bytes.Repeat([]byte{byte(g.rng.IntN(256))}, g.size(g.rng))
			if len(r.Value) == 0 {
				r.Value = nil
			}
			if r.Size = len(r.Value); !g.free {
				r.Lease = int64(g.rng.IntN(2)) * 7
			}
			g.live[key] = r
		}
		name := appendRevision(nil, r.Rev)
		if r.Tombstone {
			name = append(name, 't')
		}
		if err := bucket.Put(name, appendKeyValue(r)); err != nil {
			return err
		}
		g.m.changes = append(g.m.changes, r)
	}
	return nil
}

// generate makes a database with so many revisions, a few of them a commit, and returns its bytes.
func generate(t testing.TB, seed uint64, keys, revisions int) ([]byte, *generator) {
	t.Helper()
	return newGenerator(seed, keys).database(t, revisions)
}

func (g *generator) database(t testing.TB, revisions int) ([]byte, *generator) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, NoSync: true, PageSize: 4096, FreelistType: bbolt.FreelistMapType})
	require.NoError(t, err)
	for g.rev < int64(revisions) {
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
			for _, name := range []string{"key", "meta", "lease", "cluster"} {
				if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
					return err
				}
			}
			for range 1 + g.rng.IntN(20) {
				if err := g.step(tx.Bucket([]byte("key"))); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	require.NoError(t, db.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content, g
}

func open(t testing.TB, content []byte, o Options) *DB {
	t.Helper()
	db, err := Open(bytes.NewReader(content), int64(len(content)), o)
	require.NoError(t, err)
	return db
}
