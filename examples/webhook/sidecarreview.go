package main

import (
	"context"
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	corev1 "k8s.io/api/core/v1"
)

// podOf is the review of the Pod that a workload's controller will make, by mutators alone: the workload's own review
// has judged the template. It is nil unless the mutators of sidecars have work to do.
func (j *judge) podOf(ctx context.Context, o object) (*verdict, error) {
	n, err := j.config.Sidecars.set()
	if n == nil || err != nil {
		return nil, err
	}
	decoded, _, err := scheme.Codecs.UniversalDeserializer().Decode(o.raw, nil, nil)
	workload, ok := decoded.(metav1.Object)
	if err != nil || !ok {
		return nil, nil //nolint:nilerr // its own review tells
	}
	pod, _ := podOfTemplate(workload)
	if pod == nil {
		return nil, nil
	}
	ns, err := n.namespace(ctx, o.Namespace)
	if err != nil || !wishes(pod.Annotations, n.prefix) && !wishes(ns.Defaults, n.prefix) {
		return nil, err
	}
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	pod.Namespace, pod.GenerateName = o.Namespace, o.Name+"-"
	raw, err := withoutStatus(pod)
	if err != nil {
		return nil, err
	}
	made := object{raw: raw}
	made.TypeMeta = pod.TypeMeta
	made.Namespace, made.GenerateName = pod.Namespace, pod.GenerateName
	v := &verdict{object: made, after: raw}
	resp, err := j.handler.Mutating().Review(ctx, creationOf(made, corev1.SchemeGroupVersion.WithResource("pods")))
	if err != nil || len(resp.Patch) == 0 {
		return nil, err
	}
	v.Patch = resp.Patch
	v.after, err = apply(raw, resp.Patch)
	return v, err
}

func wishes(annotations map[string]string, prefix string) bool {
	for key := range annotations {
		if strings.HasPrefix(key, prefix+"/") {
			return true
		}
	}
	return false
}

// withoutStatus is the JSON of a Pod as people write it: without what is empty and yet encoded.
func withoutStatus(pod *corev1.Pod) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pod)
	if err != nil {
		return nil, err
	}
	delete(content, "status")
	return json.Marshal(content)
}
