package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kubewright/kubewright/etcddecode"
)

func get(ctx context.Context, args []string, s streams) error {
	var w walk
	fs := newFlags("get KEY | RESOURCE [NAME]", "Prints the object under a key, or objects of a resource: get pods web-0 -n shop.", s)
	w.add(fs)
	format := fs.String("o", "yaml", outputs+", or proto for the stored value, decrypted")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return errors.New("get what? A key, or a resource and a name")
	}
	isKey := strings.HasPrefix(rest[0], "/")
	as, err := renderer(*format)
	switch {
	case *format == "proto" && isKey:
		as = nil
	case *format == "proto":
		return errors.New("-o proto is for one key")
	case err != nil:
		return err
	}
	if !isKey {
		w.resource = rest[0]
		if len(rest) == 2 {
			w.name = escapePattern(rest[1])
		}
	}
	if err := w.open(s); err != nil {
		return err
	}
	if isKey {
		return w.close(w.getKey(ctx, rest[0], as))
	}
	return w.close(w.getAll(ctx, as, *format == "yaml"))
}

var errNoMatch = errors.New("nothing matches; list shows which keys there are")

// escapePattern makes a pattern that matches a name and nothing else.
func escapePattern(name string) string {
	return strings.NewReplacer("\\", "\\\\", "*", "\\*", "?", "\\?", "[", "\\[").Replace(name)
}

// getKey prints what is under a key, or the stored value if as is nil.
func (w *walk) getKey(ctx context.Context, key string, as render) error {
	r, err := w.store.Get(ctx, key, w.revision)
	switch {
	case err != nil && r.Key != nil: // the newest that damage has left
		w.fail(fmt.Errorf("%s: there may be a newer value than revision %d: %w", key, r.Mod, err))
	case err != nil:
		return fmt.Errorf("%s: %w", key, err)
	}
	if as == nil {
		return w.raw(ctx, key, r.Value)
	}
	text, err := decodeOne(ctx, w.decoder, etcddecode.Value{Key: key, Bytes: r.Value, ModRevision: r.Mod}, as, w.streams)
	if err != nil {
		return err
	}
	_, err = w.out.Write(text)
	return err
}

// raw writes the stored bytes. They are what they are: nothing can be redacted in them.
func (w *walk) raw(ctx context.Context, key string, value []byte) error {
	if !w.showSecrets {
		return errors.New("-o proto prints what is stored, secrets included: it needs --show-secrets")
	}
	if _, encrypted := etcddecode.Sniff(value); !encrypted.IsZero() {
		ring, err := keyring(w.encryptionConfig)
		if err != nil {
			return err
		}
		if ring == nil {
			return fmt.Errorf("%s: encrypted with %s: give --encryption-config", key, encrypted)
		}
		opened, err := ring.Open(ctx, key, value)
		if err != nil {
			return err
		}
		value = opened.Plaintext
	}
	_, err := w.out.Write(value)
	return err
}

func (w *walk) getAll(ctx context.Context, as render, documents bool) error {
	for r := range w.live(ctx, false, as) {
		if documents && w.object > 1 {
			if _, err := w.out.WriteString("---\n"); err != nil {
				return err
			}
		}
		if _, err := w.out.Write(r.text); err != nil {
			return err
		}
	}
	if w.object == 0 && w.failed == 0 {
		return errNoMatch
	}
	return ctx.Err()
}
