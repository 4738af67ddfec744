package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// TestReview compares what is printed with testdata/golden.
func TestReview(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 4)
	codes := map[string]int{"deployment-ok": cli.ExitOK, "orders": cli.ExitOK}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			r := invoke(t, "", "review", "-f", file)
			want, ok := codes[name]
			if !ok {
				want = cli.ExitFailed
			}
			require.Equal(t, want, r.code)
			require.Empty(t, r.err)
			golden(t, name+".txt", r.out)
		})
	}
	t.Run("json", func(t *testing.T) {
		r := invoke(t, "", "review", "-o", "json", "testdata/mixed.yaml", "testdata/pod-hostport.yaml")
		require.Equal(t, cli.ExitFailed, r.code)
		golden(t, "review.json.txt", r.out) // not a manifest, which .json would be taken for
	})
}

func TestReviewOfADirectory(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o750))
	text, err := os.ReadFile("testdata/deployment-ok.yaml")
	require.NoError(t, err)
	for _, name := range []string{"a.yml", "sub/b.yaml"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), []byte("not: [a manifest"), 0o600))
	r := invoke(t, "", "review", "-f", dir)
	require.Zero(t, r.code, r.err)
	require.Contains(t, r.out, "a.yml: Deployment default/web: allowed\n")
	require.Contains(t, r.out, "b.yaml: Deployment default/web: allowed\n")
	require.Contains(t, r.out, "2 allowed, 0 denied, 0 skipped, 0 unreadable\n")
}

const podJSON = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"x:1","ports":[{"containerPort":1,"hostPort":2}]}]}}`

// TestReviewReads is every form in which objects come.
func TestReviewReads(t *testing.T) {
	var spec struct{ Spec json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(podJSON), &spec))
	bare := `{"metadata":{"name":"bare"},"spec":` + string(spec.Spec) + `}`
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"JSON":                {podJSON, []string{"Pod default/p: denied"}},
		"JSON in a row":       {podJSON + "\n" + podJSON, []string{"2 denied"}},
		"flow YAML":           {`{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {hostNetwork: true, containers: []}}`, []string{"Pod default/p: denied"}},
		"YAML after JSON":     {podJSON + "\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: s}\n", []string{"standard input: Pod", "standard input document 2: Namespace s: skipped: no policy is for v1 Namespace", "1 denied, 1 skipped"}},
		"List":                {`{"apiVersion":"v1","kind":"List","items":[` + podJSON + `,` + podJSON + `]}`, []string{"2 denied"}},
		"List of Lists":       {`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"List","items":[` + podJSON + `]}]}`, []string{"1 denied"}},
		"PodList":             {`{"apiVersion":"v1","kind":"PodList","items":[` + bare + `]}`, []string{"Pod default/bare: denied"}},
		"empty List":          {`{"apiVersion":"v1","kind":"List","items":[]}` + "\n---\n" + podJSON, []string{"1 denied"}},
		"a kind like a list":  {"apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: l}\n---\n" + podJSON, []string{"AllowList l: skipped"}},
		"comments, CRLF":      {"# one\r\n---\r\n# two\r\n--- # three\r\n" + podJSON + "\r\n", []string{"1 denied"}},
		"namespace of object": {strings.Replace(podJSON, `"name":"p"`, `"name":"p","namespace":"shop"`, 1), []string{"Pod shop/p: denied"}},
		"excluded namespace":  {podJSON + "\n" + strings.Replace(podJSON, `"name":"p"`, `"name":"p","namespace":"kube-system"`, 1), []string{"Pod kube-system/p: skipped: namespace kube-system is excluded", "1 denied"}},
		"misspelled field":    {strings.Replace(podJSON, "hostPort", "hostport", 1) + podJSON, []string{`note  unknown field "spec.containers[0].ports[0].hostport": misspelled`, "1 denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, c.text, "review", "-f", "-")
			for _, want := range c.want {
				require.Contains(t, r.out, want)
			}
			require.Empty(t, r.err)
			require.Equal(t, cli.ExitFailed, r.code)
		})
	}
}

// TestReviewRefuses is what can't be judged; what can, is.
func TestReviewRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":            {"# nothing\n", "there is no object in the input"},
		"no YAML":            {"a: [\n", "standard input: yaml: line 1"},
		"duplicate key":      {"a: 1\na: 2\n", `key "a" already set`},
		"broken JSON":        {`{"apiVersion": "v1", `, "standard input: unexpected EOF"},
		"a word":             {"word\n", "not a Kubernetes object"},
		"a list":             {"- a\n", "not a Kubernetes object"},
		"no kind":            {"apiVersion: v1\n", "not a Kubernetes object: apiVersion or kind is missing"},
		"no apiVersion":      {"kind: Pod\n", "not a Kubernetes object: apiVersion or kind is missing"},
		"an item that isn't": {`{"apiVersion":"v1","kind":"List","items":[{"kind":"Pod"}]}`, "items[0]: not a Kubernetes object"},
		"an item of a word":  {`{"apiVersion":"v1","kind":"PodList","items":["x"]}`, "items[0]: "},
		"metadata of a kind": {`{"apiVersion":"v1","kind":"Pod","metadata":"x"}`, "not a Kubernetes object"},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, c.text, "review", "-f", "-")
			require.Contains(t, r.err, c.want)
			require.Equal(t, cli.ExitUsage, r.code)
		})
	}
	r := invoke(t, "", "review", "-f", "/does/not/exist", "testdata/pod-hostport.yaml")
	require.Equal(t, cli.ExitUsage, r.code, "more than the denial")
	require.Contains(t, r.err, "/does/not/exist")
	require.Contains(t, r.out, "0 allowed, 1 denied, 0 skipped, 1 unreadable")
}

func TestReviewOfAWrongType(t *testing.T) {
	wrong := strings.Replace(podJSON, `"hostPort":2`, `"hostPort":"two"`, 1)
	r := invoke(t, wrong, "review", "-f", "-")
	require.Equal(t, cli.ExitUsage, r.code)
	require.Contains(t, r.out, "Pod default/p: error: request.object is no Pod: ")
	r = invoke(t, wrong, "review", "-o", "json", "-f", "-")
	require.Equal(t, cli.ExitUsage, r.code)
	require.Contains(t, r.out, `"verdict": "error"`)
}

func TestReviewWithConfig(t *testing.T) {
	config := writeFile(t, "config.yaml", strings.Replace(minimal, "deny", "warn", 1))
	r := invoke(t, podJSON, "review", "-config", config, "-namespace", "shop", "-f", "-")
	require.Zero(t, r.code, r.err)
	require.Equal(t, "standard input: Pod shop/p: allowed\n"+
		"  warn  host-port: spec.containers[c].ports[0].hostPort: hostPort 2 is not allowed: remove it and expose the port with a Service\n"+
		"1 allowed, 0 denied, 0 skipped, 0 unreadable\n", r.out)
}
