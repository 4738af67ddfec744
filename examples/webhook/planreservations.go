package main

import (
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/staticip"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

func (o *planOptions) checkReservations() error {
	if known := []string{"", "calico", "kube-ovn", "spiderpool", "cilium", "cidr"}; !slices.Contains(known, o.reservations) {
		return cli.Usagef("-reservations %q: write one of %s", o.reservations, strings.Join(known[1:], ", "))
	}
	return nil
}

// printReservations prints what is to be applied; the problems go where they do not get in the way.
func (o *planOptions) printReservations(inv *inventory, opts staticip.Options, s streams) error {
	switch o.reservations {
	case "calico":
		opts.Renderer = staticip.Calico{}
	case "spiderpool":
		opts.Renderer = staticip.Spiderpool{} // its options are for the Pods
	case "cilium":
		opts.Renderer = staticip.Cilium{}
	}
	found := inv.plan(opts)
	text, err := o.reservationText(found)
	if err != nil {
		return err
	}
	if err := cli.Write(s.Out, text); err != nil {
		return err
	}
	r := newPlanReport(found, len(inv.workloads), false)
	var problems strings.Builder
	r.appendProblems(&problems)
	s.Say("%s", problems.String())
	return r.err()
}

func (o *planOptions) reservationText(r staticip.Report) (string, error) {
	switch o.reservations {
	case "cidr":
		return lines(r.Reservations("")), nil
	case "kube-ovn":
		text, err := yaml.Marshal(map[string]any{"excludeIps": r.Reservations("..")})
		return string(text), err
	}
	if over(r.Manifests()) {
		return "", cli.Usagef("-reservations %s: there are more than %d manifests; plan for fewer StatefulSets", o.reservations, planLimit)
	}
	var all strings.Builder
	for object := range r.Manifests() {
		text, err := yaml.Marshal(object)
		if err != nil {
			return "", err
		}
		all.WriteString("---\n" + string(text))
	}
	return all.String(), nil
}

func lines(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, "\n") + "\n"
}
