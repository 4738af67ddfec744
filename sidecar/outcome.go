package sidecar

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// Outcome is what [Set.Apply] did.
type Outcome struct {
	Applied  []string // names of injectors, in the order of their work
	Skipped  []Skip   // what the Pod asked for and did not get
	Warnings []string // for the user, as AdmissionResponse.warnings; every Skip has one too
}

// Skip says why the Pod did not get something it asked for.
type Skip struct {
	Injector string
	Reason   Reason
	Detail   string
}

// Reason is a cause of skipping, fit for the label of a counter.
type Reason string

// The reasons.
const (
	ReasonOptedOut      Reason = "opted-out"      // the annotation "inject" is "false"
	ReasonDisabled      Reason = "disabled"       // Namespace.Disabled names the injector
	ReasonNotConfigured Reason = "not-configured" // the Set has no such injector
	ReasonWindows       Reason = "windows"        // the Pod is for Windows nodes
	ReasonMirror        Reason = "mirror"         // the Pod mirrors a static one, and the kubelet would replace a changed one
	ReasonPodSecurity   Reason = "pod-security"   // Namespace.Level forbids what it takes
	ReasonRestartPolicy Reason = "restart-policy" // an ordinary container would keep a Pod that ends from ending
	ReasonNoTarget      Reason = "no-target"      // no container of the Pod can have it
)

func (e *edit) skip(injector string, reason Reason, detail string) {
	e.outcome.Skipped = append(e.outcome.Skipped, Skip{injector, reason, detail})
	e.warn(injector + " was not injected: " + detail)
}

func (e *edit) warn(text string) { e.outcome.Warnings = append(e.outcome.Warnings, text) }

func (e *edit) applied(injector string) { e.outcome.Applied = append(e.outcome.Applied, injector) }

// wouldHang deals with an injector of ordinary containers in a Pod that is to end, such as a Job's. What the Pod itself
// asks for is an error; a default for all Pods of a namespace should not keep its Jobs out.
func (e *edit) wouldHang(injector, key string) bool {
	policy := e.pod.Spec.RestartPolicy
	if policy == "" || policy == corev1.RestartPolicyAlways {
		return false
	}
	detail := fmt.Sprintf("the Pod has restartPolicy %s, and an ordinary container beside its own would keep it from ending", policy)
	if e.values.own[key] {
		e.refuse(key, "%s; leave the annotation out", detail)
	} else {
		e.skip(injector, ReasonRestartPolicy, detail)
	}
	return true
}
