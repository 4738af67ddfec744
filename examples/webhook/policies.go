package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/policy"
)

// policies is the section that chooses checks of package policy by name.
type policies map[string]struct {
	Action           admission.Action `json:"action"`
	Options          json.RawMessage  `json:"options"`
	ExceptNamespaces []string         `json:"exceptNamespaces"`
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
