package main

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/pager"
)

// source is a resource of the cluster that a plan reads.
type source struct {
	schema.GroupVersionResource
	needed bool // otherwise it may be missing, or not be ours to read
}

// sources are the StatefulSets, and what says which addresses are free.
func (inv *inventory) sources() []source {
	var all []source
	for i, gvk := range inv.kinds {
		all = append(all, source{resourceOf(gvk), i == 0})
	}
	resource := func(group, version, name string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: version, Resource: name}
	}
	return append(all,
		source{resource("", "v1", "pods"), true},
		source{resource("", "v1", "nodes"), false},
		source{resource("", "v1", "services"), false},
		source{resource("networking.k8s.io", "v1", "servicecidrs"), false},
		source{resource("crd.projectcalico.org", "v1", "ippools"), false},
		source{resource("crd.projectcalico.org", "v1", "ipamconfigs"), false},
		source{resource("projectcalico.org", "v3", "ippools"), false},
		source{resource("projectcalico.org", "v3", "ipamconfigurations"), false},
		source{resource("kubeovn.io", "v1", "subnets"), false},
	)
}

// addCluster reads a cluster. What is not needed and can't be read is left out with a note, or without one if the
// cluster does not have it.
func (inv *inventory) addCluster(ctx context.Context, client dynamic.Interface, note func(format string, args ...any)) error {
	for _, s := range inv.sources() {
		err := inv.addResource(ctx, client, s.GroupVersionResource)
		switch {
		case err == nil, !s.needed && apierrors.IsNotFound(err):
		case !s.needed && apierrors.IsForbidden(err):
			note("note: planned without %s: %v\n", s.GroupResource(), err)
		default:
			return fmt.Errorf("read %s: %w", s.GroupResource(), err)
		}
	}
	return nil
}

func (inv *inventory) addResource(ctx context.Context, client dynamic.Interface, gvr schema.GroupVersionResource) error {
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return client.Resource(gvr).List(ctx, o)
	})
	return pages.EachListItem(ctx, metav1.ListOptions{}, func(item runtime.Object) error {
		raw, err := item.(*unstructured.Unstructured).MarshalJSON()
		if err != nil {
			return err
		}
		objects, err := parseObjects(raw)
		for _, o := range objects {
			if err := inv.add(o); err != nil {
				return err
			}
		}
		return err
	})
}
