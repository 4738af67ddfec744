// Package podsecurity is a second opinion for checks on Pods: Kubernetes' own Pod Security
// evaluator, check by check, and the Pods that its authors test it with.
package podsecurity

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Verdict is what one check says about a Pod.
type Verdict struct {
	Allowed bool
	Reason  string // such as "host ports"; empty if allowed
	Detail  string // such as "8080, 9090"; may be empty
}

// Evaluator runs the checks of the Pod Security Standards. It is safe for concurrent use.
type Evaluator struct{ inner policy.Evaluator }

// NewEvaluator takes the checks that Kubernetes has on by default.
func NewEvaluator() (*Evaluator, error) {
	checks := policy.DefaultChecks()
	for _, check := range checks {
		for i := range check.Versions {
			check.Versions[i].CheckPod = signed(check.ID, check.Versions[i].CheckPod)
		}
	}
	inner, err := policy.NewEvaluator(checks, nil)
	if err != nil {
		return nil, err
	}
	return &Evaluator{inner: inner}, nil
}

// Evaluate returns the verdicts of the checks that belong to a level, such as [api.LevelBaseline], in
// a version of the standards. Restricted comprises baseline, but for the checks that it replaces by
// stricter ones. To judge a workload, pass its template's metadata and spec.
func (e *Evaluator) Evaluate(level api.Level, version api.Version, metadata *metav1.ObjectMeta, spec *corev1.PodSpec) map[policy.CheckID]Verdict {
	verdicts := map[policy.CheckID]Verdict{}
	for _, result := range e.inner.EvaluatePod(api.LevelVersion{Level: level, Version: version}, metadata, spec) {
		id, reason, _ := strings.Cut(result.ForbiddenReason, signature)
		verdicts[policy.CheckID(id)] = Verdict{Allowed: result.Allowed, Reason: reason, Detail: result.ForbiddenDetail}
	}
	return verdicts
}

// Allowed is true if no check objects.
func Allowed(verdicts map[policy.CheckID]Verdict) bool {
	for _, v := range verdicts {
		if !v.Allowed {
			return false
		}
	}
	return true
}

// signature ends the check's name in a signed result. No reason holds it.
const signature = "\x00"

// signed has a check put its name before its reason. The results of the evaluator do not tell which
// check they are from, and running each check by itself would lose which ones a level replaces.
func signed(id policy.CheckID, check policy.CheckPodFn) policy.CheckPodFn {
	return func(metadata *metav1.ObjectMeta, spec *corev1.PodSpec) policy.CheckResult {
		result := check(metadata, spec)
		result.ForbiddenReason = string(id) + signature + result.ForbiddenReason
		return result
	}
}
