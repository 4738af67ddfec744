package etcddecode

import (
	"encoding/base64"
	"strings"
)

// Private keys are found by what they look like, wherever they stand: a ConfigMap, an annotation, a custom resource. The
// label of the PEM block (RFC 7468 §10 and its like, OPENSSH and PGP among them) is enough, and all of the string that has
// one is redacted: what stands around a key tells where it belongs.

const (
	pemBegin  = "-----BEGIN "
	pemLabel  = "PRIVATE KEY"
	pemBase64 = "LS0tLS1CRUdJTi" // base64 of pemBegin, but for its last bits
)

// redactPrivateKeys hides every string with a private key in it, and bytes of unknown fields that have one.
func (o *Object) redactPrivateKeys() {
	for i := range o.tree.nodes {
		if n := &o.tree.nodes[i]; n.kind == kindString && hasPrivateKey(n.text) {
			o.Redacted = o.tree.redactAll(int32(i)) || o.Redacted
		}
	}
	for i := range o.findings {
		if hasPrivateKey(string(o.findings[i].Wire)) {
			o.findings[i].Wire = nil
		}
	}
}

// hasPrivateKey reports whether a text has a PEM private key in it, plain or as base64.
func hasPrivateKey(text string) bool {
	if len(text) < len(pemBegin)+len(pemLabel) {
		return false
	}
	if isPEMKey(text) {
		return true
	}
	for rest := text; ; {
		i := strings.Index(rest, pemBase64)
		if i < 0 {
			break
		}
		rest = rest[i:]
		if isPEMKey(decodePrefix(rest[:min(len(rest), 64)])) {
			return true
		}
		rest = rest[len(pemBase64):]
	}
	if !mayBeBase64(text) {
		return false
	}
	decoded, err := base64.StdEncoding.DecodeString(text) // in bytes, a block may begin anywhere
	return err == nil && isPEMKey(string(decoded))
}

func mayBeBase64(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/', c == '=', c == '\n', c == '\r':
		default:
			return false
		}
	}
	return true
}

func isPEMKey(text string) bool {
	i := strings.Index(text, pemBegin)
	return i >= 0 && strings.Contains(text[i:], pemLabel)
}

// decodePrefix decodes as much of a text as is base64.
func decodePrefix(text string) string {
	var buf [64]byte
	n, _ := base64.StdEncoding.Decode(buf[:], []byte(text)) // up to what is wrong
	return string(buf[:n])
}
