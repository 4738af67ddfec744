package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const soon, often = 30 * time.Second, 10 * time.Millisecond

// awaitServing waits until a webhook serves, and returns the addresses of its metrics and of its HTTPS port.
func awaitServing(t *testing.T, b *background) (metrics, https string) {
	t.Helper()
	find := func(pattern string) string {
		match := regexp.MustCompile(pattern).FindStringSubmatch(b.err.String())
		if match == nil {
			return ""
		}
		return match[1]
	}
	require.Eventually(t, func() bool {
		https = find(`msg=serving address=(\S+)`)
		return https != ""
	}, soon, often, "%s", &b.err)
	return find(`msg="serving metrics" address=(\S+)`), https
}

// trial is what a greeting tells to try.
type trial struct {
	command, ca, url, body string
}

func (b *background) trial(t *testing.T) trial {
	t.Helper()
	match := regexp.MustCompile(`(?s)\n(curl [^\n]*--cacert '([^']+)'[^\n]* (https://\S+) <<'END'\n(.*?)\nEND\n)`).FindStringSubmatch(b.out.String())
	require.NotNil(t, match, "%s", &b.out)
	return trial{match[1], match[2], match[3], match[4]}
}

// client is an HTTP client that trusts nothing but a CA file.
func client(t *testing.T, ca string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(ca)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// answer is an HTTP response, read to its end.
type answer struct {
	code   int
	body   []byte
	closes bool // the connection
}

func ask(t *testing.T, c *http.Client, method, url, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(r)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return answer{resp.StatusCode, text, resp.Close}
}

func (a answer) review(t *testing.T) *admissionv1.AdmissionResponse {
	t.Helper()
	require.Equal(t, http.StatusOK, a.code, "%s", a.body)
	var review admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(a.body, &review))
	return review.Response
}

func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	a := ask(t, http.DefaultClient, http.MethodGet, url, "")
	return a.code, string(a.body)
}

// TestServe is a whole life: the greeting holds what it promises, reviews are answered, measured and logged, and a
// signal drains.
func TestServe(t *testing.T) {
	b := start(t, "-listen", "127.0.0.1:0", "-metrics-listen", "127.0.0.1:0", "-drain-delay", "500ms")
	metrics, _ := awaitServing(t, b)
	metrics = "http://" + metrics
	try := b.trial(t)
	c := client(t, try.ca)

	denied := ask(t, c, http.MethodPost, try.url, try.body).review(t)
	require.False(t, denied.Allowed)
	require.Contains(t, denied.Result.Message, "spec.containers[app].ports[0].hostPort: hostPort 80 is not allowed")
	require.NotEmpty(t, denied.Warnings)
	mutated := ask(t, c, http.MethodPost, strings.Replace(try.url, "/validate", "/mutate", 1), try.body).review(t)
	require.True(t, mutated.Allowed)
	require.JSONEq(t, `[{"op":"add","path":"/metadata/annotations","value":{"policies.example.com/reviewed":"true"}}]`, string(mutated.Patch))
	require.Equal(t, http.StatusBadRequest, ask(t, c, http.MethodPost, try.url, "{}").code)

	_, text := get(t, metrics+"/metrics")
	for _, line := range []string{
		`kubewright_webhook_reviews_total{kind="Pod",operation="CREATE",outcome="allowed",phase="mutate"} 1`,
		`kubewright_webhook_reviews_total{kind="Pod",operation="CREATE",outcome="denied",phase="validate"} 1`,
		`kubewright_webhook_reviews_total{kind="",operation="",outcome="error",phase="validate"} 1`,
		`kubewright_webhook_findings_total{action="deny",rule="host-port"} 1`,
		`kubewright_webhook_patch_bytes_count 1`,
		`kubewright_webhook_review_duration_seconds_count{phase="mutate"} 1`,
		`kubewright_webhook_requests_in_flight 0`,
		`kubewright_webhook_panics_total 0`,
		`kubewright_webhook_certificate_not_after_timestamp_seconds`,
		`go_goroutines`,
	} {
		require.Contains(t, text, "\n"+line)
	}
	require.Contains(t, b.err.String(), `msg=review outcome=denied phase=validate operation=CREATE kind=Pod namespace=default name=web`)
	require.NotContains(t, b.err.String(), "outcome=allowed", "that is for debugging")
	for _, path := range []string{"/healthz", "/readyz"} {
		code, body := get(t, metrics+path)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, "ok\n", body)
	}

	b.stop()
	require.Eventually(t, func() bool {
		code, _ := get(t, metrics+"/readyz")
		return code == http.StatusServiceUnavailable
	}, soon, often)
	last := ask(t, c, http.MethodPost, try.url, try.body)
	require.False(t, last.review(t).Allowed, "still served while draining")
	require.True(t, last.closes, "but the next request should go elsewhere")
	require.Equal(t, cli.ExitOK, <-b.code)
	require.Contains(t, b.err.String(), "stopped, with nothing in flight")
	require.NoFileExists(t, try.ca)
}

// TestGreetingWithShell pastes the command of the greeting into a shell.
func TestGreetingWithShell(t *testing.T) {
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	b := start(t, "-listen", "127.0.0.1:0", "-metrics-listen", "", "-drain-delay", "0")
	awaitServing(t, b)
	try := b.trial(t)
	for path, want := range map[string]string{"/validate": `"allowed":false`, "/mutate": `"patchType":"JSONPatch"`} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(try.command, "/validate", path))
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, "%s", &errs)
		require.Contains(t, string(out), want)
	}
	require.NotContains(t, b.out.String(), "and metrics on", "there are none")
	// What it says about manifests is true as well.
	match := regexp.MustCompile(`(manifests -url \S+ -ca) '(.*)'\n`).FindStringSubmatch(b.out.String())
	require.NotNil(t, match)
	r := invoke(t, "", append(strings.Fields(match[1]), match[2])...)
	require.Zero(t, r.code, r.err)
	ca, err := os.ReadFile(try.ca)
	require.NoError(t, err)
	require.Contains(t, r.out, "caBundle: "+base64.StdEncoding.EncodeToString(ca))
}

func TestCertDirIsUsedAgain(t *testing.T) {
	dir := t.TempDir()
	ca := func(args ...string) string {
		b := start(t, append([]string{"-listen", "127.0.0.1:0", "-metrics-listen", "", "-drain-delay", "0", "-cert-dir", dir}, args...)...)
		awaitServing(t, b)
		try := b.trial(t)
		require.False(t, ask(t, client(t, try.ca), http.MethodPost, try.url, try.body).review(t).Allowed)
		b.stop()
		require.Zero(t, <-b.code)
		text, err := os.ReadFile(try.ca)
		require.NoError(t, err, "not removed at the end")
		return string(text)
	}
	first := ca()
	require.Equal(t, first, ca())
	require.NotEqual(t, first, ca("-url", "https://webhook.example.com:8443"), "it must be good for another name now")
}

// TestClientCertificates keeps out who has none.
func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, must(newPairFor(t)).write(dir))
	config := writeFile(t, "config.yaml", minimal+"clientCA: {file: "+filepath.Join(dir, caFile)+", names: [kube-apiserver]}\n")
	b := start(t, "-config", config, "-listen", "127.0.0.1:0", "-metrics-listen", "", "-drain-delay", "0")
	awaitServing(t, b)
	try := b.trial(t)
	c := client(t, try.ca)
	require.Equal(t, http.StatusForbidden, ask(t, c, http.MethodPost, try.url, try.body).code)
	ready := ask(t, c, http.MethodGet, strings.Replace(try.url, "/validate", "/readyz", 1), "")
	require.Equal(t, http.StatusOK, ready.code, "kubelets have no certificate")
}
