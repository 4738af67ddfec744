package readiness

import (
	"cmp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Workload is what made a Pod.
type Workload struct{ Namespace, Kind, Name string }

// WorkloadOf is the Pod's controller. A ReplicaSet of a Deployment, told by the label pod-template-hash, stands for the
// Deployment, so that a rollout is not a new workload. A Job of a CronJob, told by the digits of its name, stands for
// the CronJob. Pods without a controller are one workload of kind Pod in each namespace.
func WorkloadOf(pod *corev1.Pod) Workload {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return Workload{Namespace: pod.Namespace, Kind: "Pod"}
	}
	w := Workload{Namespace: pod.Namespace, Kind: owner.Kind, Name: owner.Name}
	switch owner.Kind {
	case "ReplicaSet":
		if hash := pod.Labels["pod-template-hash"]; hash != "" {
			if name, ok := strings.CutSuffix(owner.Name, "-"+hash); ok {
				w.Kind, w.Name = "Deployment", name
			}
		}
	case "Job":
		name, minutes, ok := cutLast(owner.Name)
		if ok && len(minutes) >= 8 && strings.Trim(minutes, "0123456789") == "" { // minutes since 1970
			w.Kind, w.Name = "CronJob", name
		}
	}
	return w
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '-')
	if i <= 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func (w Workload) compare(v Workload) int {
	return cmp.Or(cmp.Compare(w.Namespace, v.Namespace), cmp.Compare(w.Kind, v.Kind), cmp.Compare(w.Name, v.Name))
}

// clone keeps the name without the object that it is cut from.
func (w Workload) clone() Workload {
	return Workload{strings.Clone(w.Namespace), strings.Clone(w.Kind), strings.Clone(w.Name)}
}
