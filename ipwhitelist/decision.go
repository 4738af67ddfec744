package ipwhitelist

import (
	"fmt"
	"net/netip"
	"time"
)

// Decision is the outcome of a check. It is for logs and metrics as well: names are those of the configuration, so that
// labels are bounded; Err may hold, shortened, what the client sent.
type Decision struct {
	Time    time.Time
	Allowed bool
	// Identity is who it is, if Allowed.
	Identity Identity
	// Reason is why the credential was not accepted. If Allowed, the address has admitted the request all the same; then
	// ReasonMissing is an unsigned request, and any other a caller whose signatures do not work. ReasonUnavailable with
	// a proven Identity is Options.ReplayFailOpen at work.
	Reason Reason
	// Err says more. It is nil exactly if Reason is empty.
	Err error
	// Mode is the one that decided: the proven caller's, or the most open one of the address's rule.
	Mode Mode
	// Caller is whose credential it was, or claims to be. It is proven only if it is the Identity's.
	Caller string
	// Shadow is the caller whose good credential was checked in mode ip, where the address decides.
	Shadow string
	// Rule is the rule of the address, Client the address if it is known.
	Rule   string
	Client netip.Addr
	// Clock is how far the signer's clock is ahead, with the time of the way, if the signature is proven.
	Clock time.Duration
	// Took is how long the check took, with the body and the memory of nonces; it is set for the Observer alone.
	Took time.Duration
	// Deprecated and Sunset are what a client in mode report is told.
	Deprecated, Sunset time.Time
}

// Error is why a credential or a request was not accepted.
type Error struct {
	Reason Reason
	Err    error // what is behind it, or nil
}

// Error is for logs: it may hold what the client sent, shortened, and never a secret.
func (e *Error) Error() string {
	if e.Err == nil {
		return "ipwhitelist: " + string(e.Reason)
	}
	return fmt.Sprintf("ipwhitelist: %s: %v", e.Reason, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
