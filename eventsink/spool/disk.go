package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// sync makes the segment that is written to, and its name, survive a crash.
func (s *Spool) sync() error {
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if _, err := os.Stat(s.path(s.last().name())); err != nil { // what is in a file without a name, nobody finds
		return errors.Join(fmt.Errorf("spool: %w", err), s.closeFile())
	}
	if !s.newNames {
		return nil
	}
	if err := syncDir(s.dir); err != nil {
		return err
	}
	s.newNames = false
	return nil
}

// syncDir makes the names in a directory survive a crash. Windows opens no directory for that.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// makeDir makes the directory and its name durable. What is above its parent is not ours.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return syncDir(filepath.Dir(dir))
}

// takeBack forgets what was appended since the last Sync. Its bytes are written over, or found again by the next Open.
func (s *Spool) takeBack() {
	for i := range s.segments {
		g := &s.segments[i]
		if g.size > g.synced || i == len(s.segments)-1 {
			_ = os.Truncate(s.path(g.name()), g.synced) // a duplicate less, if it works
		}
		g.size, g.docs = g.synced, g.syncedDocs
	}
}

func (s *Spool) closeFile() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// deleted reports whether an error means that somebody deleted a file. Where the directory is gone, or nothing is mounted
// there, the lock is missing too: then the files may come back.
func (s *Spool) deleted(err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = os.Stat(s.path(lockName))
	return err == nil
}

const cursorName = "acknowledged"

// loadCursor reads what saveCursor wrote. Without it, or with anything else, everything is given out again.
func (s *Spool) loadCursor() (p Position) {
	text, err := os.ReadFile(s.path(cursorName))
	if err != nil {
		return Position{}
	}
	if _, err := fmt.Sscanf(string(text), "%d %d", &p.segment, &p.offset); err != nil || p.line() != string(text) {
		return Position{}
	}
	return p
}

// line is the place as it is stored, with a checksum: what is before it is deleted.
func (p Position) line() string {
	place := fmt.Sprintf("%d %d", p.segment, p.offset)
	return fmt.Sprintf("%s %08x\n", place, crc32.Checksum([]byte(place), castagnoli))
}

// saveCursor replaces the file in one step. It is not synced: an old one costs duplicates.
func (s *Spool) saveCursor() error { return s.rewrite(cursorName, s.cursor.line()) }

func (s *Spool) rewrite(name, text string) error {
	temporary := s.path(name + ".new")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := os.Rename(temporary, s.path(name)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
