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
	text    []byte // what the results alias
	results []T
	done    chan struct{} // there is something in it once the results are there
}

func (b *batch[T]) reset() {
	clear(b.results)
	b.records, b.errs, b.values, b.text, b.results = b.records[:0], b.errs[:0], b.values[:0], b.text[:0], b.results[:0]
}

// ordered runs work on the records on all cores and yields what it returns in the order of the records. At most three
// batches for each core are in memory, and they are used again: a record and a result are valid until the next step.
// Errors of the walk go to failed, also in order. newWork makes the function of one worker, which may keep buffers; work
// appends what it writes to a buffer and returns that.
func ordered[T any](ctx context.Context, records iter.Seq2[etcddb.Record, error], newWork func() func([]byte, etcddb.Record) (T, []byte), failed func(error)) iter.Seq[T] {
	return func(yield func(T) bool) {
		ctx, cancel := context.WithCancel(ctx)
		workers := runtime.GOMAXPROCS(0)
		queue := make(chan *batch[T], workers)
		pending := make(chan *batch[T], workers)
		free := make(chan *batch[T], 3*workers)
		done := make(chan struct{})
		for range workers {
			go func() {
				work := newWork()
				for b := range queue {
					for i := range b.records {
						var result T
						result, b.text = work(b.text, b.records[i])
						b.results = append(b.results, result)
					}
					b.done <- struct{}{}
				}
			}()
		}
		go func() {
			defer close(done)
			defer close(pending)
			defer close(queue)
			feed(ctx, records, free, func(b *batch[T]) bool {
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
				<-b.done
			}
			<-done
		}()
		for b := range pending {
			<-b.done
			for _, err := range b.errs {
				failed(err)
			}
			for _, result := range b.results {
				if !yield(result) {
					return
				}
			}
			if cap(b.values) > 2*batchBytes || cap(b.text) > 4*batchBytes { // a single large object
				continue
			}
			b.reset()
			select {
			case free <- b:
			default:
			}
		}
	}
}

// feed cuts the walk into batches. Records are copied, since their memory belongs to the walk.
func feed[T any](ctx context.Context, records iter.Seq2[etcddb.Record, error], free <-chan *batch[T], send func(*batch[T]) bool) {
	next := func() *batch[T] {
		select {
		case b := <-free:
			return b
		default:
			return &batch[T]{done: make(chan struct{}, 1)}
		}
	}
	b := next()
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
		b = next()
	}
	if len(b.records)+len(b.errs) > 0 {
		send(b)
	}
}
