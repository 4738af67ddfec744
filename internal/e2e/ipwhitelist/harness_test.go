package ipwhitelist

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

const authority = "orders.svc.example.com"

// program is examples/signedapi, built once.
var program string

func TestMain(m *testing.M) {
	if mode := os.Getenv("KUBEWRIGHT_LOAD"); mode != "" {
		loadServer(mode)
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "signedapi-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if program, err = components.BuildExample(dir, "signedapi"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// child is a process that ends with the test.
type child struct {
	*exec.Cmd
	logFile string
	done    chan struct{}
}

func start(t *testing.T, path string, args ...string) *child {
	t.Helper()
	return startCommand(t, exec.Command(path, args...))
}

func startCommand(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), filepath.Base(cmd.Path))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	c := &child{cmd, log.Name(), make(chan struct{})}
	require.NoError(t, cmd.Start())
	require.NoError(t, log.Close())
	go func() {
		_ = cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("end of %s:\n%s", cmd.Path, tail(c.log()))
		}
	})
	return c
}

func (c *child) log() string {
	text, _ := os.ReadFile(c.logFile)
	return string(text)
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

func (c *child) stop() {
	_ = c.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.done:
	case <-time.After(20 * time.Second):
		_ = c.Process.Kill()
		<-c.done
	}
}

// eventually waits for something outside of this process.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 20*time.Millisecond, what)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func answers(addr string) func() bool {
	return func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
}

// setup is a provider's configuration with one caller, billing, and its keys.
type setup struct {
	t      *testing.T
	dir    string
	config ipwhitelist.Config
	keys   []string // texts
}

func newSetup(t *testing.T, mode ipwhitelist.Mode) *setup {
	t.Helper()
	s := &setup{t: t, dir: t.TempDir()}
	s.config = ipwhitelist.Config{
		Version: 1, Authorities: []string{authority},
		Callers: []ipwhitelist.Caller{{Name: "billing", Mode: mode}},
		Rules:   []ipwhitelist.Rule{{Name: "egress", Prefixes: []string{"127.0.0.2"}, Callers: []string{"billing"}}},
	}
	s.addKey(ipwhitelist.Active)
	s.write()
	return s
}

func (s *setup) addKey(state ipwhitelist.State) string {
	s.t.Helper()
	id := fmt.Sprintf("billing.%d", len(s.keys)+1)
	text, err := httpsig.GenerateKey(id, rand.Reader)
	require.NoError(s.t, err)
	s.keys = append(s.keys, text)
	s.config.Callers[0].Keys = append(s.config.Callers[0].Keys, ipwhitelist.Key{ID: id, Secret: ipwhitelist.Secret(text), State: state})
	return text
}

// replaceFile writes a file as a whole, at once.
func (s *setup) replaceFile(name string, content []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.WriteFile(path+".new", content, 0o600))
	require.NoError(s.t, os.Rename(path+".new", path))
	return path
}

func (s *setup) write() string {
	s.t.Helper()
	text, err := json.Marshal(s.config)
	require.NoError(s.t, err)
	return s.replaceFile("callers.json", text)
}

func (s *setup) keyFile(text string) string { return s.replaceFile("billing.key", []byte(text)) }

func (s *setup) key() *httpsig.Key {
	k, err := httpsig.ParseKey(s.keys[len(s.keys)-1])
	require.NoError(s.t, err)
	return k
}

// replica is a running provider.
type replica struct {
	*child
	api, side string
}

func (s *setup) serve(flags ...string) *replica {
	s.t.Helper()
	flags = append([]string{
		"serve", "-config=" + filepath.Join(s.dir, "callers.json"), "-listen=127.0.0.1:0", "-metrics-listen=127.0.0.1:0",
		"-poll=50ms", "-log-format=json", "-log-level=debug",
	}, flags...)
	r := &replica{child: start(s.t, program, flags...)}
	eventually(s.t, "the provider serves", func() bool {
		for line := range strings.Lines(r.log()) {
			var l struct{ Msg, Address, Metrics string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "serving" {
				r.api, r.side = l.Address, l.Metrics
			}
		}
		return r.api != ""
	})
	return r
}

func (r *replica) report(t *testing.T) ipwhitelist.Report {
	t.Helper()
	res, err := http.Get("http://" + r.side + "/report")
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var out ipwhitelist.Report
	require.NoError(t, json.NewDecoder(res.Body).Decode(&out))
	return out
}

// reasons are those of the decisions that the provider has logged.
func (r *replica) reasons() map[string]int {
	out := map[string]int{}
	for lines := bufio.NewScanner(strings.NewReader(r.log())); lines.Scan(); {
		var l struct{ Msg, Reason string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "decision" {
			out[l.Reason]++
		}
	}
	return out
}

// signer is a client that signs for the provider and connects to an address, with or without TLS.
func signer(t *testing.T, base *http.Transport, key *httpsig.Key, connect string, change ...func(*httpsig.TransportOptions)) *http.Client {
	t.Helper()
	base.DialContext = dialer(connect)
	t.Cleanup(base.CloseIdleConnections)
	o := httpsig.TransportOptions{Base: base, Key: func() (*httpsig.Key, error) { return key, nil }, Hosts: []string{authority}}
	for _, f := range change {
		f(&o)
	}
	signing, err := httpsig.NewTransport(o)
	require.NoError(t, err)
	return &http.Client{Transport: signing, Timeout: 20 * time.Second}
}

// answer sends a request and returns the protocol, status and body.
func answer(t *testing.T, client *http.Client, method, url, body string) (proto string, status int, text string) {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, r)
	require.NoError(t, err)
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.Proto, res.StatusCode, strings.TrimSpace(string(got))
}

// signedOnce returns the fields of a request for /v1/whoami, to be sent as often as wanted with the same nonce.
func signedOnce(t *testing.T, key *httpsig.Key) http.Header {
	t.Helper()
	nonce, err := httpsig.NewNonce(rand.Reader)
	require.NoError(t, err)
	signed, err := httpsig.Sign(httpsig.Request{Method: "GET", Authority: authority, Target: "/v1/whoami"}, nil, key, httpsig.Params{Created: time.Now(), Nonce: nonce})
	require.NoError(t, err)
	h := http.Header{}
	signed.AddTo(h)
	return h
}

func send(addr, target string, h http.Header) (int, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+target, http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Host, req.Header = authority, h.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

// nginx runs a configuration.
func nginx(t *testing.T, servers string) {
	t.Helper()
	path := components.Program(t, "nginx", "nginx-light")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	var conf bytes.Buffer
	if os.Geteuid() == 0 {
		conf.WriteString("user root;\n") // the directories are ours
	}
	fmt.Fprintf(&conf, `daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr info;
events { worker_connections 256; }
http {
    access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
%[2]s
}
`, dir, servers)
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, conf.Bytes(), 0o644))
	start(t, path, "-p", dir, "-c", file, "-e", "stderr")
}

// shippedNginx tests and runs examples/signedapi/nginx.conf, with the addresses and directories of the test in it.
func shippedNginx(t *testing.T, listen, provider string) {
	t.Helper()
	path := components.Program(t, "nginx", "nginx-light")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "examples", "signedapi", "nginx.conf"))
	require.NoError(t, err)
	conf := string(text)
	for _, c := range [][2]string{
		{" /tmp/", " " + dir + "/"},
		{"listen 8090;", "listen " + listen + ";"},
		{"server orders.example.com:80;", "server " + provider + ";"},
		{"proxy_bind 192.0.2.10;", "proxy_bind 127.0.0.2;"},
		{"worker_processes auto;", "worker_processes 1;"},
	} {
		require.Contains(t, conf, c[0])
		conf = strings.ReplaceAll(conf, c[0], c[1])
	}
	file, global := filepath.Join(dir, "nginx.conf"), "daemon off;"
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o644))
	if os.Geteuid() == 0 {
		global += " user root;" // the directories are ours
	}
	args := []string{"-p", dir, "-c", file, "-e", "stderr", "-g", global}
	out, err := exec.Command(path, append(args, "-t")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "[warn]")
	start(t, path, args...)
	eventually(t, "nginx listens", answers(listen))
}
