package ipwhitelist

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// echoServer is a real server that says what it was given.
func (w *world) echoServer(t *testing.T, h2 bool, wrap func(http.Handler) http.Handler) *httptest.Server {
	t.Helper()
	h := w.g.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		id, _ := FromContext(r.Context())
		_, _ = fmt.Fprintf(rw, "%s %s %s %q %v", r.Proto, id.Caller, r.RequestURI, body, err)
	}))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewUnstartedServer(h)
	if s.EnableHTTP2 = h2; h2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// raw sends bytes and returns the status line and the body of the first answer.
func raw(t *testing.T, s *httptest.Server, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(body))
}

// lines are the signed header fields of a request as they go over the wire.
func (w *world) lines(method, target, body string, extra ...string) string {
	r := request(nowhere, method, "/", body)
	r.RequestURI = target
	for i := 0; i < len(extra); i += 2 {
		r.Header.Set(extra[i], extra[i+1])
	}
	w.sign(r, "billing.active")
	var b strings.Builder
	require.NoError(w.t, r.Header.Write(&b))
	return b.String()
}

func TestOnTheWire(t *testing.T) {
	w := newWorld(t, ModeSignature)
	s := w.echoServer(t, false, nil)
	const hostLine = "Host: " + host + "\r\n"
	get := func(target, signedTarget, hostLines string, extra string) string {
		return "GET " + target + " HTTP/1.1\r\n" + hostLines + w.lines("GET", signedTarget, "") + extra + "Connection: close\r\n\r\n"
	}
	chunked := "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	post := "POST / HTTP/1.1\r\n" + hostLine
	for _, c := range []struct{ name, text, want string }{
		{"plain", get("/a", "/a", hostLine, ""), `200 HTTP/1.1 billing /a "" <nil>`},
		{"the path is what is on the wire", get("/a%2Fb//c/../d;x|y", "/a%2Fb//c/../d;x|y", hostLine, ""), "200"},
		{"not what it decodes to", get("/a/b", "/a%2Fb", hostLine, ""), "401"},
		{"not what it cleans to", get("/d", "/c/../d", hostLine, ""), "401"},
		{"an empty query is none", get("/a?", "/a", hostLine, ""), "200"},
		{"the query is not parsed", get("/a?x=1;y=%zz&x=2", "/a?x=1;y=%zz&x=2", hostLine, ""), "200"},
		{"nor sorted", get("/a?b&a", "/a?a&b", hostLine, ""), "401"},
		{"absolute form", get("http://"+host+"/a?b", "/a?b", "Host: other\r\n", ""), "200"},
		{"absolute form for another host", get("http://other/a?b", "/a?b", hostLine, ""), "401"},
		{"host in upper case, default port", get("/a", "/a", "Host: ORDERS.svc.example.com:80\r\n", ""), "200"},
		{"another port", get("/a", "/a", "Host: "+host+":8080\r\n", ""), "401"},
		{"two hosts", get("/a", "/a", hostLine+"Host: other\r\n", ""), "400"},
		{"no host", get("/a", "/a", "", ""), "400"},
		{"two slashes are no host", get("//"+host+"/x", "//"+host+"/x", hostLine, ""), "200"},
		{"a fragment", get("/a#b", "/a", hostLine, ""), "401"},
		{"a field that was added", get("/a", "/a", hostLine, "Content-Type: text/x\r\n"), "401"},
		{"a field that was added, in lower case", get("/a", "/a", hostLine, "x-http-method-override: DELETE\r\n"), "401"},
		{"a second Signature line", get("/a", "/a", hostLine, "Signature: ipw=:AAAA:\r\n"), "401"},
		{"another's signature on a line of its own", get("/a", "/a", hostLine, "Signature: sig1=:AAAA:\r\nSignature-Input: sig1=(\"@method\");tag=\"x\"\r\n"), "200"},
		{"a body", post + w.lines("POST", "/", "hello") + "Content-Length: 5\r\nConnection: close\r\n\r\nhello", `200 HTTP/1.1 billing / "hello" <nil>`},
		{"a chunked body", post + w.lines("POST", "/", "hello") + chunked, `200 HTTP/1.1 billing / "hello" <nil>`},
		{"another body", post + w.lines("POST", "/", "hello") + "Content-Length: 5\r\nConnection: close\r\n\r\nHello", "401"},
		{"a body that was added", post + w.lines("POST", "/", "") + "Content-Length: 5\r\nConnection: close\r\n\r\nhello", "401"},
		{"a chunked body that was added", post + w.lines("POST", "/", "") + chunked, "401"},
		{"a body to GET that was added", "GET / HTTP/1.1\r\n" + hostLine + w.lines("GET", "/", "") + chunked, "401"},
		{"two lengths", post + w.lines("POST", "/", "hello") + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400"},
		{"a length and chunks", post + w.lines("POST", "/", "hello") + "Content-Length: 3\r\n" + chunked, `"hello" <nil>`}, // RFC 9112, 6.3: chunks win,
		{"chunks by another name", post + w.lines("POST", "/", "hello") + "Transfer-Encoding: xchunked\r\n\r\n", "501"},
		{"trailers", post + w.lines("POST", "/", "hello") + "Trailer: X-Admin\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nX-Admin: 1\r\n\r\n", "401"},
		{"a folded field", post + strings.Replace(w.lines("POST", "/", "hello", "Content-Type", "text/plain; a=b"), "; a", ";\r\n a", 1) + "Content-Length: 5\r\nConnection: close\r\n\r\nhello", "200"},
		{"Connection removes nothing that counts", get("/a", "/a", hostLine, "Connection: Signature, Signature-Input\r\n"), "200"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Contains(t, raw(t, s, c.text), c.want)
		})
	}
}

func TestStrangersGetNoContinue(t *testing.T) {
	w := newWorld(t, ModeSignature)
	s := w.echoServer(t, false, nil)
	answer := raw(t, s, "POST / HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n"+strings.ReplaceAll(w.lines("POST", "/", "hello"), "ipw=:", "ipw=:AA")+"\r\n")
	require.Contains(t, answer, "401", "and not 100 first: nobody has asked for the body")
}

func TestHTTP2(t *testing.T) {
	w := newWorld(t, ModeSignature, func(c *Config, _ *Options) { c.Authorities = nil })
	s := w.echoServer(t, true, nil)
	key := w.keys["billing.active"]
	signing, err := httpsig.NewTransport(httpsig.TransportOptions{
		Base: s.Client().Transport, Hosts: []string{s.Listener.Addr().String()}, Clock: w.g.o.Clock,
		Key: func() (*httpsig.Key, error) { return key, nil },
	})
	require.NoError(t, err)
	client := &http.Client{Transport: signing}
	for _, c := range []struct {
		method, target string
		body           io.Reader
		want           string
	}{
		{"GET", "/a%2Fb?x=1;y", nil, `HTTP/2.0 billing /a%2Fb?x=1;y "" <nil>`},
		{"POST", "/", strings.NewReader("hello"), `HTTP/2.0 billing / "hello" <nil>`},
		{"POST", "/", io.MultiReader(strings.NewReader("hello")), `HTTP/2.0 billing / "hello" <nil>`}, // without a length
		{"POST", "/", strings.NewReader(""), `HTTP/2.0 billing / "" <nil>`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.target, c.body)
		require.NoError(t, err)
		res, err := client.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, c.want, string(body))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("hello"))
	require.NoError(t, err)
	req.Trailer = http.Header{"X-Admin": {"1"}}
	_, err = client.Do(req) //nolint:bodyclose // an error
	require.ErrorIs(t, err, httpsig.ErrHeader, "trailers can't be signed")
}

// Middleware that changes the URL before the guard does not change what is verified.
func TestStripPrefix(t *testing.T) {
	w := newWorld(t, ModeSignature)
	s := w.echoServer(t, false, func(h http.Handler) http.Handler { return http.StripPrefix("/api", h) })
	text := "GET /api/a HTTP/1.1\r\nHost: " + host + "\r\n" + w.lines("GET", "/api/a", "") + "Connection: close\r\n\r\n"
	require.Contains(t, raw(t, s, text), "200")
}
