package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	psapolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission/policy"
	"github.com/kubewright/kubewright/internal/e2e/podsecurity"
)

// riskyPods is how many Pods are made up for each check.
const riskyPods = 10_000

// pairing is a check of ours with those of Pod Security that it claims to agree with.
type pairing struct {
	name    string
	options interface{ Check() (policy.Check, error) }
	with    []standard
}

// standard is a check of Pod Security, asked for at the level it belongs to.
type standard struct {
	level api.Level
	id    psapolicy.CheckID
}

func baseline(id psapolicy.CheckID) standard   { return standard{api.LevelBaseline, id} }
func restricted(id psapolicy.CheckID) standard { return standard{api.LevelRestricted, id} }

// pairings restate the claims in package policy: each check without options, or with the one that makes it restricted.
func pairings() []pairing {
	isolation := []standard{baseline("privileged"), baseline("procMount"), baseline("windowsHostProcess")}
	noEscalation := append(slices.Clone(isolation), restricted("allowPrivilegeEscalation"))
	return []pairing{
		{"host-port", policy.HostPort{}, []standard{baseline("hostPorts")}},
		{"host-path", policy.HostPath{}, []standard{baseline("hostPathVolumes")}},
		{"host-namespaces", policy.HostNamespaces{}, []standard{baseline("hostNamespaces")}},
		{"privileged", policy.Privileged{}, isolation},
		{"privileged, no escalation", policy.Privileged{RequireNoEscalation: true}, noEscalation},
		{"capabilities", policy.Capabilities{}, []standard{baseline("capabilities_baseline")}},
		{"capabilities, restricted", policy.Capabilities{Restricted: true}, []standard{restricted("capabilities_restricted")}},
		{"probe-host", policy.ProbeHost{}, []standard{baseline("hostProbesAndHostLifecycle")}},
	}
}

// TestPoliciesAgreeWithPodSecurity gives the same Pods to our checks and to Kubernetes' own, and wants the same
// verdicts: of the Pods that the authors of the standards test them with, and of Pods that nobody thought of.
func TestPoliciesAgreeWithPodSecurity(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator()
	require.NoError(t, err)
	corpus := podsecurity.Corpus(t)
	require.Greater(t, len(corpus), 4000)
	for _, p := range pairings() {
		t.Run(p.name, func(t *testing.T) {
			check, err := p.options.Check()
			require.NoError(t, err)
			known := comparison{check: check, evaluator: evaluator, with: p.with}
			random := known
			for _, c := range corpus {
				known.compare(t, c.Pod, c.Name)
			}
			for seed := range uint64(riskyPods) {
				random.compare(t, newRiskyPod(rand.New(rand.NewPCG(seed, 4))), fmt.Sprint("seed ", seed))
			}
			known.requireBothVerdicts(t)
			random.requireBothVerdicts(t)
		})
	}
}

// comparison asks both about Pods, and counts: agreement on Pods that are all fine, or all not, would say little.
type comparison struct {
	check           policy.Check
	evaluator       *podsecurity.Evaluator
	with            []standard
	allowed, denied int
}

// allows is the verdict of Pod Security, of the newest version of its standards.
func (c *comparison) allows(t *testing.T, pod *corev1.Pod) bool {
	t.Helper()
	for _, s := range c.with {
		verdict, ok := c.evaluator.Evaluate(s.level, api.LatestVersion(), &pod.ObjectMeta, &pod.Spec)[s.id]
		require.True(t, ok, "%s is no %s check", s.id, s.level)
		if !verdict.Allowed {
			return false
		}
	}
	return true
}

// compare asks Pod Security about the Pod as the API server defaults it. Ours must say the same of that Pod, and of a
// Deployment that will make it, whose template the API server defaults less.
func (c *comparison) compare(t *testing.T, pod *corev1.Pod, which string) {
	t.Helper()
	template := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: pod.Spec}}}
	defaulted := pod.DeepCopy()
	fillHostPorts(&defaulted.Spec)
	want := c.allows(t, defaulted)
	if want {
		c.allowed++
	} else {
		c.denied++
	}
	for _, object := range []metav1.Object{defaulted, template} {
		subject, ok := policy.SubjectOf(object)
		require.True(t, ok)
		if found := c.check.Evaluate(subject); want != (len(found) == 0) {
			text, err := yaml.Marshal(object)
			require.NoError(t, err)
			require.Fail(t, "no agreement", "%s: Pod Security allows: %t, findings: %v\n%s", which, want, found, text)
		}
	}
}

func (c *comparison) requireBothVerdicts(t *testing.T) {
	t.Helper()
	t.Logf("%d allowed, %d refused", c.allowed, c.denied)
	require.NotZero(t, c.allowed)
	require.NotZero(t, c.denied)
}

// fillHostPorts is the API server's default for Pods with hostNetwork. It comes before admission.
func fillHostPorts(spec *corev1.PodSpec) {
	if !spec.HostNetwork {
		return
	}
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				if port := &containers[i].Ports[j]; port.HostPort == 0 {
					port.HostPort = port.ContainerPort
				}
			}
		}
	}
}
