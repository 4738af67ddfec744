package embedding

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

const configMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: %s, namespace: %s}
data: {password: %q}
`

// TestManager runs admission in a controller-runtime manager in the two ways that there are: as a runnable with its own
// server, and as handlers of the manager's webhook server.
func TestManager(t *testing.T) {
	for name, embed := range map[string]func(*testing.T, *manager) (url string){
		"runnable": addServer, "webhook server": addHandlers,
	} {
		t.Run(name, func(t *testing.T) {
			c := shared.Get(t)
			namespace := c.Namespace(t)
			m := newManager(t, c)
			url := embed(t, m)
			m.start(t)
			m.install(t, c, url)

			cluster.Eventually(t, 30*time.Second, func() error { // both the server and the API server take a moment
				_, _, err := c.WithStdin(fmt.Sprintf(configMap, "refused", namespace, "secret")).Kubectl(t, "create", "-f", "-", "--dry-run=server")
				if err == nil || !strings.Contains(err.Error(), "data[password]: belongs into a Secret") {
					return fmt.Errorf("not refused by the validator: %w", err)
				}
				return nil
			})
			c.Apply(t, fmt.Sprintf(configMap, "admitted", namespace, ""))
			require.Equal(t, namespace, c.MustKubectl(t, "get", "configmap", "admitted", "--namespace", namespace, "-o", "jsonpath={.metadata.labels.team}"))
		})
	}
}

// addServer runs admission's own server as a runnable of the manager.
func addServer(t *testing.T, m *manager) (url string) {
	t.Helper()
	certificate, err := admission.NewCertificate(admission.CertificateFiles(filepath.Join(m.certDir, "tls.crt"), filepath.Join(m.certDir, "tls.key")),
		admission.CertificateOptions{})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, m.Add(&admission.Server{Listener: listener, Certificate: certificate, Handler: m.handler.Routes(), DrainDelay: -1}))
	return "https://" + listener.Addr().String()
}

// addHandlers registers the handlers with the manager's webhook server.
func addHandlers(t *testing.T, m *manager) (url string) {
	t.Helper()
	m.GetWebhookServer().Register("/mutate", m.handler.Mutating())
	m.GetWebhookServer().Register("/validate", m.handler.Validating())
	return fmt.Sprintf("https://127.0.0.1:%d", m.port)
}

type manager struct {
	ctrl.Manager

	handler *admission.Handler
	certDir string
	port    int // of the manager's webhook server
}

func newManager(t *testing.T, c *cluster.Cluster) *manager {
	t.Helper()
	config, err := c.RESTConfig()
	require.NoError(t, err)
	m := &manager{handler: newHandler(t), certDir: writePair(t, c), port: freePort(t)}
	m.Manager, err = ctrl.NewManager(config, ctrl.Options{
		Logger:        logr.Discard(),
		Metrics:       metricsserver.Options{BindAddress: "0"},
		WebhookServer: webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: m.port, CertDir: m.certDir}),
	})
	require.NoError(t, err)
	return m
}

func newHandler(t *testing.T) *admission.Handler {
	t.Helper()
	h, err := admission.NewHandler(admission.Options{}, admission.For[corev1.ConfigMap](corev1.SchemeGroupVersion.WithKind("ConfigMap")).
		Mutate("team", func(_ context.Context, req *admissionv1.AdmissionRequest, m *corev1.ConfigMap) error {
			m.Labels = map[string]string{"team": req.Namespace}
			return nil
		}).
		Validate("password", func(_ context.Context, _ *admissionv1.AdmissionRequest, m, _ *corev1.ConfigMap) []admission.Finding {
			if m.Data["password"] == "" {
				return nil
			}
			return []admission.Finding{{Field: "data[password]", Message: "belongs into a Secret"}}
		}))
	require.NoError(t, err)
	return h
}

// start runs the manager until the test ends.
func (m *manager) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
}

// install applies the configurations that the handler derives from its functions until the test ends.
func (m *manager) install(t *testing.T, c *cluster.Cluster, url string) {
	t.Helper()
	manifests, err := m.handler.Manifests(admission.ManifestOptions{Name: "embedded.example.com", URL: url, CABundle: c.CABundle()})
	require.NoError(t, err)
	for _, configuration := range []any{manifests.Mutating, manifests.Validating} {
		document, err := yaml.Marshal(configuration)
		require.NoError(t, err)
		c.Apply(t, string(document))
	}
	t.Cleanup(func() {
		c.MustKubectl(t, "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", "embedded.example.com")
	})
}

// writePair writes a serving pair under the names that a mounted Secret has.
func writePair(t *testing.T, c *cluster.Cluster) (dir string) {
	t.Helper()
	dir = t.TempDir()
	pair := c.ServingCertificate(t)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	for file, block := range map[string]pem.Block{
		"tls.crt": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		"tls.key": {Type: "PRIVATE KEY", Bytes: key},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(&block), 0o600))
	}
	return dir
}

// freePort is a port below those that the kernel gives to others: the manager's server takes no listener.
func freePort(t *testing.T) int {
	t.Helper()
	for port := 20000 + os.Getpid()%5000; port < 30000; port++ {
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
	require.Fail(t, "no free port")
	return 0
}
