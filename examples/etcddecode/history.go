package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

func history(ctx context.Context, args []string, s streams) error {
	var o source
	var d decoding
	fs := newFlags("history KEY", "Shows the changes of a key that are retained, oldest first. Kubernetes has etcd compact history every five minutes.", s)
	o.addFile(fs)
	o.addLive(fs)
	d.add(fs)
	diffs := fs.Bool("diff", false, "show what each change changed")
	full := fs.Bool("yaml", false, "show the object after each change")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return errors.New("history of which KEY?")
	}
	decoder, err := d.decoder()
	if err != nil {
		return err
	}
	from, err := o.open()
	if err != nil {
		return err
	}
	h := historian{streams: s, decoder: decoder, diffs: *diffs, full: *full}
	err = h.show(ctx, from, rest[0])
	return errors.Join(err, from.Close())
}

type historian struct {
	streams
	decoder     *etcddecode.Decoder
	diffs, full bool
	before      *etcddecode.Object
	failed      errPartial
}

func (h *historian) show(ctx context.Context, from store, key string) error {
	found := false
	for r, err := range from.History(ctx, key) {
		switch {
		case isFatal(err):
			return err
		case err != nil:
			h.failed++
			h.say("%v", err)
			continue
		}
		found = true
		if err := h.change(ctx, r); err != nil {
			return err
		}
	}
	switch {
	case found || h.failed > 0:
	case !strings.HasPrefix(key, "/"):
		return fmt.Errorf("%s: %w; write a KEY as list shows it, such as /registry/configmaps/shop/motto", key, etcddb.ErrNotFound)
	default:
		return fmt.Errorf("%s: %w", key, etcddb.ErrNotFound)
	}
	return errors.Join(ctx.Err(), h.failed.orNil())
}

func (h *historian) change(ctx context.Context, r etcddb.Record) error {
	if r.Tombstone {
		h.before = nil
		_, err := fmt.Fprintf(h.out, "# revision %d: deleted\n", r.Rev.Main)
		return err
	}
	what := "changed"
	if r.Version == 1 {
		what = "created"
	}
	if _, err := fmt.Fprintf(h.out, "# revision %d: %s, version %d of generation %d, %d bytes\n", r.Rev.Main, what, r.Version, r.Create, r.Size); err != nil {
		return err
	}
	o, err := h.decoder.Decode(ctx, etcddecode.Value{Key: string(r.Key), Bytes: r.Value, ModRevision: r.Mod})
	if err != nil {
		h.failed++
		h.before = nil // a difference across the gap would be told as one change
		h.say("%v", err)
		return nil
	}
	if h.diffs && h.before != nil {
		if err := writeChanges(h.streams, h.before, o); err != nil {
			return err
		}
	}
	h.before = o
	if !h.full {
		return nil
	}
	text, err := o.AppendYAML(nil)
	if err != nil {
		return err
	}
	_, err = h.out.Write(append(text, "---\n"...))
	return err
}

// writeChanges prints one line for what was and one for what is.
func writeChanges(s streams, a, b *etcddecode.Object) error {
	for _, c := range etcddecode.Diff(a, b) {
		if c.Path == "metadata.resourceVersion" {
			continue
		}
		if c.Old != "" {
			if _, err := fmt.Fprintf(s.out, "- %s: %s\n", c.Path, visible(c.Old)); err != nil {
				return err
			}
		}
		if c.New != "" {
			if _, err := fmt.Fprintf(s.out, "+ %s: %s\n", c.Path, visible(c.New)); err != nil {
				return err
			}
		}
	}
	return nil
}
