package admission

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Certificate is a serving pair that can change while it is in use, as mounted Secrets do. It is safe for concurrent
// use.
type Certificate struct {
	read  func() (cert, key []byte, err error)
	roots *x509.CertPool
	name  string
	clock func() time.Time

	mu      sync.Mutex // held by Reload
	cert    []byte     // what read last returned of good pairs
	key     []byte
	current atomic.Pointer[tls.Certificate]
}

// CertificateOptions say what a pair must be good for. The zero value asks for nothing but a valid pair.
type CertificateOptions struct {
	// CABundle is the bundle that the webhook configurations carry, as PEM. A pair that does not verify against it for
	// DNSName makes the server not ready: the API server would refuse it.
	// It is fixed: where the authority rotates too, leave it empty and verify in read.
	CABundle []byte
	// DNSName is the name that the API server connects to: SERVICE.NAMESPACE.svc, or the host of the webhook's URL.
	DNSName string
	// Clock says whether pairs are valid. time.Now if nil.
	Clock func() time.Time
}

// NewCertificate loads a pair of PEM texts by calling read, which [Certificate.Reload] calls again.
func NewCertificate(read func() (cert, key []byte, err error), o CertificateOptions) (*Certificate, error) {
	c := &Certificate{read: read, name: o.DNSName, clock: o.Clock}
	if c.clock == nil {
		c.clock = time.Now //nolint:forbidigo // the default of a parameter
	}
	if len(o.CABundle) > 0 {
		c.roots = x509.NewCertPool()
		if !c.roots.AppendCertsFromPEM(o.CABundle) {
			return nil, errors.New("CA bundle has no PEM certificate")
		}
	}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// CertificateFiles reads a pair from two files, such as tls.crt and tls.key of a mounted Secret.
func CertificateFiles(certFile, keyFile string) func() (cert, key []byte, err error) {
	return func() (cert, key []byte, err error) {
		if cert, err = os.ReadFile(certFile); err != nil {
			return nil, nil, err
		}
		key, err = os.ReadFile(keyFile)
		return cert, key, err
	}
}

// Reload reads the pair again and, if it changed, serves it from the next handshake on. On an error the last good pair
// stays: the two files of a Secret do not change in the same instant, and a broken renewal should not break what works. A
// pair that API servers would refuse is an error too, unless they would refuse the last one as well.
func (c *Certificate) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, key, err := c.read()
	if err != nil {
		return false, fmt.Errorf("serving certificate: %w", err)
	}
	if c.current.Load() != nil && bytes.Equal(cert, c.cert) && bytes.Equal(key, c.key) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("serving certificate: %w", err)
	}
	now := c.clock()
	if have := c.current.Load(); have != nil && c.check(have, now) == nil {
		if err := c.check(&pair, now); err != nil {
			return false, fmt.Errorf("%w: it is not taken over", err)
		}
	}
	c.current.Store(&pair)
	c.cert, c.key = cert, key
	return true, nil
}

// GetCertificate is for [tls.Config].
func (c *Certificate) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}

// NotAfter is when the current pair expires.
func (c *Certificate) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// Check says why API servers would refuse the current pair at a time, or nil.
func (c *Certificate) Check(now time.Time) error { return c.check(c.current.Load(), now) }

func (c *Certificate) check(pair *tls.Certificate, now time.Time) error {
	leaf := pair.Leaf
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("serving certificate is valid from %s to %s, it is %s",
			leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if c.roots == nil {
		return nil
	}
	intermediates := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(cert)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: intermediates, DNSName: c.name, CurrentTime: now})
	if err != nil {
		return fmt.Errorf("serving certificate does not verify against the CA bundle: %w", err)
	}
	return nil
}
