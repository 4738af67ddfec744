package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/policy"
)

// policies is the section that chooses checks of package policy by name.
type policies map[string]chosen

type chosen struct {
	Action           admission.Action `json:"action"`
	Options          json.RawMessage  `json:"options"`
	ExceptNamespaces []string         `json:"exceptNamespaces"`
}

// UnmarshalJSON is strict, and names the policy that is at fault.
func (p *policies) UnmarshalJSON(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("policies: %w", wrongType(err))
	}
	*p = policies{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var c chosen
		strict, err := kjson.UnmarshalStrict(all[name], &c)
		if err := errors.Join(append(strict, wrongType(err))...); err != nil {
			errs = append(errs, fmt.Errorf("policies.%s: %w", name, err))
		}
		(*p)[name] = c
	}
	return errors.Join(errs...)
}

// addTo registers the checks that are not off, in the order of policy.Names, so that findings do not depend on the
// order of a file. The options of checks that are off are looked at too: switching one on must not be a surprise.
func (p policies) addTo(f *functions) error {
	var errs []error
	var checks []policy.Check
	for _, name := range policy.Names() {
		chosen, ok := p[name]
		if !ok {
			continue
		}
		if chosen.Action == "" {
			errs = append(errs, fmt.Errorf("policies.%s.action is missing: write one of deny, warn, audit, off", name))
		}
		check, err := policy.New(name, chosen.Options)
		if err != nil {
			errs = append(errs, fmt.Errorf("policies.%w", err))
			continue
		}
		for _, namespace := range chosen.ExceptNamespaces {
			if len(validation.IsDNS1123Label(namespace)) > 0 {
				errs = append(errs, fmt.Errorf("policies.%s.exceptNamespaces %q: write the name of a namespace", name, namespace))
			}
		}
		if chosen.Action != admission.Off {
			checks = append(checks, check)
			f.actions[name] = chosen.Action
			f.exempt[name] = chosen.ExceptNamespaces
		}
	}
	f.registrations = append(f.registrations, policy.Register(checks...)...)
	return errors.Join(append(errs, p.unknown()...)...)
}

func (p policies) unknown() (errs []error) {
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if !slices.Contains(policy.Names(), name) {
			errs = append(errs, fmt.Errorf("policies.%s: no policy has that name: write one of %s", name, strings.Join(policy.Names(), ", ")))
		}
	}
	return errs
}
