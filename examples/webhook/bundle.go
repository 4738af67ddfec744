package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"
)

// bundle is a set of CA certificates in the order of their file, each as DER.
type bundle []string

// parseBundle reads the certificates of a PEM text and ignores all else, as TLS clients do.
func parseBundle(text []byte) bundle {
	var b bundle
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return b
		}
		if block.Type == "CERTIFICATE" {
			b = b.union(bundle{string(block.Bytes)})
		}
	}
}

// pem is nil for an empty bundle, which in a webhook configuration means the authorities that the system trusts.
func (b bundle) pem() []byte {
	var buf bytes.Buffer
	for _, der := range b {
		_ = pem.Encode(&buf, &pem.Block{Type: "CERTIFICATE", Bytes: []byte(der)}) // a Buffer takes everything
	}
	return buf.Bytes()
}

func (b bundle) union(other bundle) bundle {
	return unique(slices.Concat(b, other))
}

func (b bundle) without(drop func(der string) bool) bundle {
	return slices.DeleteFunc(slices.Clone(b), drop)
}

// expired reports whether a certificate is of no use any more, also because it can't be read.
func expired(der string, now time.Time) bool {
	cert, err := x509.ParseCertificate([]byte(der))
	return err != nil || now.After(cert.NotAfter)
}
