package admissiontest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/admission"
)

const podYAML = `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {owner: web-team}}
spec:
  containers:
  - name: app
    image: nginx:1.29
    ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]
    resources: {limits: {cpu: "1"}}
  - name: log
    image: fluent-bit:4.2
  tolerations: [{key: a, operator: Exists}, {key: b, operator: Exists}]
`

// latest is a Pod that the validators have something to say about.
var latestYAML = strings.NewReplacer("nginx:1.29", "nginx", "owner: web-team", "app: web",
	"image: fluent-bit:4.2", "image: fluent-bit:4.2\n    livenessProbe: {exec: {command: [cat, /ok]}}").Replace(podYAML)

// newHandler has a mutator that prepends a sidecar, and validators for Pods, Deployments and CronJobs, one for each action.
func newHandler(t testing.TB) *admission.Handler {
	t.Helper()
	return build(t, pods().Mutate("sidecar", addSidecar).Mutate("stamp", stamp))
}

func build(t testing.TB, pod *admission.Kind[corev1.Pod]) *admission.Handler {
	t.Helper()
	options := admission.Options{FullVerification: true, Logger: slog.New(slog.DiscardHandler)}
	h, err := admission.NewHandler(options, pod,
		judged(admission.For[appsv1.Deployment](appsv1.SchemeGroupVersion.WithKind("Deployment")), "spec.template.",
			func(d *appsv1.Deployment) *corev1.PodTemplateSpec { return &d.Spec.Template }),
		judged(admission.For[batchv1.CronJob](batchv1.SchemeGroupVersion.WithKind("CronJob")), "spec.jobTemplate.spec.template.",
			func(c *batchv1.CronJob) *corev1.PodTemplateSpec { return &c.Spec.JobTemplate.Spec.Template }))
	require.NoError(t, err)
	return h
}

func pods() *admission.Kind[corev1.Pod] {
	return judged(admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")), "",
		func(p *corev1.Pod) *corev1.PodTemplateSpec {
			return &corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
		})
}

func judged[T any](k *admission.Kind[T], prefix string, template func(*T) *corev1.PodTemplateSpec) *admission.Kind[T] {
	validate := func(name string, judge func(*corev1.PodTemplateSpec) []admission.Finding) {
		k.Validate(name, func(_ context.Context, _ *admissionv1.AdmissionRequest, obj, _ *T) []admission.Finding {
			found := judge(template(obj))
			for i := range found {
				found[i].Field = prefix + found[i].Field
			}
			return found
		})
	}
	validate("no-latest", noLatest)
	validate("no-exec-probe", noExecProbe)
	validate("owner", owner)
	return k
}

func noLatest(p *corev1.PodTemplateSpec) (found []admission.Finding) {
	for _, c := range p.Spec.Containers {
		if _, tag, _ := strings.Cut(c.Image, ":"); tag == "" || tag == "latest" {
			found = append(found, admission.Finding{
				Field:   "spec.containers[" + c.Name + "].image",
				Message: fmt.Sprintf("image %q moves: write a version", c.Image),
			})
		}
	}
	return found
}

func noExecProbe(p *corev1.PodTemplateSpec) (found []admission.Finding) {
	for _, c := range p.Spec.Containers {
		if c.LivenessProbe != nil && c.LivenessProbe.Exec != nil {
			found = append(found, admission.Finding{
				Field:   "spec.containers[" + c.Name + "].livenessProbe.exec",
				Message: "forks: use httpGet or grpc",
				Action:  admission.Warn,
			})
		}
	}
	return found
}

func owner(p *corev1.PodTemplateSpec) []admission.Finding {
	if p.Labels["owner"] != "" {
		return nil
	}
	return []admission.Finding{{Field: "metadata.labels[owner]", Message: "nobody owns it", Action: admission.Audit}}
}

func addSidecar(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
	if len(p.Spec.Containers) > 0 && p.Spec.Containers[0].Name == "sidecar" {
		return nil
	}
	sidecar := corev1.Container{Name: "sidecar", Image: "sidecar:1.0"}
	p.Spec.Containers = append([]corev1.Container{sidecar}, p.Spec.Containers...)
	return nil
}

func stamp(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
	metav1.SetMetaDataAnnotation(&p.ObjectMeta, "example.com/stamped", "yes")
	return nil
}

// recorder is a testing.TB that keeps failures to itself.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.TB.Context() }
func (r *recorder) Failed() bool             { return len(r.failures) > 0 }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	// cmp separates with no-break spaces now and then, so that nobody relies on its output.
	r.failures = append(r.failures, strings.ReplaceAll(fmt.Sprintf(format, args...), "\u00a0", " "))
}

func (r *recorder) text() string { return strings.Join(r.failures, "\n") }

// failures runs a case and returns what is reported.
func failures(t *testing.T, h Handler, c Case) string {
	t.Helper()
	r := &recorder{TB: t}
	Run(r, h, c)
	return r.text()
}

// requireFailure requires that a case fails with all of the texts.
func requireFailure(t *testing.T, h Handler, c Case, texts ...string) {
	t.Helper()
	got := failures(t, h, c)
	require.NotEmpty(t, got)
	for _, text := range texts {
		require.Contains(t, got, text)
	}
}
