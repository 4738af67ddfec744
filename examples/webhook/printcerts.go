package main

import (
	"context"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const certsHelp = `
Usage: webhook certs [flags]

Makes a CA and a serving certificate for the webhook, and prints a Secret with both. All replicas mount that Secret;
a certificate that each makes for itself would leave API servers with one CA bundle and several authorities. The CA's key
is not kept. Run it again and apply the result to rotate: running replicas announce the new CA to the API server before
they serve the new certificate, so that no request is lost.

  webhook certs | kubectl apply -f -                   for the manifests of this example
  webhook certs -service-namespace ns -service-name s  for another Service
  webhook certs -out DIR -url https://10.0.0.1:8443    ca.crt, tls.crt, tls.key for a webhook outside the cluster
`

func printCerts(_ context.Context, args []string, s streams) error {
	var t target
	flags := newFlags("certs", s, certsHelp)
	t.addFlags(flags)
	hosts := stringsFlag(flags, "host", "another DNS `name` or IP address that the certificate is good for; may be repeated")
	valid := flags.Duration("valid", 365*24*time.Hour, "`duration` for which the certificate and its CA are valid")
	out := flags.String("out", "", "write ca.crt, tls.crt and tls.key to this `directory` instead of printing a Secret")
	secret := flags.String("secret", "webhook-tls", "`name` of the Secret, which is in the Service's namespace")
	if err := flags.ParseOnly(args); err != nil {
		return err
	}
	if err := t.complete(); err != nil {
		return err
	}
	if *valid < time.Hour {
		return cli.Usagef("-valid %s: write at least 1h", *valid)
	}
	if *out == "" && t.url != "" {
		return cli.Usagef("-url is for a webhook outside the cluster, which reads no Secret: give -out DIR too")
	}
	for _, host := range *hosts {
		if net.ParseIP(host) == nil && len(validation.IsDNS1123Subdomain(host)) > 0 {
			return cli.Usagef("-host %q: write a DNS name or an IP address", host)
		}
	}
	p, err := newPair(time.Now(), *valid, t.names(*hosts...))
	if err != nil {
		return err
	}
	if *out != "" {
		return p.write(*out)
	}
	text, err := yaml.Marshal(p.secret(t.namespace, *secret))
	if err != nil {
		return err
	}
	return cli.Write(s.Out, "# The private key is in here: apply it, do not commit it.\n"+string(text))
}

func (p pair) secret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{caFile: p.ca, certFile: p.cert, keyFile: p.key},
	}
}

// stringsFlag is a flag that may be repeated.
func stringsFlag(flags *cli.Flags, name, usage string) *[]string {
	var values []string
	flags.Func(name, usage, func(v string) error {
		values = append(values, v)
		return nil
	})
	return &values
}
