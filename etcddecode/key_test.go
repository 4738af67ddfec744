package etcddecode

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLawKeysOfEveryResource(t *testing.T) {
	table, err := os.ReadFile("testdata/keys.tsv")
	require.NoError(t, err)
	rows := 0
	for line := range strings.Lines(string(table)) {
		if line[0] == '#' {
			continue
		}
		rows++
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		group, resource, key := parts[0], parts[1], parts[2]
		k, ok := ParseKey(key)
		require.True(t, ok, key)
		require.Equal(t, resource, k.Resource, key)
		require.Equal(t, "registry", k.Prefix, key)
		require.Contains(t, []string{"", group}, k.Group, key)
		require.Equal(t, key, k.String())
	}
	require.Greater(t, rows, 80)
}

func TestParseKey(t *testing.T) {
	for key, want := range map[string]Key{
		"/registry/pods/shop/web-0":                          {Prefix: "registry", Resource: "pods", Rest: []string{"shop", "web-0"}},
		"/registry/minions/node-1":                           {Prefix: "registry", Resource: "nodes", Rest: []string{"node-1"}},
		"/kubernetes.io/services/specs/shop/web":             {Prefix: "kubernetes.io", Resource: "services", Rest: []string{"shop", "web"}},
		"/registry/snapshot.storage.k8s.io/snaps/shop/a":     {Prefix: "registry", Group: "snapshot.storage.k8s.io", Resource: "snaps", Rest: []string{"shop", "a"}},
		"/registry/clusterroles/system:node":                 {Prefix: "registry", Resource: "clusterroles", Rest: []string{"system:node"}},
		"/registry/example.com/minions/a":                    {Prefix: "registry", Group: "example.com", Resource: "minions", Rest: []string{"a"}},
		"/registry/apiregistration.k8s.io/apiservices/v1.":   {Prefix: "registry", Group: "apiregistration.k8s.io", Resource: "apiservices", Rest: []string{"v1."}},
		"/registry/configmaps/shop/kube-root-ca.crt":         {Prefix: "registry", Resource: "configmaps", Rest: []string{"shop", "kube-root-ca.crt"}},
		"/registry/clustertrustbundles/example.com:sign:abc": {Prefix: "registry", Resource: "clustertrustbundles", Rest: []string{"example.com:sign:abc"}},
	} {
		k, ok := ParseKey(key)
		require.True(t, ok, key)
		require.Equal(t, want, k, key)
		require.Equal(t, key, k.String())
	}
	for _, key := range []string{"", "compact_rev_key", "/", "/registry", "/registry/pods", "//pods/a", "/registry/a/b/c/d/e", "registry/pods/a/b", "/registry/pods/a/"} {
		_, ok := ParseKey(key)
		require.False(t, ok, key)
	}
}
