package main

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/eventsink"
)

// seed reads the Events as they were at the position that reading resumes from, and remembers their counts, so that a
// repeat of one of them is counted as the difference. Where etcd has that state no more, reading resumes by a list anyway.
func (r *reader) seed(ctx context.Context, position string) {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	o := metav1.ListOptions{ResourceVersion: position, ResourceVersionMatch: metav1.ResourceVersionMatchExact, Limit: seedPage}
	seeded := 0
	for {
		list, err := r.events.List(ctx, o)
		if err != nil {
			r.log.Info("the counts before the restart are not known", "error", err)
			return
		}
		for i := range list.Items {
			if r.shard.Owns(string(list.Items[i].UID)) {
				eventsink.FromCore(&r.record, &list.Items[i])
				r.pipeline.with(func(now time.Time, f *eventsink.Flow) { f.Seed(now, &r.record) })
				seeded++
			}
		}
		if o = (metav1.ListOptions{Limit: seedPage, Continue: list.Continue}); o.Continue == "" {
			r.log.Debug("the counts before the restart are known", "events", seeded)
			return
		}
	}
}

const (
	seedPage    = 5000
	seedTimeout = time.Minute // the Events that come meanwhile are in etcd
)
