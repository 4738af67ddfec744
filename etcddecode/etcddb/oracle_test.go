package etcddb

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// bboltEntries is what bbolt's cursor finds in a bucket.
func bboltEntries(t *testing.T, content []byte, bucket string) (keys, values [][]byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error {
			keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
			return nil
		})
	}))
	require.NoError(t, db.Close())
	return keys, values
}

// rewrite opens a database with bbolt, as its sole user, changes it and returns its bytes.
func rewrite(t *testing.T, content []byte, noSync bool, change func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: noSync, NoSync: true})
	require.NoError(t, err)
	require.NoError(t, db.Update(change))
	require.NoError(t, db.Close())
	content, err = os.ReadFile(path)
	require.NoError(t, err)
	return content
}

// Law: entries are those of bbolt's cursor, in its order, and of a sound database nothing is reported, with and without a
// freelist in the file.
func TestEntriesAreBboltsEntries(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		content, g := generate(t, 100+seed, 80, 500)
		content = rewrite(t, content, seed%2 == 0, func(tx *bbolt.Tx) error { // as a compaction
			b := tx.Bucket([]byte("key"))
			for i, r := range g.m.changes {
				name := appendRevision(nil, r.Rev)
				if r.Tombstone {
					name = append(name, 't')
				}
				if i%3 != 0 && i < 400 {
					if err := b.Delete(name); err != nil {
						return err
					}
				}
			}
			return tx.Bucket([]byte("meta")).Put([]byte("consistent_index"), []byte("12345678"))
		})
		db := open(t, content, Options{})
		for _, bucket := range []string{"key", "meta"} {
			keys, values := bboltEntries(t, content, bucket)
			require.NotEmpty(t, keys)
			i := 0
			for pair, err := range db.Bucket(t.Context(), bucket) {
				require.NoError(t, err)
				require.Equal(t, keys[i], pair.Key)
				require.True(t, bytes.Equal(values[i], pair.Value))
				i++
			}
			require.Len(t, keys, i)
		}
		report, err := db.Verify(t.Context())
		require.NoError(t, err)
		require.Empty(t, report.Problems)
		require.Equal(t, ChecksumAbsent, report.Checksum)
		stats, err := db.Stats(t.Context())
		require.NoError(t, err)
		require.Zero(t, stats.Damaged)
		info, err := db.Info()
		require.NoError(t, err)
		p := stats.Pages
		require.Equal(t, info.Pages, 2+p.Branch+p.Leaf+p.Overflow+p.Freelist+p.Unused)

		// Law: what is not in the tree but on a free page is carved as it was written.
		written := map[Revision]Record{}
		for _, r := range g.m.changes {
			written[r.Rev] = r
		}
		for _, r := range collect(t, db.Revisions(t.Context(), Query{})) {
			delete(written, r.Rev)
		}
		carved := 0
		for r, err := range db.Carve(t.Context(), Query{}) {
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				continue
			}
			want, ok := written[r.Rev]
			require.True(t, ok, "revision %s is carved twice, or in the tree", r.Rev)
			delete(written, r.Rev)
			r = r.Clone()
			r.Page, r.Offset, r.Origin = 0, 0, OriginTree
			require.Equal(t, want, r)
			carved++
		}
		require.Positive(t, carved)
	}
}

// The previous transaction is the state before the last one.
func TestPreviousTransaction(t *testing.T) {
	content, g := generate(t, 21, 40, 200)
	later := rewrite(t, content, true, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("key")).Delete(appendRevision(nil, g.m.changes[0].Rev))
	})
	now := collect(t, open(t, later, Options{}).Revisions(t.Context(), Query{}))
	require.Equal(t, g.m.changes[1:], now)
	before := collect(t, open(t, later, Options{Previous: true}).Revisions(t.Context(), Query{}))
	require.Equal(t, g.m.changes, before)

	// With the newer meta page damaged, the older one is taken.
	info, err := open(t, later, Options{}).Info()
	require.NoError(t, err)
	require.Equal(t, 2, info.Metas)
	damaged := bytes.Clone(later)
	damaged[int(info.TxID%2)*4096+40] ^= 1
	require.Equal(t, g.m.changes, collect(t, open(t, damaged, Options{}).Revisions(t.Context(), Query{})))
	_, err = Open(bytes.NewReader(damaged), int64(len(damaged)), Options{Previous: true})
	require.ErrorIs(t, err, ErrCorrupt)
}

// Without any meta page, all that was in the tree is carved; other operations say why not.
func TestSalvage(t *testing.T) {
	content, g := generate(t, 22, 40, 200)
	clear(content[:2*4096])
	_, err := Open(bytes.NewReader(content), int64(len(content)), Options{})
	require.ErrorIs(t, err, ErrNoMeta)
	for _, o := range []Options{{Salvage: true}, {Salvage: true, PageSize: 4096}} {
		db := open(t, content, o)
		found := map[Revision]bool{}
		for r, err := range db.Carve(t.Context(), Query{}) {
			if err == nil {
				found[r.Rev] = true
			}
		}
		require.Len(t, found, len(g.m.changes))
		for _, err := range db.Live(t.Context(), Query{}) {
			require.ErrorIs(t, err, ErrNoMeta)
		}
		_, err = db.Verify(t.Context())
		require.ErrorIs(t, err, ErrNoMeta)
		_, err = db.Info()
		require.ErrorIs(t, err, ErrNoMeta)
	}
	_, err = Open(bytes.NewReader(content), int64(len(content)), Options{Salvage: true, PageSize: 1000})
	require.ErrorContains(t, err, "page size 1000")
}

// Of two copies of a page, the records are taken from the one that is not damaged, whichever comes first in the file.
func TestCarvePrefersWholePages(t *testing.T) {
	content, g := generate(t, 22, 40, 200)
	written := map[Revision]Record{}
	for _, r := range g.m.changes {
		written[r.Rev] = r
	}
	var page uint64 // one with several records
	for r, err := range open(t, content, Options{}).Revisions(t.Context(), Query{}) {
		require.NoError(t, err)
		page = r.Page
		if r.Rev.Main > 100 {
			break
		}
	}
	clear(content[:2*4096])
	original := bytes.Clone(content[page*4096:][:4096])
	overflow := binary.LittleEndian.Uint32(original[12:])
	original = bytes.Clone(content[page*4096:][:4096*(overflow+1)])
	again := bytes.Clone(original)
	copied := uint64(len(content) / 4096)
	binary.LittleEndian.PutUint64(again, copied)
	damage := func(p []byte) { // the last entry is lost, and a bit of the first one's value is wrong
		count := int(binary.LittleEndian.Uint16(p[10:]))
		require.Greater(t, count, 1)
		binary.LittleEndian.PutUint32(p[16+16*(count-1)+4:], 1<<30)
		first := 16 + int(binary.LittleEndian.Uint32(p[20:])) + int(binary.LittleEndian.Uint32(p[24:]))
		p[first+int(binary.LittleEndian.Uint32(p[28:]))-1] ^= 1
	}
	for _, firstIsDamaged := range []bool{true, false} {
		first, second := bytes.Clone(original), bytes.Clone(again)
		if firstIsDamaged {
			damage(first)
		} else {
			damage(second)
		}
		file := append(bytes.Clone(content), second...)
		copy(file[page*4096:], first)
		found := 0
		for r, err := range open(t, file, Options{Salvage: true}).Carve(t.Context(), Query{}) {
			require.NoError(t, err)
			require.Equal(t, string(written[r.Rev].Value), string(r.Value), "%s", r.Rev)
			require.Equal(t, written[r.Rev].Lease, r.Lease)
			if r.Page == page || r.Page == copied {
				require.Equal(t, firstIsDamaged, r.Page == copied)
			}
			found++
		}
		require.Equal(t, len(written), found)
	}
}

// A file that is cut off yields what it still has, and errors; what is yielded is right.
func TestTruncated(t *testing.T) {
	content, g := generate(t, 23, 40, 300)
	written := map[Revision]Record{}
	for _, r := range g.m.changes {
		written[r.Rev] = r
	}
	for _, size := range []int{len(content) / 4, len(content) / 2, 20 * 4096, 20*4096 + 100, 3 * 4096} {
		db := open(t, content[:size], Options{})
		errs := 0
		for r, err := range db.Revisions(t.Context(), Query{}) {
			if err != nil {
				require.ErrorIs(t, err, ErrCorrupt)
				errs++
				continue
			}
			r = r.Clone()
			r.Page, r.Offset = 0, 0
			require.Equal(t, written[r.Rev], r)
		}
		info, _ := db.Info()
		if info.Truncated {
			report, err := db.Verify(t.Context())
			require.NoError(t, err)
			require.False(t, report.OK())
		}
	}
}

// The numbers of a file are in the byte order of the machine that wrote it.
func TestBigEndian(t *testing.T) {
	content, g := generate(t, 24, 30, 150)
	swapped := bytes.Clone(content)
	for page := 0; page*4096 < len(content); {
		page += swapPage(swapped[page*4096:])
	}
	db := open(t, swapped, Options{})
	info, err := db.Info()
	require.NoError(t, err)
	require.True(t, info.BigEndian)
	require.Equal(t, g.m.changes, collect(t, db.Revisions(t.Context(), Query{})))
}

// swapPage changes the byte order of a page and returns how many pages it has.
func swapPage(p []byte) int {
	u16 := func(at int) (v uint16) {
		v = binary.LittleEndian.Uint16(p[at:])
		binary.BigEndian.PutUint16(p[at:], v)
		return v
	}
	u32 := func(at int) (v uint32) {
		v = binary.LittleEndian.Uint32(p[at:])
		binary.BigEndian.PutUint32(p[at:], v)
		return v
	}
	u64 := func(at int) {
		binary.BigEndian.PutUint64(p[at:], binary.LittleEndian.Uint64(p[at:]))
	}
	u64(0)
	flags, count, overflow := u16(8), int(u16(10)), int(u32(12))
	for i := range count {
		at := 16 + 16*i
		switch flags {
		case 2:
			bucket, pos, ksize := u32(at), int(u32(at+4)), int(u32(at+8))
			u32(at + 12)
			if value := at + pos + ksize; bucket == 1 {
				inline := binary.LittleEndian.Uint64(p[value:]) == 0
				u64(value)
				u64(value + 8)
				if inline {
					swapPage(p[value+16:])
				}
			}
		case 1:
			u32(at)
			u32(at + 4)
			u64(at + 8)
		}
	}
	if flags == 4 {
		for at := 16; at < 32; at += 4 {
			u32(at)
		}
		for at := 32; at < 72; at += 8 {
			u64(at)
		}
		h := fnv.New64a()
		_, _ = h.Write(p[16:72])
		binary.BigEndian.PutUint64(p[72:], h.Sum64())
	}
	return overflow + 1
}

// A deletion comes with the last value before it, and says whether the key lives again.
func TestDeletedIsTheModels(t *testing.T) {
	content, g := generate(t, 25, 30, 400)
	type deletion struct {
		last, at  Revision
		recreated bool
	}
	want := map[deletion]bool{}
	last := map[string]Record{}
	live := g.m.at(g.rev)
	for _, r := range g.m.changes {
		if r.Tombstone && r.Rev.Main > 100 {
			_, again := live[string(r.Key)]
			want[deletion{last[string(r.Key)].Rev, r.Rev, again}] = true
		}
		last[string(r.Key)] = r
	}
	require.NotEmpty(t, want)
	db := open(t, content, Options{})
	for d, err := range db.Deleted(t.Context(), Query{Since: 100}) {
		require.NoError(t, err)
		key := deletion{d.Last.Rev, d.Deleted, d.Recreated}
		require.True(t, want[key], "%+v", key)
		delete(want, key)
	}
	require.Empty(t, want)

	generation := int64(0)
	for r, err := range db.History(t.Context(), string(g.m.changes[0].Key)) {
		require.NoError(t, err)
		require.Equal(t, g.m.changes[0].Key, r.Key)
		if r.Tombstone {
			require.Equal(t, generation, r.Create)
		}
		generation = r.Create
	}
	_, err := db.Get(t.Context(), "no such key", 0)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = db.Get(t.Context(), "x", g.rev+1)
	require.ErrorIs(t, err, ErrFutureRevision)
}
