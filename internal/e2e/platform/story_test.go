package platform

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/events"
)

// encryption is what the API server encrypts Secrets and ConfigMaps with.
const encryption = `
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets, configmaps]
  providers:
  - secretbox: {keys: [{name: 2026-11, secret: dGhpcnR5LXR3byBieXRlIGtleSBmb3IgdGhlIHRlc3Q=}]}
  - identity: {}
`

var shared = cluster.Shared{Options: cluster.Options{ControllerManager: true, EncryptionConfig: encryption}}

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// TestPlatform is a week of a platform team, in one minute. Each chapter goes on where the one before it ended.
func TestPlatform(t *testing.T) {
	p := newPlatform(t)
	p.kubectl(t, "create", "namespace", "shop")
	p.kubectl(t, "create", "secret", "generic", "redis", "--namespace=shop", "--from-literal=password="+password)
	p.kubectl(t, "apply", "--namespace=shop", "-f", "testdata/builder.yaml") // from before there were policies
	p.await(t, "the old Deployment has its Pod", func() error { return p.pods(t, "app=builder", 1) })
	p.installWebhook(t)
	p.startCollector(t)

	for _, chapter := range []struct {
		title string
		tell  func(*testing.T)
	}{
		{"Redis gets its addresses and its log shipper", p.redisIsCompleted},
		{"Redis can not grow past its addresses", p.redisIsRefusedMore},
		{"a hostPath is refused, with what to write instead", p.hostPathIsRefused},
		{"an old workload gets no new Pod, and an Event says why", p.oldWorkloadIsRefused},
		{"every Event is in OpenSearch, once, and metrics name the refusals", p.eventsAreShipped},
		{"etcd dies, and its files say what the API server said", p.etcdIsRead},
		{"etcd comes back, and what was deleted comes back with it", p.deletedIsRestored},
		{"a signature replaces a whitelisted address", p.addressIsReplaced},
	} {
		if !t.Run(chapter.title, chapter.tell) {
			t.FailNow() // what follows builds on it
		}
	}
}

const password = "correct-horse-battery-staple"

func (p *platform) redisIsCompleted(t *testing.T) {
	p.kubectl(t, "apply", "--namespace=shop", "-f", "testdata/redis.yaml")
	p.await(t, "three Pods", func() error { return p.pods(t, "app=redis", 3) })
	table := p.kubectl(t, "get", "pods", "--namespace=shop", "--selector=app=redis", "--no-headers", "--output=custom-columns="+
		`NAME:.metadata.name,ADDRESS:.metadata.annotations.cni\.projectcalico\.org/ipAddrs,CONTAINERS:.spec.containers[*].name,`+
		`SIDECARS:.spec.initContainers[*].name,RESTART:.spec.initContainers[*].restartPolicy`)
	require.Equal(t, [][]string{
		{"redis-0", `["10.20.0.10"]`, "redis", "log-shipper", "Always"},
		{"redis-1", `["10.20.0.11"]`, "redis", "log-shipper", "Always"},
		{"redis-2", `["10.20.0.12"]`, "redis", "log-shipper", "Always"},
	}, cells(table))
	config := p.MustKubectl(t, "get", "pod/redis-0", "--namespace=shop", `--output=jsonpath={.metadata.annotations.sidecar\.kubewright\.io/log\.config}`)
	require.Contains(t, config, "/var/log/redis/*.log", "what the log shipper reads")
	require.Contains(t, config, "topic: 'redis'")
}

func (p *platform) redisIsRefusedMore(t *testing.T) {
	require.Contains(t, p.refused(t, "scale", "--namespace=shop", "statefulset/redis", "--replicas=6"),
		"ordinals 4-5: no address; replicas 6 need ordinals 0-5 but the pool has 4 IPv4 addresses (ordinals 0-3): add 2 IPv4 addresses at the end")
	require.Equal(t, "3", p.MustKubectl(t, "get", "statefulset/redis", "--namespace=shop", "--output=jsonpath={.spec.replicas}"))
}

// instead is the end of every refusal of a hostPath.
const instead = "is not allowed: use an emptyDir, a ConfigMap or a PersistentVolumeClaim, or a path under /var/log (read-only)"

func (p *platform) hostPathIsRefused(t *testing.T) {
	require.Contains(t, p.refused(t, "apply", "--namespace=shop", "-f", "testdata/web.yaml"),
		`denied the request: spec.template.spec.volumes[etc].hostPath.path: hostPath "/etc" `+instead)
	require.Empty(t, p.MustKubectl(t, "get", "deployment/web", "--namespace=shop", "--ignore-not-found"))

	t.Log("the developer writes emptyDir: {}")
	manifest, err := os.ReadFile("testdata/web.yaml")
	require.NoError(t, err)
	better := strings.ReplaceAll(string(manifest), "hostPath: {path: /etc}", "emptyDir: {}")
	require.NotEqual(t, string(manifest), better)
	p.kubectlWith(t, better, "apply", "--namespace=shop", "-f", "-")
	p.await(t, "two Pods", func() error { return p.pods(t, "app=web", 2) })
}

// oldWorkloadIsRefused deletes the Pod of a Deployment that was there before its policy, as the drain of a node would.
func (p *platform) oldWorkloadIsRefused(t *testing.T) {
	p.kubectl(t, "delete", "pods", "--namespace=shop", "--selector=app=builder", "--wait=false")
	failed := []string{"get", "events", "--namespace=shop", "--field-selector=reason=FailedCreate,involvedObject.kind=ReplicaSet", "--output=jsonpath={.items[*].message}"}
	p.await(t, "the ReplicaSet complains", func() error {
		out, _, err := p.Kubectl(t, failed...)
		if err == nil && !strings.Contains(out, `denied the request: spec.volumes[docker].hostPath.path: hostPath "/var/run/docker.sock" `+instead) {
			err = errors.New(out)
		}
		return err
	})
	p.kubectl(t, failed...)
}

// eventsAreShipped looks at everything that has happened so far, once the controllers have said their last word.
func (p *platform) eventsAreShipped(t *testing.T) {
	if p.collector == nil {
		t.Skip("without OpenSearch, this chapter is left out")
	}
	series := `kube_event_occurrences_total{component="replicaset-controller",kind="ReplicaSet",namespace="shop",reason="FailedCreate",type="Warning"}`
	p.await(t, "a metric of the refusals", func() error { return p.metric(t, series) })

	require.NoError(t, p.ControllerManager.Stop())
	stored := events.Settled(t, p.Cluster)
	p.await(t, "all documents", func() error { return events.Differ(stored, events.Indexed(t, p.node, "k8s-events*")) })
	t.Logf("etcd holds %d Events, and the index the same, each once and with the same count", len(stored))
	require.Contains(t, p.search(t, "hostPath"), `spec.volumes[docker].hostPath.path: hostPath "/var/run/docker.sock" `+instead)
	require.NoError(t, p.collector.Stop())
}

// etcdIsRead leaves the API server without its etcd. What it said about every object before, the files of etcd have to
// say too.
func (p *platform) etcdIsRead(t *testing.T) {
	require.NoError(t, p.ControllerManager.Stop()) // which may have been done
	p.deleted = p.kubectl(t, "get", "configmap/redis", "--namespace=shop", "--output=yaml")
	p.kubectl(t, "delete", "configmap/redis", "--namespace=shop") // by mistake
	said := p.everything(t)
	p.Etcd.Kill()
	t.Log("etcd is killed")
	p.refused(t, "get", "secret/redis", "--namespace=shop", "--request-timeout=3s")

	read := p.decoded(t)
	requireSame(t, said, read)
	requireNotInFiles(t, p.EtcdDataDir, password)

	list := p.run(t, "etcddecode", "list", "-l", "-n", "shop", "--resource", "secrets", "-f", p.EtcdDataDir, "--encryption-config", p.EncryptionConfigFile)
	require.Contains(t, list, " secretbox:v1:2026-11 ")
	secret := []string{"get", "secrets", "redis", "-n", "shop", "-f", p.EtcdDataDir, "--encryption-config", p.EncryptionConfigFile}
	require.Contains(t, p.run(t, "etcddecode", secret...), "password: <redacted>")
	require.Contains(t, p.run(t, "etcddecode", append(secret, "--show-secrets")...), "password: "+base64Of(password))
	history := p.run(t, "etcddecode", "history", "--diff", "/registry/configmaps/shop/redis", "-f", p.EtcdDataDir, "--encryption-config", p.EncryptionConfigFile)
	require.Regexp(t, `(?s)^# revision \d+: created, .*# revision \d+: deleted\n$`, history)
}

func (p *platform) deletedIsRestored(t *testing.T) {
	manifest := p.run(t, "etcddecode", "undelete", "-n", "shop", "-f", p.EtcdDataDir, "--encryption-config", p.EncryptionConfigFile)
	require.NoError(t, p.Etcd.Start(t.Context()))
	p.await(t, "the API server has its etcd back", func() error {
		_, _, err := p.Kubectl(t, "get", "--raw=/readyz")
		return err
	})
	require.NoError(t, p.ControllerManager.Start(t.Context()))
	p.kubectlWith(t, manifest, "apply", "-f", "-")
	restored := p.kubectl(t, "get", "configmap/redis", "--namespace=shop", "--output=yaml")
	require.Equal(t, content(t, p.deleted), content(t, restored))

	p.kubectl(t, "scale", "statefulset/redis", "--namespace=shop", "--replicas=4")
	p.await(t, "a fourth Pod", func() error { return p.pods(t, "app=redis", 4) })
	address := p.kubectl(t, "get", "pod/redis-3", "--namespace=shop", `--output=jsonpath={.metadata.annotations.cni\.projectcalico\.org/ipAddrs}`)
	require.Equal(t, `["10.20.0.13"]`, address)
}

// addressIsReplaced takes the caller billing through the phases of examples/signedapi. Its key is a Secret of the cluster,
// and so is its mode.
func (p *platform) addressIsReplaced(t *testing.T) {
	o := p.startOrders(t)
	whitelisted, moved := o.proxy(t, "127.0.0.2"), o.proxy(t, "127.0.0.3")

	t.Log("phase 1: the address decides, so that a caller whose address changes is refused")
	o.call(t, "200 OK", whitelisted)
	o.call(t, "401 Unauthorized", moved)

	t.Log("phase 2: a signature is accepted as well, from any address")
	o.mode(t, "either")
	o.call(t, "200 OK", moved, "-key-file="+o.key)
	o.call(t, "401 Unauthorized", moved)
	o.call(t, "100 × 200 OK", moved, "-key-file="+o.key, "-n=100", "-parallel=4")
	o.ready(t, "billing: ready for either -> report\n")

	t.Log("phase 3: what relies on the address is found, and then the address leaves the list")
	o.mode(t, "report")
	require.Contains(t, o.call(t, "200 OK", whitelisted), "Sunset: Fri, 15 Jan 2027")
	require.Contains(t, o.notReady(t), `rule egress-proxy-a: 2 requests relied on its address alone`)
	o.ready(t, "billing: ready for report -> signature\n")
	o.mode(t, "signature")
	o.call(t, "401 Unauthorized", whitelisted)
	o.call(t, "200 OK", whitelisted, "-key-file="+o.key)
	o.noRules(t)
	o.call(t, "200 OK", moved, "-key-file="+o.key)
	report := p.run(t, "signedapi", "report", o.report())
	require.Regexp(t, `billing +signature +10[3-9] `, report)
	require.NotContains(t, report, "egress-proxy-a", "the address is on no list")
}

// pods is an error unless there are so many Pods.
func (p *platform) pods(t *testing.T, selector string, want int) error {
	t.Helper()
	out, _, err := p.Kubectl(t, "get", "pods", "--namespace=shop", "--selector="+selector, "--output=name")
	if got := strings.Count(out, "\n"); err == nil && got != want {
		err = fmt.Errorf("%d Pods, want %d:\n%s", got, want, out)
	}
	return err
}

// patience is for a machine that is slow and busy; none of what is waited for takes more than seconds on a quiet one.
const patience = 2 * time.Minute
