package etcddecode

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

const shop = `
apiVersion: v1
kind: ConfigMap
metadata: {name: motto, namespace: shop, labels: {app: web}}
data: {text: "prove it\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: shop}
stringData: {password: hunter2}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1, resources: {limits: {memory: 64Mi}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
`

// TestRecover goes through an outage: what was deleted is brought into a new cluster, what was changed is seen, and an
// object that was written into etcd is served.
func TestRecover(t *testing.T) {
	key := base64.StdEncoding.EncodeToString([]byte("thirty-two byte key for the test"))
	config := encryption("identity: {}", "secretbox: {keys: [{name: box, secret: "+key+"}]}")
	c := cluster.New(t, cluster.Options{EncryptionConfig: config})
	c.MustKubectl(t, "create", "namespace", "shop")
	c.WithStdin(shop).MustKubectl(t, "apply", "-f", "-")
	specs := func(c *cluster.Cluster) string {
		var out strings.Builder
		for _, what := range []string{"configmap/motto", "secret/db", "deployment/web", "service/web"} {
			out.WriteString(c.MustKubectl(t, "get", what, "-n", "shop", "-o", "jsonpath={.metadata.name} {.metadata.labels} {.data} {.type} {.spec.ports} {.spec.template} {.spec.replicas}"))
		}
		return out.String()
	}
	want := specs(c)

	t.Run("live etcd", func(t *testing.T) {
		list := run(t, nil, "list", "--endpoints", c.EtcdEndpoint, "-n", "shop")
		history := run(t, nil, "history", "--endpoints", c.EtcdEndpoint, "--encryption-config", c.EncryptionConfigFile, "/registry/deployments/shop/web")
		require.Contains(t, string(history), ", version ")
		require.Contains(t, string(list), "/registry/deployments/shop/web\n")
		got := run(t, nil, "get", "--endpoints", c.EtcdEndpoint, "--encryption-config", c.EncryptionConfigFile, "deployments", "web", "-n", "shop")
		require.Equal(t, c.MustKubectl(t, "get", "deployment", "web", "-n", "shop", "-o", "yaml"), string(got))
	})
	t.Run("pipe", func(t *testing.T) {
		stored := c.EtcdValue(t, "/registry/secrets/shop/db")
		got := run(t, append(stored, '\n'), "--key", "/registry/secrets/shop/db", "--encryption-config", c.EncryptionConfigFile)
		require.Contains(t, string(got), "password: <redacted>")
		require.NotContains(t, string(got), "aHVudGVyMg")
		shown := run(t, stored, "--key", "/registry/secrets/shop/db", "--encryption-config", c.EncryptionConfigFile, "--show-secrets")
		require.Contains(t, string(shown), "password: aHVudGVyMg==")
	})
	before := snapshot(t, c)
	c.MustKubectl(t, "patch", "configmap", "motto", "-n", "shop", "--type=merge", "-p", `{"data":{"text":"proved"}}`)
	c.MustKubectl(t, "delete", "-n", "shop", "deployment/web", "service/web", "secret/db", "configmap/motto")
	require.NoError(t, c.APIServer.Stop())

	flags := []string{"-f", c.EtcdDataDir, "--encryption-config", c.EncryptionConfigFile}
	t.Run("history", func(t *testing.T) {
		got := string(run(t, nil, append([]string{"history", "--diff", "/registry/configmaps/shop/motto"}, flags...)...))
		require.Contains(t, got, `+ data.text: "proved"`)
		require.Contains(t, got, ": deleted\n")
	})
	t.Run("diff", func(t *testing.T) {
		got := string(run(t, nil, "diff", before, c.EtcdDataDir, "-n", "shop", "--encryption-config", c.EncryptionConfigFile))
		require.Contains(t, got, "- /registry/secrets/shop/db\n")
	})
	t.Run("stats, verify, grep and wal", func(t *testing.T) {
		require.Contains(t, string(run(t, nil, append([]string{"stats"}, flags...)...)), "secretbox:v1:box")
		require.Contains(t, string(run(t, nil, append([]string{"verify"}, flags...)...)), "problems   0\n")
		require.Contains(t, string(run(t, nil, append([]string{"grep", "-e", "name: shop", "--keys"}, flags...)...)), "/registry/namespaces/shop\n")
		require.Contains(t, string(run(t, nil, "wal", c.EtcdDataDir)), "/registry/configmaps/shop/motto")
		run(t, nil, append([]string{"carve"}, flags...)...)
	})
	t.Run("undelete", func(t *testing.T) {
		_, stderr, err := try(t.Context(), nil, append([]string{"undelete", "-n", "shop", "--resource", "secrets"}, flags...)...)
		require.NoError(t, err)
		require.Contains(t, string(stderr), "--show-secrets")
		manifests := run(t, nil, append([]string{"undelete", "-n", "shop", "--show-secrets"}, flags...)...)
		other := cluster.New(t, cluster.Options{})
		other.MustKubectl(t, "create", "namespace", "shop")
		other.WithStdin(string(manifests)).MustKubectl(t, "apply", "-f", "-")
		require.Equal(t, strings.Replace(want, `{"text":"prove it\n"}`, `{"text":"proved"}`, 1), specs(other))
	})
	t.Run("encode", func(t *testing.T) {
		const key = "/registry/configmaps/shop/by-hand"
		manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: by-hand, namespace: shop, uid: 6ad3a1a4-3f9a-4a4e-9b3e-2f1d3c5b7a90}\ndata: {text: from etcd}\n"
		put(t, c, key, run(t, []byte(manifest), "encode", "--key", key, "--encryption-config", c.EncryptionConfigFile))
		require.NoError(t, c.APIServer.Start(t.Context()))
		require.Equal(t, "from etcd", c.MustKubectl(t, "get", "configmap", "by-hand", "-n", "shop", "-o", "jsonpath={.data.text}"))
		require.True(t, bytes.HasPrefix(c.EtcdValue(t, key), []byte("k8s:enc:secretbox:v1:box:")))
	})
}

// snapshot saves what etcdctl snapshot save would.
func snapshot(t *testing.T, c *cluster.Cluster) string {
	t.Helper()
	response, err := http.Post(c.EtcdEndpoint+"/v3/maintenance/snapshot", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	var data []byte
	for decoder := json.NewDecoder(response.Body); decoder.More(); {
		var part struct {
			Result struct{ Blob []byte }
		}
		require.NoError(t, decoder.Decode(&part))
		data = append(data, part.Result.Blob...)
	}
	file := filepath.Join(t.TempDir(), "snapshot.db")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// put writes into etcd.
func put(t *testing.T, c *cluster.Cluster, key string, value []byte) {
	t.Helper()
	body, err := json.Marshal(map[string][]byte{"key": []byte(key), "value": value})
	require.NoError(t, err)
	response, err := http.Post(c.EtcdEndpoint+"/v3/kv/put", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}
