package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/etcddecode/etcddb"
)

// fakeStore holds the same object under each key, and ends with an error.
type fakeStore struct {
	keys []string
	err  error
}

func (s fakeStore) Live(_ context.Context, _ etcddb.Query) iter.Seq2[etcddb.Record, error] {
	return func(yield func(etcddb.Record, error) bool) {
		for _, key := range s.keys {
			if !yield(widget(key), nil) {
				return
			}
		}
		if s.err != nil {
			yield(etcddb.Record{}, s.err)
		}
	}
}

// Get is that of a database of which a page is damaged.
func (s fakeStore) Get(_ context.Context, key string, _ int64) (etcddb.Record, error) {
	return widget(key), etcddb.ErrCorrupt
}

func widget(key string) etcddb.Record {
	return etcddb.Record{Key: []byte(key), Value: []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"}}`), Mod: 1}
}

func (s fakeStore) History(ctx context.Context, _ string) iter.Seq2[etcddb.Record, error] {
	return s.Live(ctx, etcddb.Query{})
}

func (s fakeStore) Close() error { return nil }

// walked runs a part of a command on a store.
func walked(t *testing.T, s store, do func(*walk) error) result {
	t.Helper()
	var out, errs bytes.Buffer
	w := walk{store: s}
	all := streams{nil, &out, &errs}
	require.NoError(t, w.open(all))
	code := all.exitCode(w.close(do(&w)))
	return result{out.String(), errs.String(), code}
}

func TestDumpOfHostileKeys(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "a", "b")
	store := fakeStore{keys: []string{
		"/../../escape", "/registry/a", "/registry/a/", "/registry/a.yaml/under", "/registry/nul\x00", "/registry/" + strings.Repeat("x", 300),
		"/kubernetes.io/oauth/accesstokens/hunter2", "/kubernetes.io/oauth/accesstokens/hunter2hunter2", "/registry/last",
	}}
	got := walked(t, store, func(w *walk) error { return w.dump(t.Context(), inside, "yaml", renderYAML) })
	require.Equal(t, exitPartial, got.code, got.err)
	require.Contains(t, got.err, "4 objects in")
	require.NotContains(t, got.err, "hunter2")
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
			require.True(t, strings.HasPrefix(path, inside), path)
			require.NotContains(t, path, "hunter2")
		}
		return err
	}))
	require.Equal(t, 4, files)
	_, err := os.Stat(filepath.Join(inside, "registry", "last.yaml"))
	require.NoError(t, err, "what comes after a bad key is written")
}

func TestGetFromDamage(t *testing.T) {
	got := walked(t, fakeStore{}, func(w *walk) error { return w.getKey(t.Context(), "/registry/damaged", renderYAML) })
	require.Equal(t, exitPartial, got.code)
	require.Contains(t, got.out, "kind: Widget")
	require.Contains(t, got.err, "newer value than revision 1")
}

func TestListHidesTokens(t *testing.T) {
	got := walked(t, fakeStore{keys: []string{"/kubernetes.io/oauth/accesstokens/hunter2"}}, func(w *walk) error { return w.listKeys(t.Context()) })
	require.Equal(t, "/kubernetes.io/oauth/accesstokens/<redacted>\n", got.out)
}

func TestErrorsOfTheWholeAreFailures(t *testing.T) {
	for _, err := range []error{etcddb.ErrNotEtcd, etcddb.ErrCompacted, fmt.Errorf("%w: refused", errLive)} {
		got := walked(t, fakeStore{err: err}, func(w *walk) error { return w.dump(t.Context(), "", "ndjson", renderJSON) })
		require.Equal(t, exitFailed, got.code, err)
		got = walked(t, fakeStore{err: err}, func(w *walk) error { return w.getAll(t.Context(), renderYAML, true) })
		require.Equal(t, exitFailed, got.code, err)
		require.NotContains(t, got.err, "nothing matches")
	}
}

func TestKeysInComments(t *testing.T) {
	for _, plain := range []string{"/registry/pods/a/b", "/registry/a/example.com:signer", "/registry/a/é"} {
		require.Equal(t, plain, oneLine(plain))
	}
	require.NotContains(t, oneLine("/x\n---\nkind: Role"), "\n")
}

// TestNothingWritesToTheTerminal has keys with line breaks and escape sequences, which no listing and no message may
// pass on.
func TestNothingWritesToTheTerminal(t *testing.T) {
	hostile := []string{"/registry/pods/a/\x1b]0;title\x07", "/registry/pods/a/b\n/registry/pods/a/c", "/registry/pods/a/\u009b2J", "/registry/pods/a/\x7f"}
	nothing := regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}]`)
	for name, do := range map[string]func(*walk) error{
		"list":    func(w *walk) error { return w.listKeys(t.Context()) },
		"list -l": func(w *walk) error { return w.listObjects(t.Context(), true) },
		"labels":  func(w *walk) error { return w.listObjects(t.Context(), false) },
		"stats":   func(w *walk) error { return w.stats(t.Context(), 10) },
		"dump":    func(w *walk) error { return w.dump(t.Context(), t.TempDir()+"/\x00", "yaml", renderYAML) },
		"errors":  func(w *walk) error { w.fail(fmt.Errorf("%s: broken", hostile[0])); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			got := walked(t, fakeStore{keys: hostile}, do)
			require.NotRegexp(t, nothing, got.out+got.err)
			require.NotContains(t, "\n"+got.out+got.err, "\n/registry/pods/a/c")
		})
	}
	require.Equal(t, "a\tb\n\\x1b[2Jé\\u009b", visible("a\tb\n\x1b[2Jé\u009b"))
}

func TestEncryptedAsTheGroupOfTheManifest(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.yaml")
	text := "kind: EncryptionConfiguration\nresources:\n- resources: [deployments.apps]\n  providers:\n  - aescbc: {keys: [{name: k, secret: c2l4dGVlbiBieXRlIGtleQ==}]}\n"
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	manifest := []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: b}\n")
	got := cli(t, manifest, "encode", "--key", "/registry/deployments/b/a", "--encryption-config", config)
	require.Zero(t, got.code, got.err)
	require.True(t, strings.HasPrefix(got.out, "k8s:enc:aescbc:v1:k:"))
}
