package cluster

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// encrypt is an EncryptionConfiguration that writes Secrets with the first provider and reads them with all.
func encrypt(providers ...string) string {
	return `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers: [` + strings.Join(providers, ", ") + `]
`
}

const (
	firstKey  = `{aescbc: {keys: [{name: first, secret: c2l4dGVlbiBieXRlIGtleQ==}]}}`
	secondKey = `{aesgcm: {keys: [{name: second, secret: c2l4dGVlbiBieXRlIGtleQ==}]}}`
)

// TestZeroOptions shows what there is without a controller manager: an API server that stores.
func TestZeroOptions(t *testing.T) {
	c := New(t, Options{})
	require.Nil(t, c.ControllerManager)
	c.Apply(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: plain}}")
	require.Contains(t, string(c.EtcdValue(t, "/registry/configmaps/default/plain")), "k8s\x00", "plain protobuf")
	require.ErrorContains(t, c.SetEncryptionConfig(encrypt(firstKey)), "without Options.EncryptionConfig")
}

// TestCluster runs on one cluster, because the order of the subtests costs nothing and a cluster does.
func TestCluster(t *testing.T) {
	c := New(t, Options{EncryptionConfig: encrypt(firstKey), ControllerManager: true})

	t.Run("encryption at rest", func(t *testing.T) { testEncryption(t, c) })
	t.Run("audit log", func(t *testing.T) { testAudit(t, c) })
	t.Run("webhook behind a service", func(t *testing.T) { testWebhook(t, c) })
	t.Run("a program beside it", func(t *testing.T) { testProgram(t, c) })
	t.Run("users", func(t *testing.T) { testUsers(t, c) })
	t.Run("restart keeps address and data", func(t *testing.T) { testRestart(t, c) })
	t.Run("a crash is told apart from a stop", func(t *testing.T) { testCrash(t, c) })
}

func testEncryption(t *testing.T, c *Cluster) {
	const key = "/registry/secrets/default/password"
	c.MustKubectl(t, "create", "secret", "generic", "password", "--from-literal=text=hunter2")
	require.Contains(t, string(c.EtcdValue(t, key)), "k8s:enc:aescbc:v1:first:")

	require.NoError(t, c.SetEncryptionConfig(encrypt(secondKey, firstKey)))
	require.NoError(t, c.APIServer.Restart(t.Context()))
	c.MustKubectl(t, "create", "secret", "generic", "other", "--from-literal=text=hunter3")
	require.Contains(t, string(c.EtcdValue(t, "/registry/secrets/default/other")), "k8s:enc:aesgcm:v1:second:")
	c.MustKubectl(t, "get", "secret", "password")
	require.Nil(t, c.EtcdValue(t, "/registry/secrets/default/absent"))
}

func testAudit(t *testing.T, c *Cluster) {
	c.MustKubectl(t, "create", "configmap", "audited", "--from-literal=key=value")
	var logged []auditv1.Event
	Eventually(t, 10*time.Second, func() error {
		logged = c.AuditEvents(t, func(e auditv1.Event) bool {
			return e.Verb == "create" && e.ObjectRef != nil && e.ObjectRef.Name == "audited"
		})
		if len(logged) == 0 {
			return fmt.Errorf("%s does not tell of the ConfigMap", c.AuditLog)
		}
		return nil
	})
	require.Equal(t, auditv1.LevelRequest, logged[0].Level)
	require.NotNil(t, logged[0].RequestObject)
	var sent corev1.ConfigMap
	require.NoError(t, json.Unmarshal(logged[0].RequestObject.Raw, &sent))
	require.Equal(t, map[string]string{"key": "value"}, sent.Data)
}

func testUsers(t *testing.T, c *Cluster) {
	alice := c.As(t, "alice", "developers")
	_, stderr, err := alice.Kubectl(t, "get", "pods")
	require.ErrorContains(t, err, "kubectl get pods: exit status 1")
	require.Contains(t, stderr, `User "alice" cannot list resource "pods"`)

	c.MustKubectl(t, "create", "clusterrole", "read-pods", "--verb=list", "--resource=pods")
	c.MustKubectl(t, "create", "clusterrolebinding", "developers", "--clusterrole=read-pods", "--group=developers")
	Eventually(t, 10*time.Second, func() error { // the authorizer watches role bindings
		_, _, err := alice.Kubectl(t, "get", "pods")
		return err
	})
	_, _, err = c.As(t, "alice").Kubectl(t, "get", "pods")
	require.Error(t, err, "without the group there is no role")
	_, _, err = c.WithToken(t, "mallory", "guessed").Kubectl(t, "get", "pods")
	require.ErrorContains(t, err, "must be logged in")
}

func testRestart(t *testing.T, c *Cluster) {
	c.MustKubectl(t, "create", "configmap", "kept")
	require.NoError(t, c.APIServer.Stop())
	_, _, err := c.Kubectl(t, "get", "configmap", "kept")
	require.Error(t, err)
	require.NoError(t, c.Etcd.Stop())
	require.FileExists(t, filepath.Join(c.EtcdDataDir, "member", "snap", "db"))

	require.NoError(t, c.Etcd.Start(t.Context()))
	require.NoError(t, c.APIServer.Start(t.Context()))
	c.MustKubectl(t, "get", "configmap", "kept")
	c.Namespace(t) // waits for a controller, which has to have come back by itself
}

func testCrash(t *testing.T, c *Cluster) {
	c.Etcd.Kill()
	require.Zero(t, c.Etcd.PID())
	require.NoError(t, c.Etcd.Stop(), "there is nothing left to stop")
	require.NoError(t, c.Etcd.Start(t.Context()))
	require.Error(t, c.Etcd.Start(t.Context()), "it is running")
	Eventually(t, 30*time.Second, func() error {
		_, _, err := c.Kubectl(t, "get", "configmap", "kept")
		return err
	})
}
