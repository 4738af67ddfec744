package main

import (
	"context"
	"iter"
	"runtime"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// Records travel in batches: as many as these, or as many bytes.
const (
	batchRecords = 64
	batchBytes   = 1 << 20
)

type batch[T any] struct {
	records []etcddb.Record
	errs    []error
	values  []byte // what the records alias
	results chan []T
}

// ordered runs work on the records on all cores and yields what it returns in the order of the records. At most two
// batches for each core are in memory. Errors of the walk go to failed, also in order. newWork makes the function of
// one worker, which may keep buffers.
func ordered[T any](ctx context.Context, records iter.Seq2[etcddb.Record, error], newWork func() func(etcddb.Record) T, failed func(error)) iter.Seq[T] {
	return func(yield func(T) bool) {
		ctx, cancel := context.WithCancel(ctx)
		workers := runtime.GOMAXPROCS(0)
		queue := make(chan *batch[T], workers)
		pending := make(chan *batch[T], workers)
		done := make(chan struct{})
		for range workers {
			go func() {
				work := newWork()
				for b := range queue {
					out := make([]T, 0, len(b.records))
					for i := range b.records {
						out = append(out, work(b.records[i]))
					}
					b.results <- out
				}
			}()
		}
		go func() {
			defer close(done)
			defer close(pending)
			defer close(queue)
			feed(ctx, records, func(b *batch[T]) bool {
				select {
				case pending <- b:
					queue <- b
					return true
				case <-ctx.Done():
					return false
				}
			})
		}()
		defer func() { // the source must not be closed while it is read
			cancel()
			for b := range pending {
				<-b.results
			}
			<-done
		}()
		for b := range pending {
			for _, err := range b.errs {
				failed(err)
			}
			for _, result := range <-b.results {
				if !yield(result) {
					return
				}
			}
		}
	}
}

// feed cuts the walk into batches. Records are copied, since their memory belongs to the walk.
func feed[T any](ctx context.Context, records iter.Seq2[etcddb.Record, error], send func(*batch[T]) bool) {
	fresh := func() *batch[T] { return &batch[T]{results: make(chan []T, 1)} }
	b := fresh()
	for r, err := range records {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			b.errs = append(b.errs, err)
			continue
		}
		from := len(b.values)
		b.values = append(append(b.values, r.Key...), r.Value...)
		middle, to := from+len(r.Key), len(b.values)
		r.Key, r.Value = b.values[from:middle:middle], b.values[middle:to:to]
		b.records = append(b.records, r)
		if len(b.records) < batchRecords && len(b.values) < batchBytes {
			continue
		}
		if !send(b) {
			return
		}
		b = fresh()
	}
	if len(b.records)+len(b.errs) > 0 {
		send(b)
	}
}
