package main

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/kubewright/kubewright/sidecar"
)

// enforceLabel is where a namespace has its Pod Security level.
const enforceLabel = "pod-security.kubernetes.io/enforce"

// namespaceReader reads the labels and annotations of a namespace. One that does not exist has none.
type namespaceReader interface {
	readNamespace(ctx context.Context, name string) (metav1.ObjectMeta, error)
}

// namespace is what the namespace of a request says: labels PREFIX/INJECTOR that are "on" or "off", annotations that
// are defaults for its Pods, and its Pod Security level. Without readNamespaces, nothing is known but the configuration.
func (n *injection) namespace(ctx context.Context, name string) (sidecar.Namespace, error) {
	var meta metav1.ObjectMeta
	if n.namespaces != nil && n.read {
		var err error
		if meta, err = n.namespaces.readNamespace(ctx, name); err != nil {
			return sidecar.Namespace{}, err
		}
	}
	level := orDefault(meta.Labels[enforceLabel], string(n.level))
	ns := sidecar.Namespace{Level: sidecar.Level(level), Defaults: meta.Annotations}
	for _, i := range n.names {
		label := meta.Labels[n.prefix+"/"+i]
		if label == "off" || label != "on" && slices.Contains(n.optIn, i) {
			ns.Disabled = append(ns.Disabled, i)
		}
	}
	return ns, nil
}

// clusterNamespaces reads from the API server, one GET by name for each Pod: a label that was set a moment ago counts.
type clusterNamespaces struct{ client dynamic.Interface }

func (c clusterNamespaces) readNamespace(ctx context.Context, name string) (metav1.ObjectMeta, error) {
	found, err := c.client.Resource(corev1.SchemeGroupVersion.WithResource("namespaces")).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return metav1.ObjectMeta{}, nil // the API server will refuse the Pod
	}
	if err != nil {
		return metav1.ObjectMeta{}, fmt.Errorf("read Namespace %s: %w", name, err)
	}
	return metav1.ObjectMeta{Labels: found.GetLabels(), Annotations: found.GetAnnotations()}, nil
}

// inputNamespaces are the namespaces of the input of "review".
type inputNamespaces map[string]metav1.ObjectMeta

func (i inputNamespaces) note(o object) {
	if o.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Namespace") {
		i[o.Name] = o.ObjectMeta
	}
}

func (i inputNamespaces) readNamespace(_ context.Context, name string) (metav1.ObjectMeta, error) {
	return i[name], nil
}

// findNamespaces connects to the cluster if the section sidecars needs it.
func (s *service) findNamespaces() error {
	if !s.config.Sidecars.ReadNamespaces {
		return nil
	}
	restConfig, err := s.options.restConfig()
	if err != nil {
		return fmt.Errorf("sidecars.readNamespaces reads namespaces: give -kubeconfig, or run in the cluster: %w", err)
	}
	client, err := newDynamic(restConfig)
	s.config.Sidecars.namespaces = clusterNamespaces{client}
	return err
}
