package ipwhitelist

import (
	"net/http"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// Reason is why a credential or a request was not accepted. It is for logs and metrics; what a client may know is
// [Reason.Public].
type Reason string

// The reasons. Each belongs to one step of the check, and these are in its order.
const (
	ReasonMissing     Reason = "missing"      // no signature of the profile, no API key
	ReasonMalformed   Reason = "malformed"    // signature headers that break a rule or a limit
	ReasonCoverage    Reason = "coverage"     // something that has to be signed is not
	ReasonTime        Reason = "time"         // expired, from the future, or for too long
	ReasonAuthority   Reason = "authority"    // for another host, or a request that can't be signed
	ReasonUnknownKey  Reason = "unknown-key"  // no key has this id
	ReasonMAC         Reason = "mac"          // the signature is for another request, or by another key
	ReasonKeyDisabled Reason = "key-disabled" // a right signature or API key, by a key that is not accepted (any more)
	ReasonAPIKey      Reason = "api-key"      // an API key that is unknown or wrong
	ReasonCaller      Reason = "caller"       // proven, but not for this route or in this mode
	ReasonAddress     Reason = "address"      // proven, but from no address of the caller, whose mode asks for one
	ReasonTooLarge    Reason = "too-large"    // the body exceeds the route's limit
	ReasonBody        Reason = "body"         // the body could not be read
	ReasonDigest      Reason = "digest"       // the body is not the one that was signed
	ReasonReplayed    Reason = "replayed"     // the nonce was used
	ReasonUnavailable Reason = "unavailable"  // the memory of nonces is full or can't be reached
	ReasonCanary      Reason = "canary"       // the address would admit it, but it is the rule's canary
)

// reasons lists them all, for counters in arrays.
var reasons = [...]Reason{ //nolint:gochecknoglobals // constant
	ReasonMissing, ReasonMalformed, ReasonCoverage, ReasonTime, ReasonAuthority, ReasonUnknownKey, ReasonMAC, ReasonKeyDisabled,
	ReasonAPIKey, ReasonCaller, ReasonAddress, ReasonTooLarge, ReasonBody, ReasonDigest, ReasonReplayed, ReasonUnavailable, ReasonCanary,
}

// Public returns what a client is told. Everything that could tell a guessed key from a wrong signature is "invalid".
func (r Reason) Public() string {
	switch r {
	case ReasonMissing, ReasonCanary:
		return httpsig.ReasonMissing
	case ReasonTime:
		return httpsig.ReasonExpired
	case ReasonReplayed:
		return httpsig.ReasonReplayed
	case ReasonUnavailable:
		return "unavailable"
	case ReasonCaller, ReasonAddress:
		return "forbidden"
	case ReasonTooLarge:
		return "too-large"
	}
	return httpsig.ReasonInvalid
}

// Status returns the HTTP status of a refusal: 401 without a proven caller, 403 for one that may not, 413, and 503 when
// a replay could not be excluded.
func (r Reason) Status() int {
	switch r {
	case ReasonCaller, ReasonAddress:
		return http.StatusForbidden
	case ReasonTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonUnavailable:
		return http.StatusServiceUnavailable
	case ReasonBody:
		return http.StatusBadRequest
	}
	return http.StatusUnauthorized
}

// ofCredential reports whether a caller that is about to depend on its credential has to mend something. A body that broke
// off would have done so without a signature; a route for others refuses in each mode, and one for the caller admits it from
// mode either on.
func (r Reason) ofCredential() bool {
	switch r {
	case ReasonReplayed, ReasonBody, ReasonCaller, ReasonAddress:
		return false
	}
	return true
}

// title is the member of the problem (RFC 9457) for people.
func (r Reason) title() string {
	switch r.Status() {
	case http.StatusForbidden:
		return "caller not allowed"
	case http.StatusRequestEntityTooLarge:
		return "body too large"
	case http.StatusServiceUnavailable:
		return "try again later"
	case http.StatusBadRequest:
		return "body could not be read"
	}
	return "request not authenticated"
}
