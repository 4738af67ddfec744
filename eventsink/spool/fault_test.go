package spool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/spool"
)

func TestSegmentMayNotExceedTheBound(t *testing.T) {
	_, err := spool.Open(t.TempDir(), spool.Options{MaxBytes: 100, SegmentBytes: 101})
	require.EqualError(t, err, "spool: SegmentBytes 101 is more than MaxBytes 100: the bound would not hold; write less, or 0 for a 16th of it")
}

// A removal that fails has dropped nothing.
func TestDropThatFailsIsNotCounted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{MaxBytes: 100, SegmentBytes: 20})
	add(t, s, "document 0", "document 1", "document 2")
	oldest := filepath.Join(dir, "00000000000000000001.segment")
	require.NoError(t, os.Remove(oldest))
	require.NoError(t, os.MkdirAll(filepath.Join(oldest, "in", "the", "way"), 0o700))
	before := s.Stats().Documents
	for range 3 {
		dropped, err := s.Append([]byte(strings.Repeat("x", 60)))
		require.Error(t, err)
		require.Zero(t, dropped)
		require.Equal(t, before, s.Stats().Documents)
	}
}

// A segment that somebody deleted is damage. The queue goes on without it.
func TestSegmentThatIsDeleted(t *testing.T) {
	for _, gone := range []int{1, 2, 3, 4} {
		dir := t.TempDir()
		s := open(t, dir, spool.Options{MaxBytes: 200, SegmentBytes: 20})
		add(t, s, "document 1", "document 2", "document 3", "document 4")
		require.NoError(t, os.Remove(filepath.Join(dir, fmt.Sprintf("%020d.segment", gone))))
		docs, end := next(t, s, 10, 1000)
		require.Len(t, docs, 3, "segment %d", gone)
		require.Equal(t, 1, s.Stats().DamagedDocuments)
		require.NoError(t, s.Ack(end))
		require.Zero(t, s.Stats().Documents)
		dropped := 0
		for i := range 20 {
			dropped += add(t, s, fmt.Sprintf("later %d", i))
		}
		require.Equal(t, 20, dropped+s.Stats().Documents)
		require.NoError(t, s.Close())
	}
	dir := t.TempDir()
	s := open(t, dir, spool.Options{MaxBytes: 100, SegmentBytes: 20})
	add(t, s, "document 1", "document 2", "document 3")
	require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000001.segment")))
	require.Equal(t, 2, add(t, s, strings.Repeat("x", 40)), "one that is gone can be dropped")
	require.NoError(t, s.Close())
}

// What a broken disk has spoiled is counted once, however often it is looked at.
func TestDamageIsCountedOnce(t *testing.T) {
	for _, at := range []int64{8, 20} {
		dir := t.TempDir()
		s := open(t, dir, spool.Options{})
		add(t, s, "document 0", "document 1")
		spoil(t, filepath.Join(dir, "00000000000000000001.segment"), at)
		for range 3 {
			docs, _ := next(t, s, 10, 100)
			require.Equal(t, 2, len(docs)+s.Stats().DamagedDocuments)
			require.Equal(t, len(docs), s.Stats().Documents)
		}
		add(t, s, "document 2")
		docs, end := next(t, s, 10, 100)
		require.Equal(t, 3, len(docs)+s.Stats().DamagedDocuments)
		require.NoError(t, s.Ack(end))
		require.Zero(t, s.Stats().Documents)
		require.NoError(t, s.Close())
	}
}

func spoil(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff, 0xff, 0xff}, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// A spoiled place gives documents out again. It never skips any.
func TestSpoiledPlaceSkipsNothing(t *testing.T) {
	made := t.TempDir()
	o := spool.Options{MaxBytes: 1000, SegmentBytes: 40}
	s := open(t, made, o)
	add(t, s, "document 0", "document 1", "document 2", "document 3", "document 4", "document 5", "document 6")
	_, end := next(t, s, 3, 1000)
	require.NoError(t, s.Ack(end))
	require.NoError(t, s.Close())
	place, err := os.ReadFile(filepath.Join(made, "acknowledged"))
	require.NoError(t, err)
	for at := range place {
		for bit := range 8 {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
			spoiled := []byte(string(place))
			spoiled[at] ^= 1 << bit
			require.NoError(t, os.WriteFile(filepath.Join(dir, "acknowledged"), spoiled, 0o600))
			s := open(t, dir, o)
			docs, _ := next(t, s, 10, 1000)
			require.GreaterOrEqual(t, len(docs), 4, "%q", spoiled)
			require.Equal(t, "document 6", docs[len(docs)-1])
			require.NoError(t, s.Close())
		}
	}
}

// Drops are of documents that a Sync returned for alone: those are what somebody counts as being here.
func TestDropsOnlyWhatIsSynced(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{MaxBytes: 200, SegmentBytes: 40})
	held := 0
	for batch := range 10 {
		dropped := 0
		for i := range 30 {
			n, err := s.Append([]byte(fmt.Sprintf("batch %d, %02d", batch, i)))
			require.NoError(t, err)
			dropped += n
		}
		require.LessOrEqual(t, dropped, held)
		require.NoError(t, s.Sync())
		held += 30 - dropped
		require.Equal(t, held, s.Stats().Documents)
	}
	require.NoError(t, s.Close())
}

// Steps with faults: files that are deleted, spoiled or in the way. What vanishes is counted, to the document.
func TestModelWithFaults(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 3
	}
	for seed := range rounds {
		rnd := rand.New(rand.NewPCG(uint64(seed), 9))
		dir := t.TempDir()
		s := open(t, dir, spool.Options{MaxBytes: 300 + rnd.Int64N(400), SegmentBytes: 1 + rnd.Int64N(200)})
		synced, dropped, taken, made := 0, 0, 0, 0
		for range 80 {
			switch rnd.IntN(8) {
			case 0, 1, 2:
				n, failed := 1+rnd.IntN(6), false
				for range n {
					d, err := s.Append([]byte(fmt.Sprintf("document %d", made)))
					dropped += d
					if failed = err != nil; failed {
						break
					}
					made++
				}
				if !failed && s.Sync() == nil {
					synced += n
				}
			case 3, 4, 5:
				docs, end, err := s.Next(rnd.IntN(6), 200)
				if err != nil {
					break
				}
				if rnd.IntN(2) == 0 {
					taken += len(docs)
					_ = s.Ack(end)
				}
			case 6:
				files, err := filepath.Glob(filepath.Join(dir, "*.segment"))
				require.NoError(t, err)
				if len(files) > 0 {
					file := files[rnd.IntN(len(files))]
					if rnd.IntN(3) == 0 {
						require.NoError(t, os.Remove(file))
					} else if info, err := os.Stat(file); err == nil && info.Size() > 11 {
						spoil(t, file, 8+rnd.Int64N(info.Size()-10))
					}
				}
			}
			require.Equal(t, synced, taken+dropped+s.Stats().DamagedDocuments+s.Stats().Documents, "seed %d", seed)
		}
		_ = s.Close()
	}
}

// A disk that was full when a segment was begun, and still is: Open writes nothing.
func TestOpenNeedsNoRoom(t *testing.T) {
	for n := range 8 {
		dir := t.TempDir()
		s := open(t, dir, spool.Options{})
		add(t, s, "document 0")
		require.NoError(t, s.Close())
		begun := filepath.Join(dir, "00000000000000000002.segment")
		require.NoError(t, os.WriteFile(begun, []byte("kwspool1")[:n], 0o600))
		require.NoError(t, os.Mkdir(begun+".new", 0o700)) // in the way of what is written and renamed
		s = open(t, dir, spool.Options{})
		require.NoFileExists(t, begun)
		add(t, s, "document 1")
		docs, _ := next(t, s, 10, 1000)
		require.Equal(t, []string{"document 0", "document 1"}, docs)
		require.NoError(t, s.Close())
	}
}
