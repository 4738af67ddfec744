package ipwhitelist

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

func dialer(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}

// hardened is what examples/signedapi/nginx.conf does, for servers beside others.
const hardened = `proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For ""; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_next_upstream off; proxy_bind 127.0.0.2;`

// Configurations of nginx, and what each does to a signature.
func TestNginx(t *testing.T) {
	s := newSetup(t, ipwhitelist.ModeSignature)
	provider, told := s.serve(), s.serve("-authority="+authority)
	addrs := map[string]string{}
	var servers strings.Builder
	for _, c := range []struct{ name, pass, extra string }{
		{"hardened", "http://" + provider.api, hardened},
		{"default", "http://" + provider.api, ""},
		{"default, and the provider is told the authority", "http://" + told.api, ""},
		{"URI part", "http://" + provider.api + "/", hardened},
	} {
		addrs[c.name] = freePort(t)
		fmt.Fprintf(&servers, "server { listen %s; location / { proxy_pass %s; %s } }\n", addrs[c.name], c.pass, c.extra)
	}
	nginx(t, servers.String())
	for _, addr := range addrs {
		eventually(t, "nginx listens", answers(addr))
	}
	addrs["shipped"] = freePort(t)
	shippedNginx(t, addrs["shipped"], provider.api)
	for _, c := range []struct {
		config, method, target, body string
		status                       int
	}{
		{"shipped", "GET", "/v1/orders/42", "", 200},
		{"shipped", "GET", "/v1/orders/a%2Fb%20c?x=%2F;y&z", "", 200},
		{"shipped", "GET", "//v1//../v1/orders/%7e", "", 404}, // admitted; the provider has no such route
		{"shipped", "POST", "/v1/orders", `{"n": 1}`, 201},
		{"shipped", "PUT", "/v1/uploads/x", strings.Repeat("x", 900<<10), 201},
		{"hardened", "GET", "/v1/orders/42", "", 200},
		{"hardened", "GET", "/v1/orders/a%2Fb%20c?x=%2F;y&z", "", 200},
		{"hardened", "GET", "/v1//../v1/orders/%7e", "", 404}, // admitted; the provider has no such route
		{"hardened", "POST", "/v1/orders", `{"n": 1}`, 201},
		{"hardened", "PUT", "/v1/uploads/x", strings.Repeat("x", 900<<10), 201}, // over nginx's buffers
		{"default", "GET", "/v1/orders/42", "", 401},
		{"default, and the provider is told the authority", "GET", "/v1/orders/42", "", 200},
		{"default, and the provider is told the authority", "POST", "/v1/orders", `{"n": 1}`, 201},
		{"URI part", "GET", "/v1/orders/42", "", 200},
		{"URI part", "GET", "/v1/orders/a%2Fb", "", 401},
	} {
		client := signer(t, &http.Transport{}, s.key(), addrs[c.config])
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, status, text := answer(t, client, c.method, "http://"+authority+c.target, c.body)
		if c.status == 404 {
			require.NotEqual(t, 401, status, "%s %s: %s", c.config, c.target, text)
			continue
		}
		require.Equal(t, c.status, status, "%s %s: %s", c.config, c.target, text)
	}
	require.Positive(t, provider.reasons()["authority"], "nginx's default Host is the most frequent mistake, and the log says so")
}

// The address of the proxy is on the list, and what a caller writes into X-Forwarded-For has no effect.
func TestNginxIsTheWhitelistedAddress(t *testing.T) {
	s := newSetup(t, ipwhitelist.ModeEither)
	provider := s.serve()
	addr := freePort(t)
	shippedNginx(t, addr, provider.api)
	for via, want := range map[string]int{addr: 200, provider.api: 401} {
		status, err := send(via, "/v1/whoami", http.Header{"X-Forwarded-For": {"127.0.0.2"}, "X-Real-Ip": {"127.0.0.2"}})
		require.NoError(t, err)
		require.Equal(t, want, status)
	}
	require.Equal(t, "127.0.0.2", provider.report(t).Rules[0].Addresses[0].Value)
}

// certificate writes the certificate of net/http/httptest, which is for example.com and its subdomains.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	pool = x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return certFile, keyFile, pool
}

// Callers speak HTTP/2 and TLS to nginx, nginx HTTP/1.1 to the provider. A clock that is ten minutes off is corrected by
// the Date of the first answer.
func TestHTTP2AndSkewThroughNginx(t *testing.T) {
	s := newSetup(t, ipwhitelist.ModeSignature)
	provider := s.serve()
	certFile, keyFile, pool := certificate(t)
	addr := freePort(t)
	nginx(t, fmt.Sprintf(`server { listen %s ssl http2; ssl_certificate %s; ssl_certificate_key %s; location / { proxy_pass http://%s; %s } }`,
		addr, certFile, keyFile, provider.api, hardened))
	eventually(t, "nginx listens", answers(addr))
	for _, skew := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
		base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
		client := signer(t, base, s.key(), addr, func(o *httpsig.TransportOptions) {
			o.LearnOffset = true
			o.Clock = func() time.Time { return time.Now().Add(skew) }
		})
		for range 3 {
			proto, status, text := answer(t, client, "POST", "https://"+authority+"/v1/orders?x=%2f", `{"n": 1}`)
			require.Equal(t, "HTTP/2.0", proto)
			require.Equal(t, 201, status, "%s: %s", skew, text)
		}
	}
	require.Equal(t, 2, provider.reasons()["time"], "once for each wrong clock")
}

// nginx redirects to another host, which gets no signature.
func TestRedirectToAnotherHost(t *testing.T) {
	s := newSetup(t, ipwhitelist.ModeSignature)
	addr := freePort(t)
	nginx(t, fmt.Sprintf(`server { listen %s; server_name %s; location / { return 307 http://evil.example.com/x; } }
server { listen %s; server_name evil.example.com; location / { return 200 "[$http_signature$http_signature_input$http_content_digest]"; } }`, addr, authority, addr))
	eventually(t, "nginx listens", answers(addr))
	client := signer(t, &http.Transport{}, s.key(), addr)
	_, status, text := answer(t, client, "POST", "http://"+authority+"/v1/orders", `{"n": 1}`)
	require.Equal(t, 200, status)
	require.Equal(t, "[]", text)
}

// A kept-alive connection dies after the provider has the request: net/http sends it again, with the nonce that was
// used, and the transport signs once more.
func TestKeepAliveRetry(t *testing.T) {
	s := newSetup(t, ipwhitelist.ModeSignature)
	provider := s.serve()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var cut atomic.Bool
	var requests atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go relay(c, provider.api, &cut, &requests)
		}
	}()
	client := signer(t, &http.Transport{}, s.key(), l.Addr().String())
	_, status, _ := answer(t, client, "GET", "http://"+authority+"/v1/orders/1", "")
	require.Equal(t, 200, status)
	cut.Store(true)
	_, status, _ = answer(t, client, "GET", "http://"+authority+"/v1/orders/2", "")
	require.Equal(t, 200, status)
	require.EqualValues(t, 4, requests.Load(), "the first, the one that was cut, its repetition, and the one that was signed again")
	require.Equal(t, 1, provider.reasons()["replayed"])
}

// relay passes requests on, one at a time; asked to cut, it does not pass the answer of the next one back.
func relay(c net.Conn, to string, cut *atomic.Bool, requests *atomic.Int64) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		requests.Add(1)
		up, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		err = r.Write(up)
		res, err2 := http.ReadResponse(bufio.NewReader(up), r)
		if err != nil || err2 != nil {
			_ = up.Close()
			return
		}
		if !cut.CompareAndSwap(true, false) {
			err = res.Write(c)
		} else {
			err = net.ErrClosed
		}
		_ = res.Body.Close()
		_ = up.Close()
		if err != nil {
			return
		}
	}
}
