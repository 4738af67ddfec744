package main

import (
	"context"
	"errors"
	"fmt"
	"maps"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/staticip"
)

// addresses are the functions of the section staticIP.
type addresses struct {
	options staticip.Options
	network staticip.Network
	kinds   setKinds
	sets    setReader
}

// staticIPRule is the name of the functions, and before a dot and the problem's code, of the rules of their findings.
const staticIPRule = "staticip"

func (a *addresses) registrations() []admission.Registration {
	scale := admission.For[autoscalingv1.Scale](autoscalingv1.SchemeGroupVersion.WithKind("Scale")).Namespaced().
		Validate(staticIPRule, a.scale, admission.On(admissionv1.Update))
	out := []admission.Registration{
		admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).Namespaced().
			Mutate(staticIPRule, a.assign).
			Validate(staticIPRule, a.podUpdate, admission.On(admissionv1.Update)),
		admission.For[appsv1.StatefulSet](a.kinds[0]).Namespaced().Validate(staticIPRule, a.set),
		scale,
	}
	for i, gvk := range a.kinds {
		scale.Resource(gvk.GroupVersion(), resourceOf(gvk).Resource+"/scale")
		if i > 0 {
			out = append(out, admission.For[unstructured.Unstructured](gvk).Namespaced().Validate(staticIPRule, a.otherSet))
		}
	}
	return append(out, a.others()...)
}

// set judges a StatefulSet. One that is being deleted makes no Pods any more, and nothing must keep it.
func (a *addresses) set(ctx context.Context, req *admissionv1.AdmissionRequest, obj, old *appsv1.StatefulSet) []admission.Finding {
	view := viewOf(req.Namespace, obj)
	switch {
	case obj.DeletionTimestamp != nil:
		return nil
	case old == nil:
		return a.judge(ctx, nil, view)
	}
	before := viewOf(req.Namespace, old)
	return a.judge(ctx, &before.Workload, view)
}

// otherSet judges a set of ownerKinds.
func (a *addresses) otherSet(ctx context.Context, req *admissionv1.AdmissionRequest, obj, old *unstructured.Unstructured) []admission.Finding {
	view, err := viewOfAny(req.Namespace, obj)
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return nil
	case err != nil:
		return a.unreadable(err, obj, old)
	}
	var findings []admission.Finding
	if view.doubt != nil && a.options.Asks(view.Annotations, view.Template) {
		findings = append(findings, admission.Finding{Action: admission.Warn, Message: view.doubt.Error()})
	}
	var before *staticip.Workload
	if old != nil {
		if was, err := viewOfAny(req.Namespace, old); err == nil { // or it can be read at last, as if it were new
			before = &was.Workload
		}
	}
	return append(findings, a.judge(ctx, before, view)...)
}

// judge says what is wrong with a new set, or with the change of an old one.
func (a *addresses) judge(ctx context.Context, old *staticip.Workload, view setView) []admission.Finding {
	var before staticip.Workload
	if old != nil {
		before = *old
	}
	n, err := a.around(ctx, before, view)
	if err != nil {
		return []admission.Finding{{Err: err}}
	}
	problems := staticip.CheckCreate(view.Workload, n, a.options)
	if old != nil {
		problems = staticip.CheckUpdate(before, view.Workload, n, a.options)
	}
	return a.onSet(view.Workload, problems)
}

// around is the network, with what the Pods of a set have where that counts.
func (a *addresses) around(ctx context.Context, before staticip.Workload, view setView) (n staticip.Network, err error) {
	n = a.network
	if staticip.NeedsInUse(before, view.Workload, a.options) {
		n.InUse, err = a.sets.inUse(ctx, view, a.options)
	}
	return n, err
}

// unreadable refuses a set that asks for a pool, unless it could not be read before either: it may be on its way out.
func (a *addresses) unreadable(err error, obj, old *unstructured.Unstructured) []admission.Finding {
	inTemplate, _, _ := unstructured.NestedStringMap(obj.Object, "spec", "template", "metadata", "annotations")
	if !a.options.Asks(obj.GetAnnotations(), inTemplate) {
		return nil
	}
	finding := admission.Finding{Message: err.Error()}
	if old != nil {
		if _, err := viewOfAny("", old); err != nil {
			finding.Action = admission.Warn
		}
	}
	return []admission.Finding{finding}
}

// scale judges a request to the scale subresource, which has no annotations: they are read.
func (a *addresses) scale(ctx context.Context, req *admissionv1.AdmissionRequest, obj, old *autoscalingv1.Scale) []admission.Finding {
	gvk, ok := a.kinds.behind(req.Resource.Group, req.Resource.Resource)
	if !ok || old != nil && old.Spec.Replicas == obj.Spec.Replicas {
		return nil
	}
	view, err := a.sets.readSet(ctx, req.Namespace, staticip.Owner{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: req.Name})
	switch {
	case errors.Is(err, errNoSuchSet):
		return nil // deleted meanwhile: there is nothing left to scale
	case err != nil:
		return []admission.Finding{{Err: err}}
	}
	before := view.Workload
	view.Replicas = obj.Spec.Replicas
	n, err := a.around(ctx, before, view)
	if err != nil {
		return []admission.Finding{{Err: err}}
	}
	problems := staticip.CheckScale(before, obj.Spec.Replicas, n, a.options)
	return findingsOf(problems, "", func(string) string { return "spec.replicas" })
}

// assign gives a Pod its address. Pods that neither ask for one nor belong to a StatefulSet pass without a word.
func (a *addresses) assign(ctx context.Context, req *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
	p := podOf(req.Namespace, pod)
	asked := a.options.Asks(pod.Annotations)
	owner, _, noOrdinal := staticip.Identify(p, a.options)
	if noOrdinal != nil {
		// The controller of a Pod with a wrong name or label is a set all the same, and may have a pool.
		wrong := errors.Is(noOrdinal, staticip.CodeNameMismatch) || errors.Is(noOrdinal, staticip.CodeLabelMismatch)
		switch {
		case asked:
			return a.refuse(p, noOrdinal)
		case !wrong:
			return nil
		}
		owner = controllerOf(p)
	}
	w, err := a.sets.readSet(ctx, req.Namespace, owner)
	switch {
	case errors.Is(err, errNoSuchSet):
		// Whether it asked for an address is not known any more. The garbage collector would delete the Pod anyhow.
		return a.refuse(p, staticip.Problems{{
			Code: staticip.CodeOwnerUID, Object: p.String(),
			Message: fmt.Sprintf("is controlled by %s %s, which does not exist; try again once it does", owner.Kind, owner.Name),
		}})
	case errors.Is(err, errNotInInput):
		return admission.Refuse(admission.Finding{Action: admission.Warn, Message: fmt.Sprintf(
			"%s %s/%s is not in the input, so it is not known which address the Pod gets, if any", owner.Kind, req.Namespace, owner.Name)})
	case err != nil:
		return err
	}
	switch {
	case !asked && !a.options.Asks(w.Annotations, w.Template):
		return nil
	case noOrdinal != nil:
		return a.refuse(p, noOrdinal)
	}
	set, err := staticip.Assign(p, w.Workload, a.options)
	if err != nil {
		return a.refuse(p, err)
	}
	if pod.Annotations == nil && len(set) > 0 {
		pod.Annotations = map[string]string{}
	}
	maps.Copy(pod.Annotations, set)
	return nil
}

func controllerOf(p staticip.Pod) staticip.Owner {
	for _, o := range p.Owners {
		if o.Controller {
			return o
		}
	}
	return staticip.Owner{}
}

// podUpdate keeps the address of a Pod from being edited.
func (a *addresses) podUpdate(_ context.Context, req *admissionv1.AdmissionRequest, obj, old *corev1.Pod) []admission.Finding {
	before, after := podOf(req.Namespace, old), podOf(req.Namespace, obj)
	return findingsOf(staticip.CheckPodUpdate(before, after, a.options), after.String(), fieldsOf(before.Annotations, after.Annotations))
}

// refuse turns the error of package staticip into a refusal.
func (a *addresses) refuse(p staticip.Pod, err error) error {
	problems, ok := errors.AsType[staticip.Problems](err)
	if !ok {
		return err
	}
	return admission.Refuse(findingsOf(problems, p.String(), fieldsOf(p.Annotations))...)
}

func (a *addresses) onSet(w staticip.Workload, problems staticip.Problems) []admission.Finding {
	return findingsOf(problems, w.String(), func(key string) string {
		if _, ok := w.Annotations[key]; !ok {
			if _, ok := w.Template[key]; ok {
				return "spec.template." + annotationField(key)
			}
		}
		return fieldsOf(w.Annotations)(key)
	})
}

// fieldsOf finds the field of an annotation, or none if the object does not have it.
func fieldsOf(annotations ...map[string]string) func(key string) string {
	return func(key string) string {
		for _, set := range annotations {
			if _, ok := set[key]; ok {
				return annotationField(key)
			}
		}
		return ""
	}
}

func annotationField(key string) string { return "metadata.annotations[" + key + "]" }

// findingsOf says of an object what the problems say. Those of another object, all if object is empty, keep its name.
func findingsOf(problems staticip.Problems, object string, field func(key string) string) []admission.Finding {
	var out []admission.Finding
	for _, p := range problems {
		f := admission.Finding{Rule: staticIPRule + "." + string(p.Code), Action: admission.Deny}
		if p.Severity == staticip.SeverityWarning {
			f.Action = admission.Warn
		}
		switch {
		case object == "":
			f.Field = field(p.Key)
		case p.Object == object:
			p.Object = ""
			if f.Field = field(p.Key); f.Field != "" {
				p.Key = ""
			}
		}
		f.Message = p.Error()
		out = append(out, f)
	}
	return out
}
