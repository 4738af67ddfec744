package bulkmodel

import (
	"net/http"
)

// Fault is what goes wrong with one bulk request. The zero value is that nothing does.
type Fault struct {
	// Status answers the whole request, and nothing is committed. RetryAfter is a header that goes with it.
	Status     int
	RetryAfter string
	// Items are the statuses of the items at these positions, which are not committed: 429 and 503 are back-pressure,
	// 400 is a mapping that does not fit.
	Items map[int]int
	// EveryItem, unless 0, is the status of all items that Items does not name.
	EveryItem int
	// Body is sent, with status 200, in place of the true answer, after the commit.
	Body string
	// CutBefore closes the connection before anything is read; CutAfter commits, and closes it instead of answering:
	// the reply is lost, and only a repeat finds out.
	CutBefore, CutAfter bool
	// FailureStore marks created items as redirected to the failure store of their data stream.
	FailureStore bool
}

func (s *Server) nextFault() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if len(s.script) == 0 {
		return Fault{}
	}
	next := s.script[0]
	s.script = s.script[1:]
	return next
}

// cutBefore panics to make net/http cut the connection.
func (f Fault) cutBefore() {
	if f.CutBefore {
		panic(http.ErrAbortHandler)
	}
}

func (f Fault) cutAfter() {
	if f.CutAfter {
		panic(http.ErrAbortHandler)
	}
}

// request answers the whole request if the fault says so.
func (f Fault) request(w http.ResponseWriter) bool {
	if f.Status == 0 {
		return false
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	kind, reason := errorOf(f.Status)
	refuse(w, f.Status, kind, reason)
	return true
}

// item is the failure of the item at a position, if it is to fail.
func (f Fault) item(i int) (status int, kind, reason string) {
	status, ok := f.Items[i]
	if !ok {
		status = f.EveryItem
	}
	if status == 0 {
		return 0, "", ""
	}
	kind, reason = errorOf(status)
	return status, kind, reason
}

func errorOf(status int) (kind, reason string) {
	switch status {
	case http.StatusTooManyRequests:
		return "rejected_execution_exception", "rejected execution of coordinating operation [coordinating_and_primary_bytes=0]"
	case http.StatusServiceUnavailable:
		return "unavailable_shards_exception", "[index][0] primary shard is not active Timeout: [1m]"
	case http.StatusBadRequest:
		return "mapper_parsing_exception", "object mapping for [labels.app] tried to parse field [app] as object, but found a concrete value"
	case http.StatusForbidden:
		return "cluster_block_exception", "index [index] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
	case http.StatusUnauthorized:
		return "security_exception", "unable to authenticate user"
	}
	return "exception", http.StatusText(status)
}
