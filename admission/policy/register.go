package policy

import (
	"context"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
)

// Register registers the checks as validators, each under its name, for Pods and for every built-in workload that
// carries a Pod template: ReplicationController and PodTemplate (v1), Deployment, StatefulSet, DaemonSet and ReplicaSet
// (apps/v1), Job and CronJob (batch/v1). It returns nil without checks.
//
// CREATE is always judged; DELETE, status and scale never. On UPDATE:
//
//   - A Pod is judged anew when its containers or their images changed or an ephemeral container was added, as by Pod
//     Security Admission; pods/ephemeralcontainers and pods/resize are registered for that too. After any other update
//     only findings that the old Pod did not have count: a resize is refused for the memory limit that it breaks, but
//     nobody's label, finalizer or resize is refused for a host port that the Pod had before the rule came, and which
//     cannot be changed any more.
//   - A workload is judged anew when its template changed in any way, because every change of it makes new Pods, which
//     will be judged: better to refuse the Deployment than to leave it with a rollout that cannot proceed. While the
//     template is the same it is not judged, so that what was there before a rule can still be scaled, paused, labelled
//     and finished.
//
// Mirror Pods are not judged: they only show in the API what a kubelet already runs, and it runs nothing else that has
// their annotation (kubernetes.io/config.mirror). On clusters with node agents other than the kubelet, forbid the
// annotation to all but nodes.
func Register(checks ...Check) []admission.Registration {
	if len(checks) == 0 {
		return nil
	}
	pods := admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Namespaced()
	for _, c := range checks {
		pods.Validate(c.Name, judgePod(c), admission.Subresources("", "ephemeralcontainers", "resize"))
	}
	return []admission.Registration{
		pods,
		workload[corev1.PodTemplate](corev1.SchemeGroupVersion, "PodTemplate", checks),
		workload[corev1.ReplicationController](corev1.SchemeGroupVersion, "ReplicationController", checks),
		workload[appsv1.Deployment](appsv1.SchemeGroupVersion, "Deployment", checks),
		workload[appsv1.StatefulSet](appsv1.SchemeGroupVersion, "StatefulSet", checks),
		workload[appsv1.DaemonSet](appsv1.SchemeGroupVersion, "DaemonSet", checks),
		workload[appsv1.ReplicaSet](appsv1.SchemeGroupVersion, "ReplicaSet", checks),
		workload[batchv1.Job](batchv1.SchemeGroupVersion, "Job", checks),
		workload[batchv1.CronJob](batchv1.SchemeGroupVersion, "CronJob", checks),
	}
}

// carrier is a pointer to a workload.
type carrier[T any] interface {
	admission.Object[T]
	metav1.Object
}

func workload[T any, P carrier[T]](gv schema.GroupVersion, kind string, checks []Check) admission.Registration {
	k := admission.For[T, P](gv.WithKind(kind)).Namespaced()
	for _, c := range checks {
		k.Validate(c.Name, judgeWorkload[T, P](c))
	}
	return k
}

func judgePod(c Check) admission.ValidateFunc[corev1.Pod] {
	return func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, old *corev1.Pod) []admission.Finding {
		if pod == nil || isMirror(pod) {
			return nil
		}
		found := c.Evaluate(podSubject(pod))
		if len(found) == 0 || old == nil || runsOtherCode(&pod.Spec, &old.Spec) {
			return found
		}
		before := c.Evaluate(podSubject(old))
		return without(found, before)
	}
}

// without returns the findings that are not among known, in a slice of its own: found may belong to the check.
func without(found, known []admission.Finding) []admission.Finding {
	var fresh []admission.Finding
	for _, f := range found {
		if !slices.Contains(known, f) {
			fresh = append(fresh, f)
		}
	}
	return fresh
}

// judgeWorkload looks for a changed template only when there is something to say: comparing costs more than all checks
// together.
func judgeWorkload[T any, P carrier[T]](c Check) admission.ValidateFunc[T] {
	return func(_ context.Context, _ *admissionv1.AdmissionRequest, obj, old *T) []admission.Finding {
		s, ok := SubjectOf(P(obj))
		if !ok {
			return nil
		}
		found := c.Evaluate(s)
		if len(found) > 0 && sameTemplate(s, P(old)) {
			return nil
		}
		return found
	}
}

func sameTemplate(s Subject, old metav1.Object) bool {
	o, ok := SubjectOf(old)
	return ok && equality.Semantic.DeepEqual(s.Meta, o.Meta) && equality.Semantic.DeepEqual(s.Spec, o.Spec)
}

func isMirror(p *corev1.Pod) bool {
	_, ok := p.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}

// runsOtherCode reports whether an update changed the containers of a Pod or their images. Nothing else in a running
// Pod that could bring new code into it can be changed.
func runsOtherCode(pod, old *corev1.PodSpec) bool {
	return !slices.EqualFunc(pod.InitContainers, old.InitContainers, sameImage) ||
		!slices.EqualFunc(pod.Containers, old.Containers, sameImage) ||
		slices.ContainsFunc(pod.EphemeralContainers, func(c corev1.EphemeralContainer) bool {
			return !slices.ContainsFunc(old.EphemeralContainers, func(o corev1.EphemeralContainer) bool {
				return o.Name == c.Name && o.Image == c.Image
			})
		})
}

func sameImage(a, b corev1.Container) bool { return a.Image == b.Image }
