package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// sidecarsConfig is fixedConfig without fixed addresses, with features that namespaces decide about.
const sidecarsConfig = `
name: ` + exampleName + `
podDefaults:
  annotations: {policies.example.com/reviewed: "true"}
policies: {host-path: {action: deny, options: {allow: [{pathPrefix: /var/lib/lxcfs, readOnly: true}]}}}
sidecars:
  readNamespaces: true
  optIn: [debug]
  log: {image: registry.example.com/filebeat:8.19.3, output: {logstash: {hosts: ["logstash.example.com:5044"]}}}
  lxcfs: {}
  timezone: {}
  debug: {}
`

const wishfulPod = `{apiVersion: v1, kind: Pod, metadata: {generateName: web-, labels: {app: web}, annotations: {
  sidecar.kubewright.io/log.paths: /srv/log/*.log, sidecar.kubewright.io/lxcfs: "true", sidecar.kubewright.io/debug: probes}},
  spec: {containers: [{name: app, image: registry.example.com/app:1, livenessProbe: {exec: {command: ["true"]}},
    securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}}]}}`

// testNamespacesDecide changes a namespace of the real API server while the webhook runs: its labels, its annotations and
// its Pod Security level count for the next Pod.
func testNamespacesDecide(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	namespace := c.Namespace(t)
	change := func(what string, values ...string) {
		t.Helper()
		c.MustKubectl(t, append([]string{what, "namespace", namespace, "--overwrite"}, values...)...)
	}
	create := func() (features, warnings string) {
		t.Helper()
		out, stderr, err := c.WithStdin(wishfulPod).Kubectl(t, "create", "--output=json", "--namespace="+namespace, "-f", "-")
		require.NoError(t, err)
		pod := &corev1.Pod{}
		require.NoError(t, json.Unmarshal([]byte(out), pod))
		return featuresOf(pod), stderr
	}
	got, warnings := create()
	require.Equal(t, "log lxcfs", got)
	require.Contains(t, warnings, "debug was not injected: it is off in this namespace")

	change("label", "sidecar.kubewright.io/log=off", "sidecar.kubewright.io/debug=on")
	change("annotate", "sidecar.kubewright.io/timezone=Asia/Tokyo")
	got, warnings = create()
	require.Equal(t, "lxcfs TZ=Asia/Tokyo debug", got)
	require.Contains(t, warnings, "log was not injected: it is off in this namespace")

	change("label", "sidecar.kubewright.io/log=on", "sidecar.kubewright.io/debug-", "pod-security.kubernetes.io/enforce=restricted")
	change("annotate", "sidecar.kubewright.io/timezone=Europe/Berlin")
	got, warnings = create()
	require.Equal(t, "log TZ=Europe/Berlin", got)
	require.Contains(t, warnings, "lxcfs was not injected: it takes hostPath volumes, which Pod Security level restricted forbids")

	change("annotate", "sidecar.kubewright.io/timezone=?")
	_, _, err := c.WithStdin(wishfulPod).Kubectl(t, "create", "--namespace="+namespace, "-f", "-")
	wrong := `sidecar.kubewright.io/timezone="?": write a name of the IANA database such as Europe/Berlin (the Pod has it by default, from its namespace`
	require.ErrorContains(t, err, wrong)
	_, _, err = c.WithStdin(workload("Deployment", "web", good)).Kubectl(t, "create", "--namespace="+namespace, "-f", "-")
	require.ErrorContains(t, err, wrong, "templates are judged by it too")
	change("annotate", "sidecar.kubewright.io/timezone-")
	got, _ = create()
	require.Equal(t, "log", got)
}

// featuresOf says in words what was injected into the Pod.
func featuresOf(pod *corev1.Pod) string {
	var features []string
	app := pod.Spec.Containers[0]
	for _, c := range pod.Spec.InitContainers {
		features = append(features, strings.TrimSuffix(c.Name, "-shipper"))
	}
	for _, m := range app.VolumeMounts {
		if m.MountPath == "/proc/meminfo" {
			features = append(features, "lxcfs")
		}
	}
	for _, v := range app.Env {
		features = append(features, v.Name+"="+v.Value)
	}
	if app.LivenessProbe == nil {
		features = append(features, "debug")
	}
	return strings.Join(features, " ")
}

func writeSidecarsConfig(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(sidecarsConfig), 0o600))
	return file
}
