package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func undelete(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("undelete", "Prints manifests, ready for kubectl apply, of what was deleted and did not come back. Objects that are redacted are\nleft out: Secrets need --show-secrets.", s)
	w.addFile(fs)
	w.filter.add(fs)
	w.decoding.add(fs)
	since := fs.Int64("since-rev", 0, "only what was deleted after this revision")
	recreated := fs.Bool("recreated", false, "also what came back, as it was before")
	owned := fs.Bool("owned", false, "also what another object made, such as Pods of a ReplicaSet, which that would make again")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	db, err := w.openFile()
	if err != nil {
		return err
	}
	w.store = db
	if err := w.open(s); err != nil {
		return err
	}
	q := w.query(0)
	q.Since = *since
	return w.close(w.undelete(ctx, w.deleted(db.Deleted(ctx, q), *recreated), *owned))
}

// deleted is the last value of what was deleted.
func (w *walk) deleted(from iter.Seq2[etcddb.Deletion, error], recreated bool) iter.Seq2[etcddb.Record, error] {
	return func(yield func(etcddb.Record, error) bool) {
		for d, err := range from {
			switch {
			case err == nil && d.Recreated && !recreated:
				continue
			case err == nil && d.Last.Tombstone:
				w.streams.say("%s: deleted at revision %d, and its last value is compacted; try carve", printable(d.Last.Key), d.Deleted.Main)
				continue
			}
			if !yield(d.Last, err) {
				return
			}
		}
	}
}

func (w *walk) undelete(ctx context.Context, records iter.Seq2[etcddb.Record, error], owned bool) error {
	redacted := 0
	manifest := func(dst []byte, o *etcddecode.Object, _ etcddb.Record) ([]byte, error) {
		if o.Kind == "" {
			return dst, nil
		}
		if _, isOwned := o.Owner(); o.Fidelity == etcddecode.Schemaless && (owned || !isOwned) {
			return dst, fmt.Errorf("%s %s is of no known type, and fields without names can't be applied; dump shows them", o.APIVersion, o.Kind)
		}
		m, ok := o.Manifest()
		if !ok {
			return dst, nil
		}
		return m.AppendYAML(dst)
	}
	written := 0
	for r := range w.objects(ctx, records, true, manifest) {
		if _, isOwned := r.object.Owner(); isOwned && !owned || len(r.text) == 0 {
			if r.object.Redacted {
				redacted++
			}
			continue
		}
		if written++; written > 1 {
			if _, err := w.out.WriteString("---\n"); err != nil {
				return err
			}
		}
		if _, err := w.out.Write(r.text); err != nil {
			return err
		}
	}
	if redacted > 0 {
		w.streams.say("%d objects are left out because they hold secrets; --show-secrets prints them", redacted)
	}
	if written == 0 && redacted == 0 && w.failed == 0 {
		return errors.New("nothing was deleted that matches and is still there")
	}
	return ctx.Err()
}
