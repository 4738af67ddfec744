package etcddb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scanned is what a scan yields, a line for each change or error.
func scanned(t testing.TB, db *DB, s span) (lines []string) {
	t.Helper()
	for c, err := range db.scan(t.Context(), s) {
		if err != nil {
			lines = append(lines, err.Error())
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %q %d %d %d %d %d %v %d+%d %d %d", c.Rev, c.Key, c.Create, c.Version, c.Mod, c.Lease,
			c.Size, c.Tombstone, c.Page, c.Offset, c.tx, c.length))
	}
	return lines
}

// requireSkimmed compares a scan that reads whole pages to those that read of some values, or all, the beginnings only.
func requireSkimmed(t testing.TB, db *DB, s span) {
	t.Helper()
	whole := scanned(t, db, s)
	s.wants = none
	require.Equal(t, whole, scanned(t, db, s))
	s.wants = func(key []byte) bool { return len(key)%2 == 0 }
	require.Equal(t, whole, scanned(t, db, s))
}

// Law: what a scan yields, damage with it, does not depend on how much of the values it was asked to read.
func TestLawSkimmedIsWhole(t *testing.T) {
	content, g := generate(t, 21, 40, 300)
	db := open(t, content, Options{})
	for _, reverse := range []bool{false, true} {
		requireSkimmed(t, db, span{upTo: maxRevision, reverse: reverse, bumps: true})
		requireSkimmed(t, db, span{after: 100, upTo: 200, reverse: reverse})
		require.Len(t, scanned(t, db, span{upTo: maxRevision, wants: none, reverse: reverse}), len(g.m.changes))
	}
	rng := rand.New(rand.NewPCG(5, 6))
	rounds, damaged := 300, 0
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		content := mangle(content, rng)
		if i == 0 { // every page overlaps all behind it
			for _, id := range nodes(content) {
				binary.LittleEndian.PutUint32(content[id*4096+12:], uint32(len(content)/4096-id-1))
			}
		}
		db := open(t, content, Options{})
		s := span{upTo: maxRevision, reverse: i%2 == 1}
		requireSkimmed(t, db, s)
		for _, err := range db.scan(t.Context(), s) {
			if err != nil {
				damaged++
				break
			}
		}
	}
	require.Greater(t, damaged, rounds/2)
}

// nodes lists the pages on which a node of a tree begins.
func nodes(content []byte) (list []int) {
	for id := 2; id < len(content)/4096; id++ {
		if p := content[id*4096:]; binary.LittleEndian.Uint64(p) == uint64(id) && p[8] <= 2 {
			list = append(list, id)
		}
	}
	return list
}

// mangle damages nodes a little, so that much of what they say still makes sense.
func mangle(content []byte, rng *rand.Rand) []byte {
	content = bytes.Clone(content)
	list := nodes(content)
	for range 1 + rng.IntN(3) {
		p := content[list[rng.IntN(len(list))]*4096:]
		n := int(binary.LittleEndian.Uint16(p[10:]))
		e := p[16+16*rng.IntN(max(1, n)):]
		if p[8] == 1 { // a branch: two references to a page, or one to a part of another
			binary.LittleEndian.PutUint64(e[8:], uint64(list[rng.IntN(len(list))]+rng.IntN(8)/7))
			continue
		}
		by := []uint32{1, 16, 4096, 1 << 20, ^uint32(0), ^uint32(15)}[rng.IntN(6)]
		switch at := rng.IntN(6); at {
		case 0: // the number of the page
			p[0] ^= 1
		case 1: // how many elements it has
			binary.LittleEndian.PutUint16(p[10:], uint16(uint32(n)+by))
		case 2: // how many pages it runs over
			binary.LittleEndian.PutUint32(p[12:], binary.LittleEndian.Uint32(p[12:])+by)
		default: // where an entry is, and how long its key and value are
			field := e[4*(at-2):]
			binary.LittleEndian.PutUint32(field, binary.LittleEndian.Uint32(field)+by)
		}
	}
	if rng.IntN(4) == 0 {
		content = content[:len(content)-rng.IntN(len(content)/4)]
	}
	return content
}

// Law: what a scan yields was in the tree of the transaction that it says, whenever another one is committed.
func TestLawSkimmedIsOfOneTransaction(t *testing.T) {
	g := newGenerator(25, 40)
	g.size = func(rng *rand.Rand) int { return 5000 + rng.IntN(5000) }
	before, _ := g.database(t, 40)
	after := bytes.ReplaceAll(before, []byte("/registry/pods"), []byte("/REGISTRY/PODS")) // on the same pages
	metas := [][]byte{after[16:], after[4096+16:]}
	tx := func(meta []byte) uint64 { return binary.LittleEndian.Uint64(meta[48:]) }
	slices.SortFunc(metas, func(a, b []byte) int { return cmp.Compare(tx(a), tx(b)) })
	binary.LittleEndian.PutUint64(metas[0][48:], tx(metas[1])+1)
	copy(metas[0][:48], metas[1])
	sum := fnv.New64a()
	_, _ = sum.Write(metas[0][:56])
	binary.LittleEndian.PutUint64(metas[0][56:], sum.Sum64())
	for _, reverse := range []bool{false, true} {
		for n := 1; ; n++ {
			r := &running{files: [][]byte{before, after}, every: n}
			db, err := Open(r, int64(len(before)), Options{})
			require.NoError(t, err)
			var revisions []Revision
			for c, err := range db.scan(t.Context(), span{upTo: maxRevision, wants: none, reverse: reverse}) {
				require.NoError(t, err)
				require.Equal(t, c.tx > tx(metas[1]), bytes.HasPrefix(c.Key, []byte("/REGISTRY")), "a commit at read %d", n)
				revisions = append(revisions, c.Rev)
			}
			if reverse {
				slices.Reverse(revisions)
			}
			require.Len(t, revisions, len(g.m.changes))
			for i, change := range g.m.changes {
				require.Equal(t, change.Rev, revisions[i])
			}
			if r.reads < n {
				break // the walk was over
			}
		}
	}
}

// Law: of values that were wanted, nothing is missing.
func TestWantedValuesAreWhole(t *testing.T) {
	content, g := generate(t, 22, 40, 300)
	db := open(t, content, Options{})
	wanted := 0
	for _, want := range g.m.changes {
		if wanted++; wanted%7 != 0 || want.Tombstone {
			continue
		}
		got, err := db.Get(t.Context(), string(want.Key), want.Rev.Main)
		require.NoError(t, err)
		if got.Rev != want.Rev {
			continue // changed twice in a transaction
		}
		require.True(t, bytes.Equal(want.Value, got.Value))
		match := Query{Match: func(key []byte) bool { return bytes.Equal(key, want.Key) }, Revision: want.Rev.Main, NewestFirst: true}
		newest := collect(t, db.Live(t.Context(), match))
		require.Len(t, newest, 1)
		require.True(t, bytes.Equal(want.Value, newest[0].Value))
	}
	for r, err := range db.History(t.Context(), string(g.m.changes[0].Key)) {
		require.NoError(t, err)
		require.Len(t, r.Value, r.Size)
	}
}

// counting counts the bytes that are read.
type counting struct {
	io.ReaderAt
	bytes int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += len(p)
	return c.ReaderAt.ReadAt(p, off)
}

// Law: what needs no values reads little of a database with large ones.
func TestLargeValuesAreNotRead(t *testing.T) {
	g := newGenerator(23, 100)
	g.size, g.free = func(*rand.Rand) int { return 20_000 }, true
	content, _ := g.database(t, 300)
	key := string(g.m.changes[0].Key)
	for name, work := range map[string]func(db *DB){
		"keys":   func(db *DB) { collect(t, db.Live(t.Context(), Query{KeysOnly: true})) },
		"newest": func(db *DB) { collect(t, db.Live(t.Context(), Query{KeysOnly: true, NewestFirst: true})) },
		"get":    func(db *DB) { _, _ = db.Get(t.Context(), key, 0) },
		"none":   func(db *DB) { collect(t, db.Live(t.Context(), Query{Prefix: "/none"})) },
		"history": func(db *DB) {
			for _, err := range db.History(t.Context(), "/none") {
				require.NoError(t, err)
			}
		},
	} {
		r := &counting{ReaderAt: bytes.NewReader(content)}
		db, err := Open(r, int64(len(content)), Options{})
		require.NoError(t, err)
		work(db)
		require.Less(t, r.bytes, len(content)/5, name)
	}
}

// TestLongKeys has keys that what is read at first does not hold, and some that are too long for it altogether.
func TestLongKeys(t *testing.T) {
	for _, n := range []int{100, 170, 180, 190, 400, 500, 600, 2000} {
		g := newGenerator(24, 10)
		g.dir, g.size = "/"+strings.Repeat("d", n), func(rng *rand.Rand) int { return 5000 + rng.IntN(5000) }
		content, _ := g.database(t, 40)
		db := open(t, content, Options{})
		requireSkimmed(t, db, span{upTo: maxRevision})
		require.Equal(t, g.m.changes, collect(t, db.Revisions(t.Context(), Query{Prefix: g.dir})))
	}
}

// Law: keys are sorted as strings are, however much of them is the same.
func TestLawKeysAreSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, letters := range []int{1, 2, 256} {
		keys := map[string]bool{}
		for range 3000 {
			key := make([]byte, rng.IntN(60))
			for i := range key {
				key[i] = byte(rng.IntN(letters))
			}
			keys["/registry/"[:rng.IntN(11)]+string(key)] = true
		}
		var all []keyed
		for key := range keys {
			all = append(all, keyed{entry: &entry{key: key}})
		}
		sortKeyed(all, 0)
		for i, want := range slices.Sorted(maps.Keys(keys)) {
			require.Equal(t, want, all[i].key)
		}
	}
}
