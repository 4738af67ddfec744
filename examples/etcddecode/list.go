package main

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func list(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("list", "Lists keys in their order. Without -l, --kind and --labels no value is read.", s)
	w.add(fs)
	long := fs.Bool("l", false, "also revision, version, size, lease, format, encryption and kind")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if err := w.open(s); err != nil {
		return err
	}
	if *long || w.kind != "" || w.labels != "" {
		return w.close(w.listObjects(ctx, *long))
	}
	return w.close(w.listKeys(ctx))
}

func (w *walk) listKeys(ctx context.Context) error {
	q := w.query(w.revision)
	q.KeysOnly = true
	for r, err := range w.store.Live(ctx, q) {
		if err != nil {
			w.fail(err)
			continue
		}
		if _, err := w.out.Write(append(appendPrintable(w.out.AvailableBuffer(), r.Key), '\n')); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (w *walk) listObjects(ctx context.Context, long bool) error {
	table := tabwriter.NewWriter(w.out, 0, 8, 2, ' ', 0)
	if long {
		if _, err := fmt.Fprintln(table, "MOD\tVERSION\tSIZE\tLEASE\tFORMAT\tENCRYPTION\tKIND\tKEY"); err != nil {
			return err
		}
	}
	w.undecoded = func(r rendered) {
		if long {
			_, _ = fmt.Fprintf(table, "%d\t%d\t%d\t%s\t?\t%s\t?\t%s\n", r.record.Mod, r.record.Version, r.record.Size, // Flush returns the error
				lease(r.record), orDash(oneLine(r.encryption())), printable(r.record.Key))
		}
	}
	nothing := func(dst []byte, _ *etcddecode.Object, _ etcddb.Record) ([]byte, error) { return dst, nil }
	for r := range w.live(ctx, true, nothing) {
		if !long {
			if _, err := fmt.Fprintln(table, oneLine(r.object.Key)); err != nil {
				return err
			}
			continue
		}
		_, err := fmt.Fprintf(table, "%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", r.record.Mod, r.record.Version, r.record.Size, lease(r.record),
			r.object.Format, orDash(oneLine(r.object.Encryption.String())), orDash(oneLine(kindOf(r.object))), oneLine(r.object.Key))
		if err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return ctx.Err()
}

func lease(r etcddb.Record) string {
	if r.Lease == 0 {
		return "-"
	}
	return strconv.FormatInt(r.Lease, 16)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// kindOf is apiVersion and kind, or "" for what is no object.
func kindOf(o *etcddecode.Object) string {
	if o.Kind == "" {
		return ""
	}
	return o.APIVersion + "/" + o.Kind
}
