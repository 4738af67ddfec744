package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// The finding as kubectl shows it, behind the name of the webhook.
const (
	deniedBy     = `admission webhook "validate.policies.example.com" denied the request: `
	podFinding   = deniedBy + `spec.volumes[etc].hostPath.path: hostPath "/etc" is not allowed`
	otherFinding = deniedBy + `spec.template.spec.volumes[etc].hostPath.path: hostPath "/etc" is not allowed`
	portFinding  = deniedBy + `spec.containers[app].ports[0].hostPort: hostPort 8080 is not allowed`
)

const reviewed = `jsonpath={.metadata.annotations.policies\.example\.com/reviewed}`

// TestWebhook is what users of the example webhook see, who start it with a kubeconfig and then use kubectl.
func TestWebhook(t *testing.T) {
	c := shared.Get(t)
	installExample(t, c)

	t.Run("a Pod is completed on its way in", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		_, stderr, err := c.WithStdin(pod("web", good)).Kubectl(t, "create", "-f", "-", in)
		require.NoError(t, err)
		require.Empty(t, stderr, "nothing to warn of")
		require.Equal(t, "true", c.MustKubectl(t, "get", "pod", "web", "--output="+reviewed, in))
	})

	t.Run("a Pod that reaches for the node is refused", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		const forbidden = `Error from server (Forbidden): error when creating "STDIN": `
		requireRefused(t, c.WithStdin(pod("web", hostPath)), forbidden+podFinding, "create", "-f", "-", in)
		requireRefused(t, c.WithStdin(pod("web", hostPort)), forbidden+portFinding, "create", "-f", "-", in)
		require.NoError(t, wantLines(c, t, 0, "get", "pods", "--output=name", in))
	})

	t.Run("all findings come at once", func(t *testing.T) {
		both := strings.Replace(hostPort, "{containers", "{hostPID: true, containers", 1)
		_, stderr, err := c.WithStdin(pod("web", both)).Kubectl(t, "create", "-f", "-", "--namespace="+c.Namespace(t))
		require.Error(t, err)
		require.Contains(t, stderr, deniedBy+"2 findings:\n- spec.containers[app].ports[0].hostPort: ")
		require.Contains(t, stderr, "\n- spec.hostPID: hostPID true shows all processes of the node")
	})

	t.Run("a workload is refused for its template", func(t *testing.T) {
		in := "--namespace=" + c.Namespace(t)
		for _, kind := range []string{"Deployment", "StatefulSet"} {
			requireRefused(t, c.WithStdin(workload(kind, "web", hostPath)), otherFinding, "create", "-f", "-", in)
		}
	})

	t.Run("an excluded namespace is left alone", func(t *testing.T) {
		out := c.WithStdin(pod("web", hostPath)).MustKubectl(t, "create", "-f", "-", "--dry-run=server", "--output="+reviewed, "--namespace=kube-system")
		require.Empty(t, out)
	})

	t.Run("what is announced is a warning", func(t *testing.T) { testWarnings(t, c) })
	t.Run("what is tried out is in the audit log", func(t *testing.T) { testAuditAnnotations(t, c) })
	t.Run("a dry run is reviewed", func(t *testing.T) { testDryRun(t, c) })
	t.Run("controllers make Pods that are mutated and admitted", func(t *testing.T) { testControllers(t, c) })
	t.Run("server-side apply is stable", func(t *testing.T) { testServerSideApply(t, c) })
	t.Run("a debug container is judged", func(t *testing.T) { testDebug(t, c) })
}

// requireRefused runs kubectl and wants it to fail with a finding.
func requireRefused(t *testing.T, client *cluster.Client, finding string, args ...string) {
	t.Helper()
	_, stderr, err := client.Kubectl(t, args...)
	require.Error(t, err)
	require.Contains(t, stderr, finding)
}

func testWarnings(t *testing.T, c *cluster.Cluster) {
	latest := strings.Replace(good, ":1.4.2", "", 1)
	_, stderr, err := c.WithStdin(pod("web", latest)).Kubectl(t, "create", "-f", "-", "--namespace="+c.Namespace(t))
	require.NoError(t, err)
	require.Equal(t, `Warning: spec.containers[app].image: image "registry.example/web" has no tag, which means latest: `+
		`add the version, as in :1.2.3 (image)`+"\n", stderr)
}

func testAuditAnnotations(t *testing.T, c *cluster.Cluster) {
	namespace := c.Namespace(t)
	patient := strings.Replace(good, "{containers", "{terminationGracePeriodSeconds: 3600, containers", 1)
	_, stderr, err := c.WithStdin(pod("patient", patient)).Kubectl(t, "create", "-f", "-", "--namespace="+namespace)
	require.NoError(t, err)
	require.Empty(t, stderr, "the client learns nothing")
	var created auditv1.Event
	cluster.Eventually(t, 10*time.Second, func() error {
		events := c.AuditEvents(t, func(e auditv1.Event) bool {
			return e.Verb == "create" && e.ObjectRef.Resource == "pods" && e.ObjectRef.Namespace == namespace
		})
		if len(events) == 0 {
			return errors.New("the audit log does not tell of the Pod")
		}
		created = events[0]
		return nil
	})
	require.Equal(t, "spec.terminationGracePeriodSeconds: terminationGracePeriodSeconds 3600 is out of bounds: write 1 to 600",
		created.Annotations["validate.policies.example.com/termination-grace"])
	require.JSONEq(t, `{"configuration": "policies.example.com", "webhook": "mutate.policies.example.com", "patchType": "JSONPatch",
		"patch": [{"op": "add", "path": "/metadata/annotations", "value": {"policies.example.com/reviewed": "true"}}]}`,
		created.Annotations["patch.webhook.admission.k8s.io/round_0_index_0"], "the whole patch")
}

func testDryRun(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	out := c.WithStdin(pod("web", good)).MustKubectl(t, "create", "-f", "-", "--dry-run=server", "--output="+reviewed, in)
	require.Equal(t, "true", out)
	requireRefused(t, c.WithStdin(pod("web", hostPath)), podFinding, "create", "-f", "-", "--dry-run=server", in)
	require.NoError(t, wantLines(c, t, 0, "get", "pods", "--output=name", in))
}

func testControllers(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(workload("Deployment", "web", good)+"---\n"+workload("StatefulSet", "db", good)).MustKubectl(t, "create", "-f", "-", in)
	cluster.Eventually(t, 30*time.Second, func() error { return wantLines(c, t, 2, "get", "pods", "--output=name", in) })
	c.MustKubectl(t, "scale", "deployment/web", "statefulset/db", "--replicas=2", in)
	// Nobody runs the Pods, so the StatefulSet waits for its first one to be ready.
	cluster.Eventually(t, 30*time.Second, func() error { return wantLines(c, t, 3, "get", "pods", "--output=name", in) })
	out := c.MustKubectl(t, "get", "pods", `--output=jsonpath={range .items[*]}{.metadata.annotations.policies\.example\.com/reviewed},{end}`, in)
	require.Equal(t, "true,true,true,", out)
	refused := c.MustKubectl(t, "get", "events", "--field-selector=reason=FailedCreate", "--output=name", in)
	require.Empty(t, refused)
}

func testServerSideApply(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	manifests := pod("web", good) + "---\n" + workload("Deployment", "web", good) + "---\n" + workload("StatefulSet", "db", good)
	client := c.WithStdin(manifests)
	apply := []string{"apply", "--server-side", "--field-manager=team", "--filename=-", in}
	client.MustKubectl(t, apply...)
	podBefore := c.MustKubectl(t, "get", "pod/web", "--show-managed-fields", "--output=yaml", in)
	require.Contains(t, podBefore, `policies.example.com/reviewed: "true"`)
	// The controllers write the status of workloads meanwhile, so of these only the spec can stay.
	specs := []string{"get", "deployment/web", "statefulset/db", "--output=jsonpath={.items[*].metadata.generation} {.items[*].spec}", in}
	specsBefore := c.MustKubectl(t, specs...)

	out, _, err := client.Kubectl(t, "diff", "--server-side", "--field-manager=team", "--filename=-", in)
	require.NoError(t, err, "there is a difference: %s", out)
	require.Equal(t, 3, strings.Count(client.MustKubectl(t, apply...), " serverside-applied\n"))
	require.Equal(t, podBefore, c.MustKubectl(t, "get", "pod/web", "--show-managed-fields", "--output=yaml", in), "not even the resourceVersion")
	require.Equal(t, specsBefore, c.MustKubectl(t, specs...))
}

// testDebug adds containers to a Pod that exists through its subresource ephemeralcontainers, as kubectl debug does.
func testDebug(t *testing.T, c *cluster.Cluster) {
	in := "--namespace=" + c.Namespace(t)
	c.WithStdin(pod("web", good)).MustKubectl(t, "create", "-f", "-", in)
	debug := []string{"debug", "pod/web", "--image=registry.example/tools:1", "--container=shell", "--attach=false", in}
	requireRefused(t, c.Client, deniedBy+"spec.ephemeralContainers[shell].securityContext.privileged: privileged true",
		append(debug, "--profile=sysadmin")...)
	c.MustKubectl(t, append(debug, "--profile=restricted")...)
	names := c.MustKubectl(t, "get", "pod", "web", "--output=jsonpath={.spec.ephemeralContainers[*].name}", in)
	require.Equal(t, "shell", names)
}
