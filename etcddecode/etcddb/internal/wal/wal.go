// Package wal reads the records of etcd's write-ahead log: its frames, its chain of checksums, and what is wrong with
// them. See etcd's server/storage/wal, decoder.go and walpb/record.proto.
package wal

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/wire"
)

// Segment is a file of the log.
type Segment struct {
	Name string
	// Seq counts the files, Index is that of the first entry that was new when the file was begun.
	Seq, Index uint64
	R          io.ReaderAt
	Size       int64
}

// ParseName reads the name of a segment.
func ParseName(name string) (seq, index uint64, ok bool) {
	if len(name) != 16+1+16+len(".wal") {
		return 0, 0, false
	}
	var rest string
	if n, err := fmt.Sscanf(name, "%016x-%016x%s", &seq, &index, &rest); n != 3 || err != nil || rest != ".wal" {
		return 0, 0, false
	}
	return seq, index, true
}

// Sort sorts segments as they were written.
func Sort(segments []Segment) {
	slices.SortFunc(segments, func(a, b Segment) int { return cmp.Compare(a.Seq, b.Seq) })
}

// The types of records.
const (
	TypeMetadata = 1
	TypeEntry    = 2
	TypeState    = 3
	TypeCRC      = 4
	TypeSnapshot = 5
)

// Record is a record of the log, but for those that only chain the checksums of files. Data is valid until the next step.
type Record struct {
	Type   uint64
	Data   []byte
	File   string
	Offset int64
}

// Error is damage of a log.
type Error struct {
	File   string
	Offset int64
	Reason string
	// Torn says that the last record was not wholly written: nothing that etcd has acknowledged is lost.
	Torn bool
	Err  error
}

// Error names the place and the reason.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s, offset %d: %s: %v", e.File, e.Offset, e.Reason, e.Err)
	}
	return fmt.Sprintf("%s, offset %d: %s", e.File, e.Offset, e.Reason)
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Records yields the records of sorted segments. Every error is an *Error. A record whose checksum is wrong gives an
// error, and the chain goes on from what it claims; where the frame of a record is damaged, the rest of its file is
// unreadable, and the walk goes on with the next.
func Records(segments []Segment) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		d := decoder{}
		for i, s := range segments {
			if i > 0 && s.Seq != segments[i-1].Seq+1 {
				d.crc = 0
				gap := &Error{File: s.Name, Reason: fmt.Sprintf("the file after number %d is missing", segments[i-1].Seq)}
				if !yield(Record{}, gap) {
					return
				}
			}
			d.open(s, i == len(segments)-1)
			for {
				r, more, err := d.next()
				if err == nil && !more {
					break
				}
				if err == nil && r.Type == TypeCRC {
					continue
				}
				if !yield(r, err) {
					return
				}
				if !more {
					d.crc = 0
					break
				}
			}
		}
	}
}

// decoder reads one segment after the other.
type decoder struct {
	s    Segment
	last bool
	r    *bufio.Reader
	off  int64
	crc  uint32
	buf  []byte
}

func (d *decoder) open(s Segment, last bool) {
	d.s, d.last, d.off = s, last, 0
	section := io.NewSectionReader(s.R, 0, s.Size)
	if d.r == nil {
		d.r = bufio.NewReaderSize(section, 256<<10)
	} else {
		d.r.Reset(section)
	}
}

func (d *decoder) damage(torn bool, err error, format string, args ...any) *Error {
	return &Error{File: d.s.Name, Offset: d.off, Reason: fmt.Sprintf(format, args...), Torn: torn && d.last, Err: err}
}

// next returns a record; more is false at the end of the file, or with damage behind which nothing can be found.
func (d *decoder) next() (r Record, more bool, err error) {
	var frame [8]byte
	n, err := io.ReadFull(d.r, frame[:])
	length := binary.LittleEndian.Uint64(frame[:])
	switch {
	case n == 0 && err == io.EOF || err == nil && length == 0:
		return Record{}, false, nil
	case err != nil:
		return Record{}, false, d.damage(true, nil, "the log ends within the length of a record")
	}
	size, padding := int64(length&(1<<56-1)), int64(0)
	if length>>63 != 0 {
		padding = int64(length >> 56 & 7)
	}
	if size > d.s.Size-d.off-8-padding {
		return Record{}, false, d.damage(true, nil, "a record of %d bytes in a file of %d", size, d.s.Size)
	}
	if int64(cap(d.buf)) < size+padding {
		d.buf = make([]byte, size+padding)
	}
	data := d.buf[:size+padding]
	if _, err = io.ReadFull(d.r, data); err != nil {
		return Record{}, false, d.damage(true, err, "a record of %d bytes can't be read", size)
	}
	return d.record(data, size)
}

// record decodes and checks a walpb.Record: type, crc, data.
func (d *decoder) record(data []byte, size int64) (Record, bool, error) {
	r := Record{File: d.s.Name, Offset: d.off}
	crc, valid := uint32(0), true
	for f, ok := range wire.Fields(data[:size]) {
		switch {
		case !ok:
			valid = false
		case f.Num == 1:
			r.Type = f.Number
		case f.Num == 2:
			crc = uint32(f.Number)
		case f.Num == 3:
			r.Data = f.Bytes
		}
	}
	if !valid {
		return Record{}, false, d.damage(d.torn(data), nil, "not a record")
	}
	want, what := crc32.Update(d.crc, crc32.MakeTable(crc32.Castagnoli), r.Data), "the checksum of a record is wrong"
	if r.Type == TypeCRC {
		want, what = d.crc, "the checksum of the file before is another"
		if want == 0 { // the first file that is read
			want = crc
		}
	}
	d.crc = crc
	if crc != want {
		err := d.damage(d.torn(data), nil, "%s", what)
		d.off += 8 + int64(len(data))
		return Record{}, !err.Torn, err
	}
	d.off += 8 + int64(len(data))
	return r, true, nil
}

// torn reports whether a sector of 512 bytes, of those the record lies in, was not written.
func (d *decoder) torn(data []byte) bool {
	off := d.off + 8
	for len(data) > 0 {
		n := min(512-off%512, int64(len(data)))
		if !slices.ContainsFunc(data[:n], func(b byte) bool { return b != 0 }) {
			return true
		}
		data, off = data[n:], off+n
	}
	return false
}
