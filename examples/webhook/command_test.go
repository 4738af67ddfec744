package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

func TestHelp(t *testing.T) {
	for _, c := range commands() {
		for _, h := range []string{"-h", "-help", "--help"} {
			r := invoke(t, "", c.Name, h)
			require.Zero(t, r.code)
			require.Empty(t, r.err)
			require.Contains(t, r.out, "Usage: webhook ")
			require.Contains(t, r.out, "Flags:\n")
			require.Contains(t, r.out, "  webhook ", "examples")
		}
	}
	require.Equal(t, invoke(t, "", "-h"), invoke(t, "", "serve", "-h"), "serve is the default")
	overview := invoke(t, "", "help")
	require.Zero(t, overview.code)
	for _, c := range commands() {
		require.Contains(t, overview.out, c.Name)
	}
}

// TestUsage is every way in which the program can be called wrongly. None may start anything.
func TestUsage(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "") // not in a cluster, wherever the tests run
	notPEM := writeFile(t, "not.pem", "no certificate")
	dir := t.TempDir()
	require.NoError(t, must(newPairFor(t)).write(dir))
	crt, key, ca := filepath.Join(dir, certFile), filepath.Join(dir, keyFile), filepath.Join(dir, caFile)
	kubeconfig := writeFile(t, "kubeconfig", "{apiVersion: v1, kind: Config, contexts: []}")
	clientCA := writeFile(t, "config.yaml", minimal+"clientCA: {file: "+notPEM+"}\n")
	noClientCA := writeFile(t, "config.yaml", minimal+"clientCA: {file: /does/not/exist}\n")
	staticIP := writeFile(t, "config.yaml", minimal+"staticIP: {enabled: true}\n")
	namespaces := writeFile(t, "config.yaml", minimal+"sidecars: {readNamespaces: true, debug: {}}\n")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"sidecars without a cluster": {[]string{"-config", namespaces}, "sidecars.readNamespaces reads namespaces: give -kubeconfig, or run in the cluster: "},
		"unknown command":            {[]string{"frobnicate"}, `no command is named "frobnicate"`},
		"unknown flag":               {[]string{"-frobnicate"}, "flag provided but not defined: -frobnicate (webhook serve -h lists the flags)"},
		"left-over argument":         {[]string{"serve", "config.yaml"}, `unexpected argument "config.yaml"`},
		"bad duration":               {[]string{"-drain-delay", "soon"}, "-drain-delay"},
		"negative drain delay":       {[]string{"-drain-delay", "-1s"}, "-drain-delay -1s is negative"},
		"bad log format":             {[]string{"-log-format", "xml"}, `invalid value "xml" for flag -log-format: write text or json`},
		"bad log level":              {[]string{"-log-level", "loud"}, "-log-level"},
		"certificate without key":    {[]string{"-tls-cert", "x"}, "-tls-cert and -tls-key go together"},
		"CA alone":                   {[]string{"-ca", "x"}, "-ca is the CA of -tls-cert"},
		"unreadable cert-dir":        {[]string{"-cert-dir", os.DevNull}, os.DevNull},
		"two certificates":           {[]string{"-tls-cert", "x", "-tls-key", "y", "-cert-dir", "z"}, "give one"},
		"context alone":              {[]string{"-context", "x"}, "-context is one of a -kubeconfig"},
		"install where":              {[]string{"-install"}, "say how API servers reach it"},
		"two targets":                {[]string{"-url", "https://x", "-service-name", "y"}, "two answers to one question"},
		"url is no URL":              {[]string{"-url", "example.com:8443"}, "write https://host:port"},
		"url without TLS":            {[]string{"-url", "http://example.com"}, "write https://host:port"},
		"url with a query":           {[]string{"-url", "https://example.com/?a=b"}, "write https://host:port"},
		"bad port":                   {[]string{"-service-port", "70000"}, "-service-port 70000: write 1 to 65535"},
		"no configuration":           {[]string{"-config", "/does/not/exist"}, "configuration: open /does/not/exist"},
		"no kubeconfig":              {[]string{"-url", "https://x", "-kubeconfig", "/does/not/exist"}, "/does/not/exist"},
		"no such context":            {[]string{"-url", "https://x", "-kubeconfig", kubeconfig, "-context", "prod"}, "prod"},
		"not in a cluster":           {[]string{"-url", "https://x", "-install"}, "-install: unable to load in-cluster configuration"},
		"client CA is no PEM":        {[]string{"-config", clientCA}, "has no PEM certificate"},
		"client CA is missing":       {[]string{"-config", noClientCA}, "clientCA.file: open /does/not/exist"},
		"nothing to review":          {[]string{"review"}, "nothing to judge: give -f FILE"},
		"bad output":                 {[]string{"review", "-f", "-", "-o", "xml"}, `-o "xml": write text or json`},
		"flags behind files":         {[]string{"review", "pod.yaml", "-o", "json"}, `-o stands behind "pod.yaml": flags come first`},
		"review's configuration":     {[]string{"review", "-config", "/does/not/exist", "-f", "-"}, "configuration: open /does/not/exist"},
		"nothing to plan for":        {[]string{"plan"}, "nothing to plan for: give -f FILE"},
		"plan's bad output":          {[]string{"plan", "-f", "-", "-o", "yaml"}, `-o "yaml": write text or json`},
		"plan for two":               {[]string{"plan", "-f", "-", "-kubeconfig", kubeconfig}, "-kubeconfig and files are two answers"},
		"plan's context alone":       {[]string{"plan", "-f", "-", "-context", "x"}, "-context is one of a -kubeconfig"},
		"plan without kubeconfig":    {[]string{"plan", "-kubeconfig", "/does/not/exist"}, "/does/not/exist"},
		"plan's configuration":       {[]string{"plan", "-f", "-", "-config", "/does/not/exist"}, "configuration: open"},
		"bad reservations":           {[]string{"plan", "-f", "-", "-reservations", "x"}, `-reservations "x": write one of calico, kube-ovn, spiderpool, cilium, cidr`},
		"staticIP without a cluster": {[]string{"-config", staticIP}, "staticIP reads StatefulSets: give -kubeconfig, or run in the cluster: "},
		"manifests of two targets":   {[]string{"manifests", "-url", "https://x", "-service-name", "y"}, "two answers"},
		"manifests without CA file":  {[]string{"manifests", "-ca", "/does/not/exist"}, "-ca: open /does/not/exist"},
		"manifests' CA is no PEM":    {[]string{"manifests", "-ca", notPEM}, "has no PEM certificate"},
		"manifests' configuration":   {[]string{"manifests", "-config", "/does/not/exist"}, "configuration: open"},
		"manifests flag":             {[]string{"manifests", "-x"}, "webhook manifests -h"},
		"certs flag":                 {[]string{"certs", "-x"}, "webhook certs -h"},
		"certs too short":            {[]string{"certs", "-valid", "1m"}, "-valid 1m0s: write at least 1h"},
		"certs for what":             {[]string{"certs", "-host", "a b"}, `-host "a b": write a DNS name or an IP address`},
		"certs for whom":             {[]string{"certs", "-service-name", "A b"}, `-service-name "A b": write names of Kubernetes`},
		"certs to where":             {[]string{"certs", "-url", "https://x"}, "give -out DIR too"},
		"certs' target":              {[]string{"certs", "-service-port", "0"}, "-service-port 0"},
		"certificate for other host": {[]string{"-tls-cert", crt, "-tls-key", key, "-ca", ca, "-url", "https://other.example.com"}, "other.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, "", c.args...)
			require.Contains(t, r.err, c.want)
			require.Empty(t, r.out)
			require.Equal(t, cli.ExitUsage, r.code)
		})
	}
}

// TestCannotServe is what goes wrong although everything was asked for rightly: exit code 1.
func TestCannotServe(t *testing.T) {
	b := start(t, "-listen", "127.0.0.1:0", "-metrics-listen", "127.0.0.1:0", "-drain-delay", "0")
	metrics, https := awaitServing(t, b)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"address in use":         {[]string{"-listen", https, "-metrics-listen", ""}, "(-listen chooses another address)"},
		"metrics address in use": {[]string{"-listen", "127.0.0.1:0", "-metrics-listen", metrics}, "(-metrics-listen chooses another address, or none)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, "", c.args...)
			require.Contains(t, r.err, c.want)
			require.Equal(t, cli.ExitFailed, r.code)
		})
	}
}
