package admission

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	arv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// ManifestOptions say how the API server finds the webhook and what it does when it can't.
type ManifestOptions struct {
	// Name of both configurations and, as "mutate.NAME" and "validate.NAME", of their webhooks: a domain name of at
	// least two labels, such as policies.example.com. Audit annotations and denials carry the webhook's name.
	Name string
	// Service that serves [Handler.Routes], unless URL is set. Its Path is ignored.
	Service arv1.ServiceReference
	// URL under which Routes is served when the webhook runs outside the cluster: https://host:port.
	URL string
	// CABundle is the PEM bundle that the serving certificate verifies against.
	CABundle []byte
	// FailurePolicy is what happens to requests when the webhook does not answer 200. Fail if empty.
	FailurePolicy arv1.FailurePolicyType
	// TimeoutSeconds from 1 to 30. 5 if zero: mutating webhooks are called one after the other, and everything that
	// the API server does, leader election included, waits for them.
	TimeoutSeconds int32
	// ExcludeNamespaces are not sent to the webhook, in addition to that of Service, whose Pods could not start while
	// the webhook is down. kube-system if nil.
	ExcludeNamespaces []string
	// NamespaceSelector and ObjectSelector narrow what is sent further.
	NamespaceSelector, ObjectSelector *metav1.LabelSelector
	// MatchConditions are CEL expressions that must all be true of a request (KEP-3716).
	MatchConditions []arv1.MatchCondition
	// Labels of both configurations.
	Labels map[string]string
}

// Manifests are the webhook configurations of a handler. One without rules is nil.
type Manifests struct {
	Mutating   *arv1.MutatingWebhookConfiguration
	Validating *arv1.ValidatingWebhookConfiguration
	// Warnings name ways around the registered functions, such as a subresource that they do not see.
	Warnings []string
}

// Manifests derives the webhook configurations from what is registered: rules for the kinds, operations and subresources
// of the functions, no side effects, reinvocation when another webhook has changed the object.
func (h *Handler) Manifests(o ManifestOptions) (Manifests, error) {
	if err := o.complete(); err != nil {
		return Manifests{}, fmt.Errorf("webhook configuration: %w", err)
	}
	m := Manifests{Warnings: h.gaps()}
	meta := metav1.ObjectMeta{Name: o.Name, Labels: o.Labels}
	if rules := h.webhookRules(mutatingPhase); len(rules) > 0 {
		m.Mutating = &arv1.MutatingWebhookConfiguration{
			TypeMeta:   metav1.TypeMeta{APIVersion: arv1.SchemeGroupVersion.String(), Kind: "MutatingWebhookConfiguration"},
			ObjectMeta: meta,
			Webhooks:   []arv1.MutatingWebhook{o.mutating(rules)},
		}
	}
	if rules := h.webhookRules(validatingPhase); len(rules) > 0 {
		m.Validating = &arv1.ValidatingWebhookConfiguration{
			TypeMeta:   metav1.TypeMeta{APIVersion: arv1.SchemeGroupVersion.String(), Kind: "ValidatingWebhookConfiguration"},
			ObjectMeta: meta,
			Webhooks:   []arv1.ValidatingWebhook{o.validating(rules)},
		}
	}
	// Copies, because the two share what came from the options.
	return Manifests{m.Mutating.DeepCopy(), m.Validating.DeepCopy(), m.Warnings}, nil
}

// complete sets defaults and reports all that is wrong.
func (o *ManifestOptions) complete() error {
	var errs []error
	if problems := validation.IsDNS1123Subdomain(o.Name); len(problems) > 0 || !strings.Contains(o.Name, ".") {
		errs = append(errs, fmt.Errorf("name %q: write a domain name such as policies.example.com", o.Name))
	}
	if o.URL != "" {
		if u, err := url.Parse(o.URL); err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			errs = append(errs, fmt.Errorf("URL %q: write https://host:port", o.URL))
		}
	} else if o.Service.Name == "" || o.Service.Namespace == "" {
		errs = append(errs, errors.New("neither URL nor the name and namespace of Service are set"))
	}
	if o.TimeoutSeconds < 0 || o.TimeoutSeconds > 30 {
		errs = append(errs, fmt.Errorf("TimeoutSeconds %d: write 1 to 30", o.TimeoutSeconds))
	}
	switch o.FailurePolicy {
	case "", arv1.Fail, arv1.Ignore:
	default:
		errs = append(errs, fmt.Errorf("FailurePolicy %q: write Fail or Ignore", o.FailurePolicy))
	}
	for _, name := range o.ExcludeNamespaces {
		if len(validation.IsDNS1123Label(name)) > 0 {
			errs = append(errs, fmt.Errorf("ExcludeNamespaces %q: write the name of a namespace", name))
		}
	}
	o.TimeoutSeconds = orDefault(o.TimeoutSeconds, 5)
	o.FailurePolicy = orDefault(o.FailurePolicy, arv1.Fail)
	if o.ExcludeNamespaces == nil {
		o.ExcludeNamespaces = []string{metav1.NamespaceSystem}
	}
	return errors.Join(errs...)
}

func (o *ManifestOptions) mutating(rules []arv1.RuleWithOperations) arv1.MutatingWebhook {
	v := o.validating(rules)
	again := arv1.IfNeededReinvocationPolicy
	return arv1.MutatingWebhook{
		Name:                    "mutate." + o.Name,
		ClientConfig:            o.clientConfig(MutatePath),
		Rules:                   v.Rules,
		FailurePolicy:           v.FailurePolicy,
		MatchPolicy:             v.MatchPolicy,
		NamespaceSelector:       v.NamespaceSelector,
		ObjectSelector:          v.ObjectSelector,
		SideEffects:             v.SideEffects,
		TimeoutSeconds:          v.TimeoutSeconds,
		AdmissionReviewVersions: v.AdmissionReviewVersions,
		ReinvocationPolicy:      &again,
		MatchConditions:         v.MatchConditions,
	}
}

func (o *ManifestOptions) validating(rules []arv1.RuleWithOperations) arv1.ValidatingWebhook {
	none, equivalent := arv1.SideEffectClassNone, arv1.Equivalent
	return arv1.ValidatingWebhook{
		Name:                    "validate." + o.Name,
		ClientConfig:            o.clientConfig(ValidatePath),
		Rules:                   rules,
		FailurePolicy:           &o.FailurePolicy,
		MatchPolicy:             &equivalent,
		NamespaceSelector:       o.namespaceSelector(),
		ObjectSelector:          o.ObjectSelector,
		SideEffects:             &none,
		TimeoutSeconds:          &o.TimeoutSeconds,
		AdmissionReviewVersions: []string{"v1", "v1beta1"},
		MatchConditions:         o.MatchConditions,
	}
}

func (o *ManifestOptions) clientConfig(path string) arv1.WebhookClientConfig {
	c := arv1.WebhookClientConfig{CABundle: o.CABundle}
	if o.URL != "" {
		u := strings.TrimSuffix(o.URL, "/") + path
		c.URL = &u
		return c
	}
	service := o.Service
	service.Path = &path
	c.Service = &service
	return c
}

func (o *ManifestOptions) namespaceSelector() *metav1.LabelSelector {
	selector := &metav1.LabelSelector{}
	if o.NamespaceSelector != nil {
		selector = o.NamespaceSelector.DeepCopy()
	}
	excluded := slices.Clone(o.ExcludeNamespaces)
	if o.URL == "" {
		excluded = append(excluded, o.Service.Namespace)
	}
	slices.Sort(excluded)
	if excluded = slices.Compact(excluded); len(excluded) > 0 {
		selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{
			Key:      corev1.LabelMetadataName,
			Operator: metav1.LabelSelectorOpNotIn,
			Values:   excluded,
		})
	}
	return selector
}

// target is a resource of one version with the operations that functions want of it.
type target struct {
	group, version, scope, resource string
}

// webhookRules lists, for each group of resources that are wanted on the same operations, one rule.
func (h *Handler) webhookRules(p phase) []arv1.RuleWithOperations {
	wanted := h.targets(p)
	byRule := map[string]*arv1.RuleWithOperations{}
	var order []string
	for _, t := range slices.SortedFunc(maps.Keys(wanted), compareTargets) {
		ops := slices.Sorted(maps.Keys(wanted[t]))
		key := fmt.Sprint(t.group, "|", t.version, "|", t.scope, "|", ops)
		if byRule[key] == nil {
			scope := arv1.ScopeType(t.scope)
			rule := &arv1.RuleWithOperations{Rule: arv1.Rule{APIGroups: []string{t.group}, APIVersions: []string{t.version}, Scope: &scope}}
			for _, op := range ops {
				rule.Operations = append(rule.Operations, arv1.OperationType(op))
			}
			byRule[key] = rule
			order = append(order, key)
		}
		byRule[key].Resources = append(byRule[key].Resources, t.resource)
	}
	rules := make([]arv1.RuleWithOperations, len(order))
	for i, key := range order {
		rules[i] = *byRule[key]
	}
	return rules
}

func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.version, b.version), cmp.Compare(a.resource, b.resource), cmp.Compare(a.scope, b.scope))
}

func (h *Handler) targets(p phase) map[target]map[admissionv1.Operation]bool {
	out := map[target]map[admissionv1.Operation]bool{}
	for _, k := range h.kinds {
		for _, r := range k.rules(p) {
			for _, at := range r.at {
				t := target{at.Group, at.Version, k.scopeName(), at.name()}
				if out[t] == nil {
					out[t] = map[admissionv1.Operation]bool{}
				}
				for _, op := range r.operations {
					out[t][op] = true
				}
			}
		}
	}
	return out
}

// gaps names the well-known ways past validators: other resources through which the same change can be made.
func (h *Handler) gaps() []string {
	at := h.validatorsAt()
	var out []string
	for _, gap := range []struct{ have, miss, why string }{
		{"/pods", "/pods/ephemeralcontainers", "kubectl debug adds containers through it: register with Subresources(\"\", \"ephemeralcontainers\")"},
		{"/pods", "/pods/resize", "resources of running containers change through it: register with Subresources(\"\", \"resize\")"},
		{"apps/statefulsets", "apps/statefulsets/scale", scaleGap},
		{"apps/deployments", "apps/deployments/scale", scaleGap},
		{"apps/replicasets", "apps/replicasets/scale", scaleGap},
		{"/replicationcontrollers", "/replicationcontrollers/scale", scaleGap},
	} {
		missed := strings.TrimPrefix(gap.miss, "/")
		past := slices.DeleteFunc(slices.Clone(at[gap.have]), func(name string) bool { return slices.Contains(at[gap.miss], name) })
		switch {
		case len(past) == 0 || gap.why == scaleGap && len(at[gap.miss]) > 0: // a Scale has validators of its own
			continue
		case len(at[gap.miss]) > 0:
			missed += " by validator " + strings.Join(past, ", ")
		}
		out = append(out, missed+" is not covered: "+gap.why)
	}
	return out
}

// validatorsAt lists, for each resource with its group, the validators that see changes made through it.
func (h *Handler) validatorsAt() map[string][]string {
	at := map[string][]string{}
	for _, gvk := range h.sortedKinds() {
		for _, r := range h.kinds[gvk].rules(validatingPhase) {
			if !slices.Contains(r.operations, admissionv1.Create) && !slices.Contains(r.operations, admissionv1.Update) {
				continue
			}
			for _, resource := range r.at {
				key := resource.Group + "/" + resource.name()
				at[key] = append(at[key], r.name)
			}
		}
	}
	return at
}

const scaleGap = "kubectl scale and autoscalers set spec.replicas through it, as an autoscaling/v1 Scale; it matters to validators that look at replicas"
