package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// Webhooks that live in the test, for what the example does not do.

// reviews remembers what a handler did.
type reviews struct {
	mu  sync.Mutex
	all []admission.Observation
}

// options has a handler tell r of every review. What it would log is in the observations.
func (r *reviews) options() admission.Options {
	return admission.Options{
		Logger: slog.New(slog.DiscardHandler),
		Observe: func(_ context.Context, o admission.Observation) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.all = append(r.all, o)
		},
	}
}

// of returns the reviews of an object, oldest first.
func (r *reviews) of(namespace, name string) []admission.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []admission.Observation
	for _, o := range r.all {
		if o.Request != nil && o.Request.Namespace == namespace && o.Request.Name == name {
			found = append(found, o)
		}
	}
	return found
}

// serve runs an admission server until the test ends, and returns its URL.
func serve(t *testing.T, c *cluster.Cluster, handler http.Handler) (url string) {
	t.Helper()
	certificate, err := admission.NewCertificate(func() (cert, key []byte, err error) { return newPair(t, c) },
		admission.CertificateOptions{CABundle: c.CABundle(), DNSName: "127.0.0.1"})
	require.NoError(t, err)
	return serveWith(t, &admission.Server{Handler: handler, Certificate: certificate, ReloadInterval: time.Hour})
}

func serveWith(t *testing.T, server *admission.Server) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server.Listener, server.DrainDelay = listener, -1
	server.Logger = slog.New(slog.DiscardHandler) // handshakes that end with the API server
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	cluster.Eventually(t, 10*time.Second, server.Ready)
	return "https://" + listener.Addr().String()
}

// newPair is a new certificate of the cluster's authority for servers on loopback, and its key, as PEM.
func newPair(t *testing.T, c *cluster.Cluster) (cert, key []byte, err error) {
	t.Helper()
	pair := c.ServingCertificate(t)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	return encodePEM("CERTIFICATE", pair.Certificate[0]), encodePEM("PRIVATE KEY", der), err
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// register installs what the handler wants to be asked about in one namespace, and removes it when the test ends.
func register(t *testing.T, c *cluster.Cluster, h *admission.Handler, namespace string, o admission.ManifestOptions) {
	t.Helper()
	if o.CABundle == nil {
		o.CABundle = c.CABundle()
	}
	o.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
	manifests, err := h.Manifests(o)
	require.NoError(t, err)
	var text bytes.Buffer
	for _, configuration := range []any{manifests.Mutating, manifests.Validating} {
		document, err := yaml.Marshal(configuration)
		require.NoError(t, err)
		if string(document) != "null\n" {
			text.WriteString("---\n")
			text.Write(document)
		}
	}
	c.Apply(t, text.String())
	t.Cleanup(func() {
		c.MustKubectl(t, "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", o.Name, "--ignore-not-found")
	})
}

// awaitReviews returns when the API server asks the webhook about Pods of a namespace, whatever comes of it.
func awaitReviews(t *testing.T, c *cluster.Cluster, r *reviews, namespace string) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		_, _, err := c.WithStdin(pod("probe", good)).Kubectl(t, "create", "-f", "-", "--dry-run=server", "--namespace="+namespace)
		if len(r.of(namespace, "probe")) == 0 {
			return errors.Join(errors.New("the webhook is not asked"), err)
		}
		return nil
	})
}

// presented is the certificate that a server shows to a new connection.
func presented(address string) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) // who signed it is not the question
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0], nil
}
