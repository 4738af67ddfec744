package admission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
)

// Options of a [Handler]. The zero value works.
type Options struct {
	// Actions overrides the action of all findings of a rule, so that a rule is tried out with audit, announced with
	// warn and enforced with deny by configuration alone.
	Actions map[string]Action
	// Exempt reports whether the findings of a rule do not count for a request, for namespaces or users that have a
	// dispensation, say. It must be a pure function. Nobody is exempt if nil.
	Exempt func(req *admissionv1.AdmissionRequest, rule string) bool
	// Invalid answers denials with status 422 Invalid, which kubectl shows as "The Pod … is invalid" with one line a
	// field, instead of 403 Forbidden.
	Invalid bool
	// FullVerification proves each patch by applying it with the API server's library and decoding the result
	// strictly, at several times the price of the whole review. Without it, patches are proven by checking their paths
	// and values against the document and the type, and in full only if that check is not sure. It also makes a
	// validator that changes an object an internal error. It is for tests.
	FullVerification bool
	// Timeout is how long a review may take when the API server does not say (it does, as ?timeout=). 10 s if zero. A
	// tenth of the time is kept for the way back.
	Timeout time.Duration
	// MaxInFlight bounds the HTTP requests that are worked on at the same time. Others wait, and are answered 503
	// when their time is up. 512 if zero.
	MaxInFlight int
	// MaxBodyBytes is the largest body that is read; larger ones are answered 413. 7 MiB if zero: twice the 3 MiB that
	// the API server accepts of an object, for its old and new state, and room for the envelope.
	MaxBodyBytes int64
	// Logger gets internal errors, panics with their stack. The default logger if nil.
	Logger *slog.Logger
	// Observe is called at the end of each review, from several goroutines, for metrics and logs. It must not block.
	Observe func(context.Context, Observation)
	// Clock is for Observation.Duration. time.Now if nil.
	Clock func() time.Time
}

// Observation is what happened in one review.
type Observation struct {
	Request  *admissionv1.AdmissionRequest // nil if the HTTP request did not hold one
	Phase    string                        // mutate or validate, as [Handler.Mutating] and [Handler.Validating] do, or review for both
	Outcome  string                        // allowed, denied or error
	Code     int                           // HTTP status of the answer: 200, or that of the error
	Findings []Finding                     // with the actions that were taken, without those that are off
	Patch    int                           // bytes of the patch
	Dropped  []error                       // failures of functions that fail open
	Err      error                         // of outcome error
	Duration time.Duration                 // of the functions and all around them, without the network
}

// The outcomes of a review.
const (
	OutcomeAllowed = "allowed"
	OutcomeDenied  = "denied"
	OutcomeError   = "error"
)

func (h *Handler) setDefaults() (errs []error) {
	o := &h.options
	for _, rule := range slices.Sorted(maps.Keys(o.Actions)) {
		if !o.Actions[rule].valid() {
			errs = append(errs, fmt.Errorf("rule %q has the unknown action %q: write one of deny, warn, audit, off", rule, o.Actions[rule]))
		}
	}
	if o.Timeout < 0 || o.MaxInFlight < 0 || o.MaxBodyBytes < 0 {
		errs = append(errs, errors.New("negative Timeout, MaxInFlight or MaxBodyBytes"))
	}
	o.Timeout = orDefault(o.Timeout, 10*time.Second)
	o.MaxInFlight = max(orDefault(o.MaxInFlight, 512), 0)
	o.MaxBodyBytes = orDefault(o.MaxBodyBytes, 7<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now //nolint:forbidigo // the default of a parameter
	}
	if o.Observe == nil {
		o.Observe = func(context.Context, Observation) {}
	}
	return errs
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
