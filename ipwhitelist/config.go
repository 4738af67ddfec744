package ipwhitelist

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Config is who may call: the content of the key file, version 1. It is a plain value; [New] and [Guard.Replace] check
// it. Times are RFC 3339, dates 2006-01-02 in UTC.
type Config struct {
	Version int      `json:"version"` // 1
	Callers []Caller `json:"callers,omitempty"`
	Rules   []Rule   `json:"rules,omitempty"`
	// TrustedProxies append the address that they were called from to X-Forwarded-For: see [clientip.Options].
	TrustedProxies []string `json:"trusted_proxies,omitempty"`
	// Authorities are the hosts that signatures may be for, "orders.svc.example.com" or with a port. If the list is
	// empty, whatever the Host of the request is; then a signature for another service with the same key passes here.
	Authorities []string `json:"authorities,omitempty"`
}

// Caller is a service that calls. Its keys are for this provider alone: whoever can verify a signature can make it.
type Caller struct {
	Name string `json:"name"`
	Mode Mode   `json:"mode"`
	Keys []Key  `json:"keys,omitempty"`
	// APIKeys admit in the modes either and report, and in signature if AllowAPIKey is set.
	APIKeys     []APIKey `json:"api_keys,omitempty"`
	AllowAPIKey bool     `json:"allow_api_key,omitempty"`
	// Override is another mode for at most 24 hours: the way out when a step turns out to be too early.
	Override *Override `json:"override,omitempty"`
}

// Key is a signing key.
type Key struct {
	ID       string    `json:"id"`
	Alg      string    `json:"alg,omitempty"` // "hmac-sha256", or nothing
	Secret   Secret    `json:"secret"`        // "ipw1.<id>.…", as httpsig.GenerateKey returns it
	State    State     `json:"state"`
	NotAfter time.Time `json:"not_after,omitzero"` // required for retiring keys
}

// APIKey is a bearer key, of which only the hash is kept. It is for callers that can't sign: whoever sees one request has
// it. Use it over TLS alone.
type APIKey struct {
	ID       string    `json:"id"`
	SHA256   string    `json:"sha256"` // of the 32 random bytes, in hex: see GenerateAPIKey
	State    State     `json:"state"`
	NotAfter time.Time `json:"not_after,omitzero"` // required for retiring keys
}

// Rule says which callers may come from some addresses. A prefix may lie in another rule's, and is stronger.
type Rule struct {
	Name     string   `json:"name"`
	Prefixes []string `json:"prefixes"`
	Callers  []string `json:"callers"`
	// Deprecated and RemoveAfter are what callers in mode report are told with the fields Deprecation (RFC 9745) and
	// Sunset (RFC 8594). Neither changes what is admitted.
	Deprecated  string `json:"deprecated,omitempty"`
	RemoveAfter string `json:"remove_after,omitempty"`
	// CanaryPercent of the requests that an address alone would admit are refused, once all callers of the rule are in
	// mode report or further: who still relies on the address notices while it can be undone.
	CanaryPercent int `json:"canary_percent,omitempty"`
}

// Override is a mode for some time.
type Override struct {
	Mode   Mode      `json:"mode"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"` // at most 24 hours after From
	Reason string    `json:"reason"`
}

// State is how far a key is in its life. To rotate: add the new key as next at the provider, wait until all replicas
// have it, have the caller sign with it (active), watch the uses of the old one go to zero, retire it, delete it.
type State string

// The states of keys.
const (
	Next     State = "next"     // accepted; the caller does not sign with it yet
	Active   State = "active"   // accepted; the caller signs with it
	Retiring State = "retiring" // accepted until not_after
	Disabled State = "disabled" // refused, and counted if it is used
)

// Secret is the text of a key. It prints as "[secret]" with fmt and slog; encoding/json writes it.
type Secret string

// Format implements [fmt.Formatter].
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }
