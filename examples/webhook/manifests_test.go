package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	arv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// decodeAll decodes the objects of a text as strictly as kubectl asks the API server to.
func decodeAll(t *testing.T, text []byte) []runtime.Object {
	t.Helper()
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		require.NoError(t, err)
		o, _, err := strict.Decode(document, nil, nil)
		require.NoError(t, err, "%s", document)
		objects = append(objects, o)
	}
}

// shipped returns the objects of manifests/kustomization.yaml.
func shipped(t *testing.T) []runtime.Object {
	t.Helper()
	text, err := os.ReadFile("manifests/kustomization.yaml")
	require.NoError(t, err)
	var k struct{ Resources []string }
	require.NoError(t, yaml.Unmarshal(text, &k))
	files, err := filepath.Glob("manifests/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		if name := filepath.Base(file); name != "kustomization.yaml" && name != "cert-manager.yaml" {
			require.Contains(t, k.Resources, name)
		}
	}
	var objects []runtime.Object
	for _, name := range k.Resources {
		text, err := os.ReadFile(filepath.Join("manifests", name))
		require.NoError(t, err)
		objects = append(objects, decodeAll(t, text)...)
	}
	return objects
}

func one[T runtime.Object](t *testing.T) T {
	t.Helper()
	var found []T
	for _, o := range shipped(t) {
		if o, ok := o.(T); ok {
			found = append(found, o)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

// TestConfigMap keeps the ConfigMap equal to default.yaml; -update writes it.
func TestConfigMap(t *testing.T) {
	const head = `# default.yaml, word for word: "go test ./examples/webhook -update" writes it anew. After a change of yours, restart the Pods:
# kubectl -n kubewright-webhook rollout restart deployment webhook
apiVersion: v1
kind: ConfigMap
metadata:
  name: webhook
  namespace: kubewright-webhook
  labels:
    app.kubernetes.io/name: kubewright-webhook
data:
  config.yaml: |
`
	if *update {
		text := head
		for line := range strings.Lines(string(defaultConfig)) {
			text += strings.TrimRight("    "+line, " \n") + "\n"
		}
		require.NoError(t, os.WriteFile("manifests/configmap.yaml", []byte(text), 0o644))
	}
	require.Equal(t, string(defaultConfig), one[*corev1.ConfigMap](t).Data["config.yaml"], "run with -update if default.yaml is right")
}

// TestManifestsFitTogether checks what no schema does: names that must be the same in several places.
func TestManifestsFitTogether(t *testing.T) {
	deployment, service, role := one[*appsv1.Deployment](t), one[*corev1.Service](t), one[*rbacv1.ClusterRole](t)
	require.Equal(t, defaultNamespace, one[*corev1.Namespace](t).Name)
	require.Equal(t, defaultNamespace+"/"+defaultService, service.Namespace+"/"+service.Name)
	labels := deployment.Spec.Template.Labels
	for _, selector := range []map[string]string{service.Spec.Selector, deployment.Spec.Selector.MatchLabels, one[*policyv1.PodDisruptionBudget](t).Spec.Selector.MatchLabels} {
		for key, value := range selector {
			require.Equal(t, value, labels[key])
		}
	}
	c, err := parseConfig(defaultConfig)
	require.NoError(t, err)
	require.Equal(t, []string{c.Name}, role.Rules[0].ResourceNames)
	require.Equal(t, rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"statefulsets"}, Verbs: []string{"get"}}, role.Rules[2], "what clusterSets asks for")
	for _, o := range shipped(t) {
		if o := o.(metav1.Object); o.GetNamespace() != "" {
			require.Equal(t, defaultNamespace, o.GetNamespace())
		}
	}
	spec := deployment.Spec.Template.Spec
	require.Equal(t, one[*corev1.ServiceAccount](t).Name, spec.ServiceAccountName)
	require.Equal(t, one[*corev1.ConfigMap](t).Name, spec.Volumes[0].ConfigMap.Name)
	var secret corev1.Secret
	require.NoError(t, yaml.UnmarshalStrict([]byte(invoke(t, "", "certs").out), &secret))
	require.Equal(t, secret.Name, spec.Volumes[1].Secret.SecretName)
	require.Equal(t, secret.Namespace, deployment.Namespace)
}

// TestDeploymentArguments starts nothing, but reads the arguments as serve does.
func TestDeploymentArguments(t *testing.T) {
	spec := one[*appsv1.Deployment](t).Spec.Template.Spec
	args := spec.Containers[0].Args
	require.Equal(t, "serve", args[0])
	o, err := parseServe(args[1:], streams{})
	require.NoError(t, err)
	require.True(t, o.install)
	require.Equal(t, "webhook.kubewright-webhook.svc", o.target.host())
	mounts := spec.Containers[0].VolumeMounts
	require.Equal(t, mounts[0].MountPath, filepath.Dir(o.config))
	require.Equal(t, mounts[1].MountPath, filepath.Dir(o.files.cert))
	require.Greater(t, *spec.TerminationGracePeriodSeconds, int64(o.drainDelay.Seconds())+30)
}

// TestOwnManifestsPass judges the webhook by its own policies, all of them denying.
func TestOwnManifestsPass(t *testing.T) {
	strict := strings.NewReplacer("action: warn", "action: deny", "action: audit", "action: deny").Replace(string(defaultConfig))
	r := invoke(t, "", "review", "-f", "manifests/deployment.yaml", "-config", writeFile(t, "c.yaml", strict))
	require.Zero(t, r.code, r.out)
	require.Equal(t, "manifests/deployment.yaml: Deployment kubewright-webhook/webhook: allowed\n1 allowed, 0 denied, 0 skipped, 0 unreadable\n", r.out)
}

// TestPodSecurityRestricted is what the namespace's label demands, as far as the policies do not.
func TestPodSecurityRestricted(t *testing.T) {
	require.Equal(t, "restricted", one[*corev1.Namespace](t).Labels["pod-security.kubernetes.io/enforce"])
	spec := one[*appsv1.Deployment](t).Spec.Template.Spec
	c := spec.Containers[0].SecurityContext
	require.True(t, *spec.SecurityContext.RunAsNonRoot)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, spec.SecurityContext.SeccompProfile.Type)
	require.False(t, *c.AllowPrivilegeEscalation)
	require.True(t, *c.ReadOnlyRootFilesystem)
	require.Equal(t, []corev1.Capability{"ALL"}, c.Capabilities.Drop)
}

func TestKustomization(t *testing.T) {
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip(err)
	}
	out, err := exec.CommandContext(t.Context(), "kubectl", "kustomize", "manifests").Output()
	require.NoError(t, err)
	require.Len(t, decodeAll(t, out), len(shipped(t)))
}

// TestCertManager checks the names; its types are not ours.
func TestCertManager(t *testing.T) {
	text, err := os.ReadFile("manifests/cert-manager.yaml")
	require.NoError(t, err)
	documents := strings.Split(string(text), "\n---\n")
	require.Len(t, documents, 4)
	var certificate struct {
		Spec struct {
			SecretName string
			DNSNames   []string `json:"dnsNames"`
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(documents[3]), &certificate))
	require.Equal(t, "webhook-tls", certificate.Spec.SecretName)
	require.Contains(t, certificate.Spec.DNSNames, (&target{namespace: defaultNamespace, service: defaultService}).host())
}

func TestManifestsCommand(t *testing.T) {
	r := invoke(t, "", "manifests")
	require.Zero(t, r.code, r.err)
	require.Contains(t, r.err, "note: without -ca there is no caBundle")
	require.Equal(t, 1, strings.Count(r.err, "/scale: "), "one note for all: %s", r.err)
	golden(t, "manifests.yaml", r.out)
	decodeAll(t, []byte(r.out))

	ca := writeFile(t, "ca.crt", "comment\n"+string(must(newPairFor(t)).ca))
	r = invoke(t, "", "manifests", "-ca", ca, "-url", "https://192.0.2.1:8443/", "-config", writeFile(t, "c.yaml", minimal))
	require.Zero(t, r.code, r.err)
	objects := decodeAll(t, []byte(r.out))
	require.Len(t, objects, 1, "nothing mutates")
	w := objects[0].(*arv1.ValidatingWebhookConfiguration).Webhooks[0]
	require.Equal(t, "https://192.0.2.1:8443/validate", *w.ClientConfig.URL)
	require.True(t, slices.Equal(parseBundle(must(os.ReadFile(ca))), parseBundle(w.ClientConfig.CABundle)))

	r = invoke(t, "", "manifests", "-config", writeFile(t, "ip.yaml", minimal+"staticIP: {enabled: true}\n"))
	require.Zero(t, r.code, r.err)
	require.NotContains(t, r.err, "pods/", "they are sent")

	r = invoke(t, "", "manifests", "-service-namespace", "ns", "-service-name", "s", "-service-port", "8443")
	service := decodeAll(t, []byte(r.out))[0].(*arv1.MutatingWebhookConfiguration).Webhooks[0].ClientConfig.Service
	require.Equal(t, "ns/s", service.Namespace+"/"+service.Name)
	require.EqualValues(t, 8443, *service.Port)
}
