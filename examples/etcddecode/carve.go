package main

import (
	"context"
	"fmt"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func carve(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("carve", "Prints what was compacted away or torn out of the tree and still stands on some page: YAML documents, each after a\ncomment with its key and revision, in no useful order. Many versions of an object may turn up.", s)
	w.addFile(fs)
	w.filter.add(fs)
	w.decoding.add(fs)
	since := fs.Int64("since-rev", 0, "only changes after this revision")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	w.salvage = true
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
	as := func(dst []byte, o *etcddecode.Object, r etcddb.Record) ([]byte, error) {
		return o.AppendYAML(fmt.Appendf(dst, "# %s, revision %d, page %d\n", oneLine(o.Key), r.Rev.Main, r.Page))
	}
	records := func(yield func(etcddb.Record, error) bool) {
		for r, err := range db.Carve(ctx, q) {
			if err == nil && r.Tombstone {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
	for r := range w.objects(ctx, records, false, as) {
		if w.object > 1 {
			if _, err := w.out.WriteString("---\n"); err != nil {
				return w.close(err)
			}
		}
		if _, err := w.out.Write(r.text); err != nil {
			return w.close(err)
		}
	}
	return w.close(ctx.Err())
}
