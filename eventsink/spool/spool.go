// Package spool keeps documents on disk while a sink is away for longer than etcd keeps Events: an append-only queue of
// segments with checksums, a bound, and a count of what the bound costs.
//
//	s, err := spool.Open("/var/lib/collector", spool.Options{})
//	…
//	dropped, err := s.Append(batch.Doc(i))
//	err = s.Sync() // now it survives a crash: settle the documents as Spooled
//	…
//	docs, end, err := s.Next(5000, 5<<20) // the sink is back
//	…                                     // deliver them
//	err = s.Ack(end)
//
// # Laws
//
//   - What Sync returned for is found by the next Open, whatever happened in between, until it was acknowledged.
//   - Next gives documents in the order in which they were appended, and the same ones until they are acknowledged.
//   - The files never hold more than MaxBytes, the documents of one Sync, and the segments of what is given out; the
//     oldest segment goes first, and Append says how many documents it held. What Next has given out is not dropped before
//     it is acknowledged: a crash on its way to the sink would lose it, and nobody would have counted it. What no Sync has
//     returned for is not dropped either: nobody counts it as being here.
//   - Bytes that are not what was written are never given out: they are counted ([Stats]).
//
// # Limits
//
// One process at a time may have a directory open; on Unix, Open refuses to be the second. A document may be given out
// again after a crash, so what takes it must recognise it, as the identities of eventsink.Renderer make a sink do. A
// Spool is not safe for concurrent use.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Options bound a [Spool]. Every zero field means its default.
type Options struct {
	// MaxBytes of all files. 1 GiB.
	MaxBytes int64
	// SegmentBytes at which a segment is closed: what is dropped at once, and what is freed at once. A 16th of MaxBytes, at
	// most 64 MiB.
	SegmentBytes int64
}

// MaxDocument is the longest document: above that a length is taken for damage.
const MaxDocument = 16 << 20

// Position is a place between two documents.
type Position struct {
	segment uint64
	offset  int64
	docs    int // of the segment, before it
}

// Stats are what a Spool holds, and what was lost since it was opened.
type Stats struct {
	// Documents that are not acknowledged, and the bytes of all files.
	Documents int
	Bytes     int64
	// DamagedBytes are what Open found not to be what was written: a torn write at the end of the newest segment, which no
	// Sync had returned for, or a broken disk. DamagedDocuments are those that Open or Sync had found whole and Next did
	// not, each once: a broken disk, or a segment that somebody deleted.
	DamagedBytes     int64
	DamagedDocuments int
}

// Spool is a queue of documents in a directory.
type Spool struct {
	dir      string
	o        Options
	segments []segment // oldest first; the last one is written to
	file     *os.File  // of the last segment, nil before the first Append
	lock     *os.File
	newNames bool     // in the directory, which no sync has made durable yet
	cursor   Position // what is before is acknowledged
	taken    Position // what is before was given out
	buf      []byte
	stats    Stats // the losses
}

// Open reads what the directory holds, checks all of it, and makes the directory if it is not there.
func Open(dir string, o Options) (*Spool, error) {
	if o.MaxBytes < 0 || o.SegmentBytes < 0 {
		return nil, fmt.Errorf("spool: MaxBytes %d, SegmentBytes %d; write none below 0", o.MaxBytes, o.SegmentBytes)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 1 << 30
	}
	if o.SegmentBytes > o.MaxBytes {
		return nil, fmt.Errorf("spool: SegmentBytes %d is more than MaxBytes %d: the bound would not hold; write less, or 0 for a 16th of it", o.SegmentBytes, o.MaxBytes)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = min(o.MaxBytes/16, 64<<20)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	s := &Spool{dir: dir, o: o, newNames: true} // a process before may have died before its sync
	var err error
	if s.lock, err = lock(s.path(lockName)); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Append puts a document at the end. It is not safe on disk before [Spool.Sync] returns. dropped is how many documents
// went to make room, also with an error. After an error nothing is in the spool of what was appended since the last Sync: append it again.
func (s *Spool) Append(doc []byte) (dropped int, err error) {
	defer func() {
		if err != nil {
			s.takeBack()
		}
	}()
	if len(doc) == 0 || len(doc) > MaxDocument {
		return 0, fmt.Errorf("spool: a document of %d bytes; it must have 1 to %d", len(doc), MaxDocument)
	}
	s.buf = appendFrame(s.buf[:0], doc)
	if s.file == nil || s.last().size >= s.o.SegmentBytes {
		if err := s.roll(); err != nil {
			return 0, err
		}
	}
	for s.bytes()+int64(len(s.buf)) > s.o.MaxBytes {
		i, ok := s.droppable()
		if !ok {
			break
		}
		n := s.waiting(s.segments[i])
		if err := s.remove(i); err != nil {
			return dropped, err
		}
		dropped += n
	}
	last := s.last()
	if _, err := s.file.WriteAt(s.buf, last.size); err != nil {
		return dropped, fmt.Errorf("spool: %w", err)
	}
	last.size += int64(len(s.buf))
	last.docs++
	return dropped, nil
}

// Sync makes what was appended survive a crash. After an error nothing of it is in the spool: a later Sync that succeeds
// says nothing of pages that the kernel gave up, so append it again.
func (s *Spool) Sync() error {
	if s.file == nil {
		return nil
	}
	if err := s.sync(); err != nil {
		s.takeBack()
		return err
	}
	for i := range s.segments {
		g := &s.segments[i]
		g.synced, g.syncedDocs = g.size, g.docs
	}
	return nil
}

// Next reads the oldest documents that are synced and not acknowledged, at most limit of them and, but for the first, at most size
// bytes. There are none at the end. The documents are the caller's.
func (s *Spool) Next(limit, size int) (docs [][]byte, end Position, err error) {
	end = s.cursor
	for i := range s.segments {
		g := &s.segments[i]
		if g.sequence > end.segment {
			end = Position{segment: g.sequence, offset: int64(len(magic))}
		}
		if docs, err = s.read(g, &end, docs, limit, &size); err != nil {
			return nil, Position{}, err
		}
		if end.offset < g.synced {
			break
		}
	}
	if s.taken.before(end) {
		s.taken = end
	}
	return docs, end, nil
}

// Ack notes that everything before end, which Next returned, need not be kept. Segments that are done are deleted.
func (s *Spool) Ack(end Position) error {
	if !s.cursor.before(end) {
		return nil // acknowledged before
	}
	s.cursor = end
	for len(s.segments) > 0 && s.segments[0].done(end) {
		if err := s.remove(0); err != nil {
			return err
		}
	}
	return s.saveCursor()
}

// Stats returns the accounts.
func (s *Spool) Stats() Stats {
	st := s.stats
	st.Bytes = s.bytes()
	for _, g := range s.segments {
		st.Documents += g.docs
		if g.sequence == s.cursor.segment {
			st.Documents -= s.cursor.docs
		}
	}
	return st
}

// Close syncs and closes the files, and lets another process have the directory.
func (s *Spool) Close() error {
	err := errors.Join(s.Sync(), s.closeFile())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}

func (s *Spool) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Spool) last() *segment { return &s.segments[len(s.segments)-1] }

func (s *Spool) bytes() (n int64) {
	for _, g := range s.segments {
		n += g.size
	}
	return n
}
