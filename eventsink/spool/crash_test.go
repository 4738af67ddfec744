package spool_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/spool"
)

// A crash between the removal of the last segment and the writing of the place: what comes next is new, and all of it.
func TestPlaceInASegmentThatIsGone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{})
	add(t, s, "document 0", "document 1", "document 2")
	_, end := next(t, s, 2, 100)
	require.NoError(t, s.Ack(end))
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, "00000000000000000001.segment")))

	s = open(t, dir, spool.Options{})
	add(t, s, "later 0", "later 1", "later 2", "later 3")
	docs, end := next(t, s, 10, 100)
	require.Equal(t, []string{"later 0", "later 1", "later 2", "later 3"}, docs)
	require.NoError(t, s.Ack(end))
	require.Zero(t, s.Stats())
	require.NoError(t, s.Close())
}

// A crash may leave a segment that has its size and not yet its bytes.
func TestSegmentOfZeros(t *testing.T) {
	for _, n := range []int{0, 7, 8, 100} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "00000000000000000001.segment"), make([]byte, n), 0o600))
		s := open(t, dir, spool.Options{})
		require.EqualValues(t, n, s.Stats().DamagedBytes)
		add(t, s, "document")
		require.NoError(t, s.Close())
		s = open(t, dir, spool.Options{})
		docs, _ := next(t, s, 10, 100)
		require.Equal(t, []string{"document"}, docs)
		require.NoError(t, s.Close())
	}
}

// Cut at every byte, everything before the cut is there, and what is appended afterwards too, also by the next process.
func TestTornAtEveryByte(t *testing.T) {
	made := t.TempDir()
	s := open(t, made, spool.Options{})
	var ends []int64
	for i := range 5 {
		add(t, s, fmt.Sprintf("document %d", i))
		ends = append(ends, s.Stats().Bytes)
	}
	require.NoError(t, s.Close())
	name := "00000000000000000001.segment"
	text, err := os.ReadFile(filepath.Join(made, name))
	require.NoError(t, err)
	dir := t.TempDir()
	step := 1
	if testing.Short() {
		step = 5
	}
	for at := 0; at <= len(text); at += step {
		for _, zeros := range []int{0, 30} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), append(bytes.Clone(text[:at]), make([]byte, zeros)...), 0o600))
			var want []string
			for i, end := range ends {
				if int64(at) >= end {
					want = append(want, fmt.Sprintf("document %d", i))
				}
			}
			s := open(t, dir, spool.Options{})
			_, err := s.Append([]byte("afterwards"))
			require.NoError(t, err)
			require.NoError(t, s.Close())
			s = open(t, dir, spool.Options{})
			docs, _ := next(t, s, 100, 1000)
			require.Equal(t, append(want, "afterwards"), docs, "cut at %d", at)
			require.NoError(t, s.Close())
		}
	}
}

// What failed is appended again as a whole, so that nothing of the first attempt may stay.
func TestFailureTakesBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{SegmentBytes: 60})
	add(t, s, "document 0")
	blocked := filepath.Join(dir, "00000000000000000002.segment")
	require.NoError(t, os.Mkdir(blocked, 0o700))
	batch := []string{"document 1", "document 2", "document 3", "document 4"}
	for range 3 {
		var err error
		for _, d := range batch {
			if _, err = s.Append([]byte(d)); err != nil {
				break
			}
		}
		require.Error(t, err, "a segment can't be made")
		require.Equal(t, 1, s.Stats().Documents)
	}
	require.NoError(t, os.Remove(blocked))
	add(t, s, batch...)
	docs, _ := next(t, s, 100, 1000)
	require.Equal(t, append([]string{"document 0"}, batch...), docs)
	require.NoError(t, s.Close())
	s = open(t, dir, spool.Options{})
	docs, _ = next(t, s, 100, 1000)
	require.Equal(t, append([]string{"document 0"}, batch...), docs)
	require.NoError(t, s.Close())
}

// What may still be taken back is not given out.
func TestNextWaitsForSync(t *testing.T) {
	s := open(t, t.TempDir(), spool.Options{})
	_, err := s.Append([]byte("document"))
	require.NoError(t, err)
	docs, end := next(t, s, 10, 100)
	require.Empty(t, docs)
	require.NoError(t, s.Ack(end))
	require.NoError(t, s.Sync())
	docs, _ = next(t, s, 10, 100)
	require.Len(t, docs, 1)
	require.NoError(t, s.Close())
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{})
	_, err := spool.Open(dir, spool.Options{})
	if runtime.GOOS == "windows" {
		t.Skip("no lock on this system")
	}
	require.ErrorContains(t, err, "another process has this directory; give each its own")
	require.NoError(t, s.Close())
	require.NoError(t, open(t, dir, spool.Options{}).Close())
}
