package etcddb

import (
	"context"
	"errors"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"
)

// Stats counts what a database consists of.
type Stats struct {
	// Pages counts pages, each of Info.PageSize bytes.
	Pages PageStats
	// Buckets are the buckets, by name.
	Buckets []BucketStats
	// Revisions are the changes that are retained, with Tombstones among them.
	Revisions, Tombstones int
	// Keys are those that exist at the newest revision, Leased those among them that have a lease.
	Keys, Leased int
	// LiveBytes and Bytes are the lengths of the values of keys that exist, and of all that are retained.
	LiveBytes, Bytes int64
	// Leases is the number of leases.
	Leases int
	// Damaged is how many errors were met on the way.
	Damaged int
}

// PageStats counts the pages of a file: branch and leaf pages of trees with the pages that leaves run over to, those of the
// freelist, and those that nothing refers to.
type PageStats struct {
	Branch, Leaf, Overflow, Freelist, Unused uint64
}

// BucketStats counts one bucket. One that is small enough has no pages of its own.
type BucketStats struct {
	Name                   string
	Entries, Bytes         uint64 // of keys and values
	Branch, Leaf, Overflow uint64 // pages
	Depth                  int
}

// Stats reads the database once and visits every page. It needs an index of keys. What is damaged is not counted; DB.Verify
// says what is wrong with it. The error is ErrChanged if a running etcd commits while the pages are visited.
func (db *DB) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	tally, err := db.file.Check(ctx, func(error) { s.Damaged++ })
	if err != nil {
		return Stats{}, wrap(err)
	}
	s.tally(tally)
	span, _, ok := db.retained(Query{}, func(_ Record, e error) bool {
		err = errors.Join(err, e)
		return true
	})
	if !ok {
		return Stats{}, err
	}
	ix := newIndex()
	span.wants = none
	for c, err := range db.scan(ctx, span) {
		if ctx.Err() != nil {
			return Stats{}, ctx.Err()
		}
		if err != nil {
			continue // counted above
		}
		s.Revisions++
		if c.Tombstone {
			s.Tombstones++
		}
		s.Bytes += int64(c.Size)
		ix.add(&Query{}, c)
	}
	for e := range ix.all() {
		if !e.tombstone {
			s.Keys++
			s.LiveBytes += int64(e.size)
			if e.lease != 0 {
				s.Leased++
			}
		}
	}
	for _, err := range db.Leases(ctx) {
		if err == nil {
			s.Leases++
		}
	}
	return s, ctx.Err()
}

func (s *Stats) tally(t bolt.Tally) {
	s.Pages = PageStats{Branch: t.Branch, Leaf: t.Leaf, Overflow: t.Overflow, Freelist: t.Freelist, Unused: t.Unused}
	for _, b := range t.Buckets {
		s.Buckets = append(s.Buckets, BucketStats(b))
	}
}
