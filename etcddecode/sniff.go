package etcddecode

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
)

// Format is how a value is written.
type Format uint8

const (
	// Unrecognized values are none of the others.
	Unrecognized Format = iota
	// Protobuf is k8s\x00 and a runtime.Unknown that has the object: what built-in kinds are stored as.
	Protobuf
	// JSON is what custom resources, CustomResourceDefinitions and APIServices are stored as.
	JSON
	// CBOR is RFC 8949 after the self-describing tag d9 d9 f7: custom resources with the gate CBORServingAndStorage.
	CBOR
	// Text is printable text that is no object: the revision in compact_rev_key.
	Text
)

// String is the name of the format in lower case.
func (f Format) String() string {
	names := [...]string{"unrecognized", "protobuf", "json", "cbor", "text"}
	if int(f) < len(names) {
		return names[f]
	}
	return "format " + strconv.Itoa(int(f))
}

// Encryption says what encrypted a value. The zero Encryption is none.
type Encryption struct {
	// Provider is aescbc, aesgcm, secretbox or kms, or whatever stands in its place.
	Provider string
	// Version is v1, or v2 for the second KMS.
	Version string
	// Name is that of the key, or of the KMS provider, in the EncryptionConfiguration. AES keys may have a name with
	// colons; this one ends at the first, since only a configuration can tell.
	Name string
}

// IsZero reports whether nothing is encrypted.
func (e Encryption) IsZero() bool { return e == Encryption{} }

// String is "aescbc:v1:name", as in the value.
func (e Encryption) String() string {
	if e.IsZero() {
		return ""
	}
	return e.Provider + ":" + e.Version + ":" + e.Name
}

const (
	magicProtobuf  = "k8s\x00"
	magicEncrypted = "k8s:enc:"
	magicCBOR      = "\xd9\xd9\xf7"
	magicBase64    = "azhz" // base64 of k8s and a part of the zero byte
)

// Sniff tells the format of a value from its first bytes, as the API server does. Encrypted values have no format to
// be seen. A value that is base64 of protobuf, as the API server wrote for etcd2 and still reads, is Protobuf. Sniff
// does not allocate and does not look whether the rest is valid.
func Sniff(value []byte) (Format, Encryption) {
	switch {
	case bytes.HasPrefix(value, []byte(magicProtobuf)), isBase64(value):
		return Protobuf, Encryption{}
	case bytes.HasPrefix(value, []byte(magicEncrypted)):
		return Unrecognized, sniffEncryption(value)
	case bytes.HasPrefix(value, []byte(magicCBOR)):
		return CBOR, Encryption{}
	}
	if start := bytes.TrimLeft(value[:min(len(value), 64)], " \t\r\n"); len(start) > 0 && start[0] == '{' {
		return JSON, Encryption{}
	}
	if isText(value) {
		return Text, Encryption{}
	}
	return Unrecognized, Encryption{}
}

func sniffEncryption(value []byte) Encryption {
	rest := string(value[len(magicEncrypted):min(len(value), 512)])
	var parts [3]string
	for i := range parts {
		end := strings.IndexByte(rest, ':')
		if end < 0 {
			end = len(rest)
		}
		if parts[i] = rest[:end]; !isText([]byte(parts[i])) {
			parts[i] = ""
		}
		rest = rest[min(end+1, len(rest)):]
	}
	if parts[0] == "" {
		parts[0] = "unknown"
	}
	return Encryption{parts[0], parts[1], parts[2]}
}

// isText reports whether there are only printable ASCII characters, spaces and line ends.
func isText(value []byte) bool {
	for _, c := range value {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return len(value) > 0
}

func isBase64(value []byte) bool {
	if !bytes.HasPrefix(value, []byte(magicBase64)) || len(value) < 8 {
		return false
	}
	var start [6]byte
	_, err := base64.StdEncoding.Decode(start[:], value[:8])
	return err == nil && string(start[:4]) == magicProtobuf
}
