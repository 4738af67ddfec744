package etcddb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Checksum says what became of the sha256 behind a snapshot.
type Checksum string

// What became of a checksum.
const (
	ChecksumAbsent Checksum = "absent" // the file is a database, not a snapshot that etcd sent
	ChecksumValid  Checksum = "valid"
	ChecksumWrong  Checksum = "wrong"
)

// Report is what DB.Verify found.
type Report struct {
	Checksum Checksum
	// Problems is what is wrong, at most 1000 of them; Omitted counts the others.
	Problems []error
	Omitted  int
	// Revisions is how many changes could be read.
	Revisions int
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) add(err error) {
	if len(r.Problems) < maxErrors {
		r.Problems = append(r.Problems, err)
	} else {
		r.Omitted++
	}
}

// Verify reads all of a database: the checksum of a snapshot; every page for its number, kind, elements and order, and
// whether it is referred to once; every revision for what etcd would have written there; and what ended the reading of a
// log. What is wrong with the database is in the report. The error is one of ctx, of reading, or ErrChanged if a running
// etcd commits meanwhile: verify a snapshot instead.
func (db *DB) Verify(ctx context.Context) (Report, error) {
	r := Report{Checksum: ChecksumAbsent}
	if db.trailer {
		if err := db.verifyTrailer(ctx, &r); err != nil {
			return Report{}, err
		}
	}
	if _, err := db.file.Check(ctx, r.add); err != nil {
		return Report{}, wrap(err)
	}
	pages := map[string]bool{} // what the walk below meets again
	for _, err := range r.Problems {
		pages[err.Error()] = true
	}
	span, _, ok := db.retained(Query{}, func(_ Record, err error) bool {
		r.note(err, pages)
		return true
	})
	if !ok {
		return r, nil
	}
	for _, err := range db.scan(ctx, span) {
		switch {
		case ctx.Err() != nil:
			return Report{}, ctx.Err()
		case err != nil:
			r.note(err, pages)
		default:
			r.Revisions++
		}
	}
	return r, nil
}

func (r *Report) note(err error, known map[string]bool) {
	if !known[err.Error()] {
		r.add(err)
	}
}

// verifyTrailer computes the sha256 of the database and compares it.
func (db *DB) verifyTrailer(ctx context.Context, r *Report) error {
	h := sha256.New()
	if _, err := io.Copy(h, contextReader{ctx, io.NewSectionReader(db.raw, 0, db.size-trailerSize)}); err != nil {
		return wrap(err)
	}
	want := make([]byte, trailerSize)
	if _, err := db.raw.ReadAt(want, db.size-trailerSize); err != nil && !errors.Is(err, io.EOF) {
		return wrap(err)
	}
	r.Checksum = ChecksumValid
	if !bytes.Equal(h.Sum(nil), want) {
		r.Checksum = ChecksumWrong
		r.add(&CorruptError{Offset: db.size - trailerSize, Reason: "the sha256 at the end is not that of the database"})
	}
	return nil
}

func wrap(err error) error { return fmt.Errorf("etcddb: %w", err) }
