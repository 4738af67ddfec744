package main

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/kubewright/kubewright/staticip"
)

// setReader reads the StatefulSet that an owner reference names, or whatever has its name now.
type setReader interface {
	readSet(ctx context.Context, namespace string, owner staticip.Owner) (staticip.Workload, error)
}

// What a setReader can say besides that something went wrong.
var (
	errNoSuchSet  = errors.New("it does not exist")
	errNotInInput = errors.New("it is not in the input")
)

// clusterSets reads from the API server and not from a cache: a StatefulSet of a moment ago may have another pool, and
// so another address. That is one GET, by name, for each Pod of a StatefulSet that is created.
type clusterSets struct{ client dynamic.Interface }

// newDynamic makes a client that does not limit itself to 5 requests a second: Pods would time out when a node's worth
// of them starts. The API server protects itself, by priority and fairness.
func newDynamic(c *rest.Config) (dynamic.Interface, error) {
	c = rest.CopyConfig(c)
	c.QPS = -1
	return dynamic.NewForConfig(c)
}

func (s clusterSets) readSet(ctx context.Context, namespace string, owner staticip.Owner) (staticip.Workload, error) {
	gvr := resourceOf(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	found, err := s.client.Resource(gvr).Namespace(namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return staticip.Workload{}, errNoSuchSet
	case err != nil:
		return staticip.Workload{}, fmt.Errorf("read %s %s/%s: %w", owner.Kind, namespace, owner.Name, err)
	}
	w, _, err := workloadFromObject(namespace, found)
	return w, err
}

// inputSets are the StatefulSets of the input of "review".
type inputSets map[setName]staticip.Workload

type setName struct{ group, kind, namespace, name string }

// note keeps an object if it is of one of the kinds. One that can't be read is not found later, and its own review says why.
func (s inputSets) note(o object, namespace string, kinds setKinds) {
	gvk := o.GroupVersionKind()
	if !kinds.has(gvk.GroupKind()) {
		return
	}
	if w, _, err := workloadFrom(o.raw); err == nil {
		w.Namespace = orDefault(w.Namespace, namespace)
		s[setName{gvk.Group, gvk.Kind, w.Namespace, w.Name}] = w
	}
}

func (s inputSets) readSet(_ context.Context, namespace string, owner staticip.Owner) (staticip.Workload, error) {
	gvk := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind)
	w, ok := s[setName{gvk.Group, gvk.Kind, namespace, owner.Name}]
	if !ok {
		return w, errNotInInput
	}
	if w.UID == "" {
		w.UID = owner.UID // a manifest, which has none: the name is all there is to go by
	}
	return w, nil
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
