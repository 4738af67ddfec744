package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// fixedConfig enables fixed addresses. The rest is what awaitExample looks for.
const fixedConfig = `
name: policies.example.com
podDefaults: {annotations: {policies.example.com/reviewed: "true"}}
policies: {host-path: {action: deny}}
staticIP:
  enabled: true
  network: {blocks: [{name: default, cidr: 10.20.0.0/16}, {name: default6, cidr: "fd00::/64"}]}
`

const (
	poolKey    = "staticip.kubewright.io/pool"
	addressKey = "cni.projectcalico.org/ipAddrs"
	addresses  = `--output=jsonpath={range .items[*]}{.metadata.name}={.metadata.annotations.cni\.projectcalico\.org/ipAddrs} {end}`
)

// TestStaticIP is what happens to a StatefulSet with an address for each of its Pods, and to what only looks like one.
func TestStaticIP(t *testing.T) {
	c := shared.Get(t)
	installExample(t, c, "-config="+writeFixedConfig(t))

	t.Run("Pods get their addresses in order", func(t *testing.T) { testParallelSet(t, c) })
	t.Run("Pods that wait for each other do too", func(t *testing.T) { testOrderedSet(t, c) })
	t.Run("the pool in the template", func(t *testing.T) { testPoolInTemplate(t, c) })
	t.Run("scaling past the pool", func(t *testing.T) { testScalingPast(t, c) })
	t.Run("a pool that would not work", func(t *testing.T) { testRefusedSets(t, c) })
	t.Run("a workload without ordinals", func(t *testing.T) { testRefusedWorkloads(t, c) })
	t.Run("a recreated Pod", func(t *testing.T) { testRecreatedPod(t, c) })
	t.Run("a recreated StatefulSet", func(t *testing.T) { testRecreatedSet(t, c) })
	t.Run("an edited address", func(t *testing.T) { testEditedAddress(t, c) })
	t.Run("addresses that Pods still have", func(t *testing.T) { testHeldAddresses(t, c) })
	t.Run("a pool that goes", func(t *testing.T) { testRemovedPool(t, c) })
	t.Run("a scale onto an address that a Pod still has", func(t *testing.T) { testScaleOntoHeld(t, c) })
	t.Run("Pods that an earlier set has left", func(t *testing.T) { testAdoptedPods(t, c) })
	t.Run("the plan of the cluster", func(t *testing.T) { testPlan(t, c) })
}

func writeFixedConfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(fixedConfig), 0o600))
	return file
}

// fixedSet is a StatefulSet with a pool.
func fixedSet(name, pool, spec string) string {
	set := strings.Replace(workload("StatefulSet", name, good), "replicas: 1", spec, 1)
	return strings.Replace(set, "metadata: {name: "+name+"}", fmt.Sprintf("metadata: {name: %s, annotations: {%s: %q}}", name, poolKey, pool), 1)
}

// threeAtOnce does not wait for Pods to be ready, since nobody runs them.
const threeAtOnce = "replicas: 3, podManagementPolicy: Parallel"

// wantAddresses waits for the Pods of a namespace, by name, to have addresses.
func wantAddresses(t *testing.T, c *cluster.Cluster, in, want string) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		got, _, err := c.Kubectl(t, "get", "pods", "--sort-by=.metadata.name", addresses, in)
		if err == nil && strings.TrimSpace(got) != want {
			err = fmt.Errorf("the Pods have %s, want %s", got, want)
		}
		return err
	})
}

func testParallelSet(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.0.10-10.20.0.15/24, fd00::a-fd00::f", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.0.10","fd00::a"] redis-1=["10.20.0.11","fd00::b"] redis-2=["10.20.0.12","fd00::c"]`)
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=1", in)
	wantAddresses(t, c, in, `redis-0=["10.20.0.10","fd00::a"]`)
	// The annotation of the StatefulSet can change without a rollout, and counts from the next Pod on.
	c.MustKubectl(t, "annotate", "statefulset/redis", "--overwrite", poolKey+"=10.20.0.10-10.20.0.15,10.20.0.30,fd00::a-fd00::10", in)
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=3", in)
	wantAddresses(t, c, in, `redis-0=["10.20.0.10","fd00::a"] redis-1=["10.20.0.11","fd00::b"] redis-2=["10.20.0.12","fd00::c"]`)
}

// testOrderedSet makes each Pod ready by hand.
func testOrderedSet(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("db", "10.20.1.9 10.20.1.4", "replicas: 2")).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `db-0=["10.20.1.9"]`)
	ready := `{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}`
	c.MustKubectl(t, "patch", "pod", "db-0", "--subresource=status", "--patch="+ready, in)
	wantAddresses(t, c, in, `db-0=["10.20.1.9"] db-1=["10.20.1.4"]`)
}

func testPoolInTemplate(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	set := strings.Replace(workload("StatefulSet", "web", good), "labels: {app: web}", "labels: {app: web}, annotations: {"+poolKey+": 10.20.1.20}", 1)
	c.WithStdin(set).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `web-0=["10.20.1.20"]`)
}

func testScalingPast(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.2.1-10.20.2.4", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=4", in)
	requireRefused(t, c.Client, "ordinals 4-5: no address; replicas 6 need ordinals 0-5 but the pool has 4 IPv4 addresses (ordinals 0-3): add 2 IPv4 addresses at the end",
		"scale", "statefulset/redis", "--replicas=6", in)
	requireRefused(t, c.Client, "staticip.BeyondPool", "patch", "statefulset/redis", `--patch={"spec": {"replicas": 6}}`, in)
	require.Equal(t, "4", c.MustKubectl(t, "get", "statefulset/redis", "--output=jsonpath={.spec.replicas}", in))
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=0", in)
}

func testRefusedSets(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	for pool, want := range map[string]string{
		"10.20.3.1-2":                "write 10.20.3.1-10.20.3.2",
		"10.20.3.1-10.20.3.2":        "ordinal 2: no address",
		"192.0.2.1-192.0.2.3":        "is in no enabled block of the CNI; write addresses of default 10.20.0.0/16",
		"10.20.3.1-10.20.3.9 fd00::": "ordinals 1-2: no IPv6 address",
	} {
		requireRefused(t, c.WithStdin(fixedSet("redis", pool, threeAtOnce)), want, "create", "-f", "-", in)
	}
	c.WithStdin(fixedSet("redis", "10.20.3.10-10.20.3.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	requireRefused(t, c.Client, "staticip.Moves", "annotate", "statefulset/redis", "--overwrite", poolKey+"=10.20.3.9-10.20.3.12", in)
}

func testRefusedWorkloads(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	const instead = "a fixed address needs a stable ordinal, which only StatefulSets give"
	for _, kind := range []string{"Deployment", "DaemonSet", "ReplicaSet"} {
		text := strings.Replace(workload(kind, "web", good), "labels: {app: web}", "labels: {app: web}, annotations: {"+poolKey+": 10.20.4.1}", 1)
		if kind == "DaemonSet" {
			text = strings.Replace(text, "replicas: 1,", "", 1)
		}
		requireRefused(t, c.WithStdin(text), "is a "+kind+", whose Pods have random names", "create", "-f", "-", in)
		requireRefused(t, c.WithStdin(text), instead, "create", "-f", "-", in)
	}
	bare := strings.Replace(pod("web", good), "name: web", "name: web, annotations: {"+poolKey+": 10.20.4.1}", 1)
	_, stderr, err := c.WithStdin(bare).Kubectl(t, "create", "-f", "-", in)
	require.Error(t, err)
	require.Contains(t, stderr, `admission webhook "mutate.policies.example.com" denied the request: `)
	require.Contains(t, stderr, "has no controller: "+instead)
	c.WithStdin(workload("Deployment", "web", good)).MustKubectl(t, "create", "-f", "-", in)
	cluster.Eventually(t, 30*time.Second, func() error { return wantLines(c, t, 1, "get", "pods", "--output=name", in) })
}

func testRecreatedPod(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.5.10-10.20.5.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	const all = `redis-0=["10.20.5.10"] redis-1=["10.20.5.11"] redis-2=["10.20.5.12"]`
	wantAddresses(t, c, in, all)
	uid := func() string {
		out, _, _ := c.Kubectl(t, "get", "pod/redis-1", "--output=jsonpath={.metadata.uid}", in)
		return out
	}
	before := uid()
	c.MustKubectl(t, "delete", "pod/redis-1", "--wait=false", in)
	cluster.Eventually(t, 30*time.Second, func() error {
		if now := uid(); now == "" || now == before {
			return errors.New("the Pod has not been recreated")
		}
		return nil
	})
	wantAddresses(t, c, in, all)
}

// testRecreatedSet leaves the Pods of a StatefulSet that is deleted and created again; a new one adopts them.
func testRecreatedSet(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	set := c.WithStdin(fixedSet("redis", "10.20.6.10-10.20.6.13", threeAtOnce))
	set.MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.6.10"] redis-1=["10.20.6.11"] redis-2=["10.20.6.12"]`)
	c.MustKubectl(t, "delete", "statefulset/redis", "--cascade=orphan", in)
	set.MustKubectl(t, "create", "-f", "-", in)
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=4", in)
	wantAddresses(t, c, in, `redis-0=["10.20.6.10"] redis-1=["10.20.6.11"] redis-2=["10.20.6.12"] redis-3=["10.20.6.13"]`)
}

func testEditedAddress(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.7.10", "replicas: 1")).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.7.10"]`)
	requireRefused(t, c.Client, `the address of a Pod cannot change while it runs; keep ["10.20.7.10"]`,
		"annotate", "pod/redis-0", "--overwrite", addressKey+`=["10.20.7.11"]`, in)
	requireRefused(t, c.Client, "staticip.Immutable", "annotate", "pod/redis-0", addressKey+"-", in)
	c.MustKubectl(t, "annotate", "pod/redis-0", "note=other annotations may change", in)
	// The API server takes annotations through the status too, as CNIs write theirs. README.md says who must not.
	c.MustKubectl(t, "patch", "pod/redis-0", "--subresource=status", `--patch={"metadata": {"annotations": {"`+addressKey+`": "[\"10.20.7.11\"]"}}}`, in)
	wantAddresses(t, c, in, `redis-0=["10.20.7.11"]`)
}

// testHeldAddresses comes back to a pool, in another order, by way of another one.
func testHeldAddresses(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	pool := func(addresses string) []string {
		return []string{"annotate", "statefulset/redis", "--overwrite", poolKey + "=" + addresses, in}
	}
	c.WithStdin(fixedSet("redis", "10.20.9.10-10.20.9.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.9.10"] redis-1=["10.20.9.11"] redis-2=["10.20.9.12"]`)
	c.MustKubectl(t, pool("10.20.9.20-10.20.9.22")...)
	requireRefused(t, c.Client, "10.20.9.11 (first of ordinals 0-1) is in use by Pod ", pool("10.20.9.11-10.20.9.13")...)
	c.MustKubectl(t, pool("10.20.9.10-10.20.9.12")...)
	c.MustKubectl(t, pool("10.20.9.20-10.20.9.22")...)
	c.MustKubectl(t, "delete", "pods", "--all", "--wait=false", in)
	wantAddresses(t, c, in, `redis-0=["10.20.9.20"] redis-1=["10.20.9.21"] redis-2=["10.20.9.22"]`)
	c.MustKubectl(t, pool("10.20.9.11-10.20.9.13")...)
}

func testRemovedPool(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.10.10-10.20.10.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.10.10"] redis-1=["10.20.10.11"] redis-2=["10.20.10.12"]`)
	requireRefused(t, c.Client, `the pool is removed, but there are Pods of ordinals 0-2, which would get a random address when they restart; restore it, scale to 0 first, or write "none"`,
		"annotate", "statefulset/redis", poolKey+"-", in)
	_, warning, err := c.Kubectl(t, "annotate", "statefulset/redis", "--overwrite", poolKey+"=none", in)
	require.NoError(t, err)
	require.Contains(t, warning, "the pool is given up: ordinals 0-2 keep their address until they restart")
	c.MustKubectl(t, "delete", "pod/redis-1", "--wait=false", in)
	wantAddresses(t, c, in, `redis-0=["10.20.10.10"] redis-1= redis-2=["10.20.10.12"]`)
	c.MustKubectl(t, "annotate", "statefulset/redis", poolKey+"-", in)

	set := strings.Replace(workload("StatefulSet", "web", good), "labels: {app: web}", "labels: {app: web}, annotations: {"+poolKey+": 10.20.10.20}", 1)
	c.WithStdin(set).MustKubectl(t, "create", "-f", "-", in)
	requireRefused(t, c.Client, "the pool is removed, but there are Pods of ordinal 0,",
		"patch", "statefulset/web", `--patch={"spec": {"template": {"metadata": {"annotations": {"`+poolKey+`": null}}}}}`, in)
}

func testScaleOntoHeld(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.11.10-10.20.11.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.11.10"] redis-1=["10.20.11.11"] redis-2=["10.20.11.12"]`)
	c.MustKubectl(t, "annotate", "statefulset/redis", "--overwrite", poolKey+"=10.20.11.10,10.20.11.11,10.20.11.20", in)
	c.MustKubectl(t, "annotate", "statefulset/redis", "--overwrite", poolKey+"=10.20.11.10,10.20.11.11,10.20.11.20,10.20.11.12", in)
	requireRefused(t, c.Client, "10.20.11.12 (ordinal 3) is in use by Pod ", "scale", "statefulset/redis", "--replicas=4", in)
	c.MustKubectl(t, "delete", "pod/redis-2", "--wait=false", in)
	wantAddresses(t, c, in, `redis-0=["10.20.11.10"] redis-1=["10.20.11.11"] redis-2=["10.20.11.20"]`)
	c.MustKubectl(t, "scale", "statefulset/redis", "--replicas=4", in)
	wantAddresses(t, c, in, `redis-0=["10.20.11.10"] redis-1=["10.20.11.11"] redis-2=["10.20.11.20"] redis-3=["10.20.11.12"]`)
}

func testAdoptedPods(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.12.10-10.20.12.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
	wantAddresses(t, c, in, `redis-0=["10.20.12.10"] redis-1=["10.20.12.11"] redis-2=["10.20.12.12"]`)
	c.MustKubectl(t, "delete", "statefulset/redis", "--cascade=orphan", in)
	requireRefused(t, c.WithStdin(fixedSet("redis", "10.20.12.9-10.20.12.12", threeAtOnce)), "10.20.12.10 (first of ordinals 1-2) is in use by Pod ", "create", "-f", "-", in)
	c.WithStdin(fixedSet("redis", "10.20.12.10-10.20.12.12", threeAtOnce)).MustKubectl(t, "create", "-f", "-", in)
}

// testPlan reads the cluster as its users do, before Calico is there and after.
func testPlan(t *testing.T, c *cluster.Cluster) {
	namespace := c.Namespace(t)
	c.WithStdin(fixedSet("redis", "10.20.8.10-10.20.8.15", threeAtOnce)).MustKubectl(t, "create", "-f", "-", "--namespace="+namespace)
	wantAddresses(t, c, "--namespace="+namespace, `redis-0=["10.20.8.10"] redis-1=["10.20.8.11"] redis-2=["10.20.8.12"]`)
	plan := func() (string, string, int) {
		cmd := exec.CommandContext(t.Context(), buildExample(t, c), "plan", "-rows", "-kubeconfig", c.Kubeconfig)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		exit := new(exec.ExitError)
		require.True(t, err == nil || errors.As(err, &exit), "%v", err)
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	out, errs, code := plan()
	require.Zero(t, code, "%s%s", out, errs)
	require.Empty(t, errs)
	fields := strings.Fields
	require.Contains(t, strings.Join(fields(out), " "), namespace+"/redis 0-2 0 6 0 3 10.20.8.10-10.20.8.15")
	require.Contains(t, strings.Join(fields(out), " "), namespace+"/redis-2 10.20.8.12/32 -")
	require.Contains(t, out, " 0 errors, ")

	c.Apply(t, ipPoolCRD)
	t.Cleanup(func() { c.MustKubectl(t, "delete", "customresourcedefinition", "ippools.crd.projectcalico.org") })
	c.MustKubectl(t, "wait", "--for=condition=Established", "customresourcedefinition/ippools.crd.projectcalico.org", "--timeout=30s")
	c.Apply(t, "{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: far}, spec: {cidr: 10.9.0.0/16}}")
	out, errs, code = plan()
	require.Equal(t, 1, code, "%s%s", out, errs)
	require.Contains(t, out, "StatefulSet "+namespace+"/redis: "+poolKey+": 10.20.8.10 (first of ordinals 0-2) is in no enabled block of the CNI; write addresses of IPPool far 10.9.0.0/16")
}

const ipPoolCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ippools.crd.projectcalico.org}
spec:
  group: crd.projectcalico.org
  names: {kind: IPPool, listKind: IPPoolList, plural: ippools, singular: ippool}
  scope: Cluster
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`
