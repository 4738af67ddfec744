package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"

	"github.com/kubewright/kubewright/staticip"
)

// setReader reads the StatefulSet that an owner reference names, or whatever has its name now, and what its Pods have.
type setReader interface {
	readSet(ctx context.Context, namespace string, owner staticip.Owner) (setView, error)
	inUse(ctx context.Context, set setView, opts staticip.Options) (map[netip.Addr]string, error)
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

func (s clusterSets) readSet(ctx context.Context, namespace string, owner staticip.Owner) (setView, error) {
	gvr := resourceOf(schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind))
	found, err := s.client.Resource(gvr).Namespace(namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return setView{}, errNoSuchSet
	case err != nil:
		return setView{}, fmt.Errorf("read %s %s/%s: %w", owner.Kind, namespace, owner.Name, err)
	}
	return viewOfAny(namespace, found)
}

// inUse lists the Pods of a set, and those without a controller that it will adopt. It is asked only when a set gets
// addresses, so this is a LIST, by label, for each change of a pool and each scaling up.
func (s clusterSets) inUse(ctx context.Context, set setView, opts staticip.Options) (map[netip.Addr]string, error) {
	var found occupants
	err := listPods(ctx, s.client, set, func(pod *corev1.Pod) {
		if set.owns(pod) && pod.DeletionTimestamp == nil { // one that is on its way out waits for nobody
			found.add(set.Namespace, pod, opts)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list the Pods of %s: %w", set, err)
	}
	return found.inUse(), nil
}

func listPods(ctx context.Context, client dynamic.Interface, set setView, each func(*corev1.Pod)) error {
	selector, err := metav1.LabelSelectorAsSelector(set.selector)
	if set.selector == nil || err != nil {
		selector = labels.Everything() // no set without a selector that can be read is stored; owners are compared anyhow
	}
	pods := client.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(set.Namespace)
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) })
	return pages.EachListItem(ctx, metav1.ListOptions{LabelSelector: selector.String()}, func(item runtime.Object) error {
		var pod corev1.Pod
		err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.(*unstructured.Unstructured).Object, &pod)
		if err == nil {
			each(&pod)
		}
		return err
	})
}

// owns reports whether a Pod that the selector matches is one of the set's, or will be: its controller adopts those that
// have none and a name of its own.
func (v *setView) owns(pod *corev1.Pod) bool {
	if controller := metav1.GetControllerOf(pod); controller != nil {
		return string(controller.UID) == v.UID
	}
	suffix, ok := strings.CutPrefix(pod.Name, v.Name+"-")
	_, err := strconv.ParseUint(suffix, 10, 31)
	return ok && err == nil
}

// inputSets are the StatefulSets of the input of "review".
type inputSets map[setName]setView

type setName struct{ group, kind, namespace, name string }

// note keeps an object if it is of one of the kinds. One that can't be read is not found later, and its own review says why.
func (s inputSets) note(o object, namespace string, kinds setKinds) {
	gvk := o.GroupVersionKind()
	if !kinds.has(gvk.GroupKind()) {
		return
	}
	if w, err := viewFrom(o.raw); err == nil {
		w.Namespace = orDefault(w.Namespace, namespace)
		s[setName{gvk.Group, gvk.Kind, w.Namespace, w.Name}] = w
	}
}

func (s inputSets) readSet(_ context.Context, namespace string, owner staticip.Owner) (setView, error) {
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

// inUse knows of no Pods: every object of the input is judged as one that is new.
func (s inputSets) inUse(context.Context, setView, staticip.Options) (map[netip.Addr]string, error) {
	return nil, nil
}

func orDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
