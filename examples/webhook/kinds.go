package main

import (
	arv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
)

// kinds are those that a handler has functions for, by the resources in which they arrive.
type kinds map[schema.GroupVersionResource]bool

func kindsOf(m admission.Manifests) kinds {
	k := kinds{}
	if m.Mutating != nil {
		for _, w := range m.Mutating.Webhooks {
			k.add(w.Rules)
		}
	}
	if m.Validating != nil {
		for _, w := range m.Validating.Webhooks {
			k.add(w.Rules)
		}
	}
	return k
}

func (k kinds) add(rules []arv1.RuleWithOperations) {
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, version := range r.APIVersions {
				for _, resource := range r.Resources {
					k[schema.GroupVersionResource{Group: group, Version: version, Resource: resource}] = true
				}
			}
		}
	}
}

// has reports whether objects of a kind are looked at, and under which resource.
func (k kinds) has(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural, k[plural]
}
