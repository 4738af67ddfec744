package policy

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/admission"
)

func TestRegister(t *testing.T) {
	require.Nil(t, Register())
	require.Len(t, Register(mustCheck(t, HostPort{}), mustCheck(t, HostPath{})), len(carriers(corev1.PodSpec{})))
}

// A legacy Pod breaks the rule about host ports, which cannot be changed in place.
const legacy = `{containers: [{name: app, image: "app:1", ports: [{containerPort: 80, hostPort: 80}],
  resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}}, {name: b, image: "b:1"}]}`

func TestJudgePod(t *testing.T) {
	const port = "spec.containers[app].ports[0].hostPort"
	for _, tc := range []struct {
		name   string
		check  checker
		change func(*corev1.Pod) // nil: CREATE
		want   []string
	}{
		{"create", HostPort{}, nil, []string{port}},
		{"nothing", HostPort{}, func(*corev1.Pod) {}, nil},
		{"label", HostPort{}, func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} }, nil},
		{"finalizer", HostPort{}, func(p *corev1.Pod) { p.Finalizers = []string{"example.com/x"} }, nil},
		{"status", HostPort{}, func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }, nil},
		{"toleration", HostPort{}, func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{{Key: "k"}} }, nil},
		{"scheduling gate", HostPort{}, func(p *corev1.Pod) { p.Spec.SchedulingGates = nil }, nil},
		{"image", HostPort{}, func(p *corev1.Pod) { p.Spec.Containers[1].Image = "b:2" }, []string{port}},
		{
			"init container",
			HostPort{},
			func(p *corev1.Pod) { p.Spec.InitContainers = []corev1.Container{{Name: "i"}} },
			[]string{port},
		},
		{
			"ephemeral container",
			HostPort{},
			func(p *corev1.Pod) { p.Spec.EphemeralContainers = ephemeral("debug", "busybox:1") },
			[]string{port},
		},
		{
			"resize that breaks no rule",
			HostPort{},
			func(p *corev1.Pod) { delete(p.Spec.Containers[0].Resources.Limits, corev1.ResourceMemory) }, nil,
		},
		{
			"resize that breaks one",
			Resources{},
			func(p *corev1.Pod) { delete(p.Spec.Containers[0].Resources.Limits, corev1.ResourceMemory) },
			[]string{"spec.containers[app].resources.limits[memory]"},
		},
		{"mirror", HostPort{}, func(p *corev1.Pod) {
			p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"}
			p.Spec.Containers[1].Image = "b:2"
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pod := parsePod(t, legacy)
			var old *corev1.Pod
			if tc.change != nil {
				old = pod.DeepCopy()
				tc.change(pod)
			}
			got := judgePod(mustCheck(t, tc.check))(t.Context(), nil, pod, old)
			require.Equal(t, tc.want, fields(got))
		})
	}
}

func TestJudgePodEphemeral(t *testing.T) {
	judge := judgePod(mustCheck(t, HostPort{}))
	old := parsePod(t, legacy)
	old.Spec.EphemeralContainers = ephemeral("debug", "busybox:1")
	require.Empty(t, judge(t.Context(), nil, old.DeepCopy(), old), "the same as before")
	other := old.DeepCopy()
	other.Spec.EphemeralContainers[0].Image = "busybox:2"
	require.NotEmpty(t, judge(t.Context(), nil, other, old), "another image")
}

func ephemeral(name, image string) []corev1.EphemeralContainer {
	return []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: name, Image: image}}}
}

func TestJudgePodOnDelete(t *testing.T) {
	require.Nil(t, judgePod(mustCheck(t, HostPort{}))(t.Context(), nil, nil, parsePod(t, legacy)))
}

// A check may return the same slice each time.
func TestJudgePodLeavesFindingsAlone(t *testing.T) {
	shared := []admission.Finding{{Rule: "x", Field: "a"}, {Rule: "x", Field: "b"}}
	c := Check{Name: "x", Evaluate: func(s Subject) []admission.Finding {
		if s.Meta.Name == "old" {
			return shared[:1]
		}
		return shared
	}}
	old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "old"}}
	require.Equal(t, []string{"b"}, fields(judgePod(c)(t.Context(), nil, &corev1.Pod{}, old)))
	require.Equal(t, []string{"a", "b"}, fields(shared))
}

func TestJudgeWorkload(t *testing.T) {
	const port = "spec.template.spec.containers[app].ports[0].hostPort"
	for _, tc := range []struct {
		name   string
		change func(*appsv1.Deployment) // nil: CREATE
		want   []string
	}{
		{"create", nil, []string{port}},
		{"scale", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(3)) }, nil},
		{"pause", func(d *appsv1.Deployment) { d.Spec.Paused = true }, nil},
		{"label", func(d *appsv1.Deployment) { d.Labels = map[string]string{"a": "b"} }, nil},
		{"status", func(d *appsv1.Deployment) { d.Status.Replicas = 3 }, nil},
		{"an empty list for none", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Volumes = []corev1.Volume{} }, nil},
		{"the same quantity, written otherwise", func(d *appsv1.Deployment) {
			d.Spec.Template.Spec.Containers[0].Resources = parseSpec(t,
				`{containers: [{resources: {requests: {cpu: 1000m, memory: 1024Mi}, limits: {memory: 1Gi}}}]}`).Containers[0].Resources
		}, nil},
		{"image", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[1].Image = "b:2" }, []string{port}},
		{"restart", func(d *appsv1.Deployment) {
			d.Spec.Template.Annotations = map[string]string{"kubectl.kubernetes.io/restartedAt": "now"}
		}, []string{port}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			obj := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: parseSpec(t, legacy)}}}
			var old *appsv1.Deployment
			if tc.change != nil {
				old = obj.DeepCopy()
				tc.change(obj)
			}
			got := judgeWorkload[appsv1.Deployment](mustCheck(t, HostPort{}))(t.Context(), nil, obj, old)
			require.Equal(t, tc.want, fields(got))
		})
	}
}

func TestJudgeWorkloadOfOtherKinds(t *testing.T) {
	c := mustCheck(t, HostPort{})
	require.Nil(t, judgeWorkload[corev1.ReplicationController](c)(t.Context(), nil, &corev1.ReplicationController{}, nil))
	require.Nil(t, judgeWorkload[batchv1.Job](c)(t.Context(), nil, nil, nil))

	cron := &batchv1.CronJob{}
	cron.Spec.JobTemplate.Spec.Template.Spec = parseSpec(t, legacy)
	resumed := cron.DeepCopy()
	resumed.Spec.Suspend = new(false)
	judge := judgeWorkload[batchv1.CronJob](c)
	require.Len(t, judge(t.Context(), nil, cron, nil), 1)
	require.Empty(t, judge(t.Context(), nil, resumed, cron))

	rc := &corev1.ReplicationController{Spec: corev1.ReplicationControllerSpec{Template: &corev1.PodTemplateSpec{Spec: parseSpec(t, legacy)}}}
	require.Len(t, judgeWorkload[corev1.ReplicationController](c)(t.Context(), nil, rc, &corev1.ReplicationController{}), 1, "there was no template before")
}

func TestWithout(t *testing.T) {
	a, b := admission.Finding{Field: "a"}, admission.Finding{Field: "b"}
	require.Equal(t, []admission.Finding{b}, without([]admission.Finding{a, b}, []admission.Finding{a}))
	require.Nil(t, without([]admission.Finding{a}, []admission.Finding{a, b}))
	require.True(t, slices.Equal([]admission.Finding{a}, without([]admission.Finding{a}, nil)))
}
