package admission

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxTimeout is the longest timeoutSeconds that a webhook can have.
const maxTimeout = 30 * time.Second

// httpError is an answer that is no AdmissionReview.
type httpError struct {
	code int
	err  error
	req  *admissionv1.AdmissionRequest // where there was one
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

func refuse(code int, format string, args ...any) error {
	return &httpError{code: code, err: fmt.Errorf(format, args...)}
}

// ServeHTTP answers an AdmissionReview:
//
//	200  reviewed: allowed, with or without a patch, or denied
//	400  no AdmissionReview, or one of a kind that is not registered
//	405  not a POST
//	413  body over Options.MaxBodyBytes
//	415  body is not application/json
//	500  a function failed, panicked or ran out of time, or made a change that is no valid patch
//	503  too many requests in flight
//
// Answers other than 200 have a metav1.Status as their body. They leave the request to the webhook's failurePolicy. The
// deadline is that of the request's timeout parameter, which the API server sends, less a tenth.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := h.answer(w, r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		body = h.failure(w, err)
	}
	if he, ok := errors.AsType[*httpError](err); ok { // no review has told of it
		h.options.Observe(r.Context(), Observation{Request: he.req, Phase: h.phase.String(), Outcome: OutcomeError, Code: he.code, Err: err})
		if he.code >= http.StatusInternalServerError {
			h.logFailure(r.Context(), "admission request not reviewed", he.req, err)
		}
	}
	_, _ = w.Write(body) // a client that went away is not our error
}

// failure writes the head of an answer to an error and returns its body.
func (h *Handler) failure(w http.ResponseWriter, err error) []byte {
	code := codeOf(err)
	reasons := map[int]metav1.StatusReason{
		http.StatusBadRequest:            metav1.StatusReasonBadRequest,
		http.StatusMethodNotAllowed:      metav1.StatusReasonMethodNotAllowed,
		http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
		http.StatusUnsupportedMediaType:  metav1.StatusReasonUnsupportedMediaType,
		http.StatusServiceUnavailable:    metav1.StatusReasonServiceUnavailable,
		http.StatusInternalServerError:   metav1.StatusReasonInternalError,
	}
	body, _ := json.Marshal(&metav1.Status{ // has nothing that can't be marshalled
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure,
		Code:     int32(code), //nolint:gosec // one of the constants above
		Reason:   reasons[code],
		Message:  oneLine(err.Error()),
	})
	if code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.WriteHeader(code)
	return append(body, '\n')
}

// codeOf is the HTTP status of the answer to a review that ended with err.
func codeOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if he, ok := errors.AsType[*httpError](err); ok {
		return he.code
	}
	if errors.Is(err, errNotForUs) {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "method %s: an AdmissionReview comes by POST", r.Method)
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "content type %q: an AdmissionReview comes as application/json", r.Header.Get("Content-Type"))
	}
	timeout, err := h.timeout(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, refuse(http.StatusServiceUnavailable, "%d requests are in flight, no place came free in %s", cap(h.slots), timeout)
	}
	body, err := h.read(w, r.WithContext(ctx))
	if err != nil {
		<-h.slots
		return nil, err
	}
	rev, err := decodeReview(body)
	if err != nil {
		<-h.slots
		return nil, &httpError{code: http.StatusBadRequest, err: err}
	}
	resp, err := h.inTime(ctx, timeout, rev)
	if err != nil {
		return nil, err
	}
	return encodeReview(rev.apiVersion, rev.request.UID, resp)
}

// inTime reviews in a goroutine of its own, so that a function that does not heed its context can't keep the answer back
// until the API server hangs up. Such a function keeps its slot until it returns.
func (h *Handler) inTime(ctx context.Context, timeout time.Duration, rev review) (*admissionv1.AdmissionResponse, error) {
	type outcome struct {
		resp *admissionv1.AdmissionResponse
		err  error
	}
	c := &call{req: rev.request, phase: h.phase, full: h.options.FullVerification, object: rev.object, old: rev.old}
	done := make(chan outcome, 1)
	go func() {
		o := outcome{err: errors.New("the review ended without an answer")}
		defer func() {
			<-h.slots
			done <- o
		}()
		defer recovered("observer", &o.err) // a panic here would end the process
		o.resp, o.err = h.observed(ctx, c)
	}()
	select {
	case o := <-done:
		return o.resp, o.err
	case <-ctx.Done():
		if !c.claimed.CompareAndSwap(false, true) {
			o := <-done // it made it after all
			return o.resp, o.err
		}
		where := "the review"
		if name := c.current.Load(); name != nil {
			where = *name
		}
		err := fmt.Errorf("%s did not finish within %s: %w", where, timeout, ctx.Err())
		if errors.Is(ctx.Err(), context.Canceled) {
			err = fmt.Errorf("the caller went away before %s had finished: %w", where, ctx.Err())
		}
		return nil, &httpError{http.StatusInternalServerError, err, rev.request}
	}
}

// timeout is the time that the API server gives, less what the way back may take.
func (h *Handler) timeout(r *http.Request) (time.Duration, error) {
	timeout := h.options.Timeout
	if text := r.URL.Query().Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return 0, refuse(http.StatusBadRequest, "timeout %q: write a positive duration like 10s", text)
		}
		timeout = min(d, maxTimeout)
	}
	return timeout - timeout/10, nil
}

func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := h.options.MaxBodyBytes
	tooLarge := func() error {
		return refuse(http.StatusRequestEntityTooLarge, "the body has more than %s bytes", strconv.FormatInt(limit, 10))
	}
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	rc := http.NewResponseController(w)
	if deadline, ok := r.Context().Deadline(); ok { // a client that dawdles holds a place
		_ = rc.SetReadDeadline(deadline) // not every ResponseWriter has one
	}
	var buf bytes.Buffer
	buf.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead) // more only as it comes
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge()
		}
		return nil, refuse(http.StatusBadRequest, "the body can't be read: %w", err)
	}
	_ = rc.SetReadDeadline(time.Time{}) // not before: net/http waits for the rest of a body before it answers
	return buf.Bytes(), nil
}
