package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const manifestsHelp = `
Usage: webhook manifests [flags]

Prints the webhook configurations that send a cluster's requests to the webhook, derived from what is configured. Use
it where they are kept in git; otherwise "webhook -install" applies them and keeps their CA bundle up to date. Apply
them when the webhook serves: until then, with failurePolicy Fail, no Pod can be created.

  webhook manifests -ca ca.crt                                  for the Service of this example's manifests
  webhook manifests -service-namespace ns -service-name s       without CA bundle, for cert-manager's CA injector
  webhook manifests -url https://192.168.1.10:8443 -ca ca.crt   for a webhook outside the cluster
`

func printManifests(_ context.Context, args []string, s streams) error {
	var t target
	flags := newFlags("manifests", s, manifestsHelp)
	config := flags.String("config", "", "configuration `file`")
	ca := flags.String("ca", "", "CA bundle `file` that the serving certificate verifies against")
	t.addFlags(flags)
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	if err := t.complete(); err != nil {
		return err
	}
	c, err := loadConfig(*config)
	if err != nil {
		return err
	}
	var bundled []byte
	if *ca != "" {
		text, err := os.ReadFile(*ca)
		if err != nil {
			return cli.Usagef("-ca: %w", err)
		}
		if bundled = parseBundle(text).pem(); len(bundled) == 0 {
			return cli.Usagef("-ca %s has no PEM certificate", *ca)
		}
	} else {
		s.Say("note: without -ca there is no caBundle, and API servers trust the authorities of their system\n")
	}
	m, err := c.manifests(t.manifestOptions(bundled))
	if err != nil {
		return cli.Usage(err)
	}
	for _, note := range notes(m.Warnings) {
		s.Say("note: %s\n", note)
	}
	return writeManifests(s.Out, m)
}

func (c *Config) manifests(o admission.ManifestOptions) (admission.Manifests, error) {
	h, err := c.handler(admission.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return admission.Manifests{}, err
	}
	return h.Manifests(c.manifestOptions(o))
}

func writeManifests(w io.Writer, m admission.Manifests) error {
	var objects []any
	if m.Mutating != nil {
		objects = append(objects, m.Mutating)
	}
	if m.Validating != nil {
		objects = append(objects, m.Validating)
	}
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		if err := cli.Write(w, "---\n"+string(text)); err != nil {
			return err
		}
	}
	return nil
}

// notes joins warnings that differ only in their subject, so that what matters is not lost among them. What is sent, and
// not for all validators, is as this program means it: the CNI's annotations do not change through subresources.
func notes(warnings []string) []string {
	var reasons []string
	subjects := map[string][]string{}
	for _, w := range warnings {
		subject, reason, _ := strings.Cut(w, " is not covered: ")
		if strings.Contains(subject, " by validator ") {
			continue
		}
		if subjects[reason] == nil {
			reasons = append(reasons, reason)
		}
		subjects[reason] = append(subjects[reason], subject)
	}
	for i, reason := range reasons {
		reasons[i] = "not sent to the webhook: " + strings.Join(subjects[reason], ", ") + ": " + reason
	}
	return reasons
}
