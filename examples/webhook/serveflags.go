package main

import (
	"time"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const serveHelp = `
Usage: webhook [serve] [flags]

Answers the API server's admission reviews over HTTPS: /mutate and /validate, and /healthz and /readyz for probes.
Without flags it makes a certificate of its own, judges by a configuration that denies what reaches for the node and
warns of the rest, and prints how to try it with curl.

  webhook                                      try it on this machine
  webhook -print-config > config.yaml          the configuration to change
  webhook -config config.yaml                  use it

  Outside the cluster, at an address that API servers reach; installs the webhook configurations and keeps their CA
  bundle up to date:

  webhook -url https://192.168.1.10:8443 -kubeconfig ~/.kube/config

  Inside, with a certificate from a Secret that is read again when it changes (see the manifests):

  webhook -install -service-namespace kubewright-webhook -service-name webhook \
    -tls-cert /tls/tls.crt -tls-key /tls/tls.key -ca /tls/ca.crt

SIGTERM and SIGINT make it not ready; it serves on for -drain-delay, then finishes what is in flight. A second signal
ends it at once.
`

type serveOptions struct {
	config      string
	printConfig bool

	listen, metricsListen string
	target                target
	files                 struct{ ca, cert, key string }
	certDir               string

	install             bool
	kubeconfig, context string

	drainDelay time.Duration
	log        *cli.Log
}

func parseServe(args []string, s streams) (*serveOptions, error) {
	o := &serveOptions{}
	flags := newFlags("serve", s, serveHelp)
	flags.StringVar(&o.config, "config", "", "configuration `file`; -print-config shows one")
	flags.BoolVar(&o.printConfig, "print-config", false, "print the configuration and exit")
	flags.StringVar(&o.listen, "listen", ":8443", "`address` for HTTPS")
	flags.StringVar(&o.metricsListen, "metrics-listen", "127.0.0.1:8080", "`address` for /metrics, /healthz and /readyz over plain HTTP; empty for none")
	o.target.addFlags(flags)
	flags.StringVar(&o.files.cert, "tls-cert", "", "serving certificate `file`, read again when it changes; without it, one is made")
	flags.StringVar(&o.files.key, "tls-key", "", "its key `file`")
	flags.StringVar(&o.files.ca, "ca", "", "CA bundle `file` that the certificate verifies against, for the webhook configurations")
	flags.StringVar(&o.certDir, "cert-dir", "", "keep the certificate that is made in this `directory`, and use it again at the next start")
	flags.BoolVar(&o.install, "install", false, "create or update the webhook configurations of the cluster, as its service account")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig `file` of the cluster; implies -install")
	flags.StringVar(&o.context, "context", "", "`context` of the kubeconfig file, instead of its current one")
	flags.DurationVar(&o.drainDelay, "drain-delay", 10*time.Second, "how long to serve on, not ready, after a signal")
	o.log = flags.Log()
	if err := flags.ParseOnly(args); err != nil {
		return nil, err
	}
	return o, o.check()
}

func (o *serveOptions) check() error {
	o.install = o.install || o.kubeconfig != ""
	switch {
	case (o.files.cert == "") != (o.files.key == ""):
		return cli.Usagef("-tls-cert and -tls-key go together")
	case o.files.ca != "" && o.files.cert == "":
		return cli.Usagef("-ca is the CA of -tls-cert, which is missing")
	case o.files.cert != "" && o.certDir != "":
		return cli.Usagef("-cert-dir is for certificates that are made here, -tls-cert for others: give one")
	case o.context != "" && o.kubeconfig == "":
		return cli.Usagef("-context is one of a -kubeconfig, which is missing")
	case o.install && !o.target.given():
		return cli.Usagef("to install the webhook, say how API servers reach it: -url, or -service-namespace and -service-name")
	case o.drainDelay < 0:
		return cli.Usagef("-drain-delay %s is negative", o.drainDelay)
	}
	return o.target.complete()
}
