package admissiontest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	versionV1      = "admission.k8s.io/v1"
	versionV1beta1 = "admission.k8s.io/v1beta1"
)

// envelope is the body with which a request comes over HTTP. The two versions have the same form.
func envelope(apiVersion string, req *admissionv1.AdmissionRequest) []byte {
	body, _ := json.Marshal(admissionv1.AdmissionReview{ // raw objects are JSON by now
		TypeMeta: metav1.TypeMeta{APIVersion: apiVersion, Kind: "AdmissionReview"},
		Request:  req,
	})
	return body
}

func (b *bench) post(t testing.TB, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/?timeout=10s", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

// serves asks the same over HTTP.
func (tr *trial) serves() error {
	var errs []error
	for _, version := range []string{versionV1, versionV1beta1} {
		if err := tr.servesAs(version); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", version, err))
		}
	}
	return errors.Join(errs...)
}

func (tr *trial) servesAs(version string) error {
	w := tr.post(tr.t, envelope(version, tr.req))
	if tr.err != nil {
		if w.Code < 400 {
			return fmt.Errorf("the review fails, but the status is %d, which keeps the failurePolicy out: %s", w.Code, w.Body)
		}
		return nil
	}
	review, err := answered(w)
	if err != nil {
		return err
	}
	if review.APIVersion != version {
		return fmt.Errorf("the answer has apiVersion %q", review.APIVersion)
	}
	return sameBytes("Review", "HTTP", tr.resp, review.Response)
}

// answered reads the AdmissionReview of an answer with status 200.
func answered(w *httptest.ResponseRecorder) (*admissionv1.AdmissionReview, error) {
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", w.Code, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		return nil, fmt.Errorf("the answer's content type is %q", got)
	}
	review := &admissionv1.AdmissionReview{}
	if err := json.Unmarshal(w.Body.Bytes(), review); err != nil {
		return nil, fmt.Errorf("the answer is no AdmissionReview: %w: %.200s", err, w.Body)
	}
	if review.Kind != "AdmissionReview" {
		return nil, fmt.Errorf("the answer has kind %q", review.Kind)
	}
	if review.Response == nil {
		return nil, errors.New("the answer has no response")
	}
	return review, nil
}

// conforms checks an answer to a body that may be anything.
func conforms(w *httptest.ResponseRecorder) error {
	if w.Code == http.StatusOK {
		review, err := answered(w)
		if err != nil {
			return err
		}
		return VerifyResponse(&admissionv1.AdmissionRequest{UID: review.Response.UID}, review.Response, true)
	}
	if w.Code < 400 || w.Code > 599 {
		return fmt.Errorf("status %d is neither an answer nor an error", w.Code)
	}
	if text := w.Body.String(); w.Code == http.StatusInternalServerError && strings.Contains(text, " panicked: ") {
		return fmt.Errorf("panic: %s", text)
	}
	return nil
}
