package sidecar

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/sidecar"
)

// webhook serves one mutator of Pods for one namespace, and returns when the API server asks it.
func webhook(t *testing.T, c *cluster.Cluster, namespace, name string, mutate admission.MutateFunc[corev1.Pod]) *atomic.Int64 {
	t.Helper()
	asked := &atomic.Int64{}
	h, err := admission.NewHandler(admission.Options{Logger: slog.New(slog.DiscardHandler), FullVerification: true},
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Namespaced().
			Mutate("inject", func(ctx context.Context, req *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
				asked.Add(1)
				return mutate(ctx, req, pod)
			}))
	require.NoError(t, err)
	manifests, err := h.Manifests(admission.ManifestOptions{
		Name: name, URL: serve(t, c, h), CABundle: c.CABundle(),
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
	})
	require.NoError(t, err)
	text, err := yaml.Marshal(manifests.Mutating)
	require.NoError(t, err)
	c.Apply(t, string(text))
	t.Cleanup(func() { c.MustKubectl(t, "delete", "mutatingwebhookconfiguration", name, "--ignore-not-found") })
	probe := podYAML("probe", nil)
	cluster.Eventually(t, 30*time.Second, func() error {
		_, _, err := c.WithStdin(probe).Kubectl(t, "create", "-f", "-", "--dry-run=server", "--namespace="+namespace)
		if asked.Load() == 0 {
			return errors.Join(errors.New("the webhook is not asked"), err)
		}
		return nil
	})
	return asked
}

func serve(t *testing.T, c *cluster.Cluster, h *admission.Handler) (url string) {
	t.Helper()
	certificate, err := admission.NewCertificate(func() (cert, key []byte, err error) {
		pair := c.ServingCertificate(t)
		der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
	}, admission.CertificateOptions{CABundle: c.CABundle(), DNSName: "127.0.0.1"})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &admission.Server{
		Handler: h.Routes(), Certificate: certificate, ReloadInterval: time.Hour,
		Listener: listener, DrainDelay: -1, Logger: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	cluster.Eventually(t, 10*time.Second, server.Ready)
	return "https://" + listener.Addr().String()
}

// inject is the mutator that package sidecar is made for.
func inject(set *sidecar.Set, ns sidecar.Namespace) admission.MutateFunc[corev1.Pod] {
	return func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		out, _, err := set.Apply(pod, ns)
		if err != nil {
			return admission.Refuse(admission.Finding{Message: err.Error()})
		}
		*pod = *out
		return nil
	}
}

// wishes are everything that a Pod of the restricted level may have.
func wishes() map[string]string {
	return map[string]string{
		prefix + "log.paths": "/srv/log/*.log", prefix + "cpus": "2", prefix + "cpus.java": "true", prefix + "timezone": "Europe/Berlin",
		prefix + "faketime": "+1d", prefix + "faketime.libc": "glibc", prefix + "hosts": "10.0.0.1=a.corp", prefix + "sidecar.agent": "true",
	}
}

func template(annotations map[string]string) map[string]any {
	no, yes := false, true
	return map[string]any{
		"metadata": map[string]any{"labels": map[string]string{"app": "a"}, "annotations": annotations},
		"spec": map[string]any{
			"containers": []corev1.Container{{Name: "app", Image: "registry.example.com/app:1", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: &no, RunAsNonRoot: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			}}},
		},
	}
}

func podYAML(name string, annotations map[string]string) string {
	o := template(annotations)
	o["apiVersion"], o["kind"] = "v1", "Pod"
	m := o["metadata"].(map[string]any)
	if strings.HasSuffix(name, "-") {
		m["generateName"] = name
	} else {
		m["name"] = name
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// TestControllers: the Pods of every kind of controller have what their templates ask for, in a namespace that enforces
// the restricted level.
func TestControllers(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	c.MustKubectl(t, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	set := newSet(t, shipper())
	webhook(t, c, namespace, "sidecars.e2e.example", inject(set, sidecar.Namespace{Level: sidecar.LevelRestricted}))

	var text bytes.Buffer
	selector := map[string]any{"matchLabels": map[string]string{"app": "a"}}
	ends := wishes()
	delete(ends, prefix+"sidecar.agent") // an ordinary container, which would keep a Job from ending
	once := template(ends)
	once["spec"].(map[string]any)["restartPolicy"] = "Never"
	for kind, spec := range map[string]map[string]any{
		"apps/v1/Deployment":  {"selector": selector, "template": template(wishes())},
		"apps/v1/StatefulSet": {"selector": selector, "template": template(wishes()), "serviceName": "a"},
		"batch/v1/Job":        {"template": once},
		"batch/v1/CronJob":    {"schedule": "0 0 1 1 *", "jobTemplate": map[string]any{"spec": map[string]any{"template": once}}},
	} {
		i := strings.LastIndex(kind, "/")
		name := strings.ToLower(kind[i+1:])
		document, err := yaml.Marshal(map[string]any{"apiVersion": kind[:i], "kind": kind[i+1:], "metadata": map[string]string{"name": name}, "spec": spec})
		require.NoError(t, err)
		text.WriteString("---\n" + string(document))
	}
	c.WithStdin(text.String()).MustKubectl(t, "apply", "--namespace="+namespace, "-f", "-")
	c.MustKubectl(t, "create", "job", "from-cron", "--from=cronjob/cronjob", "--namespace="+namespace)
	c.WithStdin(podYAML("bare-", wishes())).MustKubectl(t, "create", "--namespace="+namespace, "-f", "-")

	for _, owner := range []string{"deployment-", "statefulset-0", "job-", "from-cron-", "bare-"} {
		var pod *corev1.Pod
		cluster.Eventually(t, 60*time.Second, func() error {
			pod = find(t, c, namespace, owner)
			if pod == nil {
				return errors.New("there is no Pod of " + owner + ": " + c.MustKubectl(t, "get", "events", "--namespace="+namespace))
			}
			return nil
		})
		require.Equal(t, []string{"faketime", "log-shipper"}, names(pod.Spec.InitContainers), owner)
		containers, grace := []string{"app", "agent"}, int64(30+5+10+2+3)
		if pod.Spec.RestartPolicy == corev1.RestartPolicyNever {
			containers, grace = containers[:1], grace-3
		}
		require.Equal(t, containers, names(pod.Spec.Containers), owner)
		require.Equal(t, grace, *pod.Spec.TerminationGracePeriodSeconds, owner)
		require.Equal(t, corev1.PodQOSBestEffort, pod.Status.QOSClass)
		again, _, err := set.Apply(pod, sidecar.Namespace{Level: sidecar.LevelRestricted})
		require.NoError(t, err)
		require.Equal(t, encode(t, pod), encode(t, again), "what is stored is stable")
		back, err := set.Eject(pod)
		require.NoError(t, err)
		require.Equal(t, []string{"app"}, names(back.Spec.Containers))
		require.Empty(t, back.Spec.InitContainers)
	}
	_, _, err := c.WithStdin(podYAML("wrong", map[string]string{prefix + "log.path": "/x"})).Kubectl(t, "create", "--namespace="+namespace, "-f", "-")
	require.ErrorContains(t, err, "did you mean sidecar.kubewright.io/log.paths?")
}

func find(t *testing.T, c *cluster.Cluster, namespace, owner string) *corev1.Pod {
	t.Helper()
	var list corev1.PodList
	require.NoError(t, json.Unmarshal([]byte(c.MustKubectl(t, "get", "pods", "--namespace="+namespace, "--output=json")), &list))
	i := slices.IndexFunc(list.Items, func(p corev1.Pod) bool { return strings.HasPrefix(p.Name, owner) })
	if i < 0 {
		return nil
	}
	return &list.Items[i]
}

func names(list []corev1.Container) (out []string) {
	for _, c := range list {
		out = append(out, c.Name)
	}
	return out
}

// TestReinvocation puts a mesh behind us, whose sidecar comes first and whose variable is in every container, and a
// LimitRange, which the API server applies to ours too. We are called again, and everybody's work is in the Pod once.
func TestReinvocation(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	c.WithStdin(`{apiVersion: v1, kind: LimitRange, metadata: {name: limits}, spec: {limits: [{type: Container, default: {cpu: "2", memory: 1Gi}, max: {cpu: "4", memory: 4Gi}}]}}`).
		MustKubectl(t, "apply", "--namespace="+namespace, "-f", "-")
	set := newSet(t, shipper())
	ours := webhook(t, c, namespace, "a.sidecars.e2e.example", inject(set, sidecar.Namespace{}))
	theirs := webhook(t, c, namespace, "b.mesh.e2e.example", mesh)
	before, beforeTheirs := ours.Load(), theirs.Load()

	out := c.WithStdin(podYAML("web-", wishes())).MustKubectl(t, "create", "--output=json", "--namespace="+namespace, "-f", "-")
	require.Equal(t, int64(2), ours.Load()-before, "the API server calls us again")
	require.GreaterOrEqual(t, theirs.Load()-beforeTheirs, int64(1))
	pod := &corev1.Pod{}
	require.NoError(t, json.Unmarshal([]byte(out), pod))
	require.Equal(t, []string{"mesh", "app", "agent"}, names(pod.Spec.Containers))
	require.Equal(t, []string{"mesh-native", "faketime", "log-shipper"}, names(pod.Spec.InitContainers), "the mesh outlives the log shipper")
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for _, container := range list {
			seen := map[string]int{}
			for _, v := range container.Env {
				seen[v.Name]++
			}
			require.Equal(t, 1, seen["MESH"], container.Name)
			require.False(t, container.Resources.Limits.Memory().IsZero(), "%s has no limit, which the LimitRange gave it", container.Name)
			require.True(t, slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool {
				return m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount"
			}), "%s has lost its token", container.Name)
		}
	}
	for _, name := range []string{"mesh", "app"} {
		i := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name })
		require.Contains(t, pod.Spec.Containers[i].Env, corev1.EnvVar{Name: "TZ", Value: "Europe/Berlin"})
	}
	require.Contains(t, pod.Annotations[prefix+"log.config"], "container.name: 'app'", "the mesh's is not the application")
	again, _, err := set.Apply(pod, sidecar.Namespace{})
	require.NoError(t, err)
	require.Equal(t, encode(t, pod), encode(t, again))
}

// mesh adds its sidecars where they are not, and a variable to every container.
func mesh(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
	spec := &pod.Spec
	if !slices.Contains(names(spec.Containers), "mesh") {
		always := corev1.ContainerRestartPolicyAlways
		spec.Containers = slices.Insert(spec.Containers, 0, corev1.Container{Name: "mesh", Image: "registry.example.com/mesh:1"})
		spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: "mesh-native", Image: "registry.example.com/mesh:1", RestartPolicy: &always})
	}
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range list {
			if !slices.ContainsFunc(list[i].Env, func(v corev1.EnvVar) bool { return v.Name == "MESH" }) {
				list[i].Env = append(list[i].Env, corev1.EnvVar{Name: "MESH", Value: "on"})
			}
		}
	}
	return nil
}
