package eventsink

import (
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Record is the one normal form of core/v1 and events.k8s.io/v1 Events. Strings and maps are those of the Event it was
// made from; nothing in this package modifies them, and only what is documented to do so keeps them.
type Record struct {
	// UID is the identity of the Event. Namespace and name are reused, the UID is not.
	UID, Namespace, Name string
	// ResourceVersion is opaque but comparable; it is never parsed as a number, because it need not fit one.
	ResourceVersion string

	// Type is Normal or Warning, and may be anything that an old emitter wrote.
	Type, Reason, Action, Message string

	Regarding, Related corev1.ObjectReference

	// Component is the reporting controller or, for Events of the old form, the source component. Instance is the
	// reporting instance, Host the node of the source.
	Component, Instance, Host string

	// First and Last are the emitter's clock, Created is the API server's. First or Last is the zero Time only when the
	// Event carries no usable time at all.
	First, Last, Created time.Time
	// LastFrom is the field that Last was read from.
	LastFrom TimeSource

	// Occurrences is how often it happened, as far as it was written: series.count, count, or 1. It never falls for one
	// UID, and it is a lower bound: emitters throttle, and write a series only every 30 minutes.
	Occurrences uint32
	// Combined says that the emitter folded similar Events into this one, so that the message is that of the newest.
	Combined bool

	Labels, Annotations map[string]string
}

// TimeSource is the field of an Event that gave a Record's Last.
type TimeSource uint8

// In the order of preference. Times before 1970 or after 9999 count as absent: no document store reads them.
const (
	NoTime      TimeSource = iota // the Event carries no usable time
	TimeSeries                    // series.lastObservedTime
	TimeLast                      // lastTimestamp, deprecatedLastTimestamp
	TimeEvent                     // eventTime
	TimeFirst                     // firstTimestamp, deprecatedFirstTimestamp
	TimeCreated                   // metadata.creationTimestamp
)

var timeSources = [...]string{"none", "series", "last", "event", "first", "created"} //nolint:gochecknoglobals // a constant

// String is the word that documents carry as timestamp_source.
func (s TimeSource) String() string { return word(timeSources[:], int(s)) }

// word is a name of an enumeration, also for a value that it does not have.
func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return fmt.Sprintf("%d", i)
}

var (
	// ErrNoUID means the record has no usable identity, so no document of it could be written twice safely.
	ErrNoUID = errors.New("no usable metadata.uid")
	// ErrClockSkew means the emitter's clock is ahead of the reader's.
	ErrClockSkew = errors.New("time in the future")
)

// maxUID bounds what may become a document's _id, which has 512 bytes in Elasticsearch and OpenSearch, together with
// the occurrences. Identities that the API server gives have 36.
const maxUID = 128

// Validate says whether the record can become a document ([ErrNoUID]) and whether its emitter's clock can be trusted
// ([ErrClockSkew], when Last is more than maxSkew after now; 0 means a minute). A skewed record is worth delivering:
// nothing here depends on the emitter's clock but the timestamp that people see.
func (r *Record) Validate(now time.Time, maxSkew time.Duration) error {
	if r.UID == "" || len(r.UID) > maxUID {
		return fmt.Errorf("eventsink: Event %s/%s: metadata.uid %q: %w; it must have 1 to %d bytes", short(r.Namespace), short(r.Name), short(r.UID), ErrNoUID, maxUID)
	}
	if maxSkew <= 0 {
		maxSkew = time.Minute
	}
	if ahead := r.Last.Sub(now); ahead > maxSkew {
		return fmt.Errorf("eventsink: Event %s/%s (%s): %s time %s is %s ahead: %w; set the clock of %s",
			short(r.Namespace), short(r.Name), short(r.UID), r.LastFrom, r.Last.UTC().Format(time.RFC3339), ahead.Round(time.Second), ErrClockSkew, short(r.emitter()))
	}
	return nil
}

// Skew is the emitter's clock at the first occurrence minus the API server's at creation. Above zero it is the clock
// alone, since nothing is created before it happens; below zero it is the clock and the emitter's queue. It does not
// depend on who asks or when, so that a document which holds it stays the same.
func (r *Record) Skew() (skew time.Duration, ok bool) {
	if r.First.IsZero() || r.Created.IsZero() {
		return 0, false
	}
	return r.First.Sub(r.Created), true
}

func (r *Record) emitter() string {
	for _, s := range []string{r.Host, r.Instance, r.Component} {
		if s != "" {
			return s
		}
	}
	return "the emitter"
}

// short cuts what an error quotes.
func short(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
