package admission_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &a.key.PublicKey, a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

// issue makes a pair for localhost, whose serial number tells it from others.
func (a *authority) issue(t testing.TB, name string, serial int64) (cert, key []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &priv.PublicKey, a.key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	require.NoError(t, err)
	cert = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), a.pem...)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) client(certs ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: a.pool(), Certificates: certs},
		ForceAttemptHTTP2: true,
	}}
}

func static(cert, key []byte) func() ([]byte, []byte, error) {
	return func() ([]byte, []byte, error) { return cert, key, nil }
}

// soon is when the test machine is at its slowest.
const soon = 30 * time.Second

// start serves until the test ends and returns the base URL, a function that ends it, and what Start returned.
func start(t *testing.T, s *admission.Server) (url string, stop func(), done <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Listener = ln
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- s.Start(ctx) }()
	t.Cleanup(cancel)
	require.Eventually(t, func() bool { return s.Address() != nil }, soon, time.Millisecond)
	return "https://" + ln.Addr().String(), cancel, result
}

// answer is what tests look at of a response.
type answer struct {
	code   int
	body   string
	closes bool  // asks for the connection to be closed
	serial int64 // of the server's certificate
}

func get(t *testing.T, c *http.Client, url string) answer {
	t.Helper()
	resp, err := c.Get(url)
	require.NoError(t, err)
	defer closeBody(resp)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, string(body), resp.Close, resp.TLS.PeerCertificates[0].SerialNumber.Int64()}
}

func closeBody(resp *http.Response) { _ = resp.Body.Close() }

func TestServerServesHTTP1(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.issue(t, "server", 1)
	c, err := admission.NewCertificate(static(cert, key), admission.CertificateOptions{CABundle: ca.pem, DNSName: "localhost"})
	require.NoError(t, err)
	url, stop, done := start(t, &admission.Server{Certificate: c, DrainDelay: -1, Handler: newHandler(t, admission.Options{}, pods().Mutate("a", label("x", "1"))).Routes()})
	resp, err := ca.client().Post(url+admission.MutatePath, "application/json", strings.NewReader(reviewBody(t)))
	require.NoError(t, err)
	defer closeBody(resp)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, 1, resp.ProtoMajor)
	for _, path := range []string{"/healthz", "/readyz"} {
		a := get(t, ca.client(), url+path)
		require.Equal(t, http.StatusOK, a.code)
		require.Equal(t, "ok\n", a.body)
	}
	stop()
	require.NoError(t, <-done)
}

// Drain: not ready at once, and serving on with connections that close.
func TestServerServesOnWhileItDrains(t *testing.T) {
	ca := newAuthority(t)
	c, err := admission.NewCertificate(static(ca.issue(t, "server", 1)), admission.CertificateOptions{})
	require.NoError(t, err)
	s := &admission.Server{Certificate: c, Handler: http.NotFoundHandler(), DrainDelay: time.Hour}
	url, stop, done := start(t, s)
	stop()
	require.Eventually(t, func() bool { return s.Ready() != nil }, soon, time.Millisecond)
	a := get(t, ca.client(), url+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, a.code)
	require.Equal(t, "shutting down\n", a.body)
	a = get(t, ca.client(), url+"/healthz")
	require.Equal(t, http.StatusOK, a.code, "it serves on")
	require.True(t, a.closes, "and asks for the connection to be closed")
	require.NoError(t, s.Listener.Close()) // or it would for an hour
	require.ErrorIs(t, <-done, net.ErrClosed)
}

// After the drain: gone, with no request lost.
func TestServerAnswersWhatIsInFlight(t *testing.T) {
	ca := newAuthority(t)
	c, err := admission.NewCertificate(static(ca.issue(t, "server", 1)), admission.CertificateOptions{})
	require.NoError(t, err)
	entered, release := make(chan struct{}), make(chan struct{})
	h := newHandler(t, admission.Options{}, pods().Mutate("slow", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error {
		close(entered)
		<-release
		return nil
	}))
	s := &admission.Server{Certificate: c, Handler: h, DrainDelay: time.Millisecond}
	url, stop, done := start(t, s)
	inFlight := make(chan int, 1)
	body := reviewBody(t)
	go func() {
		resp, err := ca.client().Post(url+"?timeout=30s", "application/json", strings.NewReader(body))
		if err != nil {
			inFlight <- -1
			return
		}
		defer closeBody(resp)
		inFlight <- resp.StatusCode
	}()
	<-entered
	stop()
	require.Eventually(t, func() bool { // it has stopped to listen
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Address().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, soon, time.Millisecond)
	select {
	case err := <-done:
		t.Fatal("it stopped with a request in flight", err)
	default:
	}
	close(release)
	require.Equal(t, http.StatusOK, <-inFlight)
	require.NoError(t, <-done)
}

func TestServerShutdownTimeout(t *testing.T) {
	ca := newAuthority(t)
	c, err := admission.NewCertificate(static(ca.issue(t, "server", 1)), admission.CertificateOptions{})
	require.NoError(t, err)
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	url, stop, done := start(t, &admission.Server{
		Certificate: c, DrainDelay: -1, ShutdownTimeout: 10 * time.Millisecond,
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-release }),
	})
	go func() {
		if resp, err := ca.client().Get(url); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-entered
	stop()
	require.ErrorContains(t, <-done, "requests were still in flight after the shutdown timeout")
}

// A mounted Secret changes: the pair is swapped, a broken one is not taken over.
func TestCertificateReload(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(cert, key []byte) {
		require.NoError(t, os.WriteFile(certFile, cert, 0o600))
		require.NoError(t, os.WriteFile(keyFile, key, 0o600))
	}
	write(ca.issue(t, "server", 1))
	c, err := admission.NewCertificate(admission.CertificateFiles(certFile, keyFile), admission.CertificateOptions{CABundle: ca.pem, DNSName: "localhost"})
	require.NoError(t, err)
	var log syncBuffer
	url, _, _ := start(t, &admission.Server{
		Certificate: c, Handler: http.NotFoundHandler(), ReloadInterval: time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	serial := func() int64 { return get(t, ca.client(), url+"/healthz").serial }
	require.Equal(t, int64(1), serial())
	cert2, key2 := ca.issue(t, "server", 2)
	require.NoError(t, os.WriteFile(certFile, cert2, 0o600)) // its key is still the old one
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "last good one stays") }, soon, time.Millisecond)
	require.Equal(t, int64(1), serial())
	write(cert2, key2)
	require.Eventually(t, func() bool { return serial() == 2 }, soon, time.Millisecond)
	require.Contains(t, log.String(), "serving certificate reloaded")
	require.NoError(t, os.Remove(keyFile))
	_, err = c.Reload()
	require.ErrorContains(t, err, "tls.key")
	require.Equal(t, int64(2), serial())
	require.Equal(t, http.StatusOK, get(t, ca.client(), url+"/readyz").code)

	other := newAuthority(t)
	write(other.issue(t, "server", 3))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "it is not taken over") }, soon, time.Millisecond)
	require.Equal(t, int64(2), serial(), "the pair of another authority is worse than the one at hand")
	require.NoError(t, c.Check(time.Now()))
	require.ErrorContains(t, c.Check(c.NotAfter().Add(time.Second)), "serving certificate is valid from")
	c, err = admission.NewCertificate(static(other.issue(t, "server", 3)), admission.CertificateOptions{CABundle: ca.pem, DNSName: "localhost"})
	require.NoError(t, err)
	require.ErrorContains(t, c.Check(time.Now()), "does not verify against the CA bundle")
}

func TestCertificateRefusals(t *testing.T) {
	_, err := admission.NewCertificate(static(nil, nil), admission.CertificateOptions{})
	require.ErrorContains(t, err, "serving certificate: tls: failed to find any PEM data")
	_, err = admission.NewCertificate(func() ([]byte, []byte, error) { return nil, nil, errors.New("no disk") }, admission.CertificateOptions{})
	require.EqualError(t, err, "serving certificate: no disk")
	_, err = admission.NewCertificate(static(nil, nil), admission.CertificateOptions{CABundle: []byte("x")})
	require.EqualError(t, err, "CA bundle has no PEM certificate")
	_, err = admission.NewCertificate(admission.CertificateFiles("no-such-file", ""), admission.CertificateOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestClientCertificates(t *testing.T) {
	ca, clients, strangers := newAuthority(t), newAuthority(t), newAuthority(t)
	c, err := admission.NewCertificate(static(ca.issue(t, "server", 1)), admission.CertificateOptions{})
	require.NoError(t, err)
	url, _, _ := start(t, &admission.Server{
		Certificate: c, ClientCAs: clients.pool(), ClientNames: []string{"kube-apiserver"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	})
	pair := func(a *authority, name string) tls.Certificate {
		cert, key := a.issue(t, name, 9)
		p, err := tls.X509KeyPair(cert, key)
		require.NoError(t, err)
		return p
	}
	a := get(t, ca.client(), url+"/mutate")
	require.Equal(t, http.StatusForbidden, a.code)
	require.Equal(t, "a client certificate is required\n", a.body)
	a = get(t, ca.client(pair(clients, "somebody")), url+"/mutate")
	require.Equal(t, http.StatusForbidden, a.code)
	require.Equal(t, "client \"somebody\" may not call this webhook\n", a.body)
	require.Equal(t, http.StatusNoContent, get(t, ca.client(pair(clients, "kube-apiserver")), url+"/mutate").code)
	require.Equal(t, http.StatusOK, get(t, ca.client(), url+"/readyz").code, "kubelets have no certificate")
	if resp, err := ca.client(pair(strangers, "kube-apiserver")).Get(url + "/mutate"); err == nil {
		defer closeBody(resp)
		require.NotEqual(t, http.StatusNoContent, resp.StatusCode)
	}
}

func TestServerRefusesToStart(t *testing.T) {
	require.ErrorContains(t, (&admission.Server{}).Start(t.Context()), "Certificate and Handler must be set")
	ca := newAuthority(t)
	c, err := admission.NewCertificate(static(ca.issue(t, "server", 1)), admission.CertificateOptions{})
	require.NoError(t, err)
	s := &admission.Server{Addr: "127.0.0.1:bad", Certificate: c, Handler: http.NotFoundHandler()}
	require.ErrorContains(t, s.Start(t.Context()), "admission server: ")
	require.EqualError(t, s.Ready(), "not listening yet")
	require.False(t, s.NeedLeaderElection())
	require.Nil(t, s.Address())

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	require.ErrorContains(t, (&admission.Server{Listener: ln, Certificate: c, Handler: http.NotFoundHandler()}).Start(t.Context()), "use of closed network connection")
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	text atomic.Pointer[[]byte]
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	for {
		old := b.text.Load()
		var have []byte
		if old != nil {
			have = *old
		}
		now := append(bytes.Clone(have), p...)
		if b.text.CompareAndSwap(old, &now) {
			return len(p), nil
		}
	}
}

func (b *syncBuffer) String() string {
	if p := b.text.Load(); p != nil {
		return string(*p)
	}
	return ""
}
