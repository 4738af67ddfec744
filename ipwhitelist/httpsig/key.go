package httpsig

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"
	"sync"
)

// ErrKey is the error of keys that are refused. Its messages never hold a secret.
var ErrKey = errors.New("key")

// KeyPrefix begins the text form of a key, for people and secret scanners: "ipw1.<id>.<43 base64url>.<crc32 in hex>".
const KeyPrefix = "ipw1"

const (
	secretSize  = 32      // of generated keys (RFC 2104, 3: not less than the output of the hash)
	maxSecret   = 1 << 10 // of keys from elsewhere
	minDistinct = 12      // different bytes in a secret: 32 random ones have fewer once in 10^12 keys
)

// Key is an HMAC-SHA256 key with its name. It is safe for concurrent use, and prints as its name.
type Key struct {
	id   string
	pool sync.Pool // of *work
}

// work is what one signature needs: the keyed hash and room for the base.
type work struct {
	mac  hash.Hash
	base []byte
	sum  [32]byte
}

// NewKey makes a key of at least 32 and at most 1024 random bytes, which are not kept. Short, uniform and repeated bytes
// are refused: they are passwords or mistakes.
func NewKey(id string, secret []byte) (*Key, error) {
	if !ValidKeyID(id) {
		return nil, fmt.Errorf("%w: id %q: write 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit", ErrKey, shorten(id))
	}
	if len(secret) < secretSize || len(secret) > maxSecret {
		return nil, fmt.Errorf("%w %s: a secret of %d bytes: use 32 random ones", ErrKey, id, len(secret))
	}
	distinct := 0
	for c := range 256 {
		if bytes.IndexByte(secret, byte(c)) >= 0 {
			distinct++
		}
	}
	if distinct < minDistinct {
		return nil, fmt.Errorf("%w %s: a secret of only %d different bytes is not random", ErrKey, id, distinct)
	}
	k := &Key{id: id}
	secret = bytes.Clone(secret)
	k.pool.New = func() any { return &work{mac: hmac.New(sha256.New, secret), base: make([]byte, 0, 512)} }
	return k, nil
}

// ID returns the key's name, the keyid of its signatures.
func (k *Key) ID() string { return k.id }

// Format prints the name, whatever the verb: secrets do not get into logs.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key "+k.ID()) }

// ValidKeyID reports whether s may be the id of a key: [a-z0-9][a-z0-9._-]{0,63}. By convention it is
// <caller>.<yyyy-mm>.<n>.
func ValidKeyID(s string) bool {
	return len(s) > 0 && len(s) <= maxKeyID && all(s, keyIDByte) && (isDigit(s[0]) || isAlpha(s[0]))
}

// GenerateKey returns the text form of a new key. random is crypto/rand.Reader but for tests.
func GenerateKey(id string, random io.Reader) (string, error) {
	var secret [secretSize]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", fmt.Errorf("%w %s: random bytes: %w", ErrKey, shorten(id), err)
	}
	if _, err := NewKey(id, secret[:]); err != nil {
		return "", err
	}
	return EncodeText(KeyPrefix, id, secret), nil
}

// ParseKey reads the text form.
func ParseKey(text string) (*Key, error) {
	id, secret, err := DecodeText(KeyPrefix, text)
	if err != nil {
		return nil, err
	}
	return NewKey(id, secret[:])
}

// EncodeText writes "<prefix>.<id>.<43 base64url>.<crc32>", the form of keys and of API keys.
func EncodeText(prefix, id string, secret [secretSize]byte) string {
	text := prefix + "." + id + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	return text + "." + checksum(text)
}

// DecodeText is the inverse of [EncodeText]. The checksum tells a key that was cut or mistyped from a wrong one. What is
// wrong is said without the text.
func DecodeText(prefix, text string) (id string, secret [secretSize]byte, err error) {
	const random, sum = 43, 8
	rest, ok := strings.CutPrefix(text, prefix+".")
	end := len(rest) - random - sum - 2 // where the id ends
	switch {
	case !ok:
		return "", secret, fmt.Errorf("%w: its text does not begin with %q", ErrKey, prefix+".")
	case end < 1 || rest[end] != '.' || rest[end+1+random] != '.' || !ValidKeyID(rest[:end]):
		return "", secret, fmt.Errorf("%w: its text is not %s.<id>.<43 characters>.<8 hex digits>: copy all of it", ErrKey, prefix)
	case checksum(text[:len(text)-sum-1]) != text[len(text)-sum:]:
		return "", secret, fmt.Errorf("%w %s: the checksum is wrong: copy the text again", ErrKey, rest[:end])
	}
	n, err := base64.RawURLEncoding.Strict().Decode(secret[:], []byte(rest[end+1:end+1+random]))
	if err != nil || n != secretSize {
		return "", [secretSize]byte{}, fmt.Errorf("%w %s: not base64url of 32 bytes", ErrKey, rest[:end])
	}
	return rest[:end], secret, nil
}

func checksum(s string) string {
	sum := crc32.ChecksumIEEE([]byte(s))
	return hex.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}
