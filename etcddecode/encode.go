package etcddecode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubewright/kubewright/etcddecode/internal/tables"
)

// Errors that [Encode] wraps.
var (
	// ErrRedacted is a manifest from which the secrets were taken.
	ErrRedacted = errors.New("the manifest is redacted")
	// ErrLossy is a manifest that would not come back as it is.
	ErrLossy = errors.New("the stored object would not be the same")
)

// EncodeOptions say how a value is stored. The zero value stores built-in kinds as protobuf and all others as JSON,
// in the clear.
type EncodeOptions struct {
	// Format is Protobuf, JSON, or for custom resources CBOR, which API servers from 1.32 on read. Unrecognized chooses:
	// JSON for kinds without a table, and for CustomResourceDefinitions and APIServices.
	Format Format
	// Keyring encrypts, with what its configuration writes Resource with. Key is the etcd key that the value will
	// stand under, and Random is crypto/rand.Reader. All are needed if Keyring is set.
	Keyring       *Keyring
	Key, Resource string
	Random        io.Reader
}

// Encode returns the bytes that etcd has to hold for the API server to serve a manifest, which is one object as JSON.
// metadata.resourceVersion and selfLink are dropped, as on every write.
//
// What it returns decodes to the manifest again: every value that is not empty is the same, and fields that are added
// are empty. If that can't be, a field of no known name for one, it refuses with [ErrLossy]; a manifest with
// [RedactedText] anywhere is [ErrRedacted]. Errors name the field and have no values.
func Encode(ctx context.Context, manifest []byte, o EncodeOptions) ([]byte, error) {
	var t tree
	t.reset(len(manifest))
	var changed error
	err := readJSON(&t, -1, "", string(manifest), func(at int, reason Reason) {
		changed = fmt.Errorf("encode: %w: %s at byte %d", ErrLossy, reason, at)
	})
	if err = errors.Join(err, changed); err != nil {
		return nil, err
	}
	apiVersion, kind := t.text("apiVersion"), t.text("kind")
	if t.nodes[0].kind != kindMap || apiVersion == "" || kind == "" {
		return nil, errors.New("encode: no object with apiVersion and kind")
	}
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("encode %s %s %q: %w", apiVersion, kind, t.text("metadata", "name"), err)
	}
	if key, found := t.containsRedacted(); found {
		return fail(fmt.Errorf("%w at %q: decode the value again with secrets shown", ErrRedacted, key))
	}
	if meta, ok := t.get(0, "metadata"); ok && t.nodes[meta].kind == kindMap {
		t.remove(meta, "resourceVersion")
		t.remove(meta, "selfLink")
	}
	value, err := t.encode(apiVersion, kind, o.Format)
	if err != nil {
		return fail(err)
	}
	if o.Keyring == nil {
		return value, nil
	}
	if value, err = o.Keyring.Seal(ctx, o.Random, o.Resource, o.Key, value); err != nil {
		return fail(err)
	}
	return value, nil
}

// encode writes the tree and reads it back.
func (t *tree) encode(apiVersion, kind string, format Format) (value []byte, err error) {
	id, known := tables.Lookup(apiVersion, kind)
	if format == Unrecognized {
		format = JSON
		if known && !strings.HasPrefix(apiVersion, "apiextensions.k8s.io/") && !strings.HasPrefix(apiVersion, "apiregistration.k8s.io/") {
			format = Protobuf
		}
	}
	switch {
	case format == JSON:
		value = append(t.appendJSON(nil, 0), '\n')
	case format == CBOR && known:
		return nil, errors.New("format cbor: the API server reads it of custom resources alone; write protobuf or json")
	case format == CBOR:
		value = t.appendCBOR(nil, 0)
	case format != Protobuf:
		return nil, fmt.Errorf("format %s: write protobuf, json or cbor", format)
	case !known:
		return nil, errors.New("no table for the kind: use the format json or cbor")
	default:
		w := protoWriter{tree: t}
		raw, err := w.message(id, 0)
		if err != nil {
			return nil, err
		}
		value = appendEnvelope(apiVersion, kind, raw)
	}
	var back Object
	if err := back.read(value, false); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLossy, err)
	}
	if len(back.findings) > 0 && back.Fidelity != Typed {
		return nil, fmt.Errorf("%w: %s: %s", ErrLossy, back.findings[0].Path, back.findings[0].Reason)
	}
	if path, ok := sameTree(t, 0, &back.tree, 0, nil); !ok {
		return nil, fmt.Errorf("%w: %s of the manifest: no such field, or a value that it can't have", ErrLossy, pathText(path))
	}
	return value, nil
}

// sameTree compares what a manifest says with what was stored of it. Empty values may be there in one alone.
func sameTree(a *tree, i int32, b *tree, j int32, path []step) ([]step, bool) {
	x, y := &a.nodes[i], &b.nodes[j]
	switch {
	case a.empty(i) && b.empty(j) && x.kind != kindString && x.kind != kindInt:
		return nil, true
	case x.kind == kindList && y.kind == kindList && x.count == y.count:
		for n, c, d := 0, x.first, y.first; c != 0; n, c, d = n+1, a.nodes[c].next, b.nodes[d].next {
			if where, ok := sameTree(a, c, b, d, append(path, step{index: n})); !ok {
				return where, false
			}
		}
		return nil, true
	case x.kind == kindMap && y.kind == kindMap:
		return sameMap(a, i, b, j, path)
	case x.kind == kindInt && y.kind == kindFloat:
		return path, float64(x.num) == y.float()
	}
	return path, x.kind == y.kind && x.text == y.text && x.num == y.num && x.count == y.count
}

func sameMap(a *tree, i int32, b *tree, j int32, path []step) ([]step, bool) {
	seen := map[string]bool{}
	for c := a.nodes[i].first; c != 0; c = a.nodes[c].next {
		key := a.nodes[c].key
		here := slices.Concat(path, []step{{name: key}})
		if seen[key] {
			return here, false
		}
		seen[key] = true
		d, ok := b.get(j, key)
		if !ok {
			if !a.empty(c) {
				return here, false
			}
			continue
		}
		if where, ok := sameTree(a, c, b, d, here); !ok {
			return where, false
		}
	}
	for d := b.nodes[j].first; d != 0; d = b.nodes[d].next {
		if key := b.nodes[d].key; !seen[key] && !b.empty(d) {
			return slices.Concat(path, []step{{name: key}}), false
		}
	}
	return nil, true
}

// empty reports whether a value is null, zero, or holds only such.
func (t *tree) empty(i int32) bool {
	n := &t.nodes[i]
	switch n.kind {
	case kindList:
		return n.count == 0
	case kindMap:
		for c := n.first; c != 0; c = t.nodes[c].next {
			if !t.empty(c) {
				return false
			}
		}
		return true
	case kindString:
		return n.text == "" || n.text == "0" // a Quantity that is not set
	}
	return n.num == 0
}
