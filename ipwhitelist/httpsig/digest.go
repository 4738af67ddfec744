package httpsig

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
)

// ErrDigest is the error of a body that is not the one whose digest was signed.
var ErrDigest = errors.New("content digest: the body is not the one that was signed, or the field is not one sha-256 alone")

// Digest returns the Content-Digest (RFC 9530) of content with this SHA-256: "sha-256=:…:". It is over the bytes as
// sent: what decodes Content-Encoding comes behind the verification.
func Digest(sum [sha256.Size]byte) string {
	b := make([]byte, 0, 64)
	b = append(b, "sha-256=:"...)
	b = base64.StdEncoding.AppendEncode(b, sum[:])
	return string(append(b, ':'))
}

// CheckDigest compares a Content-Digest with the SHA-256 of what was received. Exactly one sha-256 is accepted.
func CheckDigest(value string, sum [sha256.Size]byte) error {
	value = strings.Trim(value, " \t")
	if subtle.ConstantTimeCompare([]byte(value), []byte(Digest(sum))) != 1 {
		return ErrDigest
	}
	return nil
}
