package ipwhitelist

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// check is one request on its way through the steps. The order is the point: nothing costly for strangers. Sizes, the
// strict parse, the tag, coverage, time; then one MAC, also for unknown keys; then what the caller may; then the body;
// then the nonce, atomically; then the handler.
type check struct {
	g     *Guard
	s     *snapshot
	r     *http.Request
	o     *Route
	d     Decision
	rule  *rule
	parts httpsig.Request

	sig    *httpsig.Signature // nil without one, and for API keys
	key    *key               // of the credential, proven or not
	proven bool
	body   io.ReadCloser // instead of r.Body
}

// Check decides about one request. If it is admitted, it returns a copy whose context holds the [Identity] and whose
// body is the verified one; otherwise nil. It reads the body only if the signature is right, and leaves r as it was
// otherwise. It does not call the Observer.
func (g *Guard) Check(r *http.Request, o Route) (*http.Request, Decision) {
	c := check{g: g, s: g.current.Load(), r: r, o: &o, body: r.Body}
	if c.body == nil { // of a request that no server made
		c.body = http.NoBody
	}
	c.d.Time = g.o.Clock()
	c.locate()
	err := c.credential()
	if err == nil {
		err = c.permit()
	}
	if err == nil && c.sig != nil {
		err = c.spend()
	}
	c.count(err)
	if !c.admit(err) {
		return nil, c.d
	}
	c.d.Allowed = true
	c.d.Identity.Client, c.d.Identity.Rule = c.d.Client, c.d.Rule
	admitted := r.WithContext(context.WithValue(r.Context(), identityKey{}, c.d.Identity))
	admitted.Body = c.body
	return admitted, c.d
}

// locate finds the client's address and its rule. TLS early data can be replayed by anyone (RFC 8470), so an address
// proves nothing there.
func (c *check) locate() {
	addr, err := c.s.resolver.Resolve(c.r.RemoteAddr, c.r.Header["X-Forwarded-For"])
	if err != nil || len(c.r.Header["Early-Data"]) > 0 {
		c.g.ledger.unresolved.Add(1)
		return
	}
	c.d.Client = addr
	if rule, ok := c.s.table.Lookup(addr); ok {
		c.rule, c.d.Rule = rule, rule.Name
	}
}

// credential finds out who is proven, by the signature if there is one, else by the API key.
func (c *check) credential() error {
	sig, err := httpsig.Parse(c.r.Header)
	switch {
	case errors.Is(err, httpsig.ErrMissing):
		return c.apiKey()
	case err != nil:
		return &Error{ReasonMalformed, err}
	}
	return c.signature(sig)
}

func (c *check) apiKey() error {
	text, present, single := apiKeyText(c.r.Header)
	if !present {
		return &Error{ReasonMissing, nil}
	}
	if !single {
		return &Error{ReasonAPIKey, errors.New("field Authorization stands more than once")}
	}
	key, reason := c.s.checkAPIKey(text, c.d.Time)
	c.key = key
	if reason != "" {
		return &Error{reason, nil}
	}
	c.proven = true
	return nil
}

// signature checks everything up to the MAC.
func (c *check) signature(sig *httpsig.Signature) error {
	c.parts = httpsig.FromServer(c.r)
	if c.g.o.Authority != "" {
		c.parts.Authority = c.g.o.Authority
	}
	if err := sig.CheckCoverage(c.parts, c.o.Cover, c.o.UnsignedBody); err != nil {
		return &Error{ReasonCoverage, err}
	}
	if err := sig.CheckTime(c.d.Time, c.g.o.Window); err != nil {
		c.key = c.s.keys[sig.KeyID] // whom to tell that the clock is wrong
		return &Error{ReasonTime, err}
	}
	if err := c.authority(); err != nil {
		return &Error{ReasonAuthority, err}
	}
	c.key = c.s.keys[sig.KeyID]
	with := c.g.dummy // an unknown key costs as much as a known one
	if c.key != nil {
		with = c.key.signing
	}
	err := with.Verify(c.parts, sig)
	switch {
	case errors.Is(err, httpsig.ErrTarget), errors.Is(err, httpsig.ErrHeader):
		return &Error{ReasonAuthority, err}
	case c.key == nil:
		return &Error{ReasonUnknownKey, nil}
	case err != nil:
		return &Error{ReasonMAC, err}
	}
	c.sig, c.proven = sig, true
	c.d.Clock = time.Unix(sig.Created, 0).Sub(c.d.Time)
	c.key.usage.use(c.d.Time)
	if !c.key.usable(c.d.Time) {
		c.proven = false
		return &Error{ReasonKeyDisabled, nil}
	}
	return nil
}

// authority refuses requests for hosts that are not ours.
func (c *check) authority() error {
	if len(c.s.authorities) == 0 {
		return nil
	}
	a, err := httpsig.Authority(c.parts.Authority)
	if err == nil && !c.s.authorities[a] {
		err = errors.New("host " + shorten(a) + " is not in authorities")
	}
	return err
}

// permit decides whether a proven caller may, before its body is read.
func (c *check) permit() error {
	caller := c.key.caller
	if len(c.o.Callers) > 0 && !slices.Contains(c.o.Callers, caller.Name) {
		return &Error{ReasonCaller, errors.New("caller " + caller.Name + " is not one of the route's")}
	}
	mode := caller.ModeAt(c.d.Time)
	switch mode {
	case ModeIP:
		if !c.ipAdmits() {
			return &Error{ReasonAddress, errors.New("caller " + caller.Name + " is in mode ip, and comes from no address that admits")}
		}
	case ModeBoth:
		if c.rule == nil || !c.rule.lists(caller) {
			return &Error{ReasonAddress, errors.New("caller " + caller.Name + " comes from no address of its own")}
		}
	}
	if c.sig == nil && (mode == ModeSignature || mode == ModeBoth) && !caller.AllowAPIKey {
		return &Error{ReasonCaller, errors.New("caller " + caller.Name + " has to sign: allow_api_key is not set")}
	}
	return nil
}

// ipAdmits reports whether the address alone is enough for an unsigned request.
func (c *check) ipAdmits() bool {
	return c.rule != nil && c.rule.modeAt(c.d.Time).openness() > 0 && len(c.o.Callers) == 0
}

// shadow reports whether the credential is checked and does not count.
func (c *check) shadow() bool { return c.key.caller.ModeAt(c.d.Time) == ModeIP }

// spend compares the body with what was signed and uses up the nonce. A stream is compared while the handler reads it,
// and so is the body of a shadow check, which must not hold anything up.
func (c *check) spend() error {
	if c.sig.Covers("content-digest") {
		if err := c.openBody(); err != nil {
			return err
		}
	}
	if c.o.UnsignedBody && c.parts.Body && !c.sig.Covers("content-digest") {
		if c.r.ContentLength > c.o.maxBody() && !c.shadow() {
			return &Error{ReasonTooLarge, nil}
		}
		c.body = &limitedBody{ReadCloser: c.body, left: c.o.maxBody(), shadow: c.shadow(), failed: c.streamFailed}
	}
	// Not with the request's end: who replays and goes away must not be able to make the memory fail.
	ctx := context.WithoutCancel(c.r.Context())
	if _, own := c.g.o.Replay.(*MemoryReplay); !own { // which waits for nothing, and a timer costs as much as a MAC
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.g.o.ReplayTimeout)
		defer cancel()
	}
	added, err := c.g.o.Replay.Add(ctx, Nonce{
		Key: c.sig.KeyID, Value: c.sig.Nonce, Now: c.d.Time, Until: c.sig.Until(c.g.o.Window),
	})
	switch {
	case err != nil && c.g.o.ReplayFailOpen:
		c.d.Reason, c.d.Err = ReasonUnavailable, &Error{ReasonUnavailable, err}
		return nil
	case err == nil && added:
		return nil
	}
	switch b := c.body.(type) { // nothing is read of it, and the address may still admit the request
	case *digestBody:
		c.body = b.body
	case *limitedBody:
		c.body = b.ReadCloser
	}
	if err != nil {
		return &Error{ReasonUnavailable, err}
	}
	return &Error{ReasonReplayed, nil}
}

// admit applies the mode to what was found.
func (c *check) admit(err error) bool {
	if c.key != nil {
		c.d.Caller = c.key.caller.Name
	}
	if err == nil && !c.shadow() {
		c.d.Identity = Identity{Via: ViaSignature, Caller: c.d.Caller, Key: c.key.id}
		c.d.Mode = c.key.caller.ModeAt(c.d.Time)
		if c.sig == nil {
			c.d.Identity.Via = ViaAPIKey
		}
		return true
	}
	if err == nil {
		c.d.Shadow = c.d.Caller
	} else {
		e, _ := errors.AsType[*Error](err)
		c.d.Reason, c.d.Err = e.Reason, err
	}
	return c.admitIP()
}

// admitIP admits by address. A bad signature is treated like none: whoever sent it could have left it out.
func (c *check) admitIP() bool {
	if c.rule == nil {
		return false
	}
	c.d.Mode = c.rule.modeAt(c.d.Time)
	if !c.ipAdmits() {
		c.rule.usage.refused.add(c.d.Time)
		return false
	}
	if c.d.Mode == ModeReport {
		c.d.Deprecated, c.d.Sunset = c.rule.deprecated, c.rule.sunset
		if c.rule.usage.deniesCanary(c.rule.CanaryPercent) {
			c.rule.usage.canary.add(c.d.Time)
			c.sample()
			c.d.Reason = ReasonCanary
			c.d.Err = &Error{ReasonCanary, c.d.Err}
			return false
		}
	}
	// A good credential in mode ip relies on the address like none. Where the rule lists the caller, that keeps the rule
	// open; under another's rule, nothing else would tell that it is still needed.
	if c.d.Shadow == "" || !c.rule.lists(c.key.caller) {
		c.rule.usage.ipOnly.add(c.d.Time)
		c.sample()
	}
	c.d.Identity = Identity{Via: ViaIP}
	return true
}

// sample keeps who relied on the address.
func (c *check) sample() { c.rule.usage.sample(c.d.Client.String(), c.r.URL.Path, c.r.UserAgent()) }

// count adds the credential to the ledger.
func (c *check) count(err error) {
	now := c.d.Time
	if err == nil {
		if c.sig != nil {
			c.key.caller.usage.signed.add(now)
		} else {
			c.key.caller.usage.apiKey.add(now)
		}
		return
	}
	e, _ := errors.AsType[*Error](err)
	if e.Reason == ReasonMissing {
		return
	}
	c.g.countFailure(c, e.Reason)
}

// countFailure says whose failure it is. It is the caller's own if it comes from one of the caller's addresses. From
// elsewhere, somebody who has seen one of its requests can send the right signature with a body of his, and from anywhere
// he can send all of it again, after it has succeeded: neither may hold up the caller's migration; nor may what is refused
// in each mode alike. A stranger who only claims to be the caller is nobody.
func (g *Guard) countFailure(c *check, r Reason) {
	own := c.key != nil && c.rule != nil && c.rule.lists(c.key.caller)
	switch {
	case own && r.ofCredential():
		c.key.caller.usage.failed.add(c.d.Time)
		c.key.caller.usage.failures.add(r)
	case c.proven:
		c.key.caller.usage.suspect.add(c.d.Time)
		c.key.caller.usage.suspects.add(r)
	default:
		g.ledger.unknown.add(r)
	}
}
