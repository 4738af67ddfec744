package etcddb

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// SpoolOptions bound what a snapshot from a pipe, or a compressed one, may take.
type SpoolOptions struct {
	// Dir is where a temporary file goes; empty is os.TempDir.
	Dir string
	// Memory is up to how many bytes are kept in memory instead; 0 is 16 MiB, negative is none.
	Memory int64
	// MaxSize is how many bytes the content may have, uncompressed; 0 is 16 GiB.
	MaxSize int64
}

// Spooled is the content of a snapshot, in memory or in a temporary file that only Close removes.
type Spooled struct {
	memory []byte
	file   *os.File
	size   int64
}

// Spool reads a snapshot from a pipe, uncompresses it if it is a gzip stream or a zip archive with one file, and keeps it
// for random access. It reads up to o.MaxSize bytes, and then ends with ErrTooLarge. A checksum that the compression has
// must be right.
func Spool(ctx context.Context, r io.Reader, o SpoolOptions) (*Spooled, error) {
	o.Memory = cmp.Or(o.Memory, 16<<20)
	o.MaxSize = cmp.Or(o.MaxSize, 16<<30)
	buffered := bufio.NewReader(contextReader{ctx, r})
	magic, _ := buffered.Peek(4) // a short stream is not compressed
	var spooled *Spooled
	var err error
	switch compression(magic) {
	case "gzip":
		spooled, err = spoolGzip(buffered, o)
	case "zip":
		spooled, err = spoolZip(ctx, buffered, o)
	default:
		spooled, err = spool(buffered, o)
	}
	if err != nil {
		return nil, fmt.Errorf("etcddb: spool: %w", err)
	}
	return spooled, nil
}

// compression names how a file is compressed, by its first bytes.
func compression(magic []byte) string {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")):
		return "zip"
	}
	return ""
}

// Size is the size of the content in bytes.
func (s *Spooled) Size() int64 { return s.size }

// ReadAt reads the content.
func (s *Spooled) ReadAt(p []byte, off int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	return bytes.NewReader(s.memory).ReadAt(p, off)
}

// Close removes the temporary file.
func (s *Spooled) Close() error {
	s.memory = nil
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// spool keeps a stream.
func spool(r io.Reader, o SpoolOptions) (*Spooled, error) {
	var memory bytes.Buffer
	n, err := io.Copy(&memory, io.LimitReader(r, max(0, min(o.Memory, o.MaxSize+1))))
	if err != nil {
		return nil, err
	}
	if n > o.MaxSize {
		return nil, fmt.Errorf("%w of %d bytes", ErrTooLarge, o.MaxSize)
	}
	var next [1]byte
	if more, err := io.ReadFull(r, next[:]); more == 0 {
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		return &Spooled{memory: memory.Bytes(), size: n}, nil
	}
	return spoolFile(io.MultiReader(&memory, bytes.NewReader(next[:]), r), o)
}

func spoolFile(r io.Reader, o SpoolOptions) (*Spooled, error) {
	file, err := os.CreateTemp(o.Dir, "etcddb-*")
	if err != nil {
		return nil, err
	}
	s := &Spooled{file: file}
	if s.size, err = io.Copy(file, io.LimitReader(r, o.MaxSize+1)); err == nil && s.size > o.MaxSize {
		err = fmt.Errorf("%w of %d bytes", ErrTooLarge, o.MaxSize)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func spoolGzip(r io.Reader, o SpoolOptions) (*Spooled, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return spool(z, o)
}

// spoolZip spools the archive and then the one file in it.
func spoolZip(ctx context.Context, r io.Reader, o SpoolOptions) (*Spooled, error) {
	archive, err := spool(r, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = archive.Close() }() // it was only read
	z, err := zip.NewReader(archive, archive.Size())
	if err != nil {
		return nil, err
	}
	var files []*zip.File
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			files = append(files, f)
		}
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the zip archive has %d files, not one snapshot", len(files))
	}
	content, err := files[0].Open()
	if err != nil {
		return nil, err
	}
	s, err := spool(contextReader{ctx, content}, o)
	return s, errors.Join(err, content.Close())
}

// contextReader ends with its context. It lives as long as one call.
type contextReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has no room for it
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
