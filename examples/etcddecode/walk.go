package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"slices"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// walk is what the commands that look at many objects have in common.
type walk struct {
	source
	filter
	decoding

	store   store
	decoder *etcddecode.Decoder
	streams streams
	out     *bufio.Writer
	bar     *progress
	failed  errPartial
	fatal   error // because of it, there is nothing to see
	object  int   // objects that the filter accepted
	lossy   int   // those that lack something

	undecoded func(rendered) // if it is set, it hears of values that could not be decoded
}

func (w *walk) add(fs *flag.FlagSet) {
	w.source.add(fs)
	w.filter.add(fs)
	w.decoding.add(fs)
}

// open makes ready what the flags describe. The caller closes.
func (w *walk) open(s streams) (err error) {
	if err := w.check(); err != nil {
		return err
	}
	if w.decoder, err = w.decoding.decoder(); err != nil {
		return err
	}
	if w.store == nil {
		if w.store, err = w.source.open(); err != nil {
			return err
		}
	}
	w.streams, w.out = s, bufio.NewWriterSize(s.out, 1<<16)
	w.bar = newProgress(s, w.store)
	return nil
}

// close ends the walk and returns its error: the one given, or how many records failed.
func (w *walk) close(err error) error {
	w.bar.finish()
	if flushed := w.out.Flush(); err == nil {
		err = flushed
	}
	if closed := w.store.Close(); err == nil {
		err = closed
	}
	if w.lossy > 0 {
		w.streams.say("%d objects lack something that is stored; verify and decode say what", w.lossy)
	}
	if w.fatal != nil { // "nothing matches" would be a guess
		err = w.fatal
	}
	if err == nil {
		err = w.failed.orNil()
	}
	return err
}

// fail reports a record that could not be read or decoded.
func (w *walk) fail(err error) {
	if isFatal(err) && w.fatal == nil {
		w.fatal = err
		return
	}
	w.failed++
	if w.failed <= 20 {
		w.streams.say("%v", err)
	} else if w.failed == 21 {
		w.streams.say("more of these are only counted")
	}
}

// isFatal reports whether an error is not one of a record, but of all or the rest of them.
func isFatal(err error) bool {
	return slices.ContainsFunc([]error{
		errLive, etcddb.ErrNoMeta, etcddb.ErrNotEtcd, etcddb.ErrChanged, etcddb.ErrCompacted, etcddb.ErrFutureRevision,
	}, func(target error) bool { return errors.Is(err, target) })
}

// rendered is one object, made ready on another core.
type rendered struct {
	object *etcddecode.Object
	key    string // printable
	record etcddb.Record
	text   []byte
	err    error
	skip   bool
	lossy  bool
}

// encryption is what an undecoded value is encrypted with, as far as the value says.
func (r rendered) encryption() string {
	if failed, ok := errors.AsType[*etcddecode.DecodeError](r.err); ok {
		return failed.Encryption.String()
	}
	return ""
}

// objects decodes and renders records on all cores, and yields those that the filter accepts. They are valid until the
// next step.
//
// The object is there only if keep is set; it costs memory.
func (w *walk) objects(ctx context.Context, records iter.Seq2[etcddb.Record, error], keep bool, as render) iter.Seq[rendered] {
	newWork := func() func([]byte, etcddb.Record) (rendered, []byte) {
		o := &etcddecode.Object{} // used again while nobody needs what was in it
		return func(text []byte, r etcddb.Record) (rendered, []byte) {
			if keep {
				o = &etcddecode.Object{}
			}
			return w.render(ctx, o, keep, text, r, as)
		}
	}
	return func(yield func(rendered) bool) {
		for r := range ordered(ctx, records, newWork, w.fail) {
			w.bar.add(len(r.record.Value))
			switch {
			case r.skip:
				continue
			case r.err != nil:
				w.fail(r.err)
				if w.undecoded != nil {
					w.undecoded(r)
				}
				continue
			}
			w.object++
			if r.lossy {
				w.lossy++
			}
			if !yield(r) {
				return
			}
		}
	}
}

// render is the work on one record. It appends to a buffer and returns it.
func (w *walk) render(ctx context.Context, o *etcddecode.Object, keep bool, buf []byte, r etcddb.Record, as render) (rendered, []byte) {
	err := w.decoder.DecodeInto(ctx, o, etcddecode.Value{Key: string(r.Key), Bytes: r.Value, ModRevision: r.Mod})
	if err != nil {
		return rendered{record: r, err: err}, buf
	}
	if !w.accepts(o) {
		return rendered{record: r, skip: true}, buf
	}
	text, err := as(buf, o, r)
	if err != nil {
		text, err = buf, fmt.Errorf("%s: %w", oneLine(o.Key), err)
	}
	out := rendered{key: o.Key, record: r, text: text[len(buf):], err: err, lossy: o.Fidelity == etcddecode.TypedWithLoss}
	if keep {
		out.object = o
	}
	return out, text
}

// live is objects of the newest revision, or the one asked for.
func (w *walk) live(ctx context.Context, keep bool, as render) iter.Seq[rendered] {
	return w.objects(ctx, w.store.Live(ctx, w.query(w.revision)), keep, as)
}
