package admissiontest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Webhook is a running server, as a webhook configuration's clientConfig needs it.
type Webhook struct {
	// URL of the server, https://127.0.0.1:PORT, without a path.
	URL string
	// CABundle is the PEM certificate of the authority that signed the server's.
	CABundle []byte
	// Client trusts that authority and no other.
	Client *http.Client
}

// Server serves h over TLS on the loopback interface, with an authority and a certificate of its own, until the test
// ends. An API server that runs on the same machine can call it.
func Server(t testing.TB, h http.Handler) *Webhook {
	t.Helper()
	ca, pair, err := newPair(time.Now()) //nolint:forbidigo // clients compare certificates with the real time
	if err != nil {
		t.Fatalf("admissiontest.Server: %v", err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &Webhook{URL: s.URL, CABundle: ca, Client: &http.Client{Transport: transport}}
}

// newPair makes an authority and a serving certificate for this machine's loopback names. They last for a day: longer
// than any test, and too short to be of use elsewhere.
func newPair(now time.Time) (ca []byte, pair tls.Certificate, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, pair, fmt.Errorf("key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, pair, fmt.Errorf("key: %w", err)
	}
	authority := template(1, "admissiontest CA", now)
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	if err != nil {
		return nil, pair, fmt.Errorf("authority: %w", err)
	}
	serving := template(2, "admissiontest", now)
	serving.KeyUsage, serving.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	serving.DNSNames, serving.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, err := x509.CreateCertificate(rand.Reader, serving, authority, key.Public(), caKey)
	if err != nil {
		return nil, pair, fmt.Errorf("certificate: %w", err)
	}
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	return ca, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func template(serial int64, name string, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), // clocks differ
		NotAfter:     now.Add(24 * time.Hour),
	}
}
