package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A segment is magic and frames; a frame is the length of a document and the CRC-32C of length and document, both 32
// bits in little endian, and the document.
const (
	magic     = "kwspool1"
	frameHead = 8
	suffix    = ".segment"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli) //nolint:gochecknoglobals // a constant

type segment struct {
	sequence uint64
	size     int64
	docs     int
	// What Sync returned for: the rest is taken back when a write fails.
	synced     int64
	syncedDocs int
}

// done reports whether everything in the segment is before end.
func (g segment) done(end Position) bool {
	return g.sequence < end.segment || g.sequence == end.segment && end.offset >= g.size
}

func (g segment) name() string { return fmt.Sprintf("%020d%s", g.sequence, suffix) }

func (p Position) before(q Position) bool {
	return p.segment < q.segment || p.segment == q.segment && p.offset < q.offset
}

func appendFrame(dst, doc []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(doc)))
	dst = append(append(dst, 0, 0, 0, 0), doc...)
	binary.LittleEndian.PutUint32(dst[at+4:], checksum(dst[at:at+4], doc))
	return dst
}

func checksum(length, doc []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, doc)
}

// frame is the first frame of text: its size and its document, nil if that is damaged. size is 0 where no frame can be.
func frame(text []byte) (size int, doc []byte) {
	if len(text) < frameHead {
		return 0, nil
	}
	n := int(binary.LittleEndian.Uint32(text))
	if n == 0 || n > MaxDocument || n > len(text)-frameHead {
		return 0, nil
	}
	doc = text[frameHead : frameHead+n]
	if checksum(text[:4], doc) != binary.LittleEndian.Uint32(text[4:]) {
		doc = nil
	}
	return frameHead + n, doc
}

// droppable is the oldest segment that is neither written to, nor given out in part, nor without a Sync.
func (s *Spool) droppable() (i int, ok bool) {
	for i, g := range s.segments[:len(s.segments)-1] {
		if g.size > g.synced {
			break
		}
		if !s.cursor.before(s.taken) || g.sequence > s.taken.segment || g.sequence == s.taken.segment && s.taken.docs == 0 {
			return i, true
		}
	}
	return 0, false
}

// waiting is how many documents of a segment are not acknowledged.
func (s *Spool) waiting(g segment) int {
	if s.cursor.segment == g.sequence {
		return g.docs - s.cursor.docs
	}
	return g.docs
}

// remove deletes a segment. What is behind it is where reading goes on.
func (s *Spool) remove(i int) error {
	g := s.segments[i]
	if i == len(s.segments)-1 && s.file != nil {
		if err := s.file.Close(); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		s.file = nil
	}
	if err := os.Remove(s.path(g.name())); err != nil && !s.deleted(err) {
		return fmt.Errorf("spool: %w", err)
	}
	s.segments = slices.Delete(s.segments, i, i+1)
	if next := (Position{segment: g.sequence + 1, offset: int64(len(magic))}); i == 0 && s.cursor.before(next) {
		s.cursor = next
	}
	return nil
}

// roll starts a segment.
func (s *Spool) roll() error {
	if s.file != nil {
		if err := errors.Join(s.sync(), s.closeFile()); err != nil {
			return err
		}
	}
	g := segment{sequence: max(s.cursor.segment, 1), size: int64(len(magic)), synced: int64(len(magic))}
	if len(s.segments) > 0 {
		g.sequence = s.last().sequence + 1
	}
	f, err := os.OpenFile(s.path(g.name()), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if _, err := f.WriteAt([]byte(magic), 0); err != nil {
		return errors.Join(fmt.Errorf("spool: %w", err), f.Close(), os.Remove(f.Name()))
	}
	s.file, s.segments, s.newNames = f, append(s.segments, g), true
	return nil
}

// read appends the documents of a segment from a position on, as far as they are synced, and moves the position behind
// them.
func (s *Spool) read(g *segment, at *Position, docs [][]byte, limit int, size *int) ([][]byte, error) {
	if len(docs) >= limit || at.offset >= g.synced || at.segment != g.sequence {
		return docs, nil
	}
	f, err := os.Open(s.path(g.name()))
	if s.deleted(err) {
		s.lose(g, at)
		return docs, nil
	}
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	r := bufio.NewReaderSize(io.NewSectionReader(f, at.offset, g.synced-at.offset), 64<<10)
	for len(docs) < limit && at.offset < g.synced {
		n := 0
		if head, err := r.Peek(frameHead); err == nil {
			n = int(binary.LittleEndian.Uint32(head))
		}
		if n == 0 || n > MaxDocument || at.offset+frameHead+int64(n) > g.synced { // Open had read it otherwise: what follows can't be found
			s.lose(g, at)
			return docs, nil
		}
		if n > *size && len(docs) > 0 {
			return docs, nil
		}
		text := make([]byte, frameHead+n)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, fmt.Errorf("spool: %s: %w", g.name(), err)
		}
		at.offset += int64(len(text))
		if _, doc := frame(text); doc != nil {
			docs = append(docs, doc)
			*size -= n
			at.docs++
		}
	}
	if at.offset == g.synced {
		s.lose(g, at) // Open knows of the damage it has passed over, this is new
	}
	return docs, nil
}

// lose counts the documents of a segment that a reading to its end has not found, and knows them no more.
func (s *Spool) lose(g *segment, at *Position) {
	lost := max(g.syncedDocs-at.docs, 0)
	s.stats.DamagedDocuments += lost
	g.docs -= lost
	g.syncedDocs -= lost
	at.offset = g.synced
}

// load finds the segments of the directory and checks them.
func (s *Spool) load() error {
	entries, err := os.ReadDir(s.dir) // sorted by name
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.cursor = s.loadCursor()
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		g := segment{}
		if g.sequence, err = strconv.ParseUint(digits, 10, 64); err != nil || g.name() != e.Name() {
			return fmt.Errorf("spool: %s is not the name of a segment; move it away", s.path(e.Name()))
		}
		ok, err := s.check(&g)
		if err != nil {
			return err
		}
		if ok {
			s.segments = append(s.segments, g)
		}
	}
	if err := s.resume(); err != nil {
		return err
	}
	for i := range s.segments {
		g := &s.segments[i]
		g.synced, g.syncedDocs = g.size, g.docs
	}
	return nil
}

// check reads a segment. Damage at its end is cut off, so that what is appended is found; damage before is passed over. A
// file that is not yet a segment is deleted, which a full disk does not prevent; ok is false then.
func (s *Spool) check(g *segment) (ok bool, err error) {
	text, err := os.ReadFile(s.path(g.name()))
	if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	if !begins(text) {
		return false, fmt.Errorf("spool: %s does not begin as a segment; move it away", s.path(g.name()))
	}
	if !strings.HasPrefix(string(text[:min(len(text), len(magic))]), magic) {
		s.stats.DamagedBytes += int64(len(text))
		if err := os.Remove(s.path(g.name())); err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
		return false, nil
	}
	at, good := len(magic), len(magic)
	boundary := s.cursor.segment != g.sequence || s.cursor.offset == int64(at)
	for at < len(text) {
		n, doc := frame(text[at:])
		if n == 0 {
			break
		}
		at += n
		if doc != nil {
			g.docs++
			good = at
		} else {
			s.stats.DamagedBytes += int64(n)
		}
		if s.cursor.segment == g.sequence && s.cursor.offset == int64(at) {
			boundary, s.cursor.docs = true, g.docs
		}
	}
	s.stats.DamagedBytes += int64(len(text) - at)
	g.size = int64(good)
	if !boundary || s.cursor.segment == g.sequence && s.cursor.offset > g.size {
		s.cursor = Position{segment: g.sequence, offset: int64(len(magic))} // not between documents: give all out again
	}
	if good == len(text) {
		return true, nil
	}
	if err := os.Truncate(s.path(g.name()), g.size); err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	return true, nil
}

// begins reports whether a file may be a segment, also one of which a crash has left no more than its size.
func begins(text []byte) bool {
	head := text[:min(len(text), len(magic))]
	return strings.HasPrefix(magic, strings.TrimRight(string(head), "\x00"))
}

// resume opens the last segment for writing, and deletes those before the cursor.
func (s *Spool) resume() error {
	for len(s.segments) > 0 && s.segments[0].sequence < s.cursor.segment {
		if err := s.remove(0); err != nil {
			return err
		}
	}
	if len(s.segments) > 0 && s.cursor.segment < s.segments[0].sequence {
		s.cursor = Position{segment: s.segments[0].sequence, offset: int64(len(magic))}
	}
	if len(s.segments) == 0 && s.cursor.segment > 0 { // a crash before the place could follow: the next segment is another
		s.cursor = Position{segment: s.cursor.segment + 1, offset: int64(len(magic))}
	}
	s.taken = s.cursor
	if len(s.segments) == 0 {
		return nil
	}
	f, err := os.OpenFile(s.path(s.last().name()), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.file = f
	return nil
}
