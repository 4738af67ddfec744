package etcddecode

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

const namespace = "stored"

// object is one that the API server has stored: its key and what reads it in the version that it is stored in.
type object struct {
	key      string
	resource dynamic.ResourceInterface
	name     string
}

// encryption writes with the last provider and reads with all.
func encryption(providers ...string) string {
	text := "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: ['*.*']\n  providers:\n"
	for _, p := range slices.Backward(providers) {
		text += "  - " + p + "\n"
	}
	return text
}

// TestDump has the API server store an object of every resource with every provider of encryption. Then all of it is
// stopped, and what the command makes of the data directory is what kubectl -o yaml printed.
func TestDump(t *testing.T) {
	key16 := base64.StdEncoding.EncodeToString([]byte("sixteen byte key"))
	key32 := base64.StdEncoding.EncodeToString([]byte("thirty-two byte key for the test"))
	endpoint := startPlugin(t)
	providers := []struct{ name, config string }{
		{"aescbc:v1:old", "aescbc: {keys: [{name: old, secret: " + key32 + "}]}"},
		{"aesgcm:v1:a:b", "aesgcm: {keys: [{name: 'a:b', secret: " + key16 + "}]}"},
		{"secretbox:v1:box", "secretbox: {keys: [{name: box, secret: " + key32 + "}]}"},
		{"kms:v1:plugin", "kms: {name: plugin, apiVersion: v1, endpoint: '" + endpoint + "'}"},
		{"kms:v2:plugin2", "kms: {name: plugin2, apiVersion: v2, endpoint: '" + endpoint + "'}"},
	}
	c := cluster.New(t, cluster.Options{
		EncryptionConfig: encryption("identity: {}"),
		APIServerArgs: []string{
			"--runtime-config=api/all=true", "--feature-gates=KMSv1=true,AllAlpha=false",
			"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,Priority",
		},
	})
	objects := create(t, c)
	configs := []string{"identity: {}"}
	for _, p := range providers {
		t.Run(p.name, func(t *testing.T) {
			configs = append(configs, p.config)
			require.NoError(t, c.SetEncryptionConfig(encryption(configs...)))
			require.NoError(t, c.APIServer.Restart(t.Context()))
			rewrite(t, objects)
			want := map[string]string{}
			for _, o := range objects {
				want[o.key] = printed(t, o)
			}
			kubectl := c.MustKubectl(t, "get", "configmaps,secrets", "-n", namespace, "-o", "yaml")
			require.NoError(t, c.APIServer.Stop())

			running := dump(t, c) // beside an etcd that runs
			require.NoError(t, c.Etcd.Stop())
			stopped := dump(t, c)
			for key, yaml := range want {
				require.Equal(t, yaml, stopped[key], key)
				require.Equal(t, yaml, running[key], key)
			}
			list := run(t, nil, "list", "-f", c.EtcdDataDir, "-l", "--encryption-config", c.EncryptionConfigFile)
			require.Contains(t, string(list), p.name)
			requireItems(t, kubectl, stopped)

			_, stderr, err := try(t.Context(), nil, "get", "-f", c.EtcdDataDir, "/registry/secrets/"+namespace+"/secret1")
			require.Error(t, err, "without the configuration")
			require.Contains(t, string(stderr), strings.Split(p.name, ":")[0])
			require.NoError(t, c.Etcd.Start(t.Context()))
			require.NoError(t, c.APIServer.Start(t.Context()))
		})
	}
}

// create stores one object of every resource.
func create(t *testing.T, c *cluster.Cluster) []object {
	t.Helper()
	stubs, err := loadStubs(filepath.Join("..", "kube"), namespace)
	require.NoError(t, err)
	config, err := c.RESTConfig()
	require.NoError(t, err)
	client, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	c.MustKubectl(t, "create", "namespace", namespace)
	c.WithStdin(widgets).MustKubectl(t, "apply", "-f", "-")
	c.MustKubectl(t, "wait", "--for=condition=Established", "crd/widgets.example.com")
	stubs = append(stubs, stub{
		group: "example.com", version: "v1", resource: "widgets", key: "/registry/example.com/widgets/" + namespace + "/w", storedGroup: "example.com", storedAs: "v1",
		manifest: `{"metadata":{"name":"w"},"spec":{"size":3,"ratio":0.25,"big":1e21,"text":"a: b\n- c\n","on":true,"none":null,"list":[]}}`,
	})
	kinds := kindsOf(t, c)
	var objects []object
	var refused []string
	for _, s := range stubs {
		kind, served := kinds[schema.GroupVersionResource{Group: s.group, Version: s.version, Resource: s.resource}]
		if !served || slices.ContainsFunc(objects, func(o object) bool { return o.key == s.key }) {
			continue
		}
		o := &unstructured.Unstructured{}
		require.NoError(t, json.Unmarshal([]byte(s.manifest), &o.Object), "%s", s.manifest)
		o.SetGroupVersionKind(schema.GroupVersionKind{Group: s.group, Version: s.version, Kind: kind})
		in := func(group, version string) dynamic.ResourceInterface {
			r := client.Resource(schema.GroupVersionResource{Group: group, Version: version, Resource: s.resource})
			if strings.Contains(s.key, "/"+namespace+"/") {
				return r.Namespace(namespace)
			}
			return r
		}
		if _, err := in(s.group, s.version).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			refused = append(refused, fmt.Sprintf("%s.%s: %v", s.resource, s.version, err))
			continue
		}
		if _, served := kinds[schema.GroupVersionResource{Group: s.storedGroup, Version: s.storedAs, Resource: s.resource}]; served {
			objects = append(objects, object{s.key, in(s.storedGroup, s.storedAs), o.GetName()})
		}
	}
	t.Logf("%d resources stored; refused: %s", len(objects), strings.Join(refused, "; "))
	require.Greater(t, len(objects), 50)
	return objects
}

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// kindsOf asks what the API server serves.
func kindsOf(t *testing.T, c *cluster.Cluster) map[schema.GroupVersionResource]string {
	t.Helper()
	kinds := map[schema.GroupVersionResource]string{}
	add := func(path string) {
		var list metav1.APIResourceList
		require.NoError(t, json.Unmarshal([]byte(c.MustKubectl(t, "get", "--raw", path)), &list))
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		require.NoError(t, err)
		for _, r := range list.APIResources {
			kinds[gv.WithResource(r.Name)] = r.Kind
		}
	}
	add("/api/v1")
	var groups metav1.APIGroupList
	require.NoError(t, json.Unmarshal([]byte(c.MustKubectl(t, "get", "--raw", "/apis")), &groups))
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			add("/apis/" + v.GroupVersion)
		}
	}
	return kinds
}

// rewrite has the API server encrypt every object again.
func rewrite(t *testing.T, objects []object) {
	t.Helper()
	for _, o := range objects {
		cluster.Eventually(t, 30e9, func() error {
			current, err := o.resource.Get(t.Context(), o.name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			_, err = o.resource.Update(t.Context(), current, metav1.UpdateOptions{})
			if apierrors.IsConflict(err) || err == nil {
				return err
			}
			return fmt.Errorf("%s: %w", o.key, err)
		})
	}
}

// printed is what kubectl get -o yaml prints.
func printed(t *testing.T, o object) string {
	t.Helper()
	current, err := o.resource.Get(t.Context(), o.name, metav1.GetOptions{})
	require.NoError(t, err)
	current.SetManagedFields(nil)
	text, err := yaml.Marshal(current.Object)
	require.NoError(t, err)
	return string(text)
}

// dump runs the command on the data directory and returns the files by key.
func dump(t *testing.T, c *cluster.Cluster) map[string]string {
	t.Helper()
	dir := t.TempDir()
	run(t, nil, "dump", "-f", c.EtcdDataDir, "-d", dir, "--encryption-config", c.EncryptionConfigFile, "--show-secrets")
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		files[strings.TrimSuffix(strings.TrimPrefix(path, dir), ".yaml")] = string(text)
		return err
	}))
	return files
}

// requireItems compares the List that kubectl itself printed, item by item.
func requireItems(t *testing.T, list string, files map[string]string) {
	t.Helper()
	var items struct{ Items []map[string]any }
	require.NoError(t, yaml.Unmarshal([]byte(list), &items))
	require.NotEmpty(t, items.Items)
	for _, item := range items.Items {
		o := unstructured.Unstructured{Object: item}
		text, err := yaml.Marshal(item)
		require.NoError(t, err)
		key := "/registry/" + strings.ToLower(o.GetKind()) + "s/" + namespace + "/" + o.GetName()
		require.Equal(t, string(text), files[key], key)
	}
}
