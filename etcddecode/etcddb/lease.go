package etcddb

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/kubewright/kubewright/etcddecode/etcddb/internal/bolt"
)

// Leases yields the leases, by ID, with what the log changed.
func (db *DB) Leases(ctx context.Context) iter.Seq2[Lease, error] {
	return func(yield func(Lease, error) bool) {
		if db.overlay != nil {
			for _, id := range slices.Sorted(maps.Keys(db.overlay.leases)) {
				if !yield(*db.overlay.leases[id], nil) {
					return
				}
			}
			return
		}
		for item, err := range db.file.Walk("lease", bolt.Range{}) {
			switch {
			case ctx.Err() != nil:
				yield(Lease{}, ctx.Err())
				return
			case errors.Is(err, bolt.ErrNoBucket):
				return
			}
			l, ok := parseLease(item.Value)
			if err == nil && !ok {
				err = corruptEntry(&item, "not a lease")
			}
			if err != nil {
				l = Lease{}
			}
			if !yield(l, err) {
				return
			}
		}
	}
}
