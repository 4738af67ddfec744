package platform

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// object is what somebody says of one: its YAML as kubectl prints it.
type object struct{ version, text string }

// everything is what the API server says of all that it stores, by kind, namespace and name.
func (p *platform) everything(t *testing.T) map[string]object {
	t.Helper()
	names := strings.Fields(p.MustKubectl(t, "api-resources", "--verbs=list", "--output=name"))
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "componentstatuses" || name == "events.events.k8s.io" // not stored; the same as events
	})
	var list struct{ Items []map[string]any }
	require.NoError(t, yaml.Unmarshal([]byte(p.MustKubectl(t, "get", strings.Join(names, ","), "--all-namespaces", "--output=yaml")), &list))
	all := map[string]object{}
	for _, item := range list.Items {
		id, o := describe(t, item)
		all[id] = o
	}
	t.Logf("the API server knows %d objects of %d resources", len(all), len(names))
	return all
}

// internal are keys of what the API server keeps for itself, and no resource shows.
var internal = []string{"/registry/ranges/", "/registry/peerserverleases/"}

// decoded is the same, from the files of etcd.
func (p *platform) decoded(t *testing.T) map[string]object {
	t.Helper()
	dir := filepath.Join(p.dir, "dump")
	p.run(t, "etcddecode", "dump", "-f", p.EtcdDataDir, "-d", dir, "--encryption-config", p.EncryptionConfigFile, "--show-secrets")
	all := map[string]object{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		isInternal := func(prefix string) bool { return strings.HasPrefix(path, dir+prefix) }
		if err != nil || d.IsDir() || slices.ContainsFunc(internal, isInternal) {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var item map[string]any
		require.NoError(t, yaml.Unmarshal(text, &item), path)
		id, o := describe(t, item)
		require.Equal(t, o.text, string(text), "%s: is not written as kubectl would", path)
		all[id] = o
		return nil
	}))
	return all
}

func describe(t *testing.T, item map[string]any) (id string, o object) {
	t.Helper()
	u := unstructured.Unstructured{Object: item}
	text, err := yaml.Marshal(item)
	require.NoError(t, err)
	return strings.Join([]string{u.GetAPIVersion(), u.GetKind(), u.GetNamespace(), u.GetName()}, " "), object{u.GetResourceVersion(), string(text)}
}

// requireSame compares object by object. Leases are renewed all the time, so theirs may be newer.
func requireSame(t *testing.T, said, read map[string]object) {
	t.Helper()
	same, newer := 0, 0
	for id, want := range said {
		got, ok := read[id]
		require.True(t, ok, "%s: is not in etcd's files", id)
		if got.version != want.version && strings.HasPrefix(id, "coordination.k8s.io/v1 Lease ") {
			newer++
			continue
		}
		require.Equal(t, want.text, got.text, id)
		same++
	}
	for id := range read {
		require.NotZero(t, said[id], "%s: is in etcd's files, and the API server did not say so", id)
	}
	t.Logf("%d objects are the same to the byte; %d Leases were renewed meanwhile", same, newer)
}

// requireNotInFiles wants a text to be nowhere below a directory.
func requireNotInFiles(t *testing.T, dir, text string) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.False(t, bytes.Contains(data, []byte(text)), "%s: holds it in plain text", path)
		files++
		return err
	}))
	require.NotZero(t, files)
}

// content is what a person has written of an object.
func content(t *testing.T, text string) map[string]any {
	t.Helper()
	var o struct{ Data map[string]any }
	require.NoError(t, yaml.Unmarshal([]byte(text), &o))
	require.NotEmpty(t, o.Data)
	return o.Data
}
