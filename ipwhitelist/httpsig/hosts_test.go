package httpsig

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// net/http keeps Request.Host when it follows "Location: //other/…", since that has no scheme: the other host must not
// get a signature that is good at the first one.
func TestRedirectThatKeepsTheHost(t *testing.T) {
	s := newServer(t, (*httptest.Server).Start)
	other := newServer(t, (*httptest.Server).Start)
	s.answer = func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Location", "//"+other.Listener.Addr().String()+"/v1/transfer")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	o := s.options(t)
	o.Hosts = append(o.Hosts, "orders.svc.example.com")
	req := newRequest(t, http.MethodGet, s.URL+"/", http.NoBody)
	req.Host = "orders.svc.example.com"
	do(t, newTransport(t, o), req)
	require.NoError(t, s.errs[0])
	require.Equal(t, "orders.svc.example.com", other.requests[0].Host)
	require.False(t, Present(other.requests[0].Header))
}

// An answer to HEAD has no body, so the reason is in a field.
func TestReplayedHEADIsSignedAgain(t *testing.T) {
	s := newServer(t, (*httptest.Server).Start)
	s.answer = func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			w.Header().Set("WWW-Authenticate", `Signature realm="orders", error="replayed"`)
			problem(w, ReasonReplayed)
		}
	}
	status, _ := do(t, newTransport(t, s.options(t)), newRequest(t, http.MethodHead, s.URL+"/", http.NoBody))
	require.Equal(t, 200, status)
	require.Len(t, s.requests, 2)
	require.NotEqual(t, s.requests[0].Header["Signature"], s.requests[1].Header["Signature"])
}
