package ipwhitelist

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// refusal is a way to be refused.
type refusal struct {
	reason    Reason
	name      string
	mode      Mode
	route     Route
	request   func(w *world) *http.Request
	status    int
	public    string
	beforeMAC bool // nobody is proven: no body is read and no nonce used up
	noCaller  bool
}

func post(w *world, key string) *http.Request {
	return w.sign(request(nowhere, "POST", "/v1/orders?dry=1", `{"n": 1}`), key)
}

func refusals() []refusal {
	header := func(name, value string) func(*world) *http.Request {
		return func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Header.Set(name, value)
			return r
		}
	}
	return []refusal{
		{reason: ReasonMissing, name: "nothing", status: 401, public: "missing", beforeMAC: true, request: func(*world) *http.Request { return request(nowhere, "POST", "/", "x") }},
		{reason: ReasonMissing, name: "another tag", status: 401, public: "missing", beforeMAC: true, request: header("Signature-Input", `sig=("@method");tag="x"`)},
		{reason: ReasonMissing, name: "another scheme", status: 401, public: "missing", beforeMAC: true, request: func(*world) *http.Request {
			r := request(nowhere, "POST", "/", "x")
			r.Header.Set("Authorization", "Basic YTpi")
			return r
		}},
		{reason: ReasonMalformed, name: "garbage", status: 401, public: "invalid", beforeMAC: true, request: header("Signature-Input", "\x00((")},
		{reason: ReasonMalformed, name: "no Signature", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Header.Del("Signature")
			return r
		}},
		{reason: ReasonCoverage, name: "body without a digest", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := w.sign(request(nowhere, "POST", "/", ""), "billing.active")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
			return r
		}},
		{reason: ReasonCoverage, name: "chunked body without a digest", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := w.sign(request(nowhere, "POST", "/", ""), "billing.active")
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), -1
			return r
		}},
		{reason: ReasonCoverage, name: "a header that was added", status: 401, public: "invalid", beforeMAC: true, request: header("X-Http-Method-Override", "DELETE")},
		{reason: ReasonCoverage, name: "trailers", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Trailer = http.Header{"X-Admin": nil}
			return r
		}},
		{reason: ReasonTime, name: "old", status: 401, public: "expired", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			w.now = w.now.Add(2 * time.Minute)
			return r
		}},
		{reason: ReasonTime, name: "from the future", status: 401, public: "expired", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			w.now = w.now.Add(-31 * time.Second)
			return r
		}},
		{reason: ReasonAuthority, name: "another host", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := request(nowhere, "POST", "/", "x")
			r.Host = "shop.svc.example.com"
			return w.sign(r, "billing.active")
		}},
		{reason: ReasonAuthority, name: "a target that can't be signed", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.RequestURI = "*"
			return r
		}},
		{reason: ReasonAuthority, name: "a host that can't be signed", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Host = "a b"
			return r
		}},
		{reason: ReasonAuthority, name: "a signed field twice", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Header.Add("Content-Digest", "x")
			return r
		}},
		{reason: ReasonUnknownKey, name: "unknown key", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request { return post(w, "intruder") }},
		{reason: ReasonMAC, name: "another secret", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request { return post(w, "forged") }},
		{reason: ReasonMAC, name: "another path", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.RequestURI = "/v1/orders/../admin?dry=1"
			return r
		}},
		{reason: ReasonKeyDisabled, name: "disabled", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request { return post(w, "billing.disabled") }},
		{reason: ReasonKeyDisabled, name: "past not_after", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			w.now = w.now.Add(time.Hour)
			return post(w, "billing.retiring")
		}},
		{reason: ReasonAPIKey, name: "an unknown API key", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			text, _, err := GenerateAPIKey("nobody", zeros{})
			require.NoError(w.t, err)
			return withAPIKey(text)
		}},
		{reason: ReasonAPIKey, name: "a wrong API key", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			text, _, err := GenerateAPIKey("billing.k1", zeros{})
			require.NoError(w.t, err)
			return withAPIKey(text)
		}},
		{reason: ReasonAPIKey, name: "no API key at all", status: 401, public: "invalid", beforeMAC: true, request: func(*world) *http.Request { return withAPIKey("x") }},
		{reason: ReasonAPIKey, name: "two of them", status: 401, public: "invalid", beforeMAC: true, request: func(w *world) *http.Request {
			r := withAPIKey(w.apiKey)
			r.Header.Add("Authorization", "Basic YTpi")
			return r
		}},
		{reason: ReasonCaller, name: "another's route", status: 403, public: "forbidden", route: Route{Callers: []string{"shop"}}, request: func(w *world) *http.Request { return post(w, "billing.active") }},
		{reason: ReasonCaller, name: "an API key in mode signature", status: 403, public: "forbidden", mode: ModeSignature, request: func(w *world) *http.Request { return withAPIKey(w.apiKey) }},
		{reason: ReasonAddress, name: "mode ip from elsewhere", status: 403, public: "forbidden", mode: ModeIP, request: func(w *world) *http.Request { return post(w, "billing.active") }},
		{reason: ReasonAddress, name: "mode both from elsewhere", status: 403, public: "forbidden", mode: ModeBoth, request: func(w *world) *http.Request { return post(w, "billing.active") }},
		{reason: ReasonTooLarge, name: "a length over the limit", status: 413, public: "too-large", route: Route{MaxBody: 7}, request: func(w *world) *http.Request { return post(w, "billing.active") }},
		{reason: ReasonTooLarge, name: "chunks over the limit", status: 413, public: "too-large", route: Route{MaxBody: 7}, request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.ContentLength = -1
			return r
		}},
		{reason: ReasonBody, name: "a body that breaks off", status: 400, public: "invalid", request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
			return r
		}},
		{reason: ReasonDigest, name: "another body", status: 401, public: "invalid", request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Body = io.NopCloser(strings.NewReader(`{"n": 2}`))
			return r
		}},
		{reason: ReasonDigest, name: "no body", status: 401, public: "invalid", request: func(w *world) *http.Request {
			r := post(w, "billing.active")
			r.Body, r.ContentLength = http.NoBody, 0
			return r
		}},
		{reason: ReasonReplayed, name: "twice", status: 401, public: "replayed", request: func(w *world) *http.Request {
			first := post(w, "billing.active")
			require.Equal(w.t, 200, w.do(Route{}, first).Code)
			again := request(nowhere, "POST", "/v1/orders?dry=1", `{"n": 1}`)
			again.Header = first.Header.Clone()
			return again
		}},
		{reason: ReasonUnavailable, name: "memory full", status: 503, public: "unavailable", request: func(w *world) *http.Request {
			w.replay.err = ErrReplayFull
			return post(w, "billing.active")
		}},
		{reason: ReasonCanary, name: "canary", status: 401, public: "missing", mode: ModeReport, noCaller: true, request: func(w *world) *http.Request {
			c := w.config
			c.Rules[0].CanaryPercent = 100
			require.NoError(w.t, w.g.Replace(c))
			return request(proxy, "GET", "/", "")
		}},
	}
}

// zeros is a source of "random" bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func withAPIKey(text string) *http.Request {
	r := request(nowhere, "GET", "/", "")
	r.Header.Set("Authorization", "ApiKey "+text)
	return r
}

func TestEveryReasonIsReachable(t *testing.T) {
	reached := map[Reason]bool{}
	for _, c := range refusals() {
		t.Run(string(c.reason)+"/"+c.name, func(t *testing.T) {
			if c.mode == "" {
				c.mode = ModeEither
			}
			w := newWorld(t, c.mode)
			r := c.request(w)
			body := &countingBody{Reader: r.Body}
			if r.Body != http.NoBody {
				r.Body = body
			}
			calls, before := w.replay.calls, r.Header.Clone()
			rec := w.do(c.route, r)
			require.Equal(t, c.status, rec.Code)
			require.Equal(t, c.public, reasonOf(t, rec))
			d := w.last()
			require.Equal(t, c.reason, d.Reason, "%v", d.Err)
			require.False(t, d.Allowed)
			require.Zero(t, d.Identity)
			e, ok := errors.AsType[*Error](d.Err)
			require.True(t, ok)
			require.Equal(t, c.reason, e.Reason)
			require.NotContains(t, rec.Body.String(), "billing")
			require.Equal(t, before, r.Header, "the request is not changed")
			if c.beforeMAC {
				require.Zero(t, body.read, "nothing of the body is read")
				require.Equal(t, calls, w.replay.calls, "no nonce is used up")
			}
			require.Equal(t, c.status == 401, rec.Header().Get("WWW-Authenticate") == `Signature realm="orders", error="`+reasonOf(t, rec)+`"`)
			require.Equal(t, c.status == 401, rec.Header().Get("Accept-Signature") != "")
			require.Equal(t, c.status == 503, rec.Header().Get("Retry-After") == "1")
			reached[c.reason] = true
		})
	}
	for _, r := range reasons {
		require.True(t, reached[r], "no test reaches %s", r)
	}
	require.Len(t, reached, len(reasons))
}

// Whoever guesses can't tell an unknown key from one that exists.
func TestRefusalsLookAlike(t *testing.T) {
	var want string
	n := 0
	for _, c := range refusals() {
		if c.public != "invalid" || c.status != 401 || strings.Contains(c.name, "API key") || c.name == "two of them" || c.name == "no body" {
			continue
		}
		n++
		w := newWorld(t, ModeEither)
		rec := w.do(c.route, c.request(w))
		var b strings.Builder
		require.NoError(t, rec.Header().Write(&b))
		got := b.String() + rec.Body.String()
		if want == "" {
			want = got
		}
		require.Equal(t, want, got, c.name)
	}
	require.Greater(t, n, 12)
	require.Contains(t, want, `Accept-Signature: ipw=("@method" "@authority" "@path" "@query" "content-digest");created;expires;tag="ipwhitelist-v1"`)
}

func TestErrors(t *testing.T) {
	require.Equal(t, "ipwhitelist: mac: x", (&Error{ReasonMAC, errors.New("x")}).Error())
	require.Equal(t, "ipwhitelist: mac", (&Error{Reason: ReasonMAC}).Error())
	require.ErrorIs(t, &Error{ReasonMAC, httpsig.ErrMAC}, httpsig.ErrMAC)
}
