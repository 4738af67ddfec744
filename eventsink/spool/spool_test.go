package spool_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/spool"
)

func open(t testing.TB, dir string, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, o)
	require.NoError(t, err)
	return s
}

func add(t testing.TB, s *spool.Spool, docs ...string) (dropped int) {
	t.Helper()
	for _, d := range docs {
		n, err := s.Append([]byte(d))
		require.NoError(t, err)
		dropped += n
	}
	require.NoError(t, s.Sync())
	return dropped
}

// next returns documents as texts, and where they end.
func next(t testing.TB, s *spool.Spool, limit, size int) ([]string, spool.Position) {
	t.Helper()
	docs, end, err := s.Next(limit, size)
	require.NoError(t, err)
	texts := make([]string, len(docs))
	for i, d := range docs {
		texts[i] = string(d)
	}
	return texts, end
}

func TestQueue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "spool")
	s := open(t, dir, spool.Options{})
	docs, end := next(t, s, 10, 100)
	require.Empty(t, docs)
	require.NoError(t, s.Ack(end))
	add(t, s, "a", "bb", "ccc")
	docs, _ = next(t, s, 2, 100)
	require.Equal(t, []string{"a", "bb"}, docs)
	docs, end = next(t, s, 10, 1)
	require.Equal(t, []string{"a"}, docs, "the same until acknowledged, and one more than the size")
	require.NoError(t, s.Ack(end))
	require.Equal(t, 2, s.Stats().Documents)
	require.NoError(t, s.Close())

	s = open(t, dir, spool.Options{})
	require.Equal(t, 2, s.Stats().Documents)
	add(t, s, "d")
	docs, end = next(t, s, 10, 100)
	require.Equal(t, []string{"bb", "ccc", "d"}, docs)
	require.NoError(t, s.Ack(end))
	require.Zero(t, s.Stats())
	files, err := filepath.Glob(filepath.Join(dir, "*.segment"))
	require.NoError(t, err)
	require.Empty(t, files)
	add(t, s, "e")
	docs, _ = next(t, s, 10, 100)
	require.Equal(t, []string{"e"}, docs)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
}

func TestBoundDropsTheOldestAndCounts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{MaxBytes: 400, SegmentBytes: 100})
	dropped := 0
	for i := range 100 {
		dropped += add(t, s, fmt.Sprintf("document %02d", i))
		require.LessOrEqual(t, s.Stats().Bytes, int64(400))
		require.Equal(t, i+1, dropped+s.Stats().Documents)
	}
	docs, _ := next(t, s, 1000, 1000)
	require.Equal(t, "document 99", docs[len(docs)-1])
	require.Equal(t, fmt.Sprintf("document %02d", dropped), docs[0])
	require.NoError(t, s.Close())
}

// What was given out is on its way to the sink. It stays on disk until it is acknowledged, however full the spool is: when
// the process dies before, the next one finds it. What goes instead is counted.
func TestGivenOutIsNotDropped(t *testing.T) {
	dir := t.TempDir()
	o := spool.Options{MaxBytes: 200, SegmentBytes: 60}
	s := open(t, dir, o)
	add(t, s, "document 0", "document 1", "document 2", "document 3", "document 4")
	docs, end := next(t, s, 3, 1000)
	require.Len(t, docs, 3)
	dropped := 0
	for i := range 20 {
		dropped += add(t, s, fmt.Sprintf("later %d", i))
		require.Equal(t, 5+i+1, dropped+s.Stats().Documents)
		require.LessOrEqual(t, s.Stats().Bytes, o.MaxBytes)
	}
	require.Greater(t, dropped, 5)
	crashed := t.TempDir()
	require.NoError(t, os.CopyFS(crashed, os.DirFS(dir)))
	again := open(t, crashed, o)
	found, _ := next(t, again, 3, 1000)
	require.Equal(t, docs, found)
	require.NoError(t, again.Close())

	require.NoError(t, s.Ack(end))
	require.Equal(t, 25, 3+dropped+s.Stats().Documents)
	for left := s.Stats().Documents; left > 0; {
		docs, end = next(t, s, 2, 1000)
		require.NotEmpty(t, docs)
		require.NoError(t, s.Ack(end))
		left -= len(docs)
		require.Equal(t, left, s.Stats().Documents)
	}
	require.Equal(t, "later 19", docs[len(docs)-1])
	require.NoError(t, s.Close())
}

// A bound that holds no more than what is given out is exceeded by that.
func TestAllIsGivenOut(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{MaxBytes: 60, SegmentBytes: 20})
	add(t, s, "document 0", "document 1", "document 2")
	docs, end := next(t, s, 10, 1000)
	require.NotEmpty(t, docs)
	given := s.Stats()
	dropped := add(t, s, "document 3") + add(t, s, "document 4") + add(t, s, "document 5")
	require.LessOrEqual(t, s.Stats().Bytes, given.Bytes+60)
	require.Equal(t, given.Documents+3, dropped+s.Stats().Documents)
	require.NoError(t, s.Ack(end))
	docs, _ = next(t, s, 10, 1000)
	require.Equal(t, "document 5", docs[len(docs)-1])
	require.NoError(t, s.Close())
}

func TestRefuses(t *testing.T) {
	_, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: -1})
	require.EqualError(t, err, "spool: MaxBytes -1, SegmentBytes 0; write none below 0")
	s := open(t, t.TempDir(), spool.Options{})
	_, err = s.Append(nil)
	require.EqualError(t, err, "spool: a document of 0 bytes; it must have 1 to 16777216")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = spool.Open(file, spool.Options{})
	require.Error(t, err)
	for name, text := range map[string]string{"x.segment": "", "00000000000000000001.segment": "something else"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		_, err = spool.Open(dir, spool.Options{})
		require.ErrorContains(t, err, "move it away")
	}
}

// Cutting or spoiling the files anywhere loses what stood there, and nothing is given out that was not written.
func TestDamage(t *testing.T) {
	var whole []string
	for i := range 12 {
		whole = append(whole, fmt.Sprintf("document %d %s", i, bytes.Repeat([]byte{'x'}, i)))
	}
	made := t.TempDir()
	s := open(t, made, spool.Options{SegmentBytes: 120, MaxBytes: 10_000})
	add(t, s, whole...)
	require.NoError(t, s.Close())
	files, err := filepath.Glob(filepath.Join(made, "*.segment"))
	require.NoError(t, err)
	require.Greater(t, len(files), 2)
	for _, spoiled := range files {
		text, err := os.ReadFile(spoiled)
		require.NoError(t, err)
		step := 5
		if testing.Short() {
			step = 23
		}
		for at := 0; at < len(text); at += step {
			for _, cut := range []bool{true, false} {
				if !cut && at < 8 {
					continue // not ours any more: refused
				}
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
				damaged := append(bytes.Clone(text[:at]), text[at:]...)
				if cut {
					damaged = damaged[:at]
				} else {
					damaged[at] ^= 0x41
				}
				require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(spoiled)), damaged, 0o600))
				s := open(t, dir, spool.Options{SegmentBytes: 120, MaxBytes: 10_000})
				stats := s.Stats()
				add(t, s, "afterwards")
				docs, end := next(t, s, 100, 10_000)
				require.Len(t, docs, stats.Documents+1)
				require.Equal(t, "afterwards", docs[len(docs)-1])
				requireSubsequence(t, whole, docs[:len(docs)-1])
				require.NoError(t, s.Ack(end))
				require.Zero(t, s.Stats().Documents)
				require.NoError(t, s.Close())
			}
		}
	}
}

// A disk that breaks after Open is found by Next.
func TestDamageAfterOpen(t *testing.T) {
	for _, at := range []int64{8, 20} { // the length, the text
		dir := t.TempDir()
		s := open(t, dir, spool.Options{})
		add(t, s, "document 0", "document 1")
		f, err := os.OpenFile(filepath.Join(dir, "00000000000000000001.segment"), os.O_RDWR, 0)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{0xff, 0xff, 0xff}, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		docs, end := next(t, s, 10, 100)
		require.Positive(t, s.Stats().DamagedDocuments)
		require.Equal(t, 2, len(docs)+s.Stats().DamagedDocuments)
		require.NoError(t, s.Ack(end))
		require.Zero(t, s.Stats().Documents)
	}
}

func requireSubsequence(t *testing.T, whole, part []string) {
	t.Helper()
	i := 0
	for _, p := range part {
		for i < len(whole) && whole[i] != p {
			i++
		}
		require.Less(t, i, len(whole), "%q was not written, or not in this order", p)
		i++
	}
}

// Random steps against a slice: append, take, acknowledge, reopen with or without closing.
func TestModel(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 3
	}
	for seed := range rounds {
		rnd := rand.New(rand.NewPCG(uint64(seed), 1))
		dir := t.TempDir()
		o := spool.Options{MaxBytes: 1 << 20, SegmentBytes: 1 + rnd.Int64N(300)}
		s := open(t, dir, o)
		var model []string
		made := 0
		for range 80 {
			switch rnd.IntN(6) {
			case 0, 1, 2:
				made++
				d := fmt.Sprintf("%d %s", made, bytes.Repeat([]byte{'.'}, rnd.IntN(60)))
				add(t, s, d)
				model = append(model, d)
			case 3, 4:
				docs, end := next(t, s, rnd.IntN(8), rnd.IntN(300))
				require.Equal(t, append([]string{}, model[:len(docs)]...), docs, "seed %d", seed)
				if rnd.IntN(3) > 0 {
					require.NoError(t, s.Ack(end))
					model = model[len(docs):]
				}
			default:
				if rnd.IntN(2) == 0 {
					require.NoError(t, s.Close())
				} else { // a crash: what is on disk at this moment
					crashed := t.TempDir()
					require.NoError(t, os.CopyFS(crashed, os.DirFS(dir)))
					require.NoError(t, s.Close())
					dir = crashed
				}
				s = open(t, dir, o)
			}
			require.Equal(t, len(model), s.Stats().Documents, "seed %d", seed)
		}
		require.NoError(t, s.Close())
	}
}

// Random steps with a bound: what is taken out is in order and never twice, and everything is given out or counted.
func TestModelWithABound(t *testing.T) {
	seeds, total := 8, 0
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(uint64(seed), 2))
		s := open(t, t.TempDir(), spool.Options{MaxBytes: 250, SegmentBytes: 1 + rnd.Int64N(80)})
		made, dropped, taken, last := 0, 0, 0, -1
		for range 80 {
			if rnd.IntN(3) > 0 {
				dropped += add(t, s, fmt.Sprintf("%04d", made))
				made++
				continue
			}
			docs, end := next(t, s, 1+rnd.IntN(6), 300)
			for range rnd.IntN(8) { // while they are on their way
				dropped += add(t, s, fmt.Sprintf("%04d", made))
				made++
			}
			again, _ := next(t, s, len(docs), 300)
			require.Equal(t, docs, again, "seed %d: they are still there", seed)
			for _, d := range docs {
				var n int
				_, err := fmt.Sscanf(d, "%d", &n)
				require.NoError(t, err)
				require.Greater(t, n, last, "seed %d", seed)
				last = n
			}
			taken += len(docs)
			require.NoError(t, s.Ack(end))
			require.Equal(t, made, taken+dropped+s.Stats().Documents, "seed %d", seed)
		}
		total += dropped
		require.NoError(t, s.Close())
	}
	require.Positive(t, total)
}

// FuzzOpen opens a directory whose segment holds any bytes.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir, spool.Options{})
	add(f, s, "a", "bb")
	text, err := os.ReadFile(filepath.Join(dir, "00000000000000000001.segment"))
	require.NoError(f, err)
	f.Add(text)
	f.Add(text[:len(text)-1])
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "00000000000000000001.segment"), text, 0o600))
		s, err := spool.Open(dir, spool.Options{})
		if err != nil {
			return
		}
		n := s.Stats().Documents
		docs, end := next(t, s, 1<<20, 1<<30)
		require.Len(t, docs, n)
		for _, d := range docs {
			require.True(t, bytes.Contains(text, []byte(d)))
		}
		require.NoError(t, s.Ack(end))
		require.Zero(t, s.Stats().Documents)
		require.NoError(t, s.Close())
	})
}

// When the directory goes away, every call says so and nothing is forgotten in memory.
func TestDiskErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir, spool.Options{MaxBytes: 60, SegmentBytes: 20})
	add(t, s, "document 0", "document 1")
	docs, end := next(t, s, 10, 100)
	require.Len(t, docs, 2)
	require.NoError(t, os.RemoveAll(dir))
	_, _, err := s.Next(10, 100)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = s.Append([]byte("document 2"))
	require.ErrorIs(t, err, os.ErrNotExist, "a new segment")
	require.ErrorIs(t, s.Ack(end), os.ErrNotExist)
	require.NoError(t, s.Close())

	s = open(t, dir, spool.Options{SegmentBytes: 20, MaxBytes: 50})
	add(t, s, "document 0")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "acknowledged.new"), 0o700))
	_, end = next(t, s, 10, 100)
	require.Error(t, s.Ack(end), "the place can't be stored")
	require.NoError(t, s.Close())
	require.NoError(t, os.Mkdir(filepath.Join(dir, "00000000000000000009.segment"), 0o700))
	_, err = spool.Open(dir, spool.Options{})
	require.Error(t, err)
}
