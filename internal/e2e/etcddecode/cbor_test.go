package etcddecode

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

const widgetCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
`

// widget has every kind of value that CBOR writes in a way of its own.
const widget = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: gear, namespace: default, labels: {app: web, a: ""}, annotations: {example.com/note: "größer ✓"}}
spec:
  text: "line\nbreak \u0000 end"
  empty: ""
  yes: true
  nothing: null
  integers: [0, 23, 24, 255, 256, 65536, 4294967296, 9007199254740993, -1, -24, -25, -9223372036854775808, 9223372036854775807]
  floats: [0.5, -1.5, 0.1, 65504.5, 3.4028234663852886e+38, 1e+100, 5e-324]
  nested: {list: [], map: {}, deep: [[{b: 1, aa: 2}]]}
  longer than twenty-three bytes: 01234567890123456789012345678901234567890123456789
`

// TestCBOR has an API server store custom resources as CBOR, which takes the feature gate CBORServingAndStorage: what it
// wrote is read as kubectl prints it, and written again byte for byte; what was written by hand is served, with the gate
// and without.
func TestCBOR(t *testing.T) {
	c := cluster.New(t, cluster.Options{APIServerArgs: []string{"--feature-gates=CBORServingAndStorage=true"}})
	c.WithStdin(widgetCRD).MustKubectl(t, "apply", "-f", "-")
	c.MustKubectl(t, "wait", "--for=condition=Established", "crd/widgets.example.com")
	c.WithStdin(widget).MustKubectl(t, "create", "-f", "-")

	const key = "/registry/example.com/widgets/default/gear"
	stored := c.EtcdValue(t, key)
	require.True(t, bytes.HasPrefix(stored, []byte("\xd9\xd9\xf7")), "stored as %.20q", stored)
	// The API server adds the resourceVersion, as does the command to what it reads from etcd itself.
	got := run(t, nil, "get", "--endpoints", c.EtcdEndpoint, key)
	require.Equal(t, c.MustKubectl(t, "get", "widget", "gear", "-o", "yaml"), string(got))

	for _, output := range []string{"json", "yaml"} {
		manifest := c.MustKubectl(t, "get", "widget", "gear", "-o", output, "--show-managed-fields")
		encoded := run(t, []byte(manifest), "encode", "--format", "cbor")
		require.Equal(t, stored, encoded, "encoded from %s", output)
	}

	byHand := bytes.ReplaceAll([]byte(widget), []byte("name: gear"), []byte("name: cog, uid: 6ad3a1a4-3f9a-4a4e-9b3e-2f1d3c5b7a90"))
	require.NoError(t, c.APIServer.Stop())
	put(t, c, "/registry/example.com/widgets/default/cog", run(t, byHand, "encode", "--format", "cbor"))
	spec := func(name string) string {
		return c.MustKubectl(t, "get", "widget", name, "-o", "jsonpath={.metadata.labels} {.metadata.annotations} {.spec}")
	}
	for range 2 { // with the gate, then without
		require.NoError(t, c.APIServer.Restart(t.Context()))
		require.Equal(t, spec("gear"), spec("cog"))
		c.APIServer.Args = append(c.APIServer.Args, "--feature-gates=CBORServingAndStorage=false")
	}
	c.MustKubectl(t, "annotate", "widget", "cog", "changed=true") // which it writes as JSON
	require.True(t, bytes.HasPrefix(c.EtcdValue(t, "/registry/example.com/widgets/default/cog"), []byte("{")))
}
