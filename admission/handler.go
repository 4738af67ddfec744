package admission

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// phase says which of its functions a Handler runs.
type phase int

const (
	bothPhases phase = iota
	mutatingPhase
	validatingPhase
)

func (p phase) mutates() bool   { return p != validatingPhase }
func (p phase) validates() bool { return p != mutatingPhase }

// String is the phase as a metric label.
func (p phase) String() string { return [...]string{"review", "mutate", "validate"}[p] }

// Handler reviews requests with the functions that were registered. It is an [http.Handler] and safe for concurrent use.
//
// A Handler runs both mutators and validators. That is right for tests and for checking manifests without a cluster;
// to the API server, which asks for the two separately, mount [Handler.Mutating] and [Handler.Validating], or all of
// [Handler.Routes].
type Handler struct {
	phase   phase
	options Options
	kinds   map[schema.GroupVersionKind]kindHandler
	slots   chan struct{}
}

var (
	_ http.Handler = (*Handler)(nil)

	// ruleName is what an audit annotation's key may be, behind the webhook's name and a slash.
	ruleName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
)

// NewHandler makes a handler of all registered functions. Everything that is wrong with the registrations and the
// options is in the error: duplicate or unusable names, mutators on DELETE, one kind with two types, unknown actions.
func NewHandler(options Options, registrations ...Registration) (*Handler, error) {
	h := &Handler{options: options, kinds: map[schema.GroupVersionKind]kindHandler{}}
	errs := h.setDefaults()
	for _, r := range registrations {
		k := r.registered()
		gvk := k.kind()
		first, ok := h.kinds[gvk]
		switch {
		case !ok:
			h.kinds[gvk] = k
		case first.goType() != k.goType():
			errs = append(errs, fmt.Errorf("kind %s is registered with two types, %s and %s", kindText(gvk), first.goType(), k.goType()))
		default:
			h.kinds[gvk] = first.merge(k)
		}
	}
	for _, gvk := range h.sortedKinds() {
		errs = append(errs, checkKind(h.kinds[gvk])...)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("admission handler: %w", errors.Join(errs...))
	}
	h.slots = make(chan struct{}, h.options.MaxInFlight)
	return h, nil
}

func checkKind(k kindHandler) (errs []error) {
	gvk := kindText(k.kind())
	if k.kind().Version == "" || k.kind().Kind == "" {
		errs = append(errs, fmt.Errorf("kind %q has no version or no kind", gvk))
	}
	for _, p := range []phase{mutatingPhase, validatingPhase} {
		seen := map[string]bool{}
		for _, r := range k.rules(p) {
			if !ruleName.MatchString(r.name) {
				errs = append(errs, fmt.Errorf("%s: name %q is not one for an audit annotation: write 1 to 63 letters, digits, '-', '_' or '.'", gvk, r.name))
			}
			if seen[r.name] {
				errs = append(errs, fmt.Errorf("%s: the name %q is used twice", gvk, r.name))
			}
			seen[r.name] = true
			if len(r.operations) == 0 {
				errs = append(errs, fmt.Errorf("%s: %q runs on no operation", gvk, r.name))
			}
			if len(r.at) == 0 {
				errs = append(errs, fmt.Errorf("%s: %q runs for no resource", gvk, r.name))
			}
			if p == mutatingPhase && slices.Contains(r.operations, admissionv1.Delete) {
				errs = append(errs, fmt.Errorf("%s: mutator %q is registered on DELETE, where there is nothing to change", gvk, r.name))
			}
		}
	}
	return errs
}

func (h *Handler) sortedKinds() []schema.GroupVersionKind {
	return slices.SortedFunc(maps.Keys(h.kinds), func(a, b schema.GroupVersionKind) int {
		return strings.Compare(a.String(), b.String())
	})
}

// kindText is "apps/v1 Deployment".
func kindText(gvk schema.GroupVersionKind) string {
	return gvk.GroupVersion().String() + " " + gvk.Kind
}

// Mutating returns the handler for a MutatingWebhookConfiguration: it runs the mutators only. Options and limits are
// shared with h.
func (h *Handler) Mutating() *Handler { return h.in(mutatingPhase) }

// Validating returns the handler for a ValidatingWebhookConfiguration: it runs the validators only.
func (h *Handler) Validating() *Handler { return h.in(validatingPhase) }

func (h *Handler) in(p phase) *Handler {
	other := *h
	other.phase = p
	return &other
}

// WithFullVerification returns h as if Options.FullVerification were set, for tests.
func (h *Handler) WithFullVerification() *Handler {
	other := *h
	other.options.FullVerification = true
	return &other
}

// Kinds returns the kinds for which functions are registered, with their Go types.
func (h *Handler) Kinds() map[schema.GroupVersionKind]reflect.Type {
	kinds := make(map[schema.GroupVersionKind]reflect.Type, len(h.kinds))
	for gvk, k := range h.kinds {
		kinds[gvk] = k.goType()
	}
	return kinds
}

// The paths under which [Handler.Routes] serves, and to which [Handler.Manifests] points.
const (
	MutatePath   = "/mutate"
	ValidatePath = "/validate"
)

// Routes serves [Handler.Mutating] under [MutatePath] and [Handler.Validating] under [ValidatePath].
func (h *Handler) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(MutatePath, h.Mutating())
	mux.Handle(ValidatePath, h.Validating())
	return mux
}

// Review answers one request. The error is an internal one (a function failed, panicked, ran out of time, or made a
// change that is no valid patch) or says that the request is not for this handler; over HTTP it becomes status 500 or
// 400, so that the webhook's failurePolicy decides. A refusal is not an error but a response.
//
// The response belongs to the caller. Options.Timeout and MaxInFlight are those of ServeHTTP and do not count here.
//
// With controller-runtime, register [Handler.Mutating] and [Handler.Validating] with the manager's webhook server, which
// takes any http.Handler. Its own admission.Handler answers with a value, and has no way to leave a request to the
// failurePolicy: an error becomes a refusal.
//
//	resp, err := h.Review(ctx, &req.AdmissionRequest)
//	if err != nil {
//		return admission.Errored(http.StatusInternalServerError, err) // refused, also under failurePolicy Ignore
//	}
//	return admission.Response{AdmissionResponse: *resp}
func (h *Handler) Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	return h.observed(ctx, &call{req: req, phase: h.phase, full: h.options.FullVerification})
}

func (h *Handler) observed(ctx context.Context, c *call) (*admissionv1.AdmissionResponse, error) {
	start := h.options.Clock()
	resp, o, err := h.review(ctx, c)
	if !c.claimed.CompareAndSwap(false, true) {
		return resp, err // too late, another answer was given and observed
	}
	o.Request, o.Phase, o.Err, o.Code = c.req, c.phase.String(), err, codeOf(err)
	o.Duration = h.options.Clock().Sub(start)
	switch {
	case err != nil:
		o.Outcome = OutcomeError
		h.logFailure(ctx, "admission review failed", c.req, err)
	case resp.Allowed:
		o.Outcome = OutcomeAllowed
	default:
		o.Outcome = OutcomeDenied
	}
	for _, dropped := range o.Dropped {
		h.logFailure(ctx, "admission function failed open", c.req, dropped)
	}
	h.options.Observe(ctx, o)
	return resp, err
}

func (h *Handler) logFailure(ctx context.Context, message string, req *admissionv1.AdmissionRequest, err error) {
	args := []any{"error", err}
	if req != nil {
		args = append(args, "uid", req.UID, "operation", req.Operation, "kind", req.Kind.Kind, "namespace", req.Namespace, "name", req.Name)
	}
	if p, ok := errors.AsType[*PanicError](err); ok {
		args = append(args, "stack", string(p.Stack))
	}
	h.options.Logger.ErrorContext(ctx, message, args...)
}

// errNotForUs tells requests that no configuration of ours should have brought here.
var errNotForUs = errors.New("request is not for this webhook")

func (h *Handler) review(ctx context.Context, c *call) (resp *admissionv1.AdmissionResponse, o Observation, err error) {
	defer recovered("review", &err) // of the methods of the object's type, which decode and copy it
	if c.req == nil {
		return nil, Observation{}, fmt.Errorf("%w: it is nil", errNotForUs)
	}
	gvk := schema.GroupVersionKind(c.req.Kind)
	k, ok := h.kinds[gvk]
	if !ok {
		return nil, Observation{}, fmt.Errorf("%w: no function is registered for %s, only for %s", errNotForUs, kindText(gvk), h.kindList())
	}
	res, err := k.review(ctx, c)
	if err != nil {
		return nil, Observation{}, err
	}
	resp, findings := h.respond(c, res)
	return resp, Observation{Findings: findings, Patch: len(resp.Patch), Dropped: res.dropped}, nil
}

func (h *Handler) kindList() string {
	var kinds []string
	for _, gvk := range h.sortedKinds() {
		kinds = append(kinds, kindText(gvk))
	}
	if len(kinds) == 0 {
		return "no kind at all"
	}
	return strings.Join(kinds, ", ")
}
