package main

import (
	_ "embed"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// sample is an AdmissionReview of a Pod that asks for a port of the node.
//
//go:embed sample.json
var sample string

var greeting = template.Must(template.New("").Parse(`
The webhook serves {{.URL}} with a certificate of its own{{if .Metrics}}, and metrics on http://{{.Metrics}}/metrics{{end}}.

Ask it about a Pod with a port of the node. The answer is "allowed": false, and why. Ask /mutate instead of /validate
for the patch that the Pod would get.

curl --silent --show-error --cacert '{{.CA}}' -H 'Content-Type: application/json' --data-binary @- {{.URL}}/validate <<'END'
{{.Sample}}
END

Judge files without a cluster:

{{.Program}} review -f examples/webhook/testdata/pod-hostport.yaml

Print the webhook configurations for a cluster whose API servers reach this machine by the name below, or start again
with the name that they use, and have them installed:

{{.Program}} manifests -url {{.Reached}} -ca '{{.CA}}'
{{.Program}} -url {{.Reached}} -kubeconfig ~/.kube/config

`))

// greet prints how to try a webhook with a certificate that was made here. The CA is on disk for curl until forget is
// called; the key never is, unless -cert-dir says so.
func (s *service) greet(out io.Writer, addr net.Addr) (forget func(), err error) {
	forget = func() {}
	dir := s.options.certDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "kubewright-webhook-"); err != nil {
			return nil, err
		}
		forget = func() { _ = os.RemoveAll(dir) }
		if err := os.WriteFile(filepath.Join(dir, caFile), s.pairs.bundle().pem(), 0o600); err != nil {
			return nil, err
		}
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return nil, err
	}
	return forget, greeting.Execute(out, map[string]string{
		"URL":     "https://" + net.JoinHostPort("localhost", port),
		"Reached": s.reached(port),
		"Metrics": s.metricsAddress,
		"CA":      filepath.Join(dir, caFile),
		"Sample":  strings.TrimSpace(sample),
		"Program": program(),
	})
}

// reached is a URL that the certificate is good for.
func (s *service) reached(port string) string {
	host, err := os.Hostname()
	if s.options.target.url != "" || err != nil {
		return s.options.target.base()
	}
	return "https://" + net.JoinHostPort(host, port)
}

// program is how this program was started: under "go run" there is no lasting binary to name.
func program() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./examples/webhook"
	}
	return os.Args[0]
}
