package eventsink

import (
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// Verb is a request that a [Source] wants.
type Verb uint8

const (
	// Watch from ResourceVersion.
	Watch Verb = iota
	// WatchList means a watch with sendInitialEvents=true and resourceVersionMatch=NotOlderThan, whose initial events end with
	// a bookmark annotated k8s.io/initial-events-end. It is a list that costs the API server no memory, and goes on as
	// the watch.
	WatchList
	// List one page: Limit, Continue.
	List
	// Probe means list with limit 1, for the resourceVersion alone.
	Probe
)

var verbs = [...]string{"watch", "watchlist", "list", "probe"} //nolint:gochecknoglobals // a constant

// String is the word that logs carry.
func (v Verb) String() string { return word(verbs[:], int(v)) }

// Request is what to ask the API server next.
type Request struct {
	Verb            Verb
	ResourceVersion string        // of a Watch
	Limit           int64         // of a List and a Probe
	Continue        string        // of a List
	Wait            time.Duration // before it
}

// Cause is why a request ended, for metrics and logs.
type Cause uint8

const (
	// Timeout means the server ended the watch in peace, as it does every 30 to 60 minutes.
	Timeout Cause = iota
	// Expired means the resourceVersion or the continue token is compacted. The list that follows finds what is left.
	Expired
	// SilentClose means the watch ended at once and without a frame, twice. Front ends of some clouds answer a compacted
	// resourceVersion so (kubernetes/kubernetes#137089).
	SilentClose
	// Unsupported means the server takes no WatchList. Pages from now on.
	Unsupported
	// Throttled means the server asks to come later.
	Throttled
	// Denied means the reader may not list or watch Events. Nothing but a person helps; it is tried again all the same.
	Denied
	// Failed means anything else, a lost connection first of all.
	Failed
	// Rewound means the cluster's resourceVersion is behind that of the checkpoint: etcd was restored, or it is another
	// cluster. A watch would be silent until it is reached again.
	Rewound
	// Backpressure means the reader closed it because its buffer is full.
	Backpressure
)

var causes = [...]string{"timeout", "expired", "silent_close", "unsupported", "throttled", "denied", "error", "rewound", "backpressure"} //nolint:gochecknoglobals // a constant

// String is the word that metrics carry.
func (c Cause) String() string { return word(causes[:], int(c)) }

// SourceOptions configure a [Source]. Every zero field means its default.
type SourceOptions struct {
	// PageSize of a list. 10000: a cluster can have a million Events, and 2000 pages of 500 take longer than the continue
	// token lives, 2.5 to 5 minutes.
	PageSize int64
	// Pages never tries WatchList.
	Pages bool
	// The wait after the n-th failure in a row is Backoff<<n, at most MaxBackoff, of which Jitter leaves half to all.
	Backoff, MaxBackoff time.Duration // 500ms, 30s
	// Jitter gives a number from 0 to 1. 0.5 if nil.
	Jitter func() float64
}

// Source decides what to ask the API server next, so that no Event is lost: what has been read is resumed, what cannot
// be resumed is listed, and a list that fails is listed again, for ever. It is a state machine that asks nothing itself,
// and not safe for concurrent use. The reader does
//
//	for {
//		request := s.Next() // wait request.Wait, then send it
//		…                   // s.Frame, s.Synced, s.Page or s.Probed for what comes
//		cause := s.Ended(lived, err)
//	}
type Source struct {
	o        SourceOptions
	rv       string
	listing  bool
	probing  bool
	pages    bool
	next     string // continue token
	frames   int    // of the request under way
	silent   int    // watches that closed at once, in a row
	torn     int    // WatchLists that failed in the middle, in a row
	failures int    // requests that failed, in a row
	lists    int    // lists from which no watch led on, in a row
	nowhere  bool   // the list has told no resourceVersion
	wait     time.Duration
}

// quick is how soon a watch that closes without a frame is suspicious.
const quick = 2 * time.Second

// isPlace reports whether a watch can begin at a resourceVersion. From "" or "0" it begins with what exists, in any order.
func isPlace(resourceVersion string) bool { return resourceVersion != "" && resourceVersion != "0" }

// NewSource returns a Source that resumes from a resourceVersion, or lists when it is empty or "0".
func NewSource(o SourceOptions, resume string) (*Source, error) {
	if o.PageSize < 0 || o.Backoff < 0 || o.MaxBackoff < 0 {
		return nil, fmt.Errorf("eventsink: SourceOptions: PageSize %d, Backoff %s, MaxBackoff %s; write none below 0", o.PageSize, o.Backoff, o.MaxBackoff)
	}
	if o.PageSize == 0 {
		o.PageSize = 10_000
	}
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 30 * time.Second
	}
	return &Source{o: o, rv: resume, listing: !isPlace(resume), probing: isPlace(resume), pages: o.Pages}, nil
}

// Next is the request to send after its Wait.
func (s *Source) Next() Request {
	s.frames = 0
	switch {
	case s.probing:
		return Request{Verb: Probe, Limit: 1, Wait: s.wait}
	case s.nowhere:
		return Request{Verb: Watch, Wait: s.wait}
	case s.listing && s.pages:
		return Request{Verb: List, Limit: s.o.PageSize, Continue: s.next, Wait: s.wait}
	case s.listing:
		return Request{Verb: WatchList, Wait: s.wait}
	}
	return Request{Verb: Watch, ResourceVersion: s.rv, Wait: s.wait}
}

// Frame notes a frame of a watch, of any type but ERROR: its object's resourceVersion is where to resume. The initial
// frames of a WatchList are not in the order of resourceVersions and resume nothing.
func (s *Source) Frame(resourceVersion string) {
	s.frames++
	if s.listing {
		return
	}
	s.failures, s.silent, s.lists = 0, 0, 0
	if isPlace(resourceVersion) {
		s.rv = resourceVersion
	}
}

// Synced notes the bookmark that ends the initial events of a WatchList. The watch goes on from there.
func (s *Source) Synced(resourceVersion string) { s.listed(resourceVersion) }

// Probed notes the answer to a Probe. When the cluster is [Rewound], the source lists.
func (s *Source) Probed(resourceVersion string) (rewound bool) {
	s.probing, s.wait = false, 0
	if c, err := resourceversion.CompareResourceVersion(resourceVersion, s.rv); err == nil && c < 0 {
		s.relist()
		return true
	}
	return false
}

// Page notes a page of a List, once all its items are taken. done says that the list is complete at its
// resourceVersion, which [Flow.Pass] is to be told.
func (s *Source) Page(resourceVersion, next string) (done bool) {
	s.next, s.failures, s.wait = next, 0, 0
	if next == "" {
		s.listed(resourceVersion)
	}
	return next == ""
}

// listed goes on with a watch. Where the list has told no place, as those of a fake client do, what the watch brings is
// nothing to resume from either, as if the list had no end.
func (s *Source) listed(rv string) {
	s.nowhere = !isPlace(rv)
	s.rv, s.listing, s.next = rv, s.nowhere, ""
	s.failures, s.silent, s.torn, s.wait = 0, 0, 0, 0
}

// Listing reports whether what comes are items that exist, rather than writes that happen.
func (s *Source) Listing() bool { return s.listing }

// Paused notes that the reader ended the request because its buffer is full. The next one comes without a wait.
func (s *Source) Paused() Cause {
	s.wait, s.nowhere = 0, false
	s.next = "" // a continue token would not outlive the pause
	return Backpressure
}

// Ended notes that a request ended: err is nil for a watch that the server closed in peace, the status of an ERROR
// frame as an error (apierrors.FromObject), or what the client returned. lived is how long it lasted. A page that was
// taken has not ended in this sense.
func (s *Source) Ended(lived time.Duration, err error) Cause {
	s.nowhere = false
	switch {
	case err == nil:
		return s.closed(lived)
	case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
		// The status of a page holds a token to go on inconsistently. It would miss what was created before the place
		// reached, and the watch from there would miss it too.
		s.again(s.failures > 0 || s.lists > 0)
		s.failures++
		s.relist()
		return Expired
	case s.listing && !s.pages && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)):
		s.pages, s.wait = true, 0
		return Unsupported
	}
	return s.failed(lived, err)
}

// closed decides after a watch that ended without an error.
func (s *Source) closed(lived time.Duration) Cause {
	if s.listing { // a WatchList without its end
		s.again(true)
		s.failures++
		if s.failures >= 3 {
			s.pages = true
		}
		return Failed
	}
	if s.frames > 0 || lived >= quick {
		s.silent, s.failures, s.lists, s.wait = 0, 0, 0, 0
		return Timeout
	}
	s.silent++
	s.again(true)
	s.failures++
	if s.silent < 2 {
		return Timeout
	}
	s.silent = 0
	s.relist()
	return SilentClose
}

func (s *Source) failed(lived time.Duration, err error) Cause {
	if lived >= s.o.MaxBackoff { // not in a row with what failed before
		s.failures = 0
	}
	if s.listing && s.frames > 0 { // as behind a proxy that lets no request last as long as a large WatchList
		s.torn++
		s.pages = s.pages || s.torn >= 3
	}
	s.again(true)
	s.failures++
	s.probing = !s.listing // whoever closed the connection may have restored etcd
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		s.wait = min(max(s.wait, time.Duration(seconds)*time.Second), 10*s.o.MaxBackoff)
		return Throttled
	}
	switch {
	case apierrors.IsTooManyRequests(err):
		return Throttled
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return Denied
	}
	return Failed
}

// relist starts over with a list.
func (s *Source) relist() {
	s.listing, s.next, s.rv, s.probing = true, "", "", false
	s.lists++
}

// again sets the wait before the next request. A list that succeeds is no progress as long as the watch from there fails.
func (s *Source) again(wait bool) {
	s.wait = 0
	if wait {
		s.wait = backoff(s.o.Backoff, s.o.MaxBackoff, max(s.failures, s.lists), s.o.Jitter)
	}
}

// backoff is base<<n, at most limit, of which jitter leaves half to all.
func backoff(base, limit time.Duration, n int, jitter func() float64) time.Duration {
	d := limit
	if base <= limit>>n {
		d = base << n
	}
	share := 0.5
	if jitter != nil {
		share = min(max(jitter(), 0), 1)
	}
	return d/2 + time.Duration(share*float64(d/2))
}
