package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
)

func (c *Cluster) prepareEtcd(bin binaries.Set) error {
	client, err := c.reserve()
	if err != nil {
		return err
	}
	peer, err := c.reserve()
	if err != nil {
		return err
	}
	c.EtcdEndpoint = "http://" + client.address()
	peerURL := "http://" + peer.address()
	args := []string{
		"--name=etcd",
		"--data-dir=" + c.EtcdDataDir,
		"--listen-client-urls=" + c.EtcdEndpoint,
		"--advertise-client-urls=" + c.EtcdEndpoint,
		"--listen-peer-urls=" + peerURL,
		"--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=etcd=" + peerURL,
		"--socket-reuse-port", // see port
		"--log-level=warn",
		// Without fsync, files survive the end of a process, only not a power cut; it saves seconds.
		"--unsafe-no-fsync",
	}
	c.Etcd = c.component("etcd", bin.Etcd, append(args, c.options.EtcdArgs...), c.etcdReady)
	return nil
}

func (c *Cluster) etcdReady(ctx context.Context) error {
	return expectOK(ctx, http.DefaultClient, c.EtcdEndpoint+"/readyz")
}

// EtcdValue returns the bytes that etcd holds under a key, such as
// "/registry/secrets/default/password", or nil if it holds none.
func (c *Cluster) EtcdValue(t testing.TB, key string) []byte {
	t.Helper()
	// etcd's JSON gateway spares the harness the whole of etcd's gRPC client.
	body, err := json.Marshal(map[string][]byte{"key": []byte(key)})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.EtcdEndpoint+"/v3/kv/range", bytes.NewReader(body))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	require.Equal(t, http.StatusOK, response.StatusCode)
	var found struct{ Kvs []struct{ Value []byte } }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&found))
	if len(found.Kvs) == 0 {
		return nil
	}
	return found.Kvs[0].Value
}
