package etcddb

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// compressedSamples is a text of 1000 bytes in every form that Spool knows, and an archive of two files.
func compressedSamples(t testing.TB) map[string][]byte {
	t.Helper()
	text := bytes.Repeat([]byte("0123456789"), 100)
	var gz, one, two bytes.Buffer
	g := gzip.NewWriter(&gz)
	_, err := g.Write(text)
	require.NoError(t, err)
	require.NoError(t, g.Close())
	for b, names := range map[*bytes.Buffer][]string{&one: {"a/", "a/db"}, &two: {"x", "y"}} {
		z := zip.NewWriter(b)
		for _, name := range names {
			w, err := z.Create(name)
			require.NoError(t, err)
			if name != "a/" {
				_, err = w.Write(text)
				require.NoError(t, err)
			}
		}
		require.NoError(t, z.Close())
	}
	return map[string][]byte{"plain": text, "gzip": gz.Bytes(), "zip": one.Bytes(), "two files": two.Bytes(), "empty": {}}
}

func TestSpool(t *testing.T) {
	samples := compressedSamples(t)
	for _, name := range []string{"plain", "gzip", "zip"} {
		for _, memory := range []int64{-1, 999, 1000, 0} {
			dir := t.TempDir()
			s, err := Spool(t.Context(), bytes.NewReader(samples[name]), SpoolOptions{Dir: dir, Memory: memory})
			require.NoError(t, err)
			require.Equal(t, int64(1000), s.Size())
			got := make([]byte, 10)
			_, err = s.ReadAt(got, 990)
			require.NoError(t, err)
			require.Equal(t, "0123456789", string(got))
			files, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, files, map[bool]int{true: 1, false: 0}[memory == -1 || memory == 999], "%s, %d", name, memory)
			require.NoError(t, s.Close())
			files, err = os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, files)
		}
	}
}

func TestSpoolRefuses(t *testing.T) {
	samples := compressedSamples(t)
	for name, content := range samples {
		dir := t.TempDir()
		s, err := Spool(t.Context(), bytes.NewReader(content), SpoolOptions{MaxSize: 999, Memory: -1, Dir: dir})
		if name == "empty" {
			require.NoError(t, err)
			require.NoError(t, s.Close())
			continue
		}
		require.Error(t, err, name)
		if name != "two files" {
			require.ErrorIs(t, err, ErrTooLarge, name)
		}
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, files, "%s leaves a file", name)
	}
	_, err := Spool(t.Context(), bytes.NewReader(samples["gzip"][:40]), SpoolOptions{})
	require.Error(t, err)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Spool(cancelled, bytes.NewReader(samples["plain"]), SpoolOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestOpenFile(t *testing.T) {
	f := fixtures(t)[0]
	dir := t.TempDir()
	var gz bytes.Buffer
	g := gzip.NewWriter(&gz)
	_, err := g.Write(f.snapshot)
	require.NoError(t, err)
	require.NoError(t, g.Close())
	for name, content := range map[string][]byte{"plain": f.snapshot, "gz": gz.Bytes()} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		db, err := OpenFile(path, Options{Spool: SpoolOptions{Memory: -1, Dir: dir}})
		require.NoError(t, err)
		require.Equal(t, f.golden.Live, plain(collect(t, db.Live(t.Context(), Query{}))))
		require.NoError(t, db.Close())
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 2)

	data := filepath.Join(dir, "data")
	require.NoError(t, os.CopyFS(data, f.dir()))
	db, err := OpenFile(data, Options{Pending: true})
	require.NoError(t, err)
	require.Equal(t, f.golden.Live, plain(collect(t, db.Live(t.Context(), Query{}))))
	require.NoError(t, db.Close())

	_, err = OpenFile(filepath.Join(dir, "missing"), Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte("no database"), 0o600))
	_, err = OpenFile(filepath.Join(dir, "text"), Options{})
	require.ErrorIs(t, err, ErrNoMeta)
}
