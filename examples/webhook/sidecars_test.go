package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubewright/kubewright/admission"
)

const sidecarConfig = `name: policies.example.org
sidecars:
  readNamespaces: true
  optIn: [debug]
  log:
    image: registry.example.com/filebeat:8.19.3
    output: {logstash: {hosts: ["logstash:5044"]}}
    drain: 7s
  lxcfs: {}
  timezone: {}
  debug: {}
  custom: [{name: agent, containers: [{name: agent, image: "agent:1"}]}]
`

// newSidecars is the webhook with a cluster of some namespaces.
func newSidecars(t *testing.T, namespaces ...string) fixed {
	t.Helper()
	c, err := parseConfig([]byte(sidecarConfig))
	require.NoError(t, err)
	var stored []runtime.Object
	for _, text := range namespaces {
		stored = append(stored, fromYAML(t, text))
	}
	cluster := dynamicfake.NewSimpleDynamicClient(runtime.NewScheme(), stored...)
	c.Sidecars.namespaces = clusterNamespaces{cluster}
	h, err := c.handler(admission.Options{FullVerification: true})
	require.NoError(t, err)
	return fixed{h, cluster}
}

const (
	shopNamespace = `{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted, sidecar.kubewright.io/log: "off", sidecar.kubewright.io/debug: "on"},
  annotations: {sidecar.kubewright.io/timezone: Asia/Tokyo}}}`
	wishful = `{apiVersion: v1, kind: Pod, metadata: {generateName: a-, namespace: %s, annotations: {sidecar.kubewright.io/log.paths: /x/y/*.log, sidecar.kubewright.io/lxcfs: "true", sidecar.kubewright.io/debug: probes}},
  spec: {containers: [{name: app, image: "a:1"}]}}`
)

func (f fixed) inject(t *testing.T, req *admissionv1.AdmissionRequest) (*corev1.Pod, *admissionv1.AdmissionResponse) {
	t.Helper()
	resp, err := f.Mutating().Review(t.Context(), req)
	require.NoError(t, err)
	raw := req.Object.Raw
	if len(resp.Patch) > 0 {
		raw, err = apply(raw, resp.Patch)
		require.NoError(t, err)
	}
	pod := &corev1.Pod{}
	require.NoError(t, json.Unmarshal(raw, pod))
	return pod, resp
}

// TestSidecarsByNamespace: labels switch injectors, annotations are defaults, and the Pod Security level counts.
func TestSidecarsByNamespace(t *testing.T) {
	f := newSidecars(t, shopNamespace)
	pod, resp := f.inject(t, request(t, strings.Replace(wishful, "%s", "shop", 1), ""))
	require.Empty(t, pod.Spec.InitContainers)
	require.Equal(t, []corev1.EnvVar{{Name: "TZ", Value: "Asia/Tokyo"}}, pod.Spec.Containers[0].Env)
	require.True(t, resp.Allowed)
	require.Len(t, resp.Warnings, 2)
	require.Contains(t, resp.Warnings[0], "lxcfs was not injected: it takes hostPath volumes, which Pod Security level restricted forbids")
	require.Contains(t, resp.Warnings[1], "log was not injected: it is off in this namespace")

	elsewhere := request(t, strings.Replace(wishful, "%s", "unknown", 1), "")
	elsewhere.Namespace = "unknown"
	pod, resp = f.inject(t, elsewhere)
	require.True(t, resp.Allowed, "%v", resp.Result)
	require.Equal(t, "log-shipper", pod.Spec.InitContainers[0].Name)
	require.Len(t, pod.Spec.Containers[0].VolumeMounts, 7)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "debug was not injected: it is off in this namespace")
}

// TestSidecarsRefuse wrong annotations, with all that is wrong, in Pods and in what makes them.
func TestSidecarsRefuse(t *testing.T) {
	f := newSidecars(t)
	wrong := strings.NewReplacer("%s", "x", "probes", "all", "log.paths", "log.path").Replace(wishful)
	resp, err := f.Mutating().Review(t.Context(), request(t, wrong, ""))
	require.NoError(t, err)
	require.False(t, resp.Allowed)
	require.EqualValues(t, http.StatusForbidden, resp.Result.Code)
	for _, want := range []string{
		`metadata.annotations[sidecar.kubewright.io/debug]: "all": "all" is none of probes, hold`,
		`metadata.annotations[sidecar.kubewright.io/log.path]: "/x/y/*.log": there is no such annotation; did you mean sidecar.kubewright.io/log.paths?`,
	} {
		require.Contains(t, resp.Result.Message, want)
	}
	for kind, shape := range map[string]string{
		"apps/v1/Deployment":  `{template: %t}`,
		"apps/v1/StatefulSet": `{template: %t}`,
		"apps/v1/DaemonSet":   `{template: %t}`,
		"batch/v1/Job":        `{template: %t}`,
		"batch/v1/CronJob":    `{jobTemplate: {spec: {template: %t}}}`,
	} {
		t.Run(kind, func(t *testing.T) {
			i := strings.LastIndex(kind, "/")
			workload := func(annotations, image string) string {
				template := "{metadata: {annotations: {" + annotations + "}}, spec: {containers: [{name: app, image: " + image + "}]}}"
				return "{apiVersion: " + kind[:i] + ", kind: " + kind[i+1:] + ", metadata: {name: w, namespace: x}, spec: " + strings.Replace(shape, "%t", template, 1) + "}"
			}
			const bad = "sidecar.kubewright.io/timezone: '?'"
			review := func(text, old string) *admissionv1.AdmissionResponse {
				resp, err := f.Validating().Review(t.Context(), request(t, text, old))
				require.NoError(t, err)
				return resp
			}
			resp := review(workload(bad, "a:1"), "")
			require.False(t, resp.Allowed)
			require.Contains(t, resp.Result.Message, `template.metadata.annotations[sidecar.kubewright.io/timezone]: "?": write a name`)
			require.True(t, review(workload("sidecar.kubewright.io/timezone: UTC", "a:1"), "").Allowed)
			require.True(t, review(workload(bad, "a:2"), workload(bad, "a:1")).Allowed, "it was so before")
			require.False(t, review(workload(bad, "a:1"), workload("a: b", "a:1")).Allowed)
			require.False(t, review(workload(bad, "a:1"), workload("sidecar.kubewright.io/timezone: UTC", "a:1")).Allowed)
		})
	}
}

// TestSidecarsOfChangedTemplates: a template with the same annotations can get in their way, and who writes one is told
// what its Pods will not get. Controllers make the Pods, and show warnings to nobody.
func TestSidecarsOfChangedTemplates(t *testing.T) {
	f := newSidecars(t, shopNamespace, `{apiVersion: v1, kind: Namespace, metadata: {name: odd, annotations: {sidecar.kubewright.io/timezone: /etc}}}`)
	deployment := func(annotations, spec string) string {
		return `{apiVersion: apps/v1, kind: Deployment, metadata: {name: w, namespace: x}, spec: {template: {metadata: {annotations: {` + annotations + `}}, spec: {` + spec + `}}}}`
	}
	review := func(namespace, text, old string) *admissionv1.AdmissionResponse {
		req := request(t, text, old)
		req.Namespace = namespace
		resp, err := f.Validating().Review(t.Context(), req)
		require.NoError(t, err)
		return resp
	}
	const logs, plain = "sidecar.kubewright.io/log.paths: /x/y/*.log", `containers: [{name: app, image: "a:1"}]`
	const taken = `containers: [{name: app, image: "a:1"}, {name: log-shipper, image: "a:1"}]`
	require.True(t, review("x", deployment(logs, plain), deployment(logs, plain)).Allowed)
	resp := review("x", deployment(logs, taken), deployment(logs, plain))
	require.False(t, resp.Allowed)
	require.Contains(t, resp.Result.Message, "it needs a container named log-shipper, and the Pod has another of that name")
	require.True(t, review("x", deployment(logs, taken+", nodeName: a"), deployment(logs, taken)).Allowed, "it was so before")

	resp = review("shop", deployment(`sidecar.kubewright.io/lxcfs: "true"`, plain), "")
	require.True(t, resp.Allowed)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "lxcfs was not injected: it takes hostPath volumes, which Pod Security level restricted forbids")

	resp = review("odd", deployment("a: b", plain), "")
	require.False(t, resp.Allowed)
	require.Contains(t, resp.Result.Message, `annotation sidecar.kubewright.io/timezone="/etc": write a name of the IANA database such as Europe/Berlin (the Pod has it by default`)
	require.NotContains(t, resp.Result.Message, "metadata.annotations", "which has no such key")
	require.True(t, review("odd", deployment(`sidecar.kubewright.io/inject: "false"`, plain), "").Allowed)
}

// TestPodSecurityOfNamespacesWithoutLabel: the API server may enforce a level by default.
func TestPodSecurityOfNamespacesWithoutLabel(t *testing.T) {
	for config, injected := range map[string]bool{"": true, "podSecurity: baseline": false} {
		c, err := parseConfig([]byte("name: policies.example.org\nsidecars: {lxcfs: {}, " + config + "}\n"))
		require.NoError(t, err)
		h, err := c.handler(admission.Options{FullVerification: true})
		require.NoError(t, err)
		pod, resp := fixed{h, nil}.inject(t, request(t, `{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x, annotations: {sidecar.kubewright.io/lxcfs: "true"}}, spec: {containers: [{name: app, image: "a:1"}]}}`, ""))
		require.True(t, resp.Allowed)
		require.Equal(t, injected, len(pod.Spec.Volumes) > 0)
		require.Equal(t, injected, len(resp.Warnings) == 0)
	}
}

// TestSidecarsWithoutAnswer: what can't be looked up is left to the failurePolicy.
func TestSidecarsWithoutAnswer(t *testing.T) {
	f := newSidecars(t)
	f.cluster.PrependReactor("get", "namespaces", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("etcd is away") })
	_, err := f.Mutating().Review(t.Context(), request(t, strings.Replace(wishful, "%s", "shop", 1), ""))
	require.ErrorContains(t, err, "read Namespace shop: etcd is away")
	_, err = f.Validating().Review(t.Context(), request(t, `{apiVersion: batch/v1, kind: Job, metadata: {name: j, namespace: shop}, spec: {template: {spec: {containers: []}}}}`, ""))
	require.ErrorContains(t, err, "read Namespace shop: etcd is away")
}

// TestReviewSidecars: the namespaces of the input count, and JSON has the patch of the Pods.
func TestReviewSidecars(t *testing.T) {
	config := writeFile(t, "config.yaml", sidecarConfig)
	r := invoke(t, shopNamespace+"\n---\n"+strings.Replace(wishful, "%s", "shop", 1), "review", "-config", config, "-f", "-")
	require.Zero(t, r.code, r.err)
	require.Contains(t, r.out, "  warn  sidecar-note: log was not injected: it is off in this namespace\n")
	require.Contains(t, r.out, "+    - name: TZ\n+      value: Asia/Tokyo\n")
	r = invoke(t, "", "review", "-o", "json", "testdata/orders.yaml")
	require.Zero(t, r.code, r.err)
	var out struct{ Objects []struct{ PodPatch []any } }
	require.NoError(t, json.Unmarshal([]byte(r.out), &out))
	require.NotEmpty(t, out.Objects[0].PodPatch)
	byDefault := `{apiVersion: apps/v1, kind: Deployment, metadata: {name: w, namespace: shop}, spec: {template: {spec: {containers: [{name: app, image: "a:1"}]}}}}`
	r = invoke(t, shopNamespace+"\n---\n"+byDefault, "review", "-config", config, "-f", "-")
	require.Contains(t, r.out, "value: Asia/Tokyo\n", "which the namespace asks for")
	job := `{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {metadata: {annotations: {sidecar.kubewright.io/inject: "false"}}, spec: {containers: [{name: a, image: "a:1"}]}}}}`
	r = invoke(t, job, "review", "-config", config, "-f", "-")
	require.NotContains(t, r.out, "as admitted", "nothing is asked for")
}

func TestNamespaceOfNobody(t *testing.T) {
	meta, err := inputNamespaces{}.readNamespace(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, metav1.ObjectMeta{}, meta)
}
