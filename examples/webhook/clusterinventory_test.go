package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	k8stesting "k8s.io/client-go/testing"
)

// TestPlanOfACluster reads one that has some of what a plan would like to know.
func TestPlanOfACluster(t *testing.T) {
	for name, c := range map[string]struct {
		fail, how string
		note, err string
	}{
		"everything":          {},
		"no Calico":           {fail: "ippools", how: "NotFound"},
		"not ours to read":    {fail: "nodes", how: "Forbidden", note: "note: planned without nodes: "},
		"no Pods":             {fail: "pods", how: "Forbidden", err: "read pods: "},
		"no StatefulSets":     {fail: "statefulsets", how: "NotFound", err: "read statefulsets.apps: "},
		"a broken connection": {fail: "servicecidrs", how: "broken", err: "read servicecidrs.networking.k8s.io: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := planCluster(t)
			cluster.PrependReactor("list", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
				if a.GetResource().Resource != c.fail {
					return false, nil, nil
				}
				return true, nil, map[string]error{
					"NotFound":  apierrors.NewNotFound(a.GetResource().GroupResource(), ""),
					"Forbidden": apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil),
					"broken":    fmt.Errorf("broken"),
				}[c.how]
			})
			config, err := parseConfig([]byte(minimal))
			require.NoError(t, err)
			a, err := config.StaticIP.addresses()
			require.NoError(t, err)
			inv := newInventory(a, "default")
			var notes strings.Builder
			err = inv.addCluster(t.Context(), cluster, func(format string, args ...any) { fmt.Fprintf(&notes, format, args...) })
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Contains(t, notes.String(), c.note)
			require.Equal(t, c.note == "", notes.Len() == 0)
			r := inv.plan(a.options)
			require.Len(t, r.Usage, 1)
			require.Equal(t, c.fail != "ippools", strings.Contains(r.Problems.Error(), "is in no enabled block"))
			require.Equal(t, c.fail != "nodes", strings.Contains(r.Problems.Error(), "node worker-1 10.0.0.10/32"))
		})
	}
}

func planCluster(t *testing.T) *dynamicfake.FakeDynamicClient {
	t.Helper()
	kinds := map[schema.GroupVersionResource]string{}
	for _, s := range (&inventory{kinds: setKinds{schema.FromAPIVersionAndKind("apps/v1", "StatefulSet")}}).sources() {
		kinds[s.GroupVersionResource] = "ThingList"
	}
	return dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds,
		fromYAML(t, redis),
		fromYAML(t, owned),
		fromYAML(t, "{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: far}, spec: {cidr: 10.9.0.0/16}}"),
		fromYAML(t, "{apiVersion: v1, kind: Node, metadata: {name: worker-1}, status: {addresses: [{type: InternalIP, address: 10.0.0.10}]}}"))
}
