package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The file names of a Secret of type kubernetes.io/tls, as cert-manager fills it.
const (
	caFile   = "ca.crt"
	certFile = "tls.crt"
	keyFile  = "tls.key"
)

// pair is a serving certificate with its key and the bundle it verifies against, all PEM.
type pair struct {
	ca, cert, key []byte
}

// newPair makes a CA and a certificate signed by it for DNS names and IP addresses. The CA's key is forgotten: who
// trusts this CA trusts this one certificate, and nothing that could be issued later.
func newPair(now time.Time, validity time.Duration, names []string) (pair, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "kubewright webhook CA of " + now.UTC().Format(time.RFC3339)},
		NotBefore:             now.Add(-5 * time.Minute), // clocks differ
		NotAfter:              now.Add(validity),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return pair{}, err
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil {
		return pair{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leafOf(ca, names), ca, key.Public(), caKey)
	if err != nil {
		return pair{}, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair{}, err
	}
	return pair{ca: toPEM("CERTIFICATE", caDER), cert: toPEM("CERTIFICATE", leafDER), key: toPEM("PRIVATE KEY", keyDER)}, nil
}

func leafOf(ca *x509.Certificate, names []string) *x509.Certificate {
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kubewright webhook"},
		NotBefore:   ca.NotBefore,
		NotAfter:    ca.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, name)
		}
	}
	return leaf
}

func toPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// check says why API servers would refuse the pair for a name at a time, or nil. Without a bundle or a name, those are
// not looked at.
func (p pair) check(now time.Time, name string) error {
	parsed, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return err
	}
	leaf := parsed.Leaf
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return fmt.Errorf("the certificate is valid from %s to %s", leaf.NotBefore.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	if name != "" {
		if err := leaf.VerifyHostname(name); err != nil {
			return err
		}
	}
	if len(p.ca) == 0 {
		return nil
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.ca) {
		return errors.New("the CA file has no PEM certificate")
	}
	intermediates.AppendCertsFromPEM(p.cert)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now})
	return err
}

// readPair reads a pair from files; an empty CA file name means no bundle.
func readPair(ca, cert, key string) (p pair, err error) {
	for _, f := range []struct {
		name string
		into *[]byte
	}{{ca, &p.ca}, {cert, &p.cert}, {key, &p.key}} {
		if f.name == "" {
			continue
		}
		if *f.into, err = os.ReadFile(f.name); err != nil {
			return pair{}, err
		}
	}
	return p, nil
}

func readPairFrom(dir string) (pair, error) {
	return readPair(filepath.Join(dir, caFile), filepath.Join(dir, certFile), filepath.Join(dir, keyFile))
}

// write puts the pair into a directory that others cannot read.
func (p pair) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range map[string][]byte{caFile: p.ca, certFile: p.cert, keyFile: p.key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
