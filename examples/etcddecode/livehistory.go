package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// The last change of a key that does not exist is not known, so a watch of it is asked how far it is. Before 3.5.8 and
// 3.4.25, etcd also answers for a watch that it has not caught up with, which it does every 100 ms: one answer is not
// enough.
const (
	progressEvery = 100 * time.Millisecond
	progressCount = 10
)

// History watches a key from the oldest revision that etcd retains to the one it is at now. What the key was at the last
// compaction comes first.
func (s *liveStore) History(ctx context.Context, key string) iter.Seq2[etcddb.Record, error] {
	return func(yield func(etcddb.Record, error) bool) {
		if err := s.history(ctx, key, yield); err != nil {
			yield(etcddb.Record{}, fmt.Errorf("%w: %w", errLive, err))
		}
	}
}

func (s *liveStore) history(ctx context.Context, key string, yield func(etcddb.Record, error) bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	now, err := s.client.Get(ctx, key, clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	h := liveHistory{client: s.client, key: key, until: now.Header.Revision, yield: yield}
	if len(now.Kvs) > 0 {
		h.until, h.known = now.Kvs[0].ModRevision, true
	}
	for from := int64(1); ; {
		compacted, err := h.watch(ctx, from)
		if err != nil || compacted == 0 {
			return err
		}
		// etcd answers a watch of what it has compacted before any event.
		if err = h.at(ctx, compacted); errors.Is(err, rpctypes.ErrCompacted) {
			from = 1 // compacted again, meanwhile
			continue
		}
		if err != nil || h.stopped {
			return err
		}
		from = compacted + 1
	}
}

type liveHistory struct {
	client     *clientv3.Client
	key        string
	until      int64 // the last revision to look at
	known      bool  // which is that of the last change
	generation int64 // the revision that created the key, if it exists
	last       int64 // the revision that was yielded last
	yield      func(etcddb.Record, error) bool
	stopped    bool
}

func (h *liveHistory) give(r etcddb.Record) {
	if r.Mod <= h.last {
		return // a compaction came between two watches
	}
	h.last = r.Mod
	h.generation = r.Create
	if r.Tombstone {
		h.generation = 0
	}
	h.stopped = !h.yield(r, nil)
}

// at yields what the key was at a revision.
func (h *liveHistory) at(ctx context.Context, rev int64) error {
	got, err := h.client.Get(ctx, h.key, clientv3.WithRev(rev))
	if err != nil {
		return err
	}
	for _, kv := range got.Kvs {
		h.give(record(kv.Key, kv.Value, kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease))
	}
	return nil
}

// watch yields the changes from a revision on. If that has been compacted, it says up to which.
func (h *liveHistory) watch(ctx context.Context, from int64) (compacted int64, err error) {
	if h.last >= h.until {
		return 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := h.client.Watch(ctx, h.key, clientv3.WithRev(from))
	ask := time.NewTicker(progressEvery)
	defer ask.Stop()
	if h.known {
		ask.Stop()
	}
	for answers := 0; answers < progressCount; {
		select {
		case <-ask.C:
			if err := h.client.RequestProgress(ctx); err != nil {
				return 0, err
			}
		case got, ok := <-events:
			switch {
			case !ok:
				return 0, errors.Join(ctx.Err(), errors.New("the watch ended"))
			case got.CompactRevision != 0:
				return got.CompactRevision, nil
			case got.Err() != nil:
				return 0, got.Err()
			}
			if h.events(got.Events) {
				return 0, nil
			}
			if answers++; !got.IsProgressNotify() || got.Header.Revision < h.until {
				answers = 0
			}
		}
	}
	return 0, nil
}

// events yields changes and reports whether they were the last.
func (h *liveHistory) events(events []*clientv3.Event) (done bool) {
	for _, e := range events {
		if e.Kv.ModRevision > h.until || h.stopped {
			return true
		}
		r := record(e.Kv.Key, e.Kv.Value, e.Kv.CreateRevision, e.Kv.ModRevision, e.Kv.Version, e.Kv.Lease)
		if e.Type == clientv3.EventTypeDelete {
			r = etcddb.Record{Rev: r.Rev, Key: r.Key, Create: h.generation, Mod: r.Mod, Tombstone: true}
		}
		h.give(r)
	}
	return h.stopped || len(events) > 0 && events[len(events)-1].Kv.ModRevision >= h.until
}
