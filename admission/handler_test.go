package admission_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
)

func newHandler(t testing.TB, o admission.Options, rs ...admission.Registration) *admission.Handler {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := admission.NewHandler(o, rs...)
	require.NoError(t, err)
	return h
}

func pods() *admission.Kind[corev1.Pod] { return admission.For[corev1.Pod](podKind) }

func request(op admissionv1.Operation, object, old string) *admissionv1.AdmissionRequest {
	return &admissionv1.AdmissionRequest{
		UID: "u1", Operation: op, Name: "p", Namespace: "shop",
		Kind:      metav1.GroupVersionKind(podKind),
		Resource:  metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		Object:    runtime.RawExtension{Raw: []byte(object)},
		OldObject: runtime.RawExtension{Raw: []byte(old)},
	}
}

func label(key, value string) admission.MutateFunc[corev1.Pod] {
	return func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels[key] += value
		return nil
	}
}

func find(findings ...admission.Finding) admission.ValidateFunc[corev1.Pod] {
	return func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod, *corev1.Pod) []admission.Finding {
		return findings
	}
}

func TestMutatorsSeeEachOther(t *testing.T) {
	h := newHandler(t, admission.Options{},
		pods().Mutate("first", label("a", "1")).Mutate("second", label("a", "2")),
		pods().Mutate("third", label("a", "3")))
	resp, err := h.Review(t.Context(), request(admissionv1.Create, `{"metadata":{"name":"p"}}`, ""))
	require.NoError(t, err)
	require.True(t, resp.Allowed)
	require.Equal(t, "u1", string(resp.UID))
	require.Equal(t, admissionv1.PatchTypeJSONPatch, *resp.PatchType)
	require.Equal(t, `[{"op":"add","path":"/metadata/labels","value":{"a":"123"}}]`, string(resp.Patch))
}

func TestWhenFunctionsRun(t *testing.T) {
	deleting := `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}`
	mirror := `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}}}`
	for name, c := range map[string]struct {
		req     *admissionv1.AdmissionRequest
		sub     string
		options []admission.Option
		mutates bool
		judges  bool
	}{
		"create":                              {request(admissionv1.Create, `{}`, ""), "", nil, true, true},
		"update":                              {request(admissionv1.Update, `{}`, `{}`), "", nil, false, true},
		"update when asked":                   {request(admissionv1.Update, `{}`, `{}`), "", []admission.Option{admission.On(admissionv1.Update)}, true, true},
		"delete":                              {request(admissionv1.Delete, ``, `{}`), "", nil, false, false},
		"connect":                             {request(admissionv1.Connect, `{}`, ``), "", nil, false, false},
		"connect when asked":                  {request(admissionv1.Connect, `{}`, ``), "", []admission.Option{admission.On(admissionv1.Connect)}, true, true},
		"being deleted":                       {request(admissionv1.Update, deleting, deleting), "", []admission.Option{admission.On(admissionv1.Update)}, false, false},
		"being deleted when asked":            {request(admissionv1.Update, deleting, deleting), "", []admission.Option{admission.On(admissionv1.Update), admission.WhileDeleting()}, true, true},
		"subresource":                         {request(admissionv1.Create, `{}`, ""), "status", nil, false, false},
		"subresource when asked":              {request(admissionv1.Create, `{}`, ""), "resize", []admission.Option{admission.Subresources("", "resize")}, true, true},
		"other subresource":                   {request(admissionv1.Create, `{}`, ""), "binding", []admission.Option{admission.Subresources("", "resize")}, false, false},
		"not the object itself":               {request(admissionv1.Create, `{}`, ""), "", []admission.Option{admission.Subresources("resize")}, false, false},
		"mirror Pods are not mutated":         {request(admissionv1.Create, mirror, ""), "", nil, false, true},
		"being deleted, as the server has it": {request(admissionv1.Update, `{}`, deleting), "", []admission.Option{admission.On(admissionv1.Update)}, false, false},
		"being deleted, as its author says":   {request(admissionv1.Create, deleting, ""), "", nil, true, true},
		"being deleted, as an update says":    {request(admissionv1.Update, deleting, `{}`), "", []admission.Option{admission.On(admissionv1.Update)}, true, true},
		"deletionTimestamp that is nil":       {request(admissionv1.Create, `{"metadata":{"deletionTimestamp":null}}`, ""), "", nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var mutated, judged bool
			h := newHandler(t, admission.Options{}, pods().
				Mutate("m", func(_ context.Context, req *admissionv1.AdmissionRequest, _ *corev1.Pod) error {
					require.Same(t, c.req, req)
					mutated = true
					return nil
				}, c.options...).
				Validate("v", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, old *corev1.Pod) []admission.Finding {
					require.Equal(t, len(c.req.Object.Raw) > 0, pod != nil)
					require.Equal(t, len(c.req.OldObject.Raw) > 0, old != nil)
					judged = true
					return nil
				}, c.options...))
			c.req.SubResource = c.sub
			resp, err := h.Review(t.Context(), c.req)
			require.NoError(t, err)
			require.True(t, resp.Allowed)
			require.Equal(t, c.mutates, mutated)
			require.Equal(t, c.judges, judged)
			mutated, judged = false, false
			_, err = h.Mutating().Review(t.Context(), c.req)
			require.NoError(t, err)
			require.False(t, judged, "the mutating webhook validates")
			mutated, judged = false, false
			_, err = h.Validating().Review(t.Context(), c.req)
			require.NoError(t, err)
			require.False(t, mutated, "the validating webhook mutates")
		})
	}
}

func TestDeleteValidatorsSeeTheOldObject(t *testing.T) {
	keep := func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, old *corev1.Pod) []admission.Finding {
		if pod == nil && old.Labels["keep"] == "true" {
			return []admission.Finding{{Field: "metadata.labels[keep]", Message: "this Pod is kept"}}
		}
		return nil
	}
	h := newHandler(t, admission.Options{}, pods().Validate("keep", keep, admission.On(admissionv1.Delete)))
	resp, err := h.Review(t.Context(), request(admissionv1.Delete, "", `{"metadata":{"labels":{"keep":"true"}}}`))
	require.NoError(t, err)
	require.False(t, resp.Allowed)
	require.Empty(t, resp.Patch)
	resp, err = h.Review(t.Context(), request(admissionv1.Delete, "", `{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","labels":{"keep":"true"}}}`))
	require.NoError(t, err)
	require.True(t, resp.Allowed, "the second delete of a Pod that is being deleted")
}

// A Scale arrives for many resources; the kind alone does not tell which.
func TestKindsOfSubresources(t *testing.T) {
	scale := autoscalingv1.SchemeGroupVersion.WithKind("Scale")
	called := 0
	h := newHandler(t, admission.Options{}, admission.For[autoscalingv1.Scale](scale).
		Resource(appsv1.SchemeGroupVersion, "statefulsets/scale").
		Validate("count", func(_ context.Context, _ *admissionv1.AdmissionRequest, _, _ *autoscalingv1.Scale) []admission.Finding {
			called++
			return nil
		}))
	req := request(admissionv1.Update, `{"spec":{"replicas":3}}`, `{}`)
	req.Kind, req.SubResource = metav1.GroupVersionKind(scale), "scale"
	for _, resource := range []metav1.GroupVersionResource{
		{Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "other", Version: "v1", Resource: "statefulsets"},
	} {
		req.Resource = resource
		_, err := h.Review(t.Context(), req)
		require.NoError(t, err)
	}
	require.Equal(t, 1, called)
}

func TestFindings(t *testing.T) {
	deny := admission.Finding{Field: "spec.x", Message: "bad\nvalue"}
	warn := admission.Finding{Rule: "soft", Field: "spec.y", Message: "careful\t\xff", Action: admission.Warn}
	audit := admission.Finding{Rule: "noted", Message: "hm", Action: admission.Audit}
	register := pods().Validate("hard", find(deny)).Validate("others", find(warn, warn, audit, audit))

	t.Run("each action", func(t *testing.T) {
		var seen admission.Observation
		h := newHandler(t, admission.Options{Observe: func(_ context.Context, o admission.Observation) { seen = o }}, register)
		resp, err := h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.NoError(t, err)
		require.False(t, resp.Allowed)
		require.Equal(t, &metav1.Status{
			Status: "Failure", Code: 403, Reason: metav1.StatusReasonForbidden, Message: "spec.x: bad value (hard)",
			Details: &metav1.StatusDetails{Name: "p", Kind: "Pod", Causes: []metav1.StatusCause{{Type: "hard", Field: "spec.x", Message: "bad\nvalue"}}},
		}, resp.Result)
		require.Equal(t, []string{"spec.y: careful \uFFFD (soft)"}, resp.Warnings)
		require.Equal(t, map[string]string{"noted": "hm; hm"}, resp.AuditAnnotations)
		require.Equal(t, admission.OutcomeDenied, seen.Outcome)
		require.Len(t, seen.Findings, 5)
		require.Equal(t, admission.Deny, seen.Findings[0].Action)
		require.Equal(t, "review", seen.Phase)
	})
	t.Run("switched by configuration", func(t *testing.T) {
		h := newHandler(t, admission.Options{Invalid: true, Actions: map[string]admission.Action{"hard": admission.Warn, "soft": admission.Deny, "noted": admission.Off}}, register)
		resp, err := h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.NoError(t, err)
		require.False(t, resp.Allowed)
		require.Equal(t, []string{"spec.x: bad value (hard)"}, resp.Warnings)
		require.Empty(t, resp.AuditAnnotations)
		require.Equal(t, int32(422), resp.Result.Code)
		require.Equal(t, metav1.StatusReasonInvalid, resp.Result.Reason)
		require.Len(t, resp.Result.Details.Causes, 2)
		require.Equal(t, "2 findings:\n- spec.y: careful \uFFFD (soft)\n- spec.y: careful \uFFFD (soft)", resp.Result.Message)
	})
	t.Run("exempt", func(t *testing.T) {
		h := newHandler(t, admission.Options{Exempt: func(req *admissionv1.AdmissionRequest, rule string) bool {
			return req.Namespace == "shop" && rule == "hard"
		}}, register)
		req := request(admissionv1.Create, `{}`, "")
		resp, err := h.Review(t.Context(), req)
		require.NoError(t, err)
		require.True(t, resp.Allowed)
		require.NotEmpty(t, resp.Warnings)
		req.Namespace = "other"
		resp, err = h.Review(t.Context(), req)
		require.NoError(t, err)
		require.False(t, resp.Allowed)
	})
	t.Run("a validator's slice stays its own", func(t *testing.T) {
		shared := []admission.Finding{{Message: "m"}}
		h := newHandler(t, admission.Options{}, pods().Validate("v", find(shared...)))
		_, err := h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.NoError(t, err)
		require.Empty(t, shared[0].Rule)
	})
}

func TestWarningsAreBounded(t *testing.T) {
	var many []admission.Finding
	for i := range 100 {
		many = append(many, admission.Finding{Action: admission.Warn, Message: fmt.Sprint(i, strings.Repeat("ä", 300))})
	}
	many = append(many, admission.Finding{Action: admission.Audit, Rule: "bad rule/ü!", Message: strings.Repeat("x", 20000)}, admission.Finding{Action: admission.Audit, Rule: "ü"})
	h := newHandler(t, admission.Options{}, pods().Validate("v", find(many...)))
	resp, err := h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
	require.NoError(t, err)
	total := 0
	require.True(t, strings.HasSuffix(resp.Warnings[0], "ä… (v)"), "the rule is not cut off")
	for _, w := range resp.Warnings {
		require.LessOrEqual(t, len([]rune(w)), 256)
		total += len([]rune(w))
	}
	require.LessOrEqual(t, total, 4096)
	require.Equal(t, "85 more warnings are not shown", resp.Warnings[len(resp.Warnings)-1])
	require.Len(t, resp.AuditAnnotations["bad-rule"], 8191+len("…"))
	require.Contains(t, resp.AuditAnnotations, "finding")
}

// What is said does not grow beyond what anyone can read.
func TestManyFindings(t *testing.T) {
	many := make([]admission.Finding, 30000)
	for i := range many {
		many[i] = admission.Finding{Rule: "r", Field: fmt.Sprint("spec.x", i), Message: "bad"}
	}
	resp, err := newHandler(t, admission.Options{}, pods().Validate("v", find(many...))).Review(t.Context(), request(admissionv1.Create, `{}`, ""))
	require.NoError(t, err)
	require.Len(t, resp.Result.Details.Causes, 500)
	require.True(t, strings.HasPrefix(resp.Result.Message, "30000 findings:\n- spec.x0: bad (r)\n"))
	require.True(t, strings.HasSuffix(resp.Result.Message, "\n- and 29500 more"))
	audit := admission.Options{Actions: map[string]admission.Action{"r": admission.Audit}}
	resp, err = newHandler(t, audit, pods().Validate("v", find(many...))).Review(t.Context(), request(admissionv1.Create, `{}`, ""))
	require.NoError(t, err)
	require.Len(t, resp.AuditAnnotations["r"], 8191+len("…"))
}

func TestMutatorRefuses(t *testing.T) {
	h := newHandler(t, admission.Options{Actions: map[string]admission.Action{"mild": admission.Warn}}, pods().
		Mutate("mild", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
			pod.Labels = map[string]string{"a": "b"}
			return fmt.Errorf("wrapped: %w", admission.Refuse(admission.Finding{Message: "rather not"}))
		}).
		Mutate("strict", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
			if pod.Name == "no" {
				return admission.Refuse(admission.Finding{Field: "metadata.name", Message: "no"})
			}
			return nil
		}))
	resp, err := h.Review(t.Context(), request(admissionv1.Create, `{"metadata":{"name":"yes"}}`, ""))
	require.NoError(t, err)
	require.True(t, resp.Allowed)
	require.Equal(t, []string{"rather not (mild)"}, resp.Warnings)
	require.NotEmpty(t, resp.Patch)
	resp, err = h.Review(t.Context(), request(admissionv1.Create, `{"metadata":{"name":"no"}}`, ""))
	require.NoError(t, err)
	require.False(t, resp.Allowed)
	require.Empty(t, resp.Patch)
	require.Nil(t, resp.PatchType)
	h = newHandler(t, admission.Options{}, pods().Mutate("m", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error { return admission.Refuse() }))
	resp, err = h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
	require.NoError(t, err)
	require.False(t, resp.Allowed)
	require.Equal(t, "refused without a reason (m)", resp.Result.Message)
	require.EqualError(t, admission.Refuse(admission.Finding{Field: "f", Message: "m"}, admission.Finding{Message: "n", Rule: "r"}), "refused: f: m; n (r)")
}

var errBroken = errors.New("broken")

func broken(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error { return errBroken }

func panics(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error { panic("boom") }

// holder can hold what has no JSON form.
type holder struct {
	metav1.ObjectMeta `json:"metadata"`
	Raw               runtime.RawExtension `json:"raw"`
}

func (h *holder) DeepCopyInto(out *holder) {
	*out = *h
	h.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	h.Raw.DeepCopyInto(&out.Raw)
}

func TestInternalErrors(t *testing.T) {
	t.Run("of a mutator", func(t *testing.T) {
		var log bytes.Buffer
		h := newHandler(t, admission.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, pods().Mutate("m", broken))
		_, err := h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.ErrorIs(t, err, errBroken)
		require.EqualError(t, err, "mutator m: broken")
		require.Contains(t, log.String(), `error="mutator m: broken" uid=u1 operation=CREATE kind=Pod namespace=shop name=p`)
	})
	t.Run("panic", func(t *testing.T) {
		var log bytes.Buffer
		h := newHandler(t, admission.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, pods().
			Validate("v", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod, *corev1.Pod) []admission.Finding {
				panic("boom")
			}))
		_, err := h.Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.EqualError(t, err, "validator v panicked: boom")
		p, ok := errors.AsType[*admission.PanicError](err)
		require.True(t, ok)
		require.Contains(t, string(p.Stack), "handler_test.go")
		require.Contains(t, log.String(), "handler_test.go")
	})
	t.Run("of a validator", func(t *testing.T) {
		v := find(admission.Finding{Message: "m"}, admission.Finding{Err: errBroken})
		_, err := newHandler(t, admission.Options{}, pods().Validate("v", v)).Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.ErrorIs(t, err, errBroken)
		require.EqualError(t, err, "validator v: broken")
		resp, err := newHandler(t, admission.Options{}, pods().Validate("v", v, admission.FailOpen())).Review(t.Context(), request(admissionv1.Create, `{}`, ""))
		require.NoError(t, err)
		require.True(t, resp.Allowed)
		require.Equal(t, []string{"validator v: broken: continued without it"}, resp.Warnings)
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h := newHandler(t, admission.Options{}, pods().Mutate("m", label("a", "b")))
		_, err := h.Review(ctx, request(admissionv1.Create, `{}`, ""))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "before mutator m")
	})
	t.Run("unwritable", func(t *testing.T) {
		kind := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Holder"}
		spoil := func(_ context.Context, _ *admissionv1.AdmissionRequest, h *holder) error {
			h.Raw.Raw = []byte("{not JSON")
			return nil
		}
		fine := func(_ context.Context, _ *admissionv1.AdmissionRequest, h *holder) error {
			h.Labels = map[string]string{"a": "b"}
			return nil
		}
		req := request(admissionv1.Create, `{"metadata":{},"raw":{}}`, "")
		req.Kind = metav1.GroupVersionKind(kind)
		h := newHandler(t, admission.Options{}, admission.For[holder](kind).Mutate("fine", fine).Mutate("spoil", spoil).Mutate("fine-too", fine))
		_, err := h.Review(t.Context(), req)
		require.ErrorContains(t, err, `mutator "spoil" makes no valid patch: /raw: json: error calling MarshalJSON`)
		open := newHandler(t, admission.Options{}, admission.For[holder](kind).Mutate("fine", fine).Mutate("spoil", spoil, admission.FailOpen()))
		resp, err := open.Review(t.Context(), req)
		require.NoError(t, err)
		require.JSONEq(t, `[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]`, string(resp.Patch))
		require.Contains(t, resp.AuditAnnotations["failed-open"], "spoil")
	})
	t.Run("text that is not UTF-8", func(t *testing.T) {
		for _, key := range []string{"a", "\xff"} {
			h := newHandler(t, admission.Options{}, pods().Mutate("m", label(key, "\xff")))
			_, err := h.Review(t.Context(), request(admissionv1.Create, `{"metadata":{"labels":{"x":"y"}}}`, ""))
			require.ErrorContains(t, err, `mutator "m" makes no valid patch: patched object is not the mutated one`)
		}
	})
	t.Run("another kind", func(t *testing.T) {
		h := newHandler(t, admission.Options{}, pods().Mutate("m", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
			pod.Kind = "Service"
			return nil
		}))
		_, err := h.Review(t.Context(), request(admissionv1.Create, `{"kind":"Pod"}`, ""))
		require.ErrorContains(t, err, `mutator "m" makes no valid patch: {"op":"add","path":"/kind","value":"Service"}: an object can't become one of another kind`)
	})
	t.Run("objects that do not decode", func(t *testing.T) {
		h := newHandler(t, admission.Options{}, pods().Mutate("m", label("a", "b")).Validate("v", find()))
		for object, want := range map[string]string{
			`{`:                             "request.object: unexpected end of JSON text",
			`{"spec":{"containers":1}}`:     "request.object is no Pod: ",
			`{"metadata":{"labels":[]}}`:    "request.object is no Pod: ",
			`{"metadata":{"name":"a\xzz"}}`: "request.object: invalid character",
		} {
			_, err := h.Review(t.Context(), request(admissionv1.Create, object, ""))
			require.ErrorContains(t, err, want)
			_, err = h.Review(t.Context(), request(admissionv1.Update, `{}`, object))
			require.ErrorContains(t, err, strings.Replace(want, ".object", ".oldObject", 1))
		}
	})
	t.Run("requests for somebody else", func(t *testing.T) {
		h := newHandler(t, admission.Options{}, pods())
		_, err := h.Review(t.Context(), nil)
		require.ErrorContains(t, err, "it is nil")
		req := request(admissionv1.Create, `{}`, "")
		req.Kind.Version = "v2"
		_, err = h.Review(t.Context(), req)
		require.EqualError(t, err, "request is not for this webhook: no function is registered for v2 Pod, only for v1 Pod")
		_, err = newHandler(t, admission.Options{}).Review(t.Context(), req)
		require.ErrorContains(t, err, "only for no kind at all")
	})
}

// Functions are not called with neither an object nor an old one.
func TestNoObject(t *testing.T) {
	h := newHandler(t, admission.Options{}, pods().
		Mutate("m", label("a", "1")).
		Validate("v", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, _ *corev1.Pod) []admission.Finding {
			return []admission.Finding{{Message: pod.Name}}
		}))
	for _, object := range []string{"", "null", " null "} {
		for _, op := range []admissionv1.Operation{admissionv1.Create, admissionv1.Update} {
			_, err := h.Review(t.Context(), request(op, object, object))
			require.EqualError(t, err, "request.object is missing, which every "+string(op)+" has")
		}
	}
}

func TestFailOpen(t *testing.T) {
	var runs atomic.Int32
	counting := func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
		runs.Add(1)
		return label("a", "1")(t.Context(), nil, pod)
	}
	var seen admission.Observation
	h := newHandler(t, admission.Options{Observe: func(_ context.Context, o admission.Observation) { seen = o }}, pods().
		Mutate("counting", counting).
		Mutate("half", func(ctx context.Context, req *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
			pod.Labels["half"] = "done"
			return panics(ctx, req, pod)
		}, admission.FailOpen()).
		Mutate("errs", broken, admission.FailOpen()).
		Mutate("last", label("z", "9")).
		Validate("v", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod, *corev1.Pod) []admission.Finding {
			panic("v")
		}, admission.FailOpen()))
	resp, err := h.Review(t.Context(), request(admissionv1.Create, `{"metadata":{"name":"p"}}`, ""))
	require.NoError(t, err)
	require.True(t, resp.Allowed)
	require.Equal(t, `[{"op":"add","path":"/metadata/labels","value":{"a":"1","z":"9"}}]`, string(resp.Patch), "only the failed one's changes are dropped")
	require.Equal(t, []string{
		"mutator half panicked: boom: continued without it",
		"mutator errs: broken: continued without it",
		"validator v panicked: v: continued without it",
	}, resp.Warnings)
	require.Equal(t, "mutator half panicked: boom; mutator errs: broken; validator v panicked: v", resp.AuditAnnotations["failed-open"])
	require.Len(t, seen.Dropped, 3)
	require.Equal(t, int32(3), runs.Load())
}

func TestFullVerificationCatchesValidatorsThatChangeObjects(t *testing.T) {
	change := func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, old *corev1.Pod) []admission.Finding {
		for _, p := range []*corev1.Pod{pod, old} {
			if p != nil && p.Name == "touch" {
				p.Spec.NodeName = "n"
			}
		}
		return nil
	}
	h := newHandler(t, admission.Options{}, pods().Validate("v", change))
	for _, req := range []*admissionv1.AdmissionRequest{
		request(admissionv1.Create, `{"metadata":{"name":"touch"}}`, ""),
		request(admissionv1.Update, `{}`, `{"metadata":{"name":"touch"}}`),
	} {
		_, err := h.Review(t.Context(), req)
		require.NoError(t, err)
		_, err = h.WithFullVerification().Review(t.Context(), req)
		require.EqualError(t, err, "validator v panicked: it changed the object, which validators must not")
	}
	_, err := h.WithFullVerification().Review(t.Context(), request(admissionv1.Create, `{}`, ""))
	require.NoError(t, err)
	require.Equal(t, map[schema.GroupVersionKind]reflect.Type{podKind: reflect.TypeFor[corev1.Pod]()}, h.Kinds())
}

func TestUnstructured(t *testing.T) {
	kind := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
	h := newHandler(t, admission.Options{FullVerification: true}, admission.For[unstructured.Unstructured](kind).
		Mutate("size", func(_ context.Context, _ *admissionv1.AdmissionRequest, u *unstructured.Unstructured) error {
			return unstructured.SetNestedField(u.Object, int64(2), "spec", "size")
		}))
	req := request(admissionv1.Create, `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"ratio":1.50}}`, "")
	req.Kind = metav1.GroupVersionKind(kind)
	resp, err := h.Review(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, `[{"op":"add","path":"/spec/size","value":2}]`, string(resp.Patch))
}

func TestNewHandlerRefuses(t *testing.T) {
	_, err := admission.NewHandler(admission.Options{
		Actions: map[string]admission.Action{"x": "refuse"}, Timeout: -1,
	},
		pods().Mutate("a", label("a", "b"), admission.On(admissionv1.Delete)).Mutate("a", label("a", "b")).Mutate("no/slash", label("a", "b")).Validate("a", find(), admission.On()),
		admission.For[corev1.Service](podKind),
		admission.For[corev1.Node](corev1.SchemeGroupVersion.WithKind("Node")).Resource(corev1.SchemeGroupVersion).Mutate("n", keep[corev1.Node]),
		admission.For[corev1.Service](schema.GroupVersionKind{}),
	)
	for _, want := range []string{
		`rule "x" has the unknown action "refuse": write one of deny, warn, audit, off`,
		"negative Timeout, MaxInFlight or MaxBodyBytes",
		`v1 Pod: mutator "a" is registered on DELETE, where there is nothing to change`,
		`v1 Pod: the name "a" is used twice`,
		`v1 Pod: name "no/slash" is not one for an audit annotation`,
		`v1 Pod: "a" runs on no operation`,
		"kind v1 Pod is registered with two types, v1.Pod and v1.Service",
		`v1 Node: "n" runs for no resource`,
		`kind " " has no version or no kind`,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestRegistrationIsReadOnce(t *testing.T) {
	k := pods().Mutate("a", label("a", "1"))
	h := newHandler(t, admission.Options{}, k)
	k.Mutate("b", label("b", "2"))
	resp, err := h.Review(t.Context(), request(admissionv1.Create, `{"metadata":{}}`, ""))
	require.NoError(t, err)
	require.NotContains(t, string(resp.Patch), "b\"")
}

func TestActionText(t *testing.T) {
	var config struct{ Action admission.Action }
	require.NoError(t, json.Unmarshal([]byte(`{"action":"warn"}`), &config))
	require.Equal(t, admission.Warn, config.Action)
	require.EqualError(t, json.Unmarshal([]byte(`{"action":"Warn"}`), &config), `action "Warn": write one of deny, warn, audit, off`)
	require.EqualError(t, json.Unmarshal([]byte(`{"action":true}`), &config), `action true: write one of deny, warn, audit, off`)
	require.NoError(t, json.Unmarshal([]byte(`{"action":false}`), &config), "what YAML makes of off without quotes")
	require.Equal(t, admission.Off, config.Action)
	require.NoError(t, json.Unmarshal([]byte(`{"action":null}`), &config))
	require.Equal(t, admission.Off, config.Action, "null changes nothing")
	byRule := map[string]admission.Action{}
	require.NoError(t, yaml.UnmarshalStrict([]byte("{a: off, b: \"off\", c: deny}"), &byRule))
	require.Equal(t, map[string]admission.Action{"a": admission.Off, "b": admission.Off, "c": admission.Deny}, byRule)
}

// Same review, same bytes; the request is not touched; a review of the result has nothing left to do.
func TestReviewLaws(t *testing.T) {
	h := newHandler(t, admission.Options{FullVerification: true}, pods().
		Mutate("sidecar", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod *corev1.Pod) error {
			for i := range pod.Spec.Containers {
				if pod.Spec.Containers[i].Name == "sidecar" {
					return nil
				}
			}
			pod.Spec.Containers = append([]corev1.Container{{Name: "sidecar", Image: "s"}}, pod.Spec.Containers...)
			pod.Annotations = map[string]string{"z": "1", "a": "2", "m": "3"}
			return nil
		}))
	object := `{"metadata":{"name":"p","annotations":{"old":"x"}},"spec":{"containers":[{"name":"app","future":{"deep":[1]}}],"futureToo":1}}`
	req := request(admissionv1.Create, object, "")
	first, err := h.Review(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, object, string(req.Object.Raw))
	for range 20 {
		again, err := h.Review(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
	patched := applyPatch(t, object, first.Patch)
	require.Contains(t, patched, `"future":{"deep":[1]}`)
	require.Contains(t, patched, `"futureToo":1`)
	after, err := h.Review(t.Context(), request(admissionv1.Create, patched, ""))
	require.NoError(t, err)
	require.Empty(t, after.Patch)
	require.Nil(t, after.PatchType)
}
