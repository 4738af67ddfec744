package cluster

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// authority is the one CA of a cluster. It signs what the components serve with and what clients
// present, which a production cluster would keep apart.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// pair is a certificate and its key in PEM.
type pair struct{ cert, key []byte }

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := newTemplate("kubewright-e2e-ca")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert: cert, key: key, pem: encodePEM("CERTIFICATE", der)}, nil
}

// server signs a certificate for servers on loopback.
func (a *authority) server(names ...string) (pair, error) {
	template := newTemplate("kubewright-e2e")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = append([]string{"localhost"}, names...)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	return a.sign(template)
}

// client signs a certificate that the API server takes for this user in these groups.
func (a *authority) client(user string, groups []string) (pair, error) {
	template := newTemplate(user)
	template.Subject.Organization = groups
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(template)
}

func (a *authority) sign(template *x509.Certificate) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return pair{}, err
	}
	keyPEM, err := encodeKey(key)
	return pair{cert: encodePEM("CERTIFICATE", der), key: keyPEM}, err
}

func newTemplate(commonName string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // crypto/rand never fails
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName},
		NotBefore:    time.Now().Add(-time.Hour), // forgives a clock that is set back
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// ServingCertificate signs a certificate for a server on loopback, such as a webhook of a test.
func (c *Cluster) ServingCertificate(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	signed, err := c.ca.server(names...)
	require.NoError(t, err)
	certificate, err := tls.X509KeyPair(signed.cert, signed.key)
	require.NoError(t, err)
	return certificate
}

// CABundle is what verifies a serving certificate, as the caBundle of a webhook configuration.
func (c *Cluster) CABundle() []byte { return bytes.Clone(c.ca.pem) }

// files names what the components read from the pki directory.
type files struct{ ca, caKey, cert, key, serviceAccountKey, serviceAccountPub string }

// writePKI signs a serving certificate, makes the key pair that service account tokens are signed
// with, and writes both to dir.
func (a *authority) writePKI(dir string) (files, error) {
	serving, err := a.server("kubernetes", "kubernetes.default", "kubernetes.default.svc")
	if err != nil {
		return files{}, err
	}
	caKey, err := encodeKey(a.key)
	if err != nil {
		return files{}, err
	}
	saKey, saPub, err := newServiceAccountKey()
	if err != nil {
		return files{}, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	f := files{in("ca.crt"), in("ca.key"), in("server.crt"), in("server.key"), in("sa.key"), in("sa.pub")}
	content := map[string][]byte{
		f.ca: a.pem, f.caKey: caKey,
		f.cert: serving.cert, f.key: serving.key,
		f.serviceAccountKey: saKey, f.serviceAccountPub: saPub,
	}
	for name, data := range content {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return files{}, err
		}
	}
	return f, nil
}

func newServiceAccountKey() (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, err
	}
	private, err = encodeKey(key)
	return private, encodePEM("PUBLIC KEY", der), err
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return encodePEM("EC PRIVATE KEY", der), err
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
