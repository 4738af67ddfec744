package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/policy"
	"github.com/kubewright/kubewright/sidecar"
)

// sidecars is the section with what Pods can ask for by annotation: package sidecar as an admission webhook. A feature
// that is not configured is not to be had.
type sidecars struct {
	Prefix         string        `json:"prefix"`
	ReadNamespaces bool          `json:"readNamespaces"`
	OptIn          []string      `json:"optIn"`
	PodSecurity    sidecar.Level `json:"podSecurity"`

	Log      *sidecar.Filebeat    `json:"log"`
	LXCFS    *sidecar.LXCFS       `json:"lxcfs"`
	FakeTime *sidecar.FakeTime    `json:"faketime"`
	CPUs     *sidecar.CPUCount    `json:"cpus"`
	TimeZone *sidecar.TimeZone    `json:"timezone"`
	Hosts    *sidecar.HostAliases `json:"hosts"`
	Debug    *sidecar.Debug       `json:"debug"`
	Custom   []sidecar.Sidecar    `json:"custom"`

	namespaces namespaceReader // where namespaces are read: set before a handler is made that answers
}

// sidecarRule is the rule of what is wrong, sidecarNote that of what the user should know.
const (
	sidecarRule = "sidecars"
	sidecarNote = "sidecar-note"
)

// injectors are those that are configured.
func (s *sidecars) injectors() (list []sidecar.Injector) {
	list = optional(list, s.Log)
	list = optional(list, s.LXCFS)
	list = optional(list, s.FakeTime)
	list = optional(list, s.CPUs)
	list = optional(list, s.TimeZone)
	list = optional(list, s.Hosts)
	list = optional(list, s.Debug)
	for _, c := range s.Custom {
		list = append(list, c)
	}
	return list
}

func optional[T sidecar.Injector](list []sidecar.Injector, i *T) []sidecar.Injector {
	if i == nil {
		return list
	}
	return append(list, *i)
}

// set is the section with everything checked; nil if nothing is configured.
func (s *sidecars) set() (*injection, error) {
	injectors := s.injectors()
	if len(injectors) == 0 {
		return nil, nil
	}
	set, err := sidecar.New(s.Prefix, injectors...)
	if err != nil {
		return nil, fmt.Errorf("sidecars: %w", err)
	}
	switch s.PodSecurity {
	case "", sidecar.LevelPrivileged, sidecar.LevelBaseline, sidecar.LevelRestricted:
	default:
		return nil, fmt.Errorf("sidecars: podSecurity %q: write privileged, baseline or restricted", s.PodSecurity)
	}
	n := &injection{
		Set: set, prefix: orDefault(s.Prefix, sidecar.DefaultPrefix), optIn: s.OptIn,
		level: s.PodSecurity, namespaces: s.namespaces, read: s.ReadNamespaces,
	}
	for _, i := range injectors {
		n.names = append(n.names, i.Name())
	}
	for _, name := range s.OptIn {
		if !slices.Contains(n.names, name) {
			return nil, fmt.Errorf("sidecars: optIn: %q is not configured: write some of %s", name, strings.Join(n.names, ", "))
		}
	}
	if len(s.OptIn) > 0 && !s.ReadNamespaces {
		return nil, errors.New("sidecars: optIn: these would be off everywhere; write readNamespaces: true, so that the labels of namespaces can switch them on")
	}
	return n, nil
}

// addTo registers one mutator of Pods, and a validator of what makes Pods: a wrong annotation in a template is better
// refused when the template is applied than with every Pod that its controller tries to make.
func (s *sidecars) addTo(f *functions) error {
	n, err := s.set()
	if n == nil || err != nil {
		return err
	}
	f.actions[sidecarNote] = admission.Warn
	f.registrations = append(f.registrations,
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Namespaced().Mutate(sidecarRule, n.mutate),
		admission.For[appsv1.Deployment](appsv1.SchemeGroupVersion.WithKind("Deployment")).Namespaced().Validate(sidecarRule, validateTemplate[appsv1.Deployment](n)),
		admission.For[appsv1.StatefulSet](appsv1.SchemeGroupVersion.WithKind("StatefulSet")).Namespaced().Validate(sidecarRule, validateTemplate[appsv1.StatefulSet](n)),
		admission.For[appsv1.DaemonSet](appsv1.SchemeGroupVersion.WithKind("DaemonSet")).Namespaced().Validate(sidecarRule, validateTemplate[appsv1.DaemonSet](n)),
		admission.For[batchv1.Job](batchv1.SchemeGroupVersion.WithKind("Job")).Namespaced().Validate(sidecarRule, validateTemplate[batchv1.Job](n)),
		admission.For[batchv1.CronJob](batchv1.SchemeGroupVersion.WithKind("CronJob")).Namespaced().Validate(sidecarRule, validateTemplate[batchv1.CronJob](n)),
	)
	return nil
}

// injection is the set of injectors with what decides where they are on.
type injection struct {
	*sidecar.Set
	prefix     string
	names      []string
	optIn      []string
	level      sidecar.Level // of namespaces that do not say
	read       bool
	namespaces namespaceReader
}

func (n *injection) mutate(ctx context.Context, req *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
	ns, err := n.namespace(ctx, req.Namespace)
	if err != nil {
		return err
	}
	out, outcome, err := n.Apply(pod, ns)
	if err != nil {
		return admission.Refuse(findings("metadata", err)...)
	}
	*pod = *out
	if len(outcome.Warnings) == 0 {
		return nil
	}
	return admission.Refuse(sidecarNotes(outcome)...) // which only warns
}

// sidecarNotes are what the user should know.
func sidecarNotes(outcome sidecar.Outcome) (list []admission.Finding) {
	for _, w := range outcome.Warnings {
		list = append(list, admission.Finding{Rule: sidecarNote, Message: w})
	}
	return list
}

// validateTemplate judges templates by the Pod that will be made of them, and tells what there is to know of it: the Pods
// are made by a controller, which has no use for warnings. What was admitted before, with other rules, may still be
// changed and scaled.
func validateTemplate[T any, P interface {
	*T
	metav1.Object
}](n *injection) admission.ValidateFunc[T] {
	return func(ctx context.Context, req *admissionv1.AdmissionRequest, obj, old *T) []admission.Finding {
		pod, at := podOfTemplate(P(obj))
		before, _ := podOfTemplate(P(old))
		same := before != nil && sameWishes(before, pod, n.prefix)
		if same && equality.Semantic.DeepEqual(before.Spec, pod.Spec) {
			return nil
		}
		ns, err := n.namespace(ctx, req.Namespace)
		if err != nil {
			return []admission.Finding{{Err: err}}
		}
		_, outcome, err := n.Apply(pod, ns)
		if err == nil {
			return sidecarNotes(outcome)
		}
		if same {
			if _, _, already := n.Apply(before, ns); already != nil {
				return nil
			}
		}
		return findings(at, err)
	}
}

// podOfTemplate is the Pod that a controller makes, but for what the controller adds, and where its metadata is.
func podOfTemplate(obj metav1.Object) (pod *corev1.Pod, metadata string) {
	s, ok := policy.SubjectOf(obj)
	if !ok || !s.Template {
		return nil, ""
	}
	return &corev1.Pod{ObjectMeta: *s.Meta, Spec: *s.Spec}, strings.TrimSuffix(s.Path, "spec") + "metadata"
}

func sameWishes(a, b *corev1.Pod, prefix string) bool {
	wishes := func(pod *corev1.Pod) map[string]string {
		out := map[string]string{}
		for key, value := range pod.Annotations {
			if strings.HasPrefix(key, prefix+"/") {
				out[key] = value
			}
		}
		return out
	}
	x, y := wishes(a), wishes(b)
	if len(x) != len(y) {
		return false
	}
	for key, value := range x {
		if other, ok := y[key]; !ok || other != value {
			return false
		}
	}
	return true
}

// findings are the annotations that can't be done.
func findings(metadata string, err error) (list []admission.Finding) {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		f := admission.Finding{Rule: sidecarRule, Message: err.Error()}
		if a, ok := errors.AsType[*sidecar.AnnotationError](err); ok && !a.Default {
			f.Field = metadata + ".annotations[" + a.Key + "]"
			f.Message = fmt.Sprintf("%q: %s", a.Value, a.Message)
		}
		list = append(list, f)
	}
	return list
}
