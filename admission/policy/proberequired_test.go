package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestProbeRequired(t *testing.T) {
	const (
		liveness  = "spec.containers[app].livenessProbe: a container that runs for long needs a livenessProbe: write one with httpGet or grpc"
		readiness = "spec.containers[app].readinessProbe: a container that runs for long needs a readinessProbe: write one with httpGet or grpc"
		startup   = "spec.containers[app].startupProbe: a container that runs for long needs a startupProbe: write one with httpGet or grpc"
	)
	only := func(names ...string) ProbeRequired { return ProbeRequired{Require: names} }
	runCases(t, []specCase{
		{"none", ProbeRequired{}, `{containers: [{name: app}]}`, []string{liveness, readiness}},
		{"both", ProbeRequired{}, `{containers: [{name: app, livenessProbe: {httpGet: {port: 80}}, readinessProbe: {grpc: {port: 80}}}]}`, nil},
		{"a startup probe replaces neither", ProbeRequired{}, `{containers: [{name: app, startupProbe: {httpGet: {port: 80}}}]}`, []string{liveness, readiness}},
		{"readiness only", only("readiness"), `{containers: [{name: app}]}`, []string{readiness}},
		{"liveness only", only("liveness"), `{containers: [{name: app}]}`, []string{liveness}},
		{"all three", only("startup", "readiness", "liveness"), `{containers: [{name: app}]}`, []string{liveness, readiness, startup}},
		{
			"other kinds of containers need none",
			ProbeRequired{},
			`{initContainers: [{name: a}, {name: b, restartPolicy: Always}], ephemeralContainers: [{name: c}]}`, nil,
		},
		{"a Pod that ends", ProbeRequired{}, `{restartPolicy: Never, containers: [{name: app}]}`, nil},
		{"a Pod that ends well", ProbeRequired{}, `{restartPolicy: OnFailure, containers: [{name: app}]}`, nil},
		{"a Pod that says Always", only("liveness"), `{restartPolicy: Always, containers: [{name: app}]}`, []string{liveness}},
	})
}

func TestProbeRequiredSkipsJobs(t *testing.T) {
	c := mustCheck(t, ProbeRequired{})
	spec := parseSpec(t, `{containers: [{name: app}]}`)
	cron := &batchv1.CronJob{}
	cron.Spec.JobTemplate.Spec.Template.Spec = spec
	ofJob := &corev1.Pod{Spec: spec}
	ofJob.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "j"}}
	for _, obj := range []metav1.Object{
		&batchv1.Job{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: spec}}}, cron, ofJob,
	} {
		s, ok := SubjectOf(obj)
		require.True(t, ok)
		require.False(t, s.LongRunning)
		require.Empty(t, c.Evaluate(s))
	}
	ofReplicaSet := &corev1.Pod{Spec: spec}
	ofReplicaSet.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet"}, {APIVersion: "example.com/v1", Kind: "Job"}}
	require.Equal(t, []string{"spec.containers[app].livenessProbe", "spec.containers[app].readinessProbe"},
		fields(c.Evaluate(podSubject(ofReplicaSet))))
}

func TestProbeRequiredOptions(t *testing.T) {
	requireProblems(t, ProbeRequired{Require: []string{"liveness", "livenessProbe", ""}},
		`probe-required: require[1] "livenessProbe"`, `require[2] ""`)
}
