package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/etcddecode"
)

func TestPluginsThatAreNotThere(t *testing.T) {
	_, err := dialKMS(etcddecode.KMSPlugin{Name: "a", APIVersion: "v2", Endpoint: "tcp://127.0.0.1:1"})
	require.ErrorContains(t, err, "only unix sockets")
	for _, version := range []string{"v1", "v2"} {
		plugin, err := dialKMS(etcddecode.KMSPlugin{Name: "a", APIVersion: version, Endpoint: "unix://" + filepath.Join(t.TempDir(), "kms.sock")})
		require.NoError(t, err, "it connects when it is first asked")
		_, err = plugin.Decrypt(t.Context(), etcddecode.Sealed{Ciphertext: []byte("sealed")})
		require.ErrorContains(t, err, "kms.sock")
		_, err = plugin.Encrypt(t.Context(), []byte("hunter2"))
		require.ErrorContains(t, err, "kms.sock")
		require.NotContains(t, err.Error(), "hunter2")
	}
}
