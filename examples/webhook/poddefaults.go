package main

import (
	"context"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/kubewright/kubewright/admission"
)

// podDefaults is the section with labels and annotations for Pods that come without them. It is the example's mutator:
// small, and yet all that a mutator must be: pure, idempotent, and never against what the user wrote.
type podDefaults struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func (d *podDefaults) addTo(f *functions) error {
	if len(d.Labels)+len(d.Annotations) == 0 {
		return nil
	}
	path := field.NewPath("podDefaults")
	problems := metav1validation.ValidateLabels(d.Labels, path.Child("labels"))
	problems = append(problems, validation.ValidateAnnotations(d.Annotations, path.Child("annotations"))...)
	if _, ok := d.Annotations[corev1.MirrorPodAnnotationKey]; ok {
		problems = append(problems, field.Forbidden(path.Child("annotations").Key(corev1.MirrorPodAnnotationKey), "it would make every Pod a mirror Pod"))
	}
	f.registrations = append(f.registrations, admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
		Namespaced().
		Mutate("pod-defaults", d.mutate))
	return problems.ToAggregate()
}

func (d *podDefaults) mutate(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
	pod.Labels = withDefaults(pod.Labels, d.Labels)
	pod.Annotations = withDefaults(pod.Annotations, d.Annotations)
	return nil
}

// withDefaults adds what is missing to a map, which it makes if it is nil.
func withDefaults(have, defaults map[string]string) map[string]string {
	for key, value := range defaults {
		if _, ok := have[key]; ok {
			continue
		}
		if have == nil {
			have = map[string]string{}
		}
		have[key] = value
	}
	return have
}
