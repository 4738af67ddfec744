package policy

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubewright/kubewright/admission"
)

// Resources is the check "resources": containers say what they need, so that the scheduler can place them and one
// cannot take a node's memory from the others. It looks at app, init and sidecar containers; ephemeral ones cannot have
// resources.
//
// A container has a request also when it has a limit, which the API server copies into a missing request; and it has
// what the Pod as a whole says in spec.resources. A quantity of zero counts as none, as it does for the QoS class.
//
// A LimitRange fills in Pods, not templates: where teams rely on one, this check must look at Pods only, or a Deployment
// is refused whose Pods would pass.
type Resources struct {
	// Requests lists the resources that must be requested. Unset means cpu and memory; an empty list, none.
	Requests []corev1.ResourceName `json:"requests,omitzero"`
	// Limits lists the resources that must be limited. Unset means memory, since a CPU limit throttles where memory
	// without limit kills the neighbours; an empty list, none.
	Limits []corev1.ResourceName `json:"limits,omitzero"`
}

// Check validates the options and returns the check.
func (o Resources) Check() (Check, error) {
	p := problems{check: nameResources}
	if slices.Contains(o.Requests, "") {
		p.add("requests has an empty name: write a resource such as cpu")
	}
	if slices.Contains(o.Limits, "") {
		p.add("limits has an empty name: write a resource such as memory")
	}
	c := Resources{
		Requests: []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory},
		Limits:   []corev1.ResourceName{corev1.ResourceMemory},
	}
	if o.Requests != nil {
		c.Requests = slices.Clone(o.Requests)
	}
	if o.Limits != nil {
		c.Limits = slices.Clone(o.Limits)
	}
	return p.done(Check{Name: nameResources, Evaluate: c.evaluate})
}

func (o Resources) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameResources}
	var pod corev1.ResourceRequirements
	if s.Spec.Resources != nil {
		pod = *s.Spec.Resources
	}
	for c := range s.Containers() {
		if c.Kind == Ephemeral {
			continue
		}
		for _, name := range o.Requests {
			if !positive(request(&c.Resources, name)) && !positive(request(&pod, name)) {
				missing(&r, c, "requests", name, c.Resources.Requests)
			}
		}
		for _, name := range o.Limits {
			if !positive(quantity(c.Resources.Limits, name)) && !positive(quantity(pod.Limits, name)) {
				missing(&r, c, "limits", name, c.Resources.Limits)
			}
		}
	}
	return r.findings
}

// request is what the API server will take for the request: a limit stands in for it, but not if it is written as zero.
func request(r *corev1.ResourceRequirements, name corev1.ResourceName) (resource.Quantity, bool) {
	if q, ok := r.Requests[name]; ok {
		return q, true
	}
	return quantity(r.Limits, name)
}

func quantity(l corev1.ResourceList, name corev1.ResourceName) (resource.Quantity, bool) {
	q, ok := l[name]
	return q, ok
}

func positive(q resource.Quantity, ok bool) bool { return ok && q.Sign() > 0 }

func missing(r *report, c Container, kind string, name corev1.ResourceName, have corev1.ResourceList) {
	example := map[corev1.ResourceName]string{corev1.ResourceCPU: "100m", corev1.ResourceMemory: "128Mi"}[name]
	if example == "" {
		example = "1"
	}
	state := "is not set"
	if q, ok := have[name]; ok {
		state = q.String() + " counts as none"
	}
	r.add(c.Field("resources."+kind+"["+string(name)+"]"),
		"%s.%s %s: write what the container needs, as in %s: {%s: %s}", kind, name, state, kind, name, example)
}
