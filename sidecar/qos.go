package sidecar

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// computeResources are those that make the quality of service.
func computeResources() [2]corev1.ResourceName {
	return [2]corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}
}

// podResources reports whether the Pod as a whole has resources (KEP-2837). They then decide its class, and containers
// may not ask for more than is in them.
func podResources(spec *corev1.PodSpec) bool {
	return spec.Resources != nil && len(spec.Resources.Requests)+len(spec.Resources.Limits) > 0
}

// qosClass is the class of a Pod by the resources of its containers, as in pkg/apis/core/v1/helper/qos of Kubernetes. A
// limit without a request is a request too, which the API server writes down before admission, and a manifest does not.
func qosClass(spec *corev1.PodSpec) corev1.PodQOSClass {
	guaranteed, best := true, true
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			for _, name := range computeResources() {
				limit := r.Limits[name]
				request, ok := r.Requests[name]
				if !ok {
					request = limit
				}
				best = best && limit.Sign() <= 0 && request.Sign() <= 0
				guaranteed = guaranteed && limit.Sign() > 0 && request.Cmp(limit) == 0
			}
		}
	}
	switch {
	case best:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

// resources are those of a container of ours, so that the class of the Pod stays.
func (e *edit) resources(want corev1.ResourceRequirements) corev1.ResourceRequirements {
	if podResources(&e.pod.Spec) {
		return corev1.ResourceRequirements{}
	}
	out := *want.DeepCopy()
	switch e.class {
	case corev1.PodQOSBestEffort:
		for _, name := range computeResources() {
			delete(out.Limits, name)
			delete(out.Requests, name)
		}
	case corev1.PodQOSGuaranteed:
		if out.Limits == nil {
			out.Limits = corev1.ResourceList{}
		}
		if out.Requests == nil {
			out.Requests = corev1.ResourceList{}
		}
		fallback := defaultResources()
		for _, name := range computeResources() {
			amount := firstPositive(out.Limits[name], out.Requests[name], fallback.Limits[name], fallback.Requests[name])
			if limit := out.Limits[name]; name == corev1.ResourceCPU && limit.Sign() <= 0 && amount.Cmp(enoughCPU()) < 0 {
				amount = enoughCPU()
			}
			out.Limits[name], out.Requests[name] = amount, amount
		}
	}
	return out
}

// enoughCPU is a limit for containers that ask for less and were to have none. One of 20m is 2 ms of every 100: what
// takes a CPU half a second, such as to start and to ship a few thousand lines, would take 25, and no drain is that long.
func enoughCPU() resource.Quantity { return resource.MustParse("200m") }

func firstPositive(list ...resource.Quantity) resource.Quantity {
	for _, q := range list {
		if q.Sign() > 0 {
			return q.DeepCopy()
		}
	}
	return resource.Quantity{}
}

// defaultResources are those of a container for which the platform has configured none.
func defaultResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("20m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
	}
}
