package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubewright/kubewright/admission"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// freePort is one that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return ln.Addr().String()
}

// TestRotationLosesNoRequest runs a webhook that installs itself, calls it without pause as an API server does, with the
// bundle that is installed, and changes the CA meanwhile.
func TestRotationLosesNoRequest(t *testing.T) {
	dir, addr := t.TempDir(), freePort(t)
	first := must(newPairFor(t))
	require.NoError(t, first.write(dir))
	cluster := fake.NewClientset()
	var log buffer
	o, err := parseServe([]string{
		"-listen", addr, "-metrics-listen", "", "-url", "https://" + addr, "-drain-delay", "100ms",
		"-tls-cert", dir + "/tls.crt", "-tls-key", dir + "/tls.key", "-ca", dir + "/ca.crt",
	}, streams{})
	require.NoError(t, err)
	c, err := loadConfig("")
	require.NoError(t, err)
	s, err := newService(o, c, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	m, err := c.manifests(o.target.manifestOptions(nil))
	require.NoError(t, err)
	s.setInstaller(m, cluster.AdmissionregistrationV1())
	s.installer.trust.settle = 200 * time.Millisecond
	s.server.ReloadInterval = 50 * time.Millisecond

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx, &log) }()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "configurations are installed") }, soon, often, "%s", &log)
	require.Equal(t, parseBundle(first.ca), installedBundle(t, cluster))

	var calls, failures atomic.Int32
	hammering := make(chan struct{})
	go func() {
		defer close(hammering)
		for ctx.Err() == nil {
			if err := call(cluster, addr); err != nil {
				failures.Add(1)
				_ = cli.Write(&log, err.Error()+"\n")
			}
			calls.Add(1)
		}
	}()
	second := must(newPairFor(t))
	require.NoError(t, second.write(dir))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "serving certificate reloaded") }, soon, often, "%s", &log)
	at := calls.Load()
	require.Eventually(t, func() bool { return calls.Load() > at+10 }, soon, often)
	require.Equal(t, parseBundle(first.ca).union(parseBundle(second.ca)), installedBundle(t, cluster))
	cancel()
	<-hammering
	require.NoError(t, <-done)
	require.Zero(t, failures.Load(), "%s", &log)
	require.Contains(t, log.String(), "kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration "+configName)
}

// call makes a connection of its own, which trusts what is installed at that moment.
func call(cluster *fake.Clientset, addr string) error {
	config, err := cluster.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(context.Background(), configName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(config.Webhooks[0].ClientConfig.CABundle)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	resp, err := client.Post("https://"+addr+admission.ValidatePath, "application/json", strings.NewReader(sample))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return resp.Body.Close()
}

// TestServesWithoutACluster goes on when there is nothing to install into.
func TestServesWithoutACluster(t *testing.T) {
	addr := freePort(t)
	kubeconfig := writeFile(t, "kubeconfig", `{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u}], clusters: [{name: c, cluster: {server: "http://`+freePort(t)+`"}}]}`)
	b := start(t, "-listen", addr, "-metrics-listen", "127.0.0.1:0", "-url", "https://"+addr, "-kubeconfig", kubeconfig, "-drain-delay", "0")
	metrics, _ := awaitServing(t, b)
	require.Eventually(t, func() bool { return strings.Contains(b.err.String(), "webhook configurations are not up to date") }, soon, often)
	_, text := get(t, "http://"+metrics+"/metrics")
	require.NotContains(t, text, "kubewright_webhook_install_failures_total 0")
	code, _ := get(t, "http://"+metrics+"/readyz")
	require.Equal(t, http.StatusOK, code)
	b.stop()
	require.Equal(t, cli.ExitOK, <-b.code)
}

func TestFrontDoor(t *testing.T) {
	b := start(t, "-listen", "127.0.0.1:0", "-metrics-listen", "", "-drain-delay", "0")
	_, https := awaitServing(t, b)
	ca, err := os.ReadFile(b.trial(t).ca)
	require.NoError(t, err)
	require.NoError(t, frontDoor(t.Context(), "https://"+https, parseBundle(ca)))
	require.ErrorContains(t, frontDoor(t.Context(), "https://"+https, bundle{newCA(t)}), "can't be reached as API servers will")
	require.ErrorContains(t, frontDoor(t.Context(), "https://"+https, nil), "can't be reached", "systems do not trust it")
	require.ErrorContains(t, frontDoor(t.Context(), "https://"+https+"/nowhere", parseBundle(ca)), "nothing is installed while")
	require.Error(t, frontDoor(t.Context(), "https://\x00", nil))
}
