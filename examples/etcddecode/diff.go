package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func diff(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("diff A B", "Compares the live objects of two databases by key: + added, - removed, ~ changed, with the fields that changed.", s)
	w.filter.add(fs)
	w.decoding.add(fs)
	brief := fs.Bool("brief", false, "only the keys")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	if len(rest) != 2 {
		return errors.New("diff compares two databases: diff A B")
	}
	a, err := w.openNamed(rest[0])
	if err != nil {
		return err
	}
	b, err := w.openNamed(rest[1])
	if err != nil {
		return errors.Join(err, a.Close())
	}
	w.store = a
	if err := w.open(s); err != nil {
		return errors.Join(err, b.Close())
	}
	return errors.Join(w.close(w.compare(ctx, a, b, *brief)), b.Close())
}

// side is one of two walks that go on in step.
type side struct {
	record etcddb.Record
	ok     bool
	next   func() (etcddb.Record, error, bool)
	fail   func(error)
}

func (s *side) advance() {
	for {
		r, err, ok := s.next()
		if err == nil || !ok {
			s.record, s.ok = r, ok
			return
		}
		s.fail(err)
	}
}

func (w *walk) compare(ctx context.Context, a, b *etcddb.DB, brief bool) error {
	nextA, stopA := iter.Pull2(a.Live(ctx, w.query(0)))
	defer stopA()
	nextB, stopB := iter.Pull2(b.Live(ctx, w.query(0)))
	defer stopB()
	x, y := side{next: nextA, fail: w.fail}, side{next: nextB, fail: w.fail}
	x.advance()
	y.advance()
	for x.ok || y.ok {
		var order int
		switch {
		case !x.ok:
			order = 1
		case !y.ok:
			order = -1
		default:
			order = bytes.Compare(x.record.Key, y.record.Key)
		}
		var before, after *etcddb.Record
		if order <= 0 {
			before = &x.record
		}
		if order >= 0 {
			after = &y.record
		}
		if err := w.comparePair(ctx, before, after, brief); err != nil {
			return err
		}
		if order <= 0 {
			x.advance()
		}
		if order >= 0 {
			y.advance()
		}
	}
	return ctx.Err()
}

func (w *walk) comparePair(ctx context.Context, before, after *etcddb.Record, brief bool) error {
	if before != nil && after != nil && before.Mod == after.Mod && bytes.Equal(before.Value, after.Value) {
		return nil
	}
	x, okX := w.decode(ctx, before)
	y, okY := w.decode(ctx, after)
	if !okX || !okY || (x == nil || !w.accepts(x)) && (y == nil || !w.accepts(y)) {
		return nil
	}
	sign, key := "~", ""
	switch {
	case x == nil:
		sign, key = "+", y.Key
	case y == nil:
		sign, key = "-", x.Key
	default:
		key = x.Key
	}
	if _, err := fmt.Fprintln(w.out, sign, oneLine(key)); err != nil || brief || sign != "~" {
		return err
	}
	return writeChanges(streams{out: indented{w.out}}, x, y)
}

// decode returns nil for no record. ok is false if there is one that can't be decoded.
func (w *walk) decode(ctx context.Context, r *etcddb.Record) (o *etcddecode.Object, ok bool) {
	if r == nil {
		return nil, true
	}
	o, err := w.decoder.Decode(ctx, etcddecode.Value{Key: string(r.Key), Bytes: r.Value, ModRevision: r.Mod})
	if err != nil {
		w.fail(err)
		return nil, false
	}
	return o, true
}
