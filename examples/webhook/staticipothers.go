package main

import (
	"context"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/staticip"
)

// others refuses the annotation on the built-in workloads whose Pods have no ordinals. Without it, their Pods would be
// refused one by one, where only their events tell.
func (a *addresses) others() []admission.Registration {
	apps, batch := appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion
	return append(a.kruise(), []admission.Registration{
		other(a, apps.WithKind("Deployment"), func(d *appsv1.Deployment) templates { return templates{d.Spec.Template.Annotations} }),
		other(a, apps.WithKind("DaemonSet"), func(d *appsv1.DaemonSet) templates { return templates{d.Spec.Template.Annotations} }),
		other(a, apps.WithKind("ReplicaSet"), func(r *appsv1.ReplicaSet) templates { return templates{r.Spec.Template.Annotations} }),
		other(a, corev1.SchemeGroupVersion.WithKind("ReplicationController"), func(r *corev1.ReplicationController) templates {
			if r.Spec.Template == nil {
				return nil
			}
			return templates{r.Spec.Template.Annotations}
		}),
		other(a, batch.WithKind("Job"), func(j *batchv1.Job) templates { return templates{j.Spec.Template.Annotations} }),
		other(a, batch.WithKind("CronJob"), func(c *batchv1.CronJob) templates {
			return templates{c.Spec.JobTemplate.Annotations, c.Spec.JobTemplate.Spec.Template.Annotations}
		}),
	}...)
}

// kruise does the same for the workloads of OpenKruise that have a Pod template, where one of its kinds is among
// ownerKinds, and so OpenKruise in the cluster.
func (a *addresses) kruise() (out []admission.Registration) {
	const group = "apps.kruise.io"
	if !slices.ContainsFunc(a.kinds, func(gvk schema.GroupVersionKind) bool { return gvk.Group == group }) {
		return nil
	}
	for _, kind := range []string{"CloneSet", "DaemonSet", "BroadcastJob"} {
		gvk := schema.GroupVersionKind{Group: group, Version: "v1alpha1", Kind: kind}
		out = append(out, other(a, gvk, func(o *unstructured.Unstructured) templates {
			inside, _, _ := unstructured.NestedStringMap(o.Object, "spec", "template", "metadata", "annotations")
			return templates{inside}
		}))
	}
	return out
}

// templates are the annotations of the templates in a workload, from the outside in.
type templates []map[string]string

// workload is a pointer to an object that makes Pods.
type workload[T any] interface {
	admission.Object[T]
	metav1.Object
}

// other judges one kind of workload. What an update did not bring about is a warning: the controller itself updates
// Deployments, and whoever is in trouble must be able to get out.
func other[T any, P workload[T]](a *addresses, gvk schema.GroupVersionKind, inside func(P) templates) admission.Registration {
	check := func(namespace, name string, obj P) staticip.Problems {
		owner := staticip.Owner{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: name}
		all := append(templates{obj.GetAnnotations()}, inside(obj)...)
		problems := staticip.CheckOther(namespace, owner, a.options, all...)
		// A Deployment copies its annotations to its ReplicaSets. That of one from before this webhook must not stop its
		// rollout, unless the Pods have it and would be refused.
		if metav1.GetControllerOf(obj) != nil && staticip.CheckOther(namespace, owner, a.options, inside(obj)...) == nil {
			warnings(problems)
		}
		return problems
	}
	return admission.For[T, P](gvk).Namespaced().Validate(staticIPRule,
		func(_ context.Context, req *admissionv1.AdmissionRequest, obj, old *T) []admission.Finding {
			problems := check(req.Namespace, P(obj).GetName(), obj)
			if old != nil && check(req.Namespace, P(old).GetName(), old).Err() != nil {
				warnings(problems)
			}
			object := gvk.Kind + " " + req.Namespace + "/" + P(obj).GetName()
			return findingsOf(problems, object, fieldsOf(P(obj).GetAnnotations()))
		})
}

func warnings(problems staticip.Problems) {
	for i := range problems {
		problems[i].Severity = staticip.SeverityWarning
	}
}
