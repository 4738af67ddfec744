package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

type tally struct{ objects, bytes, largest int64 }

func (t *tally) add(size int64) {
	t.objects++
	t.bytes += size
	t.largest = max(t.largest, size)
}

func stats(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("stats", "Counts objects and their bytes by kind, namespace, format, encryption and lease, the largest first.", s)
	w.add(fs)
	top := fs.Int("top", 20, "rows of each table")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if err := w.open(s); err != nil {
		return err
	}
	return w.close(w.stats(ctx, *top))
}

func (w *walk) stats(ctx context.Context, top int) error {
	titles := []string{"KIND", "NAMESPACE", "FORMAT", "ENCRYPTION", "LEASED", "FIDELITY"}
	tables := make([]map[string]*tally, len(titles))
	for i := range tables {
		tables[i] = map[string]*tally{}
	}
	count := func(r rendered, keys ...string) {
		for i, key := range keys {
			if tables[i][key] == nil {
				tables[i][key] = &tally{}
			}
			tables[i][key].add(int64(r.record.Size))
		}
	}
	w.undecoded = func(r rendered) { count(r, "?", "?", "?", orDash(r.encryption()), leased(r.record), "?") }
	nothing := func(dst []byte, _ *etcddecode.Object, _ etcddb.Record) ([]byte, error) { return dst, nil }
	for r := range w.live(ctx, true, nothing) {
		kind, o := kindOf(r.object), r.object
		if kind == "" {
			kind = "(" + o.Format.String() + " without kind)"
		}
		count(r, kind, orDash(o.Namespace()), o.Format.String(), orDash(o.Encryption.String()), leased(r.record), o.Fidelity.String())
	}
	out := tabwriter.NewWriter(w.out, 0, 8, 2, ' ', 0)
	for i, table := range tables {
		if err := writeTally(out, titles[i], table, top); err != nil {
			return err
		}
	}
	if db, ok := w.store.(*etcddb.DB); ok {
		if err := writeDatabase(ctx, out, db); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return ctx.Err()
}

func leased(r etcddb.Record) string {
	if r.Lease == 0 {
		return "no"
	}
	return "yes"
}

func writeTally(out *tabwriter.Writer, title string, table map[string]*tally, top int) error {
	if _, err := fmt.Fprintf(out, "%s\tOBJECTS\tBYTES\tAVERAGE\tLARGEST\n", title); err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(table), func(a, b string) int {
		return cmp.Or(cmp.Compare(table[b].bytes, table[a].bytes), cmp.Compare(a, b))
	})
	for i, key := range keys {
		if i == top {
			if _, err := fmt.Fprintf(out, "(%d more)\n", len(keys)-top); err != nil {
				return err
			}
			break
		}
		t := table[key]
		if _, err := fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\n", oneLine(key), t.objects, t.bytes, t.bytes/t.objects, t.largest); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

func writeDatabase(ctx context.Context, out *tabwriter.Writer, db *etcddb.DB) error {
	info, err := db.Info()
	if err != nil {
		return err
	}
	s, err := db.Stats(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "DATABASE\nsize\t%d\nfree pages\t%d of %d\nrevision\t%d\ncompacted\t%d\nrevisions kept\t%d\ntombstones\t%d\nlive keys\t%d\nleases\t%d\nstorage version\t%s\n",
		info.Size, s.Pages.Unused+s.Pages.Freelist, info.Pages, info.Revision, info.Compacted, s.Revisions, s.Tombstones, s.Keys, s.Leases, orDash(info.StorageVersion))
	return err
}
