package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/admission"
)

func scrape(m *metrics) string {
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// TestLabelsAreBounded sends kinds and operations that a client made up.
func TestLabelsAreBounded(t *testing.T) {
	c, err := parseConfig(defaultConfig)
	require.NoError(t, err)
	h, err := c.handler(admission.Options{})
	require.NoError(t, err)
	m := newMetrics()
	m.kinds = h.Kinds()
	for i := range 100 {
		m.observe(t.Context(), admission.Observation{
			Phase: "mutate", Outcome: admission.OutcomeError, Code: http.StatusBadRequest, Err: errors.New("no such kind"),
			Request: &admissionv1.AdmissionRequest{Kind: metav1.GroupVersionKind{Version: "v1", Kind: fmt.Sprint("Kind", i)}, Operation: admissionv1.Operation(fmt.Sprint("OP", i))},
		})
	}
	m.observe(t.Context(), admission.Observation{
		Phase: "mutate", Outcome: admission.OutcomeAllowed, Code: http.StatusOK,
		Request: &admissionv1.AdmissionRequest{Kind: metav1.GroupVersionKind{Group: "batch", Version: "v1", Kind: "CronJob"}, Operation: admissionv1.Update},
	})
	text := scrape(m)
	require.Contains(t, text, `kubewright_webhook_reviews_total{kind="other",operation="other",outcome="error",phase="mutate"} 100`)
	require.Contains(t, text, `kubewright_webhook_reviews_total{kind="CronJob",operation="UPDATE",outcome="allowed",phase="mutate"} 1`)
	require.Contains(t, text, `kubewright_webhook_responses_total{code="400",phase="mutate"} 100`)
	require.Contains(t, text, `kubewright_webhook_responses_total{code="200",phase="mutate"} 1`)
}

func TestPanicsAreCounted(t *testing.T) {
	m := newMetrics()
	boom := fmt.Errorf("wrapped: %w", &admission.PanicError{Function: "f", Value: "boom"})
	m.observe(t.Context(), admission.Observation{Outcome: admission.OutcomeError, Err: boom})
	m.observe(t.Context(), admission.Observation{Outcome: admission.OutcomeAllowed, Dropped: []error{boom, errors.New("other")}})
	text := scrape(m)
	require.Contains(t, text, "kubewright_webhook_panics_total 2\n")
	require.Contains(t, text, "kubewright_webhook_failed_open_total 2\n")
}

// TestReviewLog tells of what somebody may ask about, and of the rest only for debugging.
func TestReviewLog(t *testing.T) {
	found := func(action admission.Action) []admission.Finding {
		return []admission.Finding{{Rule: "r", Field: "spec.x", Message: "wrong", Action: action}}
	}
	request := &admissionv1.AdmissionRequest{UID: "u1", Name: "web", Namespace: "shop"}
	many := make([]admission.Finding, 1000)
	for name, c := range map[string]struct {
		o    admission.Observation
		want string // at info
	}{
		"allowed":          {admission.Observation{Outcome: "allowed", Request: request, Patch: 12}, ""},
		"audited":          {admission.Observation{Outcome: "allowed", Request: request, Findings: found(admission.Audit)}, ""},
		"warned":           {admission.Observation{Outcome: "allowed", Request: request, Findings: found(admission.Warn)}, `namespace=shop name=web`},
		"denied":           {admission.Observation{Outcome: "denied", Request: request, Findings: found(admission.Deny)}, `[deny spec.x: wrong (r)]`},
		"failed":           {admission.Observation{Outcome: "error", Request: request, Err: errors.New("boom")}, ""}, // by the handler
		"no review at all": {admission.Observation{Outcome: "error", Err: errors.New("boom")}, `error=boom`},
		"very many":        {admission.Observation{Outcome: "denied", Request: request, Findings: many}, "…"},
	} {
		t.Run(name, func(t *testing.T) {
			var info, debug buffer
			reviewLog(slog.New(slog.NewTextHandler(&info, nil)))(context.Background(), c.o)
			reviewLog(slog.New(slog.NewJSONHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug})))(context.Background(), c.o)
			require.Contains(t, debug.String(), `"msg":"review"`)
			require.Less(t, len(debug.String()), 1000)
			if c.want == "" {
				require.Empty(t, info.String())
			} else {
				require.Contains(t, info.String(), c.want)
			}
		})
	}
}
