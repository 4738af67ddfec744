package elastic

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Action is what the answer to a whole request asks for.
type Action uint8

const (
	// Read means the answer is in its items.
	Read Action = iota
	// Again means the same request, later: no answer at all, 408, 429, or a 5xx.
	Again
	// Split means 413, the body is larger than http.max_content_length.
	Split
	// Bisect means 400, some document spoils the body.
	Bisect
	// Wait means the sink refuses us (401, 403, a redirect, an unknown parameter, a proxy's page): held until a person has
	// helped.
	Wait
)

var actions = [...]string{"read", "again", "split", "bisect", "wait"} //nolint:gochecknoglobals // a constant

// String is the word that logs carry.
func (a Action) String() string {
	if int(a) < len(actions) {
		return actions[a]
	}
	return strconv.Itoa(int(a))
}

// ClassifyHTTP says what the status of a _bulk request means. Status 0 stands for no answer. Of a 400 the body decides:
// what is wrong with the request line is wrong for every document.
func ClassifyHTTP(status int, body []byte) Action {
	switch {
	case status == http.StatusOK:
		return Read
	case status == http.StatusNotImplemented || status == http.StatusHTTPVersionNotSupported:
		return Wait
	case status == 0 || status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return Again
	case status == http.StatusRequestEntityTooLarge:
		return Split
	case status == http.StatusBadRequest:
		kind, reason := requestError(body)
		if strings.Contains(reason, "unrecognized parameter") || ofTheSink(kind, reason) || len(body) > 0 && !isObject(body) {
			return Wait
		}
		return Bisect
	}
	return Wait
}

// requestError reads {"error": {"type": …, "reason": …}, "status": …}, as far as it goes.
func requestError(body []byte) (kind, reason string) {
	w := walk{scanner: scanner{text: body}}
	_ = w.object(func(key []byte) error { // what is no JSON has no type
		if string(key) == "error" {
			return w.failure()
		}
		return w.skip()
	})
	return w.item.Type, w.item.Reason
}

// isObject reports whether a body begins as every answer of the server does.
func isObject(body []byte) bool {
	s := scanner{text: body}
	return s.next() == '{'
}

// maxRetryAfter bounds what a server can make us wait.
const maxRetryAfter = 5 * time.Minute

// RetryAfter is the wait that an answer asks for (RFC 9110, 10.2.3), in seconds or as a date, which is measured from the
// answer's own Date. 0 if it asks for none; at most five minutes.
func RetryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(until.Sub(date), 0), maxRetryAfter)
}
