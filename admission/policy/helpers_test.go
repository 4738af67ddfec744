package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
)

// checker is what all options have in common.
type checker interface{ Check() (Check, error) }

func mustCheck(t testing.TB, o checker) Check {
	t.Helper()
	c, err := o.Check()
	require.NoError(t, err)
	return c
}

// parseSpec decodes a Pod's spec from YAML, strictly, so that a test cannot pass because of a misspelt field.
func parseSpec(t testing.TB, text string) corev1.PodSpec {
	t.Helper()
	var spec corev1.PodSpec
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &spec), text)
	return spec
}

func parsePod(t testing.TB, spec string) *corev1.Pod {
	t.Helper()
	return &corev1.Pod{Spec: parseSpec(t, spec)}
}

// specCase is a Pod's spec and the findings that are expected of it, as "field: message".
type specCase struct {
	name    string
	options checker
	spec    string
	want    []string
}

func runCases(t *testing.T, cases []specCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := mustCheck(t, tc.options)
			found := c.Evaluate(podSubject(parsePod(t, tc.spec)))
			if diff := cmp.Diff(tc.want, texts(found)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, f := range found {
				require.Equal(t, c.Name, f.Rule)
				require.Empty(t, f.Action)
			}
		})
	}
}

func texts(found []admission.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.Field+": "+f.Message)
	}
	return out
}

func fields(found []admission.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.Field)
	}
	return out
}

// requireFields requires the same fields of a Pod, a Deployment and a CronJob, each below its own path. Where is the
// fields' path below the spec.
func requireFields(t *testing.T, o checker, spec string, where ...string) {
	t.Helper()
	c := mustCheck(t, o)
	template := corev1.PodTemplateSpec{Spec: parseSpec(t, spec)}
	cron := &batchv1.CronJob{}
	cron.Spec.JobTemplate.Spec.Template = template
	for prefix, obj := range map[string]metav1.Object{
		"spec.":                                &corev1.Pod{Spec: template.Spec},
		"spec.template.spec.":                  &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: template}},
		"spec.jobTemplate.spec.template.spec.": cron,
	} {
		var want []string
		for _, w := range where {
			want = append(want, prefix+w)
		}
		s, ok := SubjectOf(obj)
		require.True(t, ok)
		require.Equal(t, want, fields(c.Evaluate(s)))
	}
}

// requireProblems requires that options are refused with all of the messages.
func requireProblems(t *testing.T, o checker, messages ...string) {
	t.Helper()
	c, err := o.Check()
	require.Error(t, err)
	require.Empty(t, c.Name)
	require.Nil(t, c.Evaluate)
	for _, m := range messages {
		require.ErrorContains(t, err, m)
	}
}
