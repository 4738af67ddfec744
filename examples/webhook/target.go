package main

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	arv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubewright/kubewright/admission"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// The Service of the manifests beside this file, for commands that are not told another.
const (
	defaultNamespace = "kubewright-webhook"
	defaultService   = "webhook"
)

// target is where API servers reach the webhook: a Service, or a URL outside the cluster.
type target struct {
	url, namespace, service string
	port                    int
}

func (t *target) addFlags(flags *cli.Flags) {
	flags.StringVar(&t.url, "url", "", "reached by API servers at this `URL`, https://host:port, instead of through a Service")
	flags.StringVar(&t.namespace, "service-namespace", "", "`namespace` of the Service through which API servers reach the webhook (default "+defaultNamespace+")")
	flags.StringVar(&t.service, "service-name", "", "`name` of that Service (default "+defaultService+")")
	flags.IntVar(&t.port, "service-port", 443, "`port` of that Service")
}

// given reports whether the caller said anything about the target.
func (t *target) given() bool { return t.url != "" || t.namespace != "" || t.service != "" }

// complete fills in the Service of the manifests.
func (t *target) complete() error {
	switch {
	case t.url != "" && (t.namespace != "" || t.service != ""):
		return cli.Usagef("-url and -service-namespace, -service-name are two answers to one question: give one")
	case t.port < 1 || t.port > 65535:
		return cli.Usagef("-service-port %d: write 1 to 65535", t.port)
	}
	if t.url != "" {
		t.url = strings.TrimSuffix(t.url, "/")
		if u, err := url.Parse(t.url); err != nil || u.Hostname() == "" || t.url != "https://"+u.Host {
			return cli.Usagef("-url %q: write https://host:port", t.url)
		}
		return nil
	}
	if t.namespace == "" {
		t.namespace = defaultNamespace
	}
	if t.service == "" {
		t.service = defaultService
	}
	if len(validation.IsDNS1123Label(t.namespace)) > 0 || len(validation.IsDNS1123Label(t.service)) > 0 {
		return cli.Usagef("-service-namespace %q, -service-name %q: write names of Kubernetes, of lower-case letters, digits and '-'", t.namespace, t.service)
	}
	return nil
}

// host is the name for which API servers verify the serving certificate.
func (t *target) host() string {
	if t.url == "" {
		return t.service + "." + t.namespace + ".svc"
	}
	u, err := url.Parse(t.url)
	if err != nil {
		return "" // complete has refused it
	}
	return u.Hostname()
}

// base is the URL at which the webhook is reached, as far as this process can tell.
func (t *target) base() string {
	if t.url != "" {
		return t.url
	}
	return "https://" + net.JoinHostPort(t.host(), strconv.Itoa(t.port))
}

// names are those that a certificate made here is good for: the target's, and this machine's for a try with curl.
func (t *target) names(more ...string) []string {
	names := []string{t.host()}
	if t.url == "" {
		names = append(names, t.service, t.service+"."+t.namespace, t.host()+".cluster.local")
	}
	names = append(append(names, more...), "localhost", "127.0.0.1", "::1")
	return unique(names)
}

// unique drops what was there before, and keeps the order.
func unique(values []string) []string {
	var out []string
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func (t *target) manifestOptions(caBundle []byte) admission.ManifestOptions {
	port := int32(t.port) //nolint:gosec // complete has checked the range
	return admission.ManifestOptions{
		URL:      t.url,
		Service:  arv1.ServiceReference{Namespace: t.namespace, Name: t.service, Port: &port},
		CABundle: caBundle,
	}
}
