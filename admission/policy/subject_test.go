package policy

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// carriers returns the Pod and every workload with the same template.
func carriers(spec corev1.PodSpec) []metav1.Object {
	template := corev1.PodTemplateSpec{Spec: spec}
	cron := &batchv1.CronJob{}
	cron.Spec.JobTemplate.Spec.Template = template
	return []metav1.Object{
		&corev1.Pod{Spec: spec},
		&corev1.PodTemplate{Template: template},
		&corev1.ReplicationController{Spec: corev1.ReplicationControllerSpec{Template: &template}},
		&appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: template}},
		&appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Template: template}},
		&appsv1.DaemonSet{Spec: appsv1.DaemonSetSpec{Template: template}},
		&appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Template: template}},
		&batchv1.Job{Spec: batchv1.JobSpec{Template: template}},
		cron,
	}
}

func TestSubjectOf(t *testing.T) {
	type row struct {
		kind, path            string
		template, longRunning bool
	}
	var got []row
	for _, obj := range carriers(corev1.PodSpec{NodeName: "n"}) {
		s, ok := SubjectOf(obj)
		require.True(t, ok)
		require.NotNil(t, s.Meta)
		require.Equal(t, "n", s.Spec.NodeName)
		got = append(got, row{s.Kind, s.Path, s.Template, s.LongRunning})
	}
	const spec = "spec.template.spec"
	require.Equal(t, []row{
		{"Pod", "spec", false, true},
		{"PodTemplate", "template.spec", true, true},
		{"ReplicationController", spec, true, true},
		{"Deployment", spec, true, true},
		{"StatefulSet", spec, true, true},
		{"DaemonSet", spec, true, true},
		{"ReplicaSet", spec, true, true},
		{"Job", spec, true, false},
		{"CronJob", "spec.jobTemplate.spec.template.spec", true, false},
	}, got)
}

func TestSubjectOfNothing(t *testing.T) {
	for _, obj := range []metav1.Object{
		nil, (*corev1.Pod)(nil), (*appsv1.Deployment)(nil), &corev1.ReplicationController{}, &corev1.ConfigMap{}, &metav1.ObjectMeta{},
	} {
		s, ok := SubjectOf(obj)
		require.False(t, ok)
		require.Zero(t, s)
	}
}

func TestContainers(t *testing.T) {
	s := podSubject(parsePod(t, `{
	  initContainers: [{name: a}, {name: b, restartPolicy: Always}, {name: c, restartPolicy: Never}, {}],
	  containers: [{name: d}, {name: e, restartPolicy: Always}, {}], ephemeralContainers: [{name: f, targetContainerName: d}, {}]}`))
	var kinds []ContainerKind
	var paths []string
	for c := range s.Containers() {
		kinds = append(kinds, c.Kind)
		paths = append(paths, c.Field("image"))
	}
	require.Equal(t, []ContainerKind{Init, Sidecar, Init, Init, App, App, App, Ephemeral, Ephemeral}, kinds)
	require.Equal(t, []string{
		"spec.initContainers[a].image", "spec.initContainers[b].image", "spec.initContainers[c].image", "spec.initContainers[3].image",
		"spec.containers[d].image", "spec.containers[e].image", "spec.containers[2].image",
		"spec.ephemeralContainers[f].image", "spec.ephemeralContainers[1].image",
	}, paths)
	all := slices.Collect(s.Containers())
	require.Equal(t, "spec.containers[d]", all[4].Field(""))

	for most := range all {
		seen := 0
		for range s.Containers() {
			if seen++; seen > most {
				break
			}
		}
		require.Equal(t, most+1, seen)
	}
}

func TestProbesStopEarly(t *testing.T) {
	c := slices.Collect(podSubject(parsePod(t, `{containers: [{livenessProbe: {exec: {}, httpGet: {port: 1}, tcpSocket: {port: 1}, grpc: {port: 1}}, readinessProbe: {}, startupProbe: {}}]}`)).Containers())[0]
	for most := 1; most <= 3; most++ {
		seen := 0
		for range c.probes() {
			if seen++; seen == most {
				break
			}
		}
		require.Equal(t, most, seen)
	}
	for most := 1; most <= 4; most++ {
		seen := 0
		for range handlers(&c.LivenessProbe.ProbeHandler) {
			if seen++; seen == most {
				break
			}
		}
		require.Equal(t, most, seen)
	}
}
