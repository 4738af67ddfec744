package etcddb

import "slices"

// overlay is what the entries of a write-ahead log change that the database does not hold yet. A nil overlay changes
// nothing.
type overlay struct {
	info      WALInfo
	baseRev   int64 // the newest revision of the database that the log goes on from
	revision  int64 // the newest of both
	compacted int64
	records   []*Record // in the order of revisions
	leases    map[int64]*Lease
}

// note keeps the first damage that makes the log's changes incomplete.
func (o *overlay) note(err error) {
	if o.info.Err == nil {
		o.info.Err = err
	}
}

// base is the last revision to take from the database.
func (o *overlay) base() int64 {
	if o == nil {
		return maxRevision
	}
	return o.baseRev
}

func (o *overlay) scan(s span, yield func(*change, error) bool) bool {
	if o == nil {
		return true
	}
	records := o.records
	first, _ := slices.BinarySearchFunc(records, s.after, func(r *Record, rev int64) int {
		return r.Rev.Compare(Revision{Main: rev + 1})
	})
	last, _ := slices.BinarySearchFunc(records, s.upTo, func(r *Record, rev int64) int {
		return r.Rev.Compare(Revision{Main: rev + 1})
	})
	for i := first; i < last; i++ {
		r := records[i]
		if s.reverse {
			r = records[last-1-(i-first)]
		}
		if !yield(&change{Record: *r, wal: r}, nil) {
			return false
		}
	}
	return true
}
