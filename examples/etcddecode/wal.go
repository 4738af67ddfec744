package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func wal(ctx context.Context, args []string, s streams) error {
	var d decoding
	flags := newFlags("wal DIR", "Lists the entries of the write-ahead log in a data directory: index, term, kind and keys. Entries at the end may not be\ncommitted, and of a transaction only one branch was taken.", s)
	d.add(flags)
	values := flags.Bool("yaml", false, "also print what is put")
	from := flags.Uint64("from", 0, "only entries with this index and later")
	rest, err := parse(flags, args, 1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return errors.New("the log in which DIR?")
	}
	if info, err := os.Stat(rest[0]); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file; write the data directory of etcd, or its member/wal", rest[0])
	}
	decoder, err := d.decoder()
	if err != nil {
		return err
	}
	var failed errPartial
	for entry, err := range etcddb.WALEntries(os.DirFS(rest[0])) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return err
		case err != nil:
			failed++
			s.say("%v", err)
			continue
		case entry.Index < *from:
			continue
		}
		if _, err := fmt.Fprintf(s.out, "%d term %d %s%s\n", entry.Index, entry.Term, entry.Kind, detail(entry)); err != nil {
			return err
		}
		for _, op := range entry.Ops {
			if err := writeOp(ctx, s, decoder, op, *values, &failed); err != nil {
				return err
			}
		}
	}
	return failed.orNil()
}

func detail(e etcddb.WALEntry) string {
	switch {
	case e.Revision != 0:
		return fmt.Sprintf(" at revision %d", e.Revision)
	case e.Lease != 0:
		return fmt.Sprintf(" %x", e.Lease)
	}
	return ""
}

func writeOp(ctx context.Context, s streams, d *etcddecode.Decoder, op etcddb.WALOp, values bool, failed *errPartial) error {
	end := ""
	if len(op.RangeEnd) > 0 {
		end = fmt.Sprintf(" up to %q", etcddecode.PrintableKey(string(op.RangeEnd)))
	}
	if _, err := fmt.Fprintf(s.out, "  %s%s %s%s (%d bytes)\n", prefixed(op.Branch), op.Kind, printable(op.Key), end, len(op.Value)); err != nil {
		return err
	}
	if !values || op.Kind != "put" || op.Value == nil {
		return nil
	}
	o, err := d.Decode(ctx, etcddecode.Value{Key: string(op.Key), Bytes: op.Value})
	if err != nil {
		*failed++
		s.say("%v", err)
		return nil
	}
	text, err := o.AppendYAML(nil)
	if err != nil {
		return err
	}
	_, err = indented{s.out}.Write(text)
	return err
}

func prefixed(branch string) string {
	if branch == "" {
		return ""
	}
	return branch + ": "
}
