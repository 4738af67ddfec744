package elastic

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
)

// Result is what the answer to one document means.
type Result uint8

const (
	// Delivered means stored.
	Delivered Result = iota
	// Duplicate means 409, the document or a newer version of it is there. Sending it again would conflict for ever.
	Duplicate
	// Redirected means stored in the failure store of the data stream (Elasticsearch 9.1), where no query of the stream finds
	// it, although the status is 201.
	Redirected
	// Retry means 429 or a 5xx. The same bytes again, later.
	Retry
	// Reject means the document will never be taken.
	Reject
	// Hold means nothing of the document, but of the sink: no permission, a read-only or closed index, a missing template, a
	// full cluster. Sent again until a person has helped; dropping would lose what is sound.
	Hold
)

var results = [...]string{"delivered", "duplicate", "redirected", "retry", "reject", "hold"} //nolint:gochecknoglobals // a constant

// String is the word that logs and metrics carry.
func (r Result) String() string {
	if int(r) < len(results) {
		return results[r]
	}
	return fmt.Sprintf("%d", uint8(r))
}

// Item is the answer to the Index-th document of a request.
type Item struct {
	Index, Status int
	Result        Result
	// Type and Reason are the server's error, empty without one. The reason is cut at 1024 bytes; it may quote the
	// document.
	Type, Reason string
}

// maxReason bounds what is kept of a server's reason.
const maxReason = 1024

// Items yields the answers in the body of a _bulk reply of status 200 to n documents, in their order. It looks at every
// item: "errors" is true as soon as one document is a duplicate. A body that is malformed, or answers another number of
// documents, yields an error last; what no item was yielded for has no answer, and is to be sent again.
//
// Only a walk to its end tells that the reply is whole.
func Items(body []byte, n int) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		w := walk{scanner: scanner{text: body}, n: n, yield: yield}
		err := w.reply()
		if w.stopped {
			return
		}
		if err != nil {
			yield(Item{}, fmt.Errorf("elastic: reply of %d bytes: item %d of %d, byte %d: %w: %q", len(body), w.seen, n, w.at, err, clip(string(body[:min(len(body), 300)]), 200)))
		}
	}
}

// survey counts the documents that a reply says are in the sink. The error is for a whole reply to another number of
// documents, nil for one to n and for one that is cut.
func survey(body []byte, n int) (taken int, err error) {
	for item, err := range Items(body, n) {
		if errors.Is(err, errFew) || errors.Is(err, errMany) {
			return 0, err
		}
		if err == nil && (item.Result == Delivered || item.Result == Duplicate || item.Result == Redirected) {
			taken++
		}
	}
	return taken, nil
}

// walk is one walk through a reply.
type walk struct {
	scanner
	n, seen int
	yield   func(Item, error) bool
	stopped bool

	item         Item
	failureStore bool
}

var (
	errStopped = fmt.Errorf("stopped")
	errMany    = fmt.Errorf("more items than documents")
	errFew     = fmt.Errorf("fewer items than documents")
	errStatus  = fmt.Errorf("an item without a status")
	errBehind  = fmt.Errorf("something behind the reply")
)

func (w *walk) reply() error {
	err := w.object(func(key []byte) error {
		if string(key) == "items" {
			return w.array(w.element)
		}
		return w.skip()
	})
	switch {
	case err != nil:
		return err
	case w.next() != 0 || w.at != len(w.text):
		return errBehind
	case w.seen != w.n:
		return errFew
	}
	return nil
}

// element is {"create": {…}}.
func (w *walk) element() error {
	if w.seen == w.n {
		return errMany
	}
	w.item, w.failureStore = Item{Index: w.seen, Status: -1}, false
	if err := w.object(w.operation); err != nil {
		return err
	}
	if w.item.Status < 100 || w.item.Status > 999 {
		return errStatus
	}
	w.seen++
	w.item.Result = classify(&w.item, w.failureStore)
	if !w.yield(w.item, nil) {
		w.stopped = true
		return errStopped
	}
	return nil
}

func (w *walk) operation([]byte) error { return w.object(w.member) }

func (w *walk) member(key []byte) (err error) {
	switch string(key) {
	case "status":
		w.item.Status, err = w.integer()
	case "failure_store":
		var s string
		s, err = w.str()
		w.failureStore = s == "used"
	case "error":
		err = w.failure()
	default:
		err = w.skip()
	}
	return err
}

// failure is an object with type and reason or, from old servers and proxies, a text.
func (w *walk) failure() (err error) {
	if w.next() != '{' {
		var s string
		s, err = w.str()
		w.item.Reason = clip(s, maxReason)
		return err
	}
	return w.object(func(key []byte) (err error) {
		switch string(key) {
		case "type":
			w.item.Type, err = w.str()
		case "reason":
			w.item.Reason, err = w.str()
			w.item.Reason = clip(w.item.Reason, maxReason)
		default:
			err = w.skip()
		}
		return err
	})
}

// classify says what an item's status means.
func classify(i *Item, failureStore bool) Result {
	switch s := i.Status; {
	case s >= 200 && s < 300 && failureStore:
		return Redirected
	case s >= 200 && s < 300:
		return Delivered
	case s == http.StatusConflict:
		return Duplicate
	case s == http.StatusTooManyRequests || s == http.StatusRequestTimeout || s >= 500:
		return Retry
	case s < 400 || s == http.StatusUnauthorized || s == http.StatusForbidden || s == http.StatusNotFound || ofTheSink(i.Type, i.Reason):
		return Hold
	}
	return Reject
}

// ofTheSink reports whether a 400 is about the index and not about the document: to dead-letter it would empty the
// stream into a file. validation_exception is the limit of shards per cluster, met when a dated index is to be created.
func ofTheSink(kind, reason string) bool {
	switch kind {
	case "cluster_block_exception", "index_closed_exception", "index_not_found_exception", "security_exception",
		"invalid_index_name_exception", "invalid_alias_name_exception", "validation_exception":
		return true
	case "illegal_argument_exception":
		return strings.Contains(reason, "data stream") || strings.Contains(reason, "index template") ||
			strings.Contains(reason, "no write index") || strings.Contains(reason, "maximum normal shards")
	}
	return false
}
