package ipwhitelist

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

var errTest = errors.New("test")

func recorder(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// A handler gets no end of a body that is not the signed one, however it reads and however the bytes arrive.
func TestStreamsWithholdTheEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t, ModeEither)
	for range 200 {
		good := make([]byte, 1+rng.IntN(9000))
		for i := range good {
			good[i] = byte(rng.Uint32())
		}
		for _, spoiled := range []bool{false, true} {
			r := w.sign(request(nowhere, "POST", "/", string(good)), "billing.active")
			sent := bytes.Clone(good)
			if spoiled {
				sent[rng.IntN(len(sent))] ^= 1
			}
			var source io.Reader = bytes.NewReader(sent)
			switch rng.IntN(4) {
			case 0:
				source = iotest.OneByteReader(source)
			case 1:
				source = iotest.DataErrReader(source)
			case 2:
				source = iotest.HalfReader(source)
			}
			r.Body = io.NopCloser(source)
			if rng.IntN(2) == 0 {
				r.ContentLength = -1
			}
			size := 1 + rng.IntN(5000)
			var got []byte
			var end error
			admitted, d := w.g.Check(r, Route{Stream: true})
			require.True(t, d.Allowed, "%v", d.Err)
			n, err := admitted.Body.Read(nil)
			require.Zero(t, n)
			require.NoError(t, err)
			for end == nil {
				buf := make([]byte, size)
				n, end = admitted.Body.Read(buf)
				got = append(got, buf[:n]...)
			}
			_, again := admitted.Body.Read(make([]byte, 1))
			require.Equal(t, end, again)
			require.NoError(t, admitted.Body.Close())
			if !spoiled {
				require.Equal(t, io.EOF, end)
				require.Equal(t, good, got)
				continue
			}
			require.ErrorIs(t, end, httpsig.ErrDigest)
			require.Less(t, len(got), len(sent), "all of it, and wrong")
		}
	}
	require.Positive(t, w.g.Report().Callers[0].Suspects[ReasonDigest])
}

func TestStreamLimits(t *testing.T) {
	w := newWorld(t, ModeEither)
	send := func(o Route, length int64) (string, error) {
		r := w.sign(request(nowhere, "POST", "/", "0123456789"), "billing.active")
		r.ContentLength = length
		var got []byte
		var end error
		recorder(w.g.Route(o, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, end = io.ReadAll(r.Body) })), r)
		return string(got), end
	}
	got, err := send(Route{Stream: true, MaxBody: 10}, -1)
	require.NoError(t, err)
	require.Equal(t, "0123456789", got)
	_, err = send(Route{Stream: true, MaxBody: 9}, -1)
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok)
	require.Equal(t, ReasonTooLarge, e.Reason)
	got, err = send(Route{Stream: true, MaxBody: 9}, 10)
	require.NoError(t, err, "refused before the handler")
	require.Empty(t, got)
}

// In mode ip nothing that is wrong with a signature gets in the way, and it is counted.
func TestShadowChecksHoldNothingUp(t *testing.T) {
	w := newWorld(t, ModeIP)
	long := strings.Repeat("x", 3<<20)
	r := w.sign(request(proxy, "POST", "/", long), "billing.active")
	rec := w.do(Route{MaxBody: 10}, r)
	require.Equal(t, 200, rec.Code)
	require.Greater(t, rec.Body.Len(), len(long))
	require.Equal(t, "billing", w.last().Shadow)
	require.EqualValues(t, 1, w.g.Report().Callers[0].Signed.Count)
	require.Zero(t, w.g.Report().Rules[0].IPOnly.Count, "it does not rely on the address")

	r = w.sign(request(proxy, "POST", "/", "signed"), "billing.active")
	r.Body = io.NopCloser(strings.NewReader("spoilt"))
	rec = w.do(Route{}, r)
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), "spoilt")
	require.EqualValues(t, 1, w.g.Report().Callers[0].Failures[ReasonDigest])
}

// An address that admits gets the whole body, also after a signed body turned out wrong, too long or broken.
func TestBodiesSurviveTheFallback(t *testing.T) {
	w := newWorld(t, ModeEither)
	for name, c := range map[string]struct {
		o      Route
		length int64
		reason Reason
	}{
		"wrong":              {Route{}, 10, ReasonDigest},
		"too long":           {Route{MaxBody: 4}, 10, ReasonTooLarge},
		"too long, chunked":  {Route{MaxBody: 4}, -1, ReasonTooLarge},
		"a stream, replayed": {Route{Stream: true}, 10, ReasonReplayed},
	} {
		r := w.sign(request(proxy, "POST", "/", "0123456789"), "billing.active")
		if c.reason == ReasonReplayed {
			first := request(nowhere, "POST", "/", "0123456789")
			first.Header = r.Header.Clone()
			require.Equal(t, 200, w.do(Route{}, first).Code)
		}
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("012345678X")), c.length
		rec := w.do(c.o, r)
		require.Equal(t, 200, rec.Code, name)
		require.Contains(t, rec.Body.String(), `"body":"012345678X"`, name)
		require.Equal(t, c.reason, w.last().Reason, name)
	}
	r := w.sign(request(proxy, "POST", "/", "0123456789"), "billing.active")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("0123"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	rec := w.do(Route{}, r)
	require.Equal(t, http.StatusTeapot, rec.Code, "the handler sees the same error")
	require.Equal(t, ReasonBody, w.last().Reason)
}

// Room is made as bytes arrive, not as they are announced.
func TestAnnouncedBodiesCostNothing(t *testing.T) {
	data, err := readBody(strings.NewReader("x"), 1<<30, 1<<30)
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	require.Less(t, cap(data), 2<<20)
}

func TestUnsignedBody(t *testing.T) {
	w := newWorld(t, ModeEither)
	r := w.sign(request(nowhere, "PUT", "/", ""), "billing.active")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("0123456789")), -1
	rec := w.do(Route{UnsignedBody: true, MaxBody: 10}, r)
	require.Equal(t, 200, rec.Code)
	require.Contains(t, rec.Body.String(), "0123456789")
	r = w.sign(request(nowhere, "PUT", "/", ""), "billing.active")
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("0123456789")), -1
	rec = w.do(Route{UnsignedBody: true, MaxBody: 9}, r)
	require.Equal(t, http.StatusTeapot, rec.Code)
	// A digest that is there counts.
	r = w.sign(request(nowhere, "PUT", "/", "good"), "billing.active")
	r.Body = io.NopCloser(strings.NewReader("evil"))
	require.Equal(t, 401, w.do(Route{UnsignedBody: true}, r).Code)
}

func TestCoveredFields(t *testing.T) {
	tenant, err := httpsig.NewFields("X-Tenant")
	require.NoError(t, err)
	w := newWorld(t, ModeEither)
	r := w.sign(request(nowhere, "GET", "/", ""), "billing.active")
	r.Header.Set("X-Tenant", "a")
	require.Equal(t, 401, w.do(Route{Cover: tenant}, r).Code)
	require.Equal(t, ReasonCoverage, w.last().Reason)
	require.Equal(t, 200, w.do(Route{}, r).Code)
}
