package httpsig

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// Reasons that a server gives in the member "reason" of its application/problem+json answer (RFC 9457), and that a
// client may act upon. There are no finer ones: an unknown key, a wrong MAC and a wrong body look alike.
const (
	ReasonMissing  = "missing"
	ReasonInvalid  = "invalid"
	ReasonExpired  = "expired"
	ReasonReplayed = "replayed"
)

// retry says whether another signature could do, and with which offset of the clock.
func (t *Transport) retry(req *http.Request, res *http.Response) (offset time.Duration, again bool) {
	switch reasonOf(res) {
	case ReasonReplayed:
		return t.Offset(), repeatable(req)
	case ReasonExpired:
		return t.learn(req, res)
	}
	return 0, false
}

// repeatable reports whether a request can be sent again though the first attempt may have been carried out: if its method
// is safe (RFC 9110, 9.2.1), or if it says itself how to tell that. It is what net/http goes by when it resends requests.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, x := req.Header["X-Idempotency-Key"]
	return key || x
}

// learn computes the offset from the answer's Date. Without TLS anyone on the way could have written it.
func (t *Transport) learn(req *http.Request, res *http.Response) (time.Duration, bool) {
	if !t.o.LearnOffset || req.URL.Scheme != "https" {
		return 0, false
	}
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	offset := date.Sub(t.o.Clock()).Round(time.Second)
	return offset, offset.Abs() <= maxOffset && (offset-t.Offset()).Abs() >= time.Second
}

// reasonOf reads the beginning of a problem and puts it back. An answer to HEAD has no body: there the reason is the
// parameter error of WWW-Authenticate, in the one form in which package ipwhitelist writes it.
func reasonOf(res *http.Response) string {
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
		return ""
	}
	if res.Request != nil && res.Request.Method == http.MethodHead {
		_, rest, _ := strings.Cut(res.Header.Get("WWW-Authenticate"), `", error="`)
		reason, _, _ := strings.Cut(rest, `"`)
		return reason
	}
	start, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), res.Body), res.Body}
	var problem struct {
		Reason string `json:"reason"`
	}
	if err != nil || json.Unmarshal(start, &problem) != nil {
		return ""
	}
	return problem.Reason
}
