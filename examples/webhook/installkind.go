package main

import (
	"maps"

	arv1 "k8s.io/api/admissionregistration/v1"
)

// kind is what the two kinds of configurations, whose types have nothing in common, have in common.
type kind[T any] struct {
	name    string
	want    T
	wanted  bool // false: a configuration that exists loses its webhooks
	copy    func(T) T
	replace func(into T) // by what is wanted
	configs func(T) []*arv1.WebhookClientConfig
}

func mutatingKind(want *arv1.MutatingWebhookConfiguration) kind[*arv1.MutatingWebhookConfiguration] {
	return kind[*arv1.MutatingWebhookConfiguration]{
		name:   "MutatingWebhookConfiguration",
		want:   want.DeepCopy(),
		wanted: want != nil,
		copy:   (*arv1.MutatingWebhookConfiguration).DeepCopy,
		replace: func(into *arv1.MutatingWebhookConfiguration) {
			into.Webhooks = nil
			if want != nil {
				into.Webhooks, into.Labels = want.DeepCopy().Webhooks, with(into.Labels, want.Labels)
			}
		},
		configs: func(c *arv1.MutatingWebhookConfiguration) (out []*arv1.WebhookClientConfig) {
			for i := range c.Webhooks {
				out = append(out, &c.Webhooks[i].ClientConfig)
			}
			return out
		},
	}
}

func validatingKind(want *arv1.ValidatingWebhookConfiguration) kind[*arv1.ValidatingWebhookConfiguration] {
	return kind[*arv1.ValidatingWebhookConfiguration]{
		name:   "ValidatingWebhookConfiguration",
		want:   want.DeepCopy(),
		wanted: want != nil,
		copy:   (*arv1.ValidatingWebhookConfiguration).DeepCopy,
		replace: func(into *arv1.ValidatingWebhookConfiguration) {
			into.Webhooks = nil
			if want != nil {
				into.Webhooks, into.Labels = want.DeepCopy().Webhooks, with(into.Labels, want.Labels)
			}
		},
		configs: func(c *arv1.ValidatingWebhookConfiguration) (out []*arv1.WebhookClientConfig) {
			for i := range c.Webhooks {
				out = append(out, &c.Webhooks[i].ClientConfig)
			}
			return out
		},
	}
}

// with adds labels to those that are there, which may be somebody else's.
func with(have, more map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, have)
	maps.Copy(all, more)
	return all
}

func (k kind[T]) setBundle(object T, ca []byte) {
	for _, c := range k.configs(object) {
		c.CABundle = ca
	}
}

// bundle is that of the first webhook; we write the same into all.
func (k kind[T]) bundle(object T) []byte {
	for _, c := range k.configs(object) {
		return c.CABundle
	}
	return nil
}
