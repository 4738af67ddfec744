package ipwhitelist

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// refuse answers a refusal. Nothing in it depends on which key, if any, was meant.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, d Decision) {
	reason := d.Reason
	if reason == "" { // a good credential in mode ip, and an address that admits no more
		reason = ReasonAddress
	}
	h := w.Header()
	switch reason.Status() {
	case http.StatusUnauthorized: // RFC 9110, 15.5.2 asks for the first, RFC 9421, 5.1 defines the second
		// error is the reason of the body, which an answer to HEAD does not have.
		h.Set("WWW-Authenticate", `Signature realm="`+g.o.Realm+`", error="`+reason.Public()+`"`)
		h.Set("Accept-Signature", httpsig.Accept(r.ContentLength != 0))
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	announce(h, d)
	writeProblem(w, reason)
}

// announce tells that the address will not do much longer (RFC 8594, RFC 9745), also whom the canary refuses.
func announce(h http.Header, d Decision) {
	if !d.Sunset.IsZero() {
		h.Set("Sunset", d.Sunset.UTC().Format(http.TimeFormat))
	}
	if !d.Deprecated.IsZero() {
		h.Set("Deprecation", "@"+strconv.FormatInt(d.Deprecated.Unix(), 10))
	}
}

// writeProblem writes an application/problem+json body (RFC 9457).
func writeProblem(w http.ResponseWriter, r Reason) {
	body, _ := json.Marshal(struct { // strings and a number
		Type   string `json:"type"`
		Status int    `json:"status"`
		Title  string `json:"title"`
		Reason string `json:"reason"`
	}{"about:blank", r.Status(), r.title(), r.Public()})
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(r.Status())
	_, _ = w.Write(body) // to a client that may have gone
}
