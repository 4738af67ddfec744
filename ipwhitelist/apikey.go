package ipwhitelist

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// apiKeyPrefix begins the text form of API keys: "ipwk1.<id>.<43 base64url>.<crc32>".
const apiKeyPrefix = "ipwk1"

// GenerateAPIKey returns a new API key for the caller, to send as "Authorization: ApiKey <text>", and what the provider
// keeps of it. A hash without salt or stretching is enough for 32 random bytes. random is crypto/rand.Reader but for
// tests.
func GenerateAPIKey(id string, random io.Reader) (text string, kept APIKey, err error) {
	if !httpsig.ValidKeyID(id) {
		return "", APIKey{}, fmt.Errorf("ipwhitelist: API key %q: %s", shorten(id), nameForm)
	}
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", APIKey{}, fmt.Errorf("ipwhitelist: random bytes: %w", err)
	}
	sum := sha256.Sum256(secret[:])
	return httpsig.EncodeText(apiKeyPrefix, id, secret), APIKey{ID: id, SHA256: hex.EncodeToString(sum[:]), State: Active}, nil
}

// apiKeyText returns what follows "Authorization: ApiKey". Other schemes are somebody else's.
func apiKeyText(h http.Header) (text string, present bool, ok bool) {
	for _, value := range h["Authorization"] {
		scheme, rest, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "ApiKey") {
			text, present = strings.Trim(rest, " "), true
		}
	}
	return text, present, len(h["Authorization"]) == 1
}

// checkAPIKey finds the key of a text. For an unknown id it does the same work.
func (s *snapshot) checkAPIKey(text string, now time.Time) (*key, Reason) {
	id, secret, err := httpsig.DecodeText(apiKeyPrefix, text)
	if err != nil {
		return nil, ReasonAPIKey
	}
	var hash [sha256.Size]byte // of an unknown key: that of nothing
	k := s.apiKeys[id]
	if k != nil {
		hash = k.hash
	}
	sum := sha256.Sum256(secret[:])
	if subtle.ConstantTimeCompare(sum[:], hash[:]) != 1 || k == nil {
		return k, ReasonAPIKey
	}
	k.usage.use(now)
	if !k.usable(now) {
		return k, ReasonKeyDisabled
	}
	return k, ""
}
