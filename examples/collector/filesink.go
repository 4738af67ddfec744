package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/kubewright/kubewright/eventsink"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// fileSink writes documents as lines: newline-delimited JSON, on standard output or at the end of a file.
type fileSink struct {
	label string
	mu    sync.Mutex
	w     io.Writer
	file  *os.File // nil for standard output
	end   int64    // of the last complete batch
	lines bytes.Buffer
}

// openFileSink appends to a file.
func openFileSink(path string) (*fileSink, error) {
	f, err := openLines(path)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("-sink: %w; - is standard output", err))
	}
	return &fileSink{label: "file", w: f, file: f}, nil
}

// openLines opens a file to write at its end. A device or a pipe has none.
func openLines(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o640)
}

// prepare cuts off a line that a crash left incomplete: its document was not acknowledged, and is read again.
func (s *fileSink) prepare(context.Context) (err error) {
	if s.file == nil {
		return nil
	}
	if s.end, err = completeLines(s.file); err != nil {
		return err
	}
	return s.file.Truncate(s.end)
}

// completeLines is where the last complete line of a file ends.
func completeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, err
	}
	chunk := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		start := max(end-int64(len(chunk)), 0)
		n, err := f.ReadAt(chunk[:end-start], start)
		if err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(chunk[:n], '\n'); at >= 0 {
			return start + int64(at) + 1, nil
		}
		end = start
	}
	return 0, nil
}

func (s *fileSink) name() string { return s.label }

// deliver writes a batch at once and, to a file, down to the disk: only then may a checkpoint pass it. A full disk is
// waited out.
func (s *fileSink) deliver(ctx context.Context, b *eventsink.Batch, settle func(...settlement)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines.Reset()
	for i := range b.Len() {
		s.lines.Write(b.Source(i))
		s.lines.WriteByte('\n')
	}
	for attempt := 0; ; attempt++ {
		err := s.write()
		if err == nil {
			settle(all(b, eventsink.Delivered)...)
			return nil
		}
		if s.file == nil {
			return fmt.Errorf("standard output: %w", err) // whoever read it has gone
		}
		if !pause(ctx, attempt) {
			return fmt.Errorf("%s: %w", s.file.Name(), err)
		}
	}
}

func (s *fileSink) write() error {
	if s.file == nil {
		_, err := s.w.Write(s.lines.Bytes())
		return err
	}
	if _, err := s.file.WriteAt(s.lines.Bytes(), s.end); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.end += int64(s.lines.Len())
	return nil
}

func (s *fileSink) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
