package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// TestCertificateRenewal replaces the files of a serving pair again and again while Pods are created that can't be
// without the webhook.
func TestCertificateRenewal(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	// Two writes, in no step with the server's reads: it meets half-written files and pairs that do not match.
	renew := func() (cert []byte) {
		cert, key, err := newPair(t, c)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(certFile, cert, 0o600))
		require.NoError(t, os.WriteFile(keyFile, key, 0o600))
		return cert
	}
	renew()
	certificate, err := admission.NewCertificate(admission.CertificateFiles(certFile, keyFile),
		admission.CertificateOptions{CABundle: c.CABundle(), DNSName: "127.0.0.1"})
	require.NoError(t, err)
	seen := &reviews{}
	h, err := admission.NewHandler(seen.options(), admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
		Namespaced().Mutate("label", addLabel))
	require.NoError(t, err)
	server := &admission.Server{Handler: oneRequestEach(h.Routes()), Certificate: certificate, ReloadInterval: 5 * time.Millisecond}
	url := serveWith(t, server)
	register(t, c, h, namespace, admission.ManifestOptions{Name: "renewal.e2e.example", URL: url})
	awaitReviews(t, c, seen, namespace)

	l := startLoad(t, c, namespace, func(p *corev1.Pod) bool { return p.Labels["mutated"] == "yes" })
	const renewals = 20
	for range renewals {
		cert := renew()
		awaitPresented(t, strings.TrimPrefix(url, "https://"), cert)
		l.awaitMore(t, 10)
	}
	t.Logf("%d certificates, %d Pods created, no two requests over one connection, 0 failures", renewals, l.finish(t))
}

// oneRequestEach has the API server make a new connection for each request, so that each meets the certificate of the
// moment. Left to itself, it would keep those it has.
func oneRequestEach(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		next.ServeHTTP(w, r)
	})
}

func awaitPresented(t *testing.T, address string, cert []byte) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		got, err := presented(address)
		if err == nil && !bytes.Equal(encodePEM("CERTIFICATE", got.Raw), cert) {
			err = errors.New("the server presents another certificate")
		}
		return err
	})
}

// TestAuthorityRotation has the example move to a certificate of another CA, which API servers do not trust yet. It has
// to tell them before it serves the new one, and must go on serving the old one meanwhile.
func TestAuthorityRotation(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	front := newFront(t, atOnce)
	files := pairFiles{dir: t.TempDir(), url: "https://" + front.Addr()}
	files.make(t, c)
	oldCA := files.read(t, "ca.crt")
	installBehind(t, c, front, files.flags()...)
	require.Equal(t, oldCA, trusted(t, c))

	l := startLoad(t, c, namespace, isReviewed)
	files.make(t, c)
	newCA, newCert := files.read(t, "ca.crt"), files.read(t, "tls.crt")
	cluster.Eventually(t, 30*time.Second, func() error {
		if got := trusted(t, c); !bytes.Equal(got, append(bytes.Clone(oldCA), newCA...)) {
			return fmt.Errorf("API servers are told to trust %s", got)
		}
		return nil
	})
	shown, err := presented(front.Addr())
	require.NoError(t, err)
	require.NotEqual(t, newCert, encodePEM("CERTIFICATE", shown.Raw), "not before API servers know")
	awaitPresented(t, front.Addr(), newCert)
	l.awaitMore(t, 50)

	// Another bundle makes the API server connect anew, now to the new certificate.
	distrust(t, c, newCA)
	l.awaitMore(t, 200)
	t.Logf("from one CA to the other within %d Pods created, all requests served, 0 failures", l.finish(t))
	require.Equal(t, newCA, trusted(t, c), "the old CA does not come back")
}

func isReviewed(p *corev1.Pod) bool { return p.Annotations["policies.example.com/reviewed"] == "true" }

// pairFiles are a serving pair and its CA as "webhook certs" writes them.
type pairFiles struct{ dir, url string }

func (p pairFiles) make(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), buildExample(t, c), "certs", "-out="+p.dir, "-url="+p.url).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func (p pairFiles) read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, name))
	require.NoError(t, err)
	return data
}

func (p pairFiles) flags() []string {
	in := func(name string) string { return filepath.Join(p.dir, name) }
	return []string{"-ca=" + in("ca.crt"), "-tls-cert=" + in("tls.crt"), "-tls-key=" + in("tls.key")}
}

// trusted is the bundle of the example's configurations, which must be the same.
func trusted(t *testing.T, c *cluster.Cluster) []byte {
	t.Helper()
	out := c.MustKubectl(t, "get", "mutatingwebhookconfiguration,validatingwebhookconfiguration", "--field-selector=metadata.name="+exampleName,
		"--output=jsonpath=[{range .items[*]}{.webhooks[0].clientConfig},{end}null]")
	var configs []*admissionregistrationv1.WebhookClientConfig
	require.NoError(t, json.Unmarshal([]byte(out), &configs))
	require.Len(t, configs, 3)
	if !bytes.Equal(configs[0].CABundle, configs[1].CABundle) {
		return nil // one is written before the other
	}
	return configs[0].CABundle
}

// distrust leaves one CA in the configurations, as the last step of a rotation.
func distrust(t *testing.T, c *cluster.Cluster, ca []byte) {
	t.Helper()
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ca}})
	require.NoError(t, err)
	for _, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		c.MustKubectl(t, "patch", kind, exampleName, "--type=json", "--patch="+string(patch))
	}
}
