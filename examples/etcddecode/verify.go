package main

import (
	"context"
	"fmt"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func verify(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("verify", "Checks the checksum of a snapshot, every page and revision, and that every live value decodes. Prints etcd's hash of\nthe newest revision, to compare with etcdctl endpoint hashkv.", s)
	w.addFile(fs)
	w.decoding.add(fs)
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
	return w.close(w.verify(ctx, db))
}

func (w *walk) verify(ctx context.Context, db *etcddb.DB) error {
	report, err := db.Verify(ctx)
	if err != nil {
		return err
	}
	for _, problem := range report.Problems {
		w.fail(problem)
	}
	w.failed += errPartial(report.Omitted)
	if report.Checksum == etcddb.ChecksumWrong {
		w.fail(fmt.Errorf("the checksum at the end of the snapshot is wrong"))
	}
	hash := "none, since there is damage"
	if h, err := db.HashKV(ctx, 0); err == nil {
		hash = fmt.Sprintf("%d (%#x)", h, h)
	}
	info, err := db.Info()
	if err != nil {
		w.fail(err)
	}
	lossy := 0
	defer func() { w.lossy = 0 }() // all is said here
	nothing := func(dst []byte, _ *etcddecode.Object, _ etcddb.Record) ([]byte, error) { return dst, nil }
	for r := range w.live(ctx, true, nothing) {
		if r.object.Fidelity == etcddecode.TypedWithLoss {
			lossy++
			findings, _ := r.object.Findings()
			w.streams.say("%s: %s: %s", oneLine(r.object.Key), findings[0].Path, findings[0].Reason)
		}
	}
	_, err = fmt.Fprintf(w.out, "checksum   %s\nrevision   %d\ncompacted  %d\nhash       %s\nrevisions  %d readable\nobjects    %d decoded, %d of them with loss\nproblems   %d\n",
		report.Checksum, info.Revision, info.Compacted, hash, report.Revisions, w.object, lossy, int(w.failed))
	if err != nil {
		return err
	}
	return ctx.Err()
}
