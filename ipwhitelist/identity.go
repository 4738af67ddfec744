package ipwhitelist

import (
	"context"
	"net/http"
	"net/netip"
)

// Via is what a request was admitted by.
type Via string

// The ways in.
const (
	ViaSignature Via = "signature"
	ViaAPIKey    Via = "apikey"
	ViaIP        Via = "ip"
)

// Identity is what is known about who sent a request.
type Identity struct {
	Via Via
	// Caller is proven by a signature or an API key. It is empty if only an address vouched: behind one address may be
	// many callers, so an address proves an address.
	Caller string
	Key    string     // the key's id; empty if Via is ViaIP
	Rule   string     // the rule that the address falls under; empty if none
	Client netip.Addr // without IPv4 mapping and zone; invalid if it is not known
}

type identityKey struct{}

// FromContext returns the identity that a [Guard] has put into a request's context.
func FromContext(ctx context.Context) (Identity, bool) {
	id, ok := ctx.Value(identityKey{}).(Identity)
	return id, ok
}

// RequireCaller refuses with 403 what no caller has proven to have sent. A caller in mode signature can still be
// impersonated by an unsigned request from an address that is kept for others; so the handlers that matter ask for a
// proof first. It stands between a guard and its handler.
func RequireCaller(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := FromContext(r.Context()); !ok || id.Caller == "" {
			writeProblem(w, ReasonCaller)
			return
		}
		next.ServeHTTP(w, r)
	})
}
