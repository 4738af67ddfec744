package admission_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	jsonpatchv4 "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission"
)

func applyPatch(t testing.TB, doc string, patch []byte) string {
	t.Helper()
	p, err := jsonpatchv4.DecodePatch(patch)
	require.NoError(t, err)
	out, err := p.Apply([]byte(doc))
	require.NoError(t, err)
	return string(out)
}

func reviewBody(t testing.TB) string {
	t.Helper()
	body, err := os.ReadFile("testdata/review.json")
	require.NoError(t, err)
	return string(body)
}

func post(h http.Handler, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestServeHTTP(t *testing.T) {
	h := newHandler(t, admission.Options{}, pods().Mutate("a", label("x", "1")).Validate("v", find(admission.Finding{Message: "m", Action: admission.Warn})))
	body := reviewBody(t)
	w := post(h.Routes(), admission.MutatePath+"?timeout=5s", body)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":true,`+
		`"patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscy94IiwidmFsdWUiOiIxIn1d","patchType":"JSONPatch"}}`+"\n", w.Body.String())
	w = post(h.Routes(), admission.ValidatePath, body)
	require.Equal(t, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"705ab4f5-6393-11e8-b7cc-42010a800002","allowed":true,"warnings":["m (v)"]}}`+"\n", w.Body.String())
	w = post(h, "/", strings.Replace(body, "admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1))
	require.Contains(t, w.Body.String(), `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","response":{"uid":"705a`)
}

func TestServeHTTPRefuses(t *testing.T) {
	var observed []admission.Observation
	h := newHandler(t, admission.Options{MaxBodyBytes: 20000, Observe: func(_ context.Context, o admission.Observation) { observed = append(observed, o) }},
		pods().Mutate("a", label("x", "1")))
	review := reviewBody(t)
	for name, c := range map[string]struct {
		body string
		edit func(*http.Request)
		code int
		want string
	}{
		"method":             {review, func(r *http.Request) { r.Method = http.MethodGet }, 405, "method GET: an AdmissionReview comes by POST"},
		"content type":       {review, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, `content type \"text/plain\"`},
		"no content type":    {review, func(r *http.Request) { r.Header.Del("Content-Type") }, 415, `comes as application/json`},
		"timeout":            {review, func(r *http.Request) { r.URL.RawQuery = "timeout=soon" }, 400, `timeout \"soon\": write a positive duration like 10s`},
		"negative timeout":   {review, func(r *http.Request) { r.URL.RawQuery = "timeout=-1s" }, 400, `timeout \"-1s\"`},
		"too large":          {strings.Repeat(" ", 20001), nil, 413, "the body has more than 20000 bytes"},
		"too large, chunked": {strings.Repeat(" ", 20001), func(r *http.Request) { r.ContentLength = -1 }, 413, "the body has more than 20000 bytes"},
		"unreadable":         {"", func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(errors.New("cut off"))) }, 400, "the body can't be read: cut off"},
		"empty":              {"", nil, 400, "the body is empty, it should be an AdmissionReview"},
		"not JSON":           {"hello", nil, 400, "the body is no AdmissionReview: "},
		"no object":          {"[]", nil, 400, `is no JSON object`},
		"another kind":       {`{"apiVersion":"v1","kind":"Pod"}`, nil, 400, `has apiVersion \"v1\" and kind \"Pod\"`},
		"a kind of no type":  {`{"apiVersion":1,"kind":null}`, nil, 400, `has apiVersion \"\" and kind \"\"`},
		"another version":    {`{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview"}`, nil, 400, "it should be an AdmissionReview of admission.k8s.io/v1 or admission.k8s.io/v1beta1"},
		"no request":         {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, nil, 400, "has no request"},
		"null request":       {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}`, nil, 400, "has no request"},
		"odd request":        {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":1}`, nil, 400, "is no JSON object"},
		"twice":              {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a","uid":"b"}}`, nil, 400, `member \"uid\" stands twice`},
		"two requests":       {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{},"request":{}}`, nil, 400, `member \"request\" stands twice`},
		"type":               {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":1}}`, nil, 400, "cannot unmarshal number"},
		"no uid":             {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"object":{}}}`, nil, 400, "uid is empty"},
		"no kind":            {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a"}}`, nil, 400, "kind is empty"},
		"no operation":       {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a","kind":{"kind":"Pod"}}}`, nil, 400, "operation is empty"},
		"not registered":     {strings.Replace(review, `"kind":"Pod"`, `"kind":"Node"`, 1), nil, 400, "no function is registered for v1 Node"},
		"broken object":      {strings.Replace(review, `"containers":[`, `"containers":7,"x":[`, 1), nil, 500, "request.object is no Pod"},
	} {
		t.Run(name, func(t *testing.T) {
			observed = nil
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json")
			if c.edit != nil {
				c.edit(r)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, c.code, w.Code, w.Body)
			require.Contains(t, w.Body.String(), c.want)
			var status metav1.Status
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &status))
			require.Equal(t, int32(c.code), status.Code)
			require.NotEmpty(t, status.Reason)
			require.Equal(t, "Status", status.Kind)
			require.Len(t, observed, 1)
			require.Equal(t, admission.OutcomeError, observed[0].Outcome)
			require.Equal(t, c.code, observed[0].Code)
			require.Error(t, observed[0].Err)
		})
	}
	require.Equal(t, http.StatusOK, post(h, "/", review).Code, "refusals keep no place")
}

// A function that does not return is given up before the API server hangs up, and holds its place until it does.
func TestDeadlineAndPlaces(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	observed := make(chan admission.Observation, 9)
	observe := func(_ context.Context, o admission.Observation) { observed <- o }
	h := newHandler(t, admission.Options{MaxInFlight: 1, Timeout: 50 * time.Millisecond, Observe: observe}, pods().
		Mutate("slow", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error {
			<-release
			return nil
		}))
	t.Cleanup(func() { once.Do(func() { close(release) }) })
	w := post(h, "/?timeout=2s", reviewBody(t)) // long enough for the mutator to be reached on a busy machine
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "mutator slow did not finish within 1.8s: context deadline exceeded")
	o := <-observed
	require.Equal(t, "705ab4f5-6393-11e8-b7cc-42010a800002", string(o.Request.UID))
	require.Equal(t, http.StatusInternalServerError, o.Code)
	w = post(h, "/", reviewBody(t))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "1 requests are in flight, no place came free in 45ms")
	once.Do(func() { close(release) })
	require.Equal(t, http.StatusOK, post(h, "/?timeout=30s", reviewBody(t)).Code)
	require.Equal(t, http.StatusServiceUnavailable, (<-observed).Code)
	require.Equal(t, http.StatusOK, (<-observed).Code)
	require.Empty(t, observed, "the late review is not observed again")
}

// badType panics where the handler and not a function calls it.
type badType struct {
	metav1.ObjectMeta `json:"metadata"`
}

func (*badType) DeepCopyInto(*badType) { panic("copy") }

func TestPanicOutsideOfFunctions(t *testing.T) {
	h := newHandler(t, admission.Options{}, admission.For[badType](podKind).
		Mutate("m", func(context.Context, *admissionv1.AdmissionRequest, *badType) error { return nil }))
	w := post(h, "/", reviewBody(t))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), "review panicked: copy")
}

// A panic of what is told of reviews is not the end of the process.
func TestPanicOfObserver(t *testing.T) {
	h := newHandler(t, admission.Options{MaxInFlight: 1, Observe: func(context.Context, admission.Observation) { panic("metrics") }},
		pods().Mutate("a", label("x", "1")))
	for range 2 { // the place is free again
		w := post(h, "/", reviewBody(t))
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Contains(t, w.Body.String(), "observer panicked: metrics")
	}
}

// A client that dawdles over its body has the time that it asked for and no more.
func TestSlowBody(t *testing.T) {
	server := httptest.NewServer(newHandler(t, admission.Options{}, pods().Mutate("a", label("x", "1"))))
	t.Cleanup(server.Close)
	body, dawdle := io.Pipe()
	t.Cleanup(func() { _ = dawdle.Close() })
	go func() { _, _ = dawdle.Write([]byte("{")) }()
	resp, err := http.Post(server.URL+"?timeout=100ms", "application/json", body)
	require.NoError(t, err)
	defer closeBody(resp)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)

	// Of a body of known length net/http reads the rest before it answers, which must not take longer either.
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /?timeout=100ms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err, "the connection is closed")
	require.Contains(t, string(answer), "HTTP/1.1 400 Bad Request")
}

// A caller that goes away is not a function that was too slow.
func TestCallerGoesAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	observed, release := make(chan error, 1), make(chan struct{})
	defer close(release)
	h := newHandler(t, admission.Options{Observe: func(_ context.Context, o admission.Observation) { observed <- o.Err }},
		pods().Mutate("waits", func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error {
			cancel()
			<-release
			return nil
		}))
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(reviewBody(t)))
	r.Header.Set("Content-Type", "application/json")
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.EqualError(t, <-observed, "the caller went away before mutator waits had finished: context canceled")
}

// FuzzReview: no body makes the handler panic; what is answered 200 is a well-formed review of the request's uid.
func FuzzReview(f *testing.F) {
	f.Add([]byte(reviewBody(f)))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"a","kind":{"version":"v1","kind":"Pod"},"operation":"UPDATE","object":{"metadata":{"labels":{"a":"b"}}},"oldObject":{}}}`))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"a","kind":{"version":"v1","kind":"Pod"},"operation":"DELETE","oldObject":{"spec":null}}}`))
	f.Add([]byte(`{"request":null}`))
	h := newHandler(f, admission.Options{FullVerification: true}, pods().
		Mutate("a", label("x", "1"), admission.On(admissionv1.Create, admissionv1.Update)).
		Validate("v", func(_ context.Context, _ *admissionv1.AdmissionRequest, pod, _ *corev1.Pod) []admission.Finding {
			if pod != nil && pod.Spec.HostNetwork {
				return []admission.Finding{{Field: pod.Name, Message: pod.Namespace}}
			}
			return nil
		}))
	f.Fuzz(func(t *testing.T, body []byte) {
		w := post(h, "/", string(body))
		if w.Code != http.StatusOK {
			require.Contains(t, []int{400, 500}, w.Code)
			require.NotContains(t, w.Body.String(), "panicked")
			return
		}
		var in, out admissionv1.AdmissionReview
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
		require.NoError(t, kjson.UnmarshalCaseSensitivePreserveInts(body, &in))
		require.Equal(t, in.Request.UID, out.Response.UID)
		require.Equal(t, in.APIVersion, out.APIVersion)
		if out.Response.Patch != nil {
			require.NotEqual(t, admissionv1.Delete, in.Request.Operation)
			applyPatch(t, string(in.Request.Object.Raw), out.Response.Patch)
		}
	})
}
