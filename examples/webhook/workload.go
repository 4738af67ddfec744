package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubewright/kubewright/staticip"
)

// statefulSet is what package staticip reads of a StatefulSet, of the group apps or of one like it.
type statefulSet struct {
	metav1.PartialObjectMetadata `json:",inline"`

	Spec struct {
		Replicas            *int32                         `json:"replicas"`
		Selector            *metav1.LabelSelector          `json:"selector"`
		PodManagementPolicy appsv1.PodManagementPolicyType `json:"podManagementPolicy"`
		Ordinals            struct{ Start int32 }
		UpdateStrategy      struct {
			Type appsv1.StatefulSetUpdateStrategyType
		}
		// ReserveOrdinals are ordinals without a Pod, 3 or "3-5": OpenKruise's.
		ReserveOrdinals []intstr.IntOrString `json:"reserveOrdinals"`
		Template        struct {
			Metadata metav1.ObjectMeta
			Spec     struct {
				HostNetwork bool `json:"hostNetwork"`
			}
		}
	}
}

// setView is a StatefulSet as the webhook sees it.
type setView struct {
	staticip.Workload
	selector *metav1.LabelSelector // of its Pods
	doubt    error                 // its controller ignores some of what was meant
}

// viewFrom reads the JSON of a StatefulSet.
func viewFrom(raw []byte) (setView, error) {
	var s statefulSet
	if err := json.Unmarshal(raw, &s); err != nil {
		return setView{}, fmt.Errorf("not a StatefulSet: %w", err)
	}
	w := staticip.Workload{
		Namespace:   s.Namespace,
		Name:        s.Name,
		UID:         string(s.UID),
		Replicas:    1,
		Start:       s.Spec.Ordinals.Start,
		Parallel:    s.Spec.PodManagementPolicy == appsv1.ParallelPodManagement,
		OnDelete:    s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType,
		HostNetwork: s.Spec.Template.Spec.HostNetwork,
		Annotations: s.Annotations,
		Template:    s.Spec.Template.Metadata.Annotations,
	}
	if s.Spec.Replicas != nil {
		w.Replicas = *s.Spec.Replicas
	}
	var doubt error
	w.Skipped, doubt = reserved(s.Spec.ReserveOrdinals)
	return setView{w, s.Spec.Selector, doubt}, nil
}

// reserved reads reserveOrdinals as OpenKruise does: a string is a range, also of one ordinal, and one string that is
// none voids the list.
func reserved(list []intstr.IntOrString) (spans []staticip.Span, doubt error) {
	for _, r := range list {
		if r.Type == intstr.Int {
			spans = append(spans, staticip.Span{First: r.IntVal, Last: r.IntVal})
			continue
		}
		span, err := parseSpan(r.StrVal)
		if err != nil {
			return nil, fmt.Errorf("spec.reserveOrdinals: %w; no ordinal is reserved", err)
		}
		spans = append(spans, span)
	}
	return spans, nil
}

// viewOfAny is the same of an object of any kind.
func viewOfAny(namespace string, o *unstructured.Unstructured) (setView, error) {
	raw, err := o.MarshalJSON()
	if err != nil {
		return setView{}, err
	}
	view, err := viewFrom(raw)
	view.Namespace = namespace
	return view, err
}

func parseSpan(text string) (staticip.Span, error) {
	first, last, _ := strings.Cut(text, "-")
	a, err := strconv.ParseInt(first, 10, 32)
	b, err2 := strconv.ParseInt(last, 10, 32)
	if err != nil || err2 != nil || b < a {
		return staticip.Span{}, fmt.Errorf("%q is no range such as \"3-5\" (an ordinal alone is a number: 3, or \"3-3\")", text)
	}
	return staticip.Span{First: int32(a), Last: int32(b)}, nil //nolint:gosec // parsed as 32 bits
}

// viewOf is the same of a typed StatefulSet, as it is reviewed.
func viewOf(namespace string, s *appsv1.StatefulSet) setView {
	w := staticip.Workload{
		Namespace:   namespace,
		Name:        s.Name,
		UID:         string(s.UID),
		Replicas:    1,
		Parallel:    s.Spec.PodManagementPolicy == appsv1.ParallelPodManagement,
		OnDelete:    s.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType,
		HostNetwork: s.Spec.Template.Spec.HostNetwork,
		Annotations: s.Annotations,
		Template:    s.Spec.Template.Annotations,
	}
	if s.Spec.Replicas != nil {
		w.Replicas = *s.Spec.Replicas
	}
	if s.Spec.Ordinals != nil {
		w.Start = s.Spec.Ordinals.Start
	}
	return setView{w, s.Spec.Selector, nil}
}

// podOf is what package staticip reads of a Pod. The namespace is the request's: the Pod may not have it yet.
func podOf(namespace string, pod *corev1.Pod) staticip.Pod {
	p := staticip.Pod{
		Namespace:   namespace,
		Name:        pod.Name,
		Labels:      pod.Labels,
		Annotations: pod.Annotations,
		HostNetwork: pod.Spec.HostNetwork,
	}
	for _, o := range pod.OwnerReferences {
		p.Owners = append(p.Owners, staticip.Owner{
			APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Name, UID: string(o.UID),
			Controller: o.Controller != nil && *o.Controller,
		})
	}
	return p
}
