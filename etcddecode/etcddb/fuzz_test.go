package etcddb

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// exercise asks a database everything. Nothing may panic or hang, and what is a record must make sense.
func exercise(t *testing.T, db *DB, size int) {
	t.Helper()
	ctx := context.Background()
	records := 0
	check := func(r Record, err error) bool { //nolint:unparam // as an iterator wants it
		if err != nil {
			if r.Key != nil {
				t.Fatalf("a record beside %v", err)
			}
			return true
		}
		if records++; len(r.Key) == 0 || r.Mod != r.Rev.Main || r.Size < 0 || len(r.Value) > size && r.Origin != OriginWAL {
			t.Fatalf("%+v", r)
		}
		return true
	}
	_, _ = db.Info()
	db.Revisions(ctx, Query{})(check)
	if records > size {
		t.Fatalf("%d records in %d bytes", records, size)
	}
	db.Live(ctx, Query{})(check)
	db.Live(ctx, Query{NewestFirst: true, Prefix: "/registry/"})(check)
	db.Live(ctx, Query{Revision: 20, KeysOnly: true})(check)
	db.History(ctx, "/registry/pods/ns/003")(check)
	db.Carve(ctx, Query{})(check)
	for d, err := range db.Deleted(ctx, Query{}) {
		check(d.Last, err)
	}
	for _, err := range db.Leases(ctx) {
		if err == nil {
			records++
		}
	}
	_, _ = db.Get(ctx, "/registry/pods/ns/003", 0)
	_, _ = db.HashKV(ctx, 0)
	_, _ = db.Stats(ctx)
	_, _ = db.Verify(ctx)
}

func FuzzOpen(f *testing.F) {
	for _, fixture := range fixtures(f) {
		f.Add(fixture.snapshot, false)
		f.Add(fixture.early, true)
	}
	content, _ := generate(f, 3, 5, 12)
	f.Add(content[:64<<10], true)
	f.Fuzz(func(t *testing.T, content []byte, salvage bool) {
		db, err := Open(bytes.NewReader(content), int64(len(content)), Options{Salvage: salvage, Previous: len(content)%2 == 1})
		if err != nil {
			return
		}
		exercise(t, db, len(content))
	})
}

// mutate changes a database as program says: bits, words with their checksum, whole pages.
func mutate(content, program []byte) []byte {
	const page = 4096
	content = bytes.Clone(content)
	pages := len(content) / page
	for ; len(program) >= 6 && pages > 2; program = program[6:] {
		what, a, b := program[0], int(binary.LittleEndian.Uint16(program[1:]))%pages, int(binary.LittleEndian.Uint16(program[3:]))
		p := content[a*page : (a+1)*page]
		switch what % 8 {
		case 0: // a bit
			p[b%page] ^= 1 << (program[5] % 8)
		case 1: // a page over another one, which knows its number: cycles, and pages referred to twice
			copy(p[8:], content[b%pages*page+8:(b%pages+1)*page])
		case 2: // the flags or the count
			p[8+b%4] = program[5]
		case 3: // the overflow: overlapping pages
			binary.LittleEndian.PutUint32(p[12:], uint32(b)<<(program[5]%17))
		case 4: // a child
			binary.LittleEndian.PutUint64(p[16+16*(b%8)+8:], uint64(program[5]))
		case 5: // an element
			binary.LittleEndian.PutUint32(p[16+4*(b%64):], uint32(b)<<(program[5]%24))
		case 6: // a meta page, with its checksum
			m := content[(a%2)*page:]
			binary.LittleEndian.PutUint64(m[16+16+8*(b%4):], uint64(program[5]))
			sum := uint64(14695981039346656037)
			for _, c := range m[16 : 16+56] {
				sum = (sum ^ uint64(c)) * 1099511628211
			}
			binary.LittleEndian.PutUint64(m[16+56:], sum)
		case 7: // the end
			content = content[:len(content)-b%page]
			pages = len(content) / page
		}
	}
	return content
}

// FuzzMutated damages real databases in ways that leave most of them intact, so that the damage is reached.
func FuzzMutated(f *testing.F) {
	bases := [][]byte{}
	for _, fixture := range fixtures(f) {
		bases = append(bases, fixture.snapshot)
	}
	content, _ := generate(f, 9, 10, 12) // small, so that a run is short and most of the file is in use
	bases = append(bases, content)
	for kind := range byte(8) {
		f.Add(kind, bytes.Repeat([]byte{kind, 3 + kind, 0, kind, 7, kind}, 3))
		f.Add(byte(3), []byte{kind, 5, 0, 9, 1, 3, kind, 6, 0, 2, 0, 4})
	}
	f.Fuzz(func(t *testing.T, base byte, program []byte) {
		damaged := mutate(bases[int(base)%len(bases)], program[:min(len(program), 60)])
		db, err := Open(bytes.NewReader(damaged), int64(len(damaged)), Options{Salvage: true})
		if err != nil {
			return
		}
		exercise(t, db, len(damaged)+1)
	})
}

func FuzzWAL(f *testing.F) {
	list := fixtures(f)
	for _, fixture := range list {
		f.Add(fixture.wal)
	}
	var w walWriter
	w.entry(1, 1, put("a", "1"))
	w.entry(2, 1, put("b", "2"))
	w.entry(2, 2, put("b", "3"))
	w.commit(2)
	f.Add(w.b)
	f.Fuzz(func(t *testing.T, log []byte) {
		dir := fstest.MapFS{"snap/db": {Data: list[0].early}, "wal/" + list[0].walName: {Data: log}}
		entries := 0
		for e, err := range WALEntries(dir) {
			if err == nil && (e.Kind == "" || e.Size > len(log)) {
				t.Fatalf("%+v", e)
			}
			if entries++; entries > len(log) {
				t.Fatal("more entries than bytes")
			}
		}
		db, err := OpenDir(dir, Options{Pending: true})
		if err != nil {
			return
		}
		exercise(t, db, len(list[0].early)+len(log))
	})
}

// FuzzRequest reaches requests that a checksum would hide, as FuzzWAL finds no right one.
func FuzzRequest(f *testing.F) {
	for _, fixture := range fixtures(f) {
		n := 0
		for frame := range frames(fixture.wal) {
			if n++; n%10 == 0 {
				f.Add(frame[min(len(frame), 20):])
			}
		}
	}
	f.Add(put("a", "1"))
	early := fixtures(f)[0].early
	f.Fuzz(func(t *testing.T, request []byte) {
		var w walWriter
		w.entry(1, 1, put("a", "1"))
		w.entry(2, 1, request)
		w.entry(3, 1, request)
		w.commit(3)
		db, err := OpenDir(fstest.MapFS{"snap/db": {Data: early}, "wal/0000000000000000-0000000000000000.wal": {Data: w.b}}, Options{})
		require.NoError(t, err)
		info, err := db.Info()
		require.NoError(t, err)
		require.Equal(t, 3, info.WAL.Replayed)
		exercise(t, db, len(early)+len(w.b))
	})
}

func FuzzSpool(f *testing.F) {
	for _, b := range compressedSamples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := Spool(t.Context(), bytes.NewReader(content), SpoolOptions{MaxSize: 1 << 20, Dir: t.TempDir()})
		if err != nil {
			require.Nil(t, s)
			return
		}
		require.LessOrEqual(t, s.Size(), int64(1<<20))
		require.NoError(t, s.Close())
	})
}
