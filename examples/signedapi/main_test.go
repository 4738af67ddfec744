package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// The test binary is the program when the demo starts itself.
func TestMain(m *testing.M) {
	if os.Getenv("SIGNEDAPI_TEST_IS_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

// runCommand runs a command in process.
func runCommand(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

func TestDemo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs 127.0.0.2, which is there on Linux alone")
	}
	if testing.Short() {
		t.Skip("takes 7 s of waiting; the test without -short runs it")
	}
	t.Setenv("SIGNEDAPI_TEST_IS_PROGRAM", "1")
	out, errs, code := runCommand(t, "demo")
	require.Equal(t, cli.ExitOK, code, "%s\n%s", out, errs)
	for _, says := range []string{
		"Phase 1", "Phase 2", "Phase 3", `"caller":"billing"`, "billing: ready for ip -> either", "100 × 200 OK", "Sunset: Fri, 15 Jan 2027",
		"rule egress-proxy: 3 requests relied on its address alone", "billing: ready for report -> signature",
	} {
		require.Contains(t, out, says)
	}
	require.NotContains(t, out, "ipw1.", "no key is printed")
}

func TestCommands(t *testing.T) {
	out, _, code := runCommand(t)
	require.Equal(t, cli.ExitOK, code)
	for _, c := range commands() {
		require.Contains(t, out, c.Name)
		help, errs, code := runCommand(t, c.Name, "-h")
		require.Equal(t, cli.ExitOK, code)
		require.Empty(t, errs)
		require.Contains(t, help, "Usage: signedapi "+c.Name)
		_, errs, code = runCommand(t, c.Name, "-nonsense")
		require.Equal(t, cli.ExitUsage, code)
		require.Contains(t, errs, "lists the flags")
	}
	_, errs, code := runCommand(t, "nonsense")
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, errs, "no command")
}

func TestKeygenAndSign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "billing.key")
	entry, _, code := runCommand(t, "keygen", "-id", "billing.1", "-out", path)
	require.Equal(t, cli.ExitOK, code)
	var kept ipwhitelist.Key
	require.NoError(t, json.Unmarshal([]byte(entry), &kept))
	require.Equal(t, ipwhitelist.Next, kept.State)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, errs, code := runCommand(t, "keygen", "-id", "billing.1", "-out", path)
	require.Equal(t, cli.ExitFailed, code, "never over another key")
	require.Contains(t, errs, "exists")
	out, _, code := runCommand(t, "keygen", "-id", "billing.k1", "-api-key")
	require.Equal(t, cli.ExitOK, code)
	require.Regexp(t, `(?s)ipwk1\.billing\.k1\..*"sha256":"[0-9a-f]{64}"`, out)
	_, _, code = runCommand(t, "keygen", "-id", "A B")
	require.Equal(t, cli.ExitUsage, code)

	out, _, code = runCommand(t, "sign", "-key-file", path, "-d", `{"it's": 1}`, "-H", "Authorization: Bearer x", "http://orders.svc.example.com/v1/orders?dry=1")
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, `--data-raw '{"it'\''s": 1}'`)
	key, err := httpsig.ParseKey(string(kept.Secret))
	require.NoError(t, err)
	h := http.Header{}
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "-H '"); ok {
			name, value, _ := strings.Cut(strings.TrimSuffix(text, `' \`), ": ")
			h.Set(name, value)
		}
	}
	_, err = httpsig.Verify(httpsig.Request{Method: "POST", Authority: "orders.svc.example.com", Target: "/v1/orders?dry=1", Header: h, Body: true}, key, time.Now(), httpsig.Window{})
	require.NoError(t, err, "%s", out)
	out, _, code = runCommand(t, "sign", "-key-file", path, "-X", "HEAD", "http://orders.svc.example.com/v1/orders")
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, "--head \\\n")
	out, _, code = runCommand(t, "sign", "-key-file", path, "-explain", "http://orders.svc.example.com/v1/orders")
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, "@authority ")
	for _, args := range [][]string{{"http://x/"}, {"-key-file", path}, {"-key-file", path, "-H", "x", "http://x/"}, {"-key-file", path, "-d", "@/none", "http://x/"}, {"-key-file", path, "http://x/%zz"}, {"-key-file", path, "ftp:/x"}, {"-key-file", path, "orders"}} {
		_, _, code = runCommand(t, append([]string{"sign"}, args...)...)
		require.Equal(t, cli.ExitUsage, code, "%v", args)
	}
}

func TestReportAndReadiness(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	r := ipwhitelist.Report{
		Since: now.Add(-9 * 24 * time.Hour), Until: now,
		Callers: []ipwhitelist.CallerUsage{
			{Name: "billing", Mode: ipwhitelist.ModeReport, Signed: ipwhitelist.Event{Count: 60, Last: now}},
			{Name: "shop", Mode: ipwhitelist.ModeSignature},
		},
		Rules: []ipwhitelist.RuleUsage{{Name: "egress-a", Callers: []string{"billing"}, IPOnly: ipwhitelist.Event{Count: 2, Last: now.Add(-time.Hour)}, Paths: []ipwhitelist.Sample{{Value: "/a\x1b", Count: 2}}}},
		Keys:  []ipwhitelist.KeyUsage{{ID: "billing.1", Caller: "billing", State: ipwhitelist.Active}},
	}
	file := func(name string) string {
		text, err := json.Marshal(r)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	a, b := file("a"), file("b")
	out, _, code := runCommand(t, "report", a, b)
	require.Equal(t, cli.ExitOK, code)
	require.Regexp(t, `billing +report +120 `, out)
	require.Contains(t, out, `/a\x1b`, "what clients choose is quoted")
	out, _, code = runCommand(t, "report", "-o", "json", a)
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, `"count": 60`)

	out, _, code = runCommand(t, "readiness", a, b)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, out, "billing: not ready for report -> signature\n  - rule egress-a: 4 requests relied")
	require.Contains(t, out, "shop: mode signature")
	_, _, code = runCommand(t, "readiness", "-caller", "shop", a)
	require.Equal(t, cli.ExitOK, code)
	_, _, code = runCommand(t, "readiness", "-quiet", "30m", "-min-requests", "60", a)
	require.Equal(t, cli.ExitOK, code)
	for _, args := range [][]string{{"readiness", "-caller", "x", a}, {"report", "/none"}, {"report", "/dev/null"}, {"report", "-o", "x", a}, {"report", "http://127.0.0.1:1/"}} {
		_, errs, code := runCommand(t, args...)
		require.Equal(t, cli.ExitUsage, code, "%v", args)
		require.NotContains(t, errs, "%!")
	}
	_, errs, code := runCommand(t, "readiness", "-quiet", "-1h", a)
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, errs, "-quiet")
}

// A report says what it is of, and why credentials were not accepted.
func TestReportIsReadable(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	r := ipwhitelist.Report{
		Since: now.Add(-time.Hour), Until: now, Unresolved: 3, Unknown: map[ipwhitelist.Reason]uint64{ipwhitelist.ReasonUnknownKey: 7},
		Callers: []ipwhitelist.CallerUsage{{
			Name: "billing", Mode: ipwhitelist.ModeReport, Failures: map[ipwhitelist.Reason]uint64{ipwhitelist.ReasonTime: 2, ipwhitelist.ReasonMAC: 1},
			Suspects: map[ipwhitelist.Reason]uint64{ipwhitelist.ReasonReplayed: 4},
		}},
		Rules: []ipwhitelist.RuleUsage{{Name: "egress-a", Canary: ipwhitelist.Event{Count: 1, Last: now}}},
	}
	path := filepath.Join(t.TempDir(), "r")
	writeJSON(t, path, r)
	out, _, code := runCommand(t, "report", path)
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, "observed from 2026-11-20T23:00:00Z to 2026-11-21T00:00:00Z\n")
	require.Contains(t, out, "mac 1, replayed 4, time 2")
	require.Regexp(t, `egress-a +0 +1 +0 +2026-11-21T00:00:00Z`, out, "the canary is a use")
	require.Contains(t, out, "failures of nobody in particular: unknown-key 7\nrequests without a known address: 3\n")
	out, _, _ = runCommand(t, "readiness", path)
	require.Contains(t, out, "add those of the replicas that run", "an old report is not today's")
}

// What a provider has seen survives its restarts, in a file or in its log.
func TestReportsOfProvidersThatHaveEnded(t *testing.T) {
	text, err := httpsig.GenerateKey("billing.1", strings.NewReader("0123456789abcdefghijklmnopqrstuv"))
	require.NoError(t, err)
	config := ipwhitelist.Config{
		Version: 1,
		Callers: []ipwhitelist.Caller{{Name: "billing", Mode: ipwhitelist.ModeReport, Keys: []ipwhitelist.Key{{ID: "billing.1", Secret: ipwhitelist.Secret(text), State: ipwhitelist.Active}}}},
		Rules:   []ipwhitelist.Rule{{Name: "local", Prefixes: []string{"127.0.0.1"}, Callers: []string{"billing"}}},
	}
	saved := filepath.Join(t.TempDir(), "report.json")
	for range 3 {
		p := startProvider(t, config, "-report-file="+saved)
		code, _ := get(t, "http://"+p.api+"/v1/whoami")
		require.Equal(t, 200, code)
		p.stop()
	}
	out, _, code := runCommand(t, "report", saved)
	require.Equal(t, cli.ExitOK, code)
	require.Regexp(t, `local +billing +3 `, out)

	p := startProvider(t, config)
	get(t, "http://"+p.api+"/v1/whoami")
	_, logs := p.stop()
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte(logs), 0o600))
	out, _, code = runCommand(t, "report", path, saved)
	require.Equal(t, cli.ExitOK, code)
	require.Regexp(t, `local +billing +4 `, out)

	require.NoError(t, os.WriteFile(saved, []byte("{"), 0o600))
	_, errs, code := runCommand(t, "serve", "-config", filepath.Join(p.dir, "callers.json"), "-report-file="+saved)
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, errs, "is no report")
	require.NoError(t, os.WriteFile(saved, nil, 0o600))
	_, errs, code = runCommand(t, "report", saved)
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, errs, "write a URL that ends in /report")
}

// started is a provider in process.
type started struct {
	api, side, dir string
	stop           func() (code int, logs string)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startProvider(t *testing.T, c ipwhitelist.Config, flags ...string) started {
	t.Helper()
	p := started{dir: t.TempDir()}
	writeJSON(t, filepath.Join(p.dir, "callers.json"), c)
	ctx, cancel := context.WithCancel(t.Context())
	var logs lockedBuffer
	done := make(chan int, 1)
	args := append([]string{"serve", "-config", filepath.Join(p.dir, "callers.json"), "-listen=127.0.0.1:0", "-metrics-listen=127.0.0.1:0", "-log-format=json", "-log-level=debug", "-poll=10ms"}, flags...)
	go func() { done <- run(ctx, args, strings.NewReader(""), &logs, &logs) }()
	p.stop = sync.OnceValues(func() (int, string) {
		cancel()
		return <-done, logs.String()
	})
	t.Cleanup(func() { p.stop() })
	require.Eventually(t, func() bool {
		line, _, ok := strings.Cut(logs.String(), "\n")
		var l struct{ Address, Metrics string }
		_ = json.Unmarshal([]byte(line), &l)
		p.api, p.side = l.Address, l.Metrics
		return ok
	}, 10*time.Second, time.Millisecond, "%s", logs.String())
	return p
}

func writeJSON(t *testing.T, path string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".new", text, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var b bytes.Buffer
	_, err = b.ReadFrom(res.Body)
	require.NoError(t, err)
	return res.StatusCode, b.String()
}

func TestServe(t *testing.T) {
	text, err := httpsig.GenerateKey("billing.1", strings.NewReader("0123456789abcdefghijklmnopqrstuv"))
	require.NoError(t, err)
	keyFile := filepath.Join(t.TempDir(), "billing.key")
	require.NoError(t, os.WriteFile(keyFile, []byte("# old\n"+text+"\n"), 0o600))
	config := ipwhitelist.Config{
		Version: 1,
		Callers: []ipwhitelist.Caller{{Name: "billing", Mode: ipwhitelist.ModeEither, Keys: []ipwhitelist.Key{{ID: "billing.1", Secret: ipwhitelist.Secret(text), State: ipwhitelist.Active}}}},
		Rules:   []ipwhitelist.Rule{{Name: "local", Prefixes: []string{"127.0.0.1"}, Callers: []string{"billing"}}},
	}
	saved := filepath.Join(t.TempDir(), "report.json")
	p := startProvider(t, config, "-report-file="+saved)
	url := "http://" + p.api
	signed := func(args ...string) string {
		out, _, _ := runCommand(t, append([]string{"call", "-key-file", keyFile}, args...)...)
		return out
	}
	require.Contains(t, signed(url+"/v1/whoami"), `"caller":"billing"`)
	require.Contains(t, signed("-d", `{"item": "book"}`, url+"/v1/orders"), "201 Created\n{\"item\":\"book\"}")
	require.Contains(t, signed("-d", `no order`, url+"/v1/orders"), "400")
	require.Contains(t, signed("-X", "PUT", "-d", "0123456789", url+"/v1/uploads/x"), "10 bytes")
	require.Contains(t, signed("-X", "DELETE", url+"/v1/orders/42"), "204")
	require.Contains(t, signed(url+"/nothing"), "404")
	require.Equal(t, "20 × 200 OK\n", signed("-n", "20", "-parallel", "4", url+"/v1/orders/42"))
	out, _, code := runCommand(t, "call", "-X", "DELETE", url+"/v1/orders/42")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, out, "403", "no address is good enough to delete")
	out, _, code = runCommand(t, "call", "-n", "2", "-X", "DELETE", url+"/v1/orders/42")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, "2 × 403 Forbidden\n", out)

	for path, says := range map[string]string{
		"/healthz": "ok", "/readyz": "ok", "/report": `"name":"billing"`,
		"/metrics": `ipwhitelist_decisions_total{by="signature",caller="billing",mode="either",result="allowed",rule="local"} 2`,
	} {
		code, text := get(t, "http://"+p.side+path)
		require.Equal(t, 200, code)
		require.Contains(t, text, says)
	}
	_, metrics := get(t, "http://"+p.side+"/metrics")
	for _, says := range []string{
		`ipwhitelist_ip_only_total{rule="local"} 3`, `ipwhitelist_key_uses_total{caller="billing",key="billing.1",state="active"} 26`,
		`ipwhitelist_caller_ready{caller="billing",to="report"} 0`, `ipwhitelist_caller_failed_total{caller="billing"} 0`,
		`ipwhitelist_caller_mode{caller="billing",mode="either",override=""} 1`, "ipwhitelist_clock_offset_seconds_bucket",
		"ipwhitelist_nonce_entries 26", "ipwhitelist_verify_seconds_count",
	} {
		require.Contains(t, metrics, says)
	}

	// A change is seen, and what is wrong is not.
	config.Callers[0].Mode = ipwhitelist.ModeSignature
	config.Callers[0].Override = &ipwhitelist.Override{Mode: ipwhitelist.ModeBoth, From: time.Now().Add(time.Hour), Until: time.Now().Add(2 * time.Hour), Reason: "INC-7"}
	writeJSON(t, filepath.Join(p.dir, "callers.json"), config)
	require.Eventually(t, func() bool { code, _ := get(t, url+"/v1/whoami"); return code == 401 }, 10*time.Second, time.Millisecond)
	require.NoError(t, os.WriteFile(filepath.Join(p.dir, "callers.json"), []byte("{"), 0o600))
	require.Eventually(t, func() bool {
		_, text := get(t, "http://"+p.side+"/metrics")
		return !strings.Contains(text, "ipwhitelist_reload_errors_total 0")
	}, 10*time.Second, time.Millisecond)
	require.Contains(t, signed(url+"/v1/whoami"), `"caller":"billing"`)

	code, logs := p.stop()
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, logs, "the last good one stays")
	require.Contains(t, logs, `"reason":"INC-7"`, "who breaks the glass is on record")
	require.NotContains(t, logs, text[20:])
	out, _, code = runCommand(t, "report", saved)
	require.Equal(t, cli.ExitOK, code)
	require.Contains(t, out, "billing.1")
}

func TestServeFromSecrets(t *testing.T) {
	dir := t.TempDir()
	text, err := httpsig.GenerateKey("billing.1", strings.NewReader("0123456789abcdefghijklmnopqrstuv"))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "billing"), 0o700))
	for name, content := range map[string]string{"mode": "signature", "active": text} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "billing", name), []byte(content+"\n"), 0o600))
	}
	p := startProvider(t, ipwhitelist.Config{Version: 1}, "-secrets="+dir)
	out, _, code := runCommand(t, "call", "-key-file", filepath.Join(dir, "billing", "active"), "http://"+p.api+"/v1/whoami")
	require.Equal(t, cli.ExitOK, code, out)
	require.Contains(t, out, `"caller":"billing"`)
}

func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open.json")
	require.NoError(t, os.WriteFile(open, []byte(`{"version":1}`), 0o600))
	require.NoError(t, os.Chmod(open, 0o644))
	good := filepath.Join(dir, "good.json")
	require.NoError(t, os.WriteFile(good, []byte(`{"version":1}`), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	for says, args := range map[string][]string{
		"-config is missing": {}, "chmod 600": {"-config", open}, "must be positive": {"-config", good, "-poll=0s"},
		"write text or json": {"-config", good, "-log-format=x"}, "realm": {"-config", good, "-realm", "\""},
		"no such file": {"-config", good, "-secrets", filepath.Join(dir, "none")}, "address already in use": {"-config", good, "-listen", l.Addr().String()},
	} {
		_, errs, code := runCommand(t, append([]string{"serve"}, args...)...)
		require.NotEqual(t, cli.ExitOK, code)
		require.Contains(t, errs, says)
	}
}

// The base in the log is the one that was verified: with -authority, that is not the Host.
func TestLoggedBase(t *testing.T) {
	key, err := httpsig.GenerateKey("billing.1", strings.NewReader("0123456789abcdefghijklmnopqrstuv"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "billing.key")
	require.NoError(t, os.WriteFile(path, []byte(key), 0o600))
	config := ipwhitelist.Config{Version: 1}
	p := startProvider(t, config, "-authority=orders.svc.example.com")
	_, _, code := runCommand(t, "call", "-key-file", path, "http://"+p.api+"/v1/whoami")
	require.Equal(t, cli.ExitFailed, code)
	out, _, code := runCommand(t, "sign", "-explain", "-key-file", path, "http://orders.svc.example.com/v1/whoami")
	require.Equal(t, cli.ExitOK, code)
	_, logs := p.stop()
	for _, line := range strings.Split(out, "\n")[:4] { // method, authority, path, query
		require.Contains(t, logs, line)
	}
}

func TestProgramExits(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "keygen", "-h")
	cmd.Env = append(os.Environ(), "SIGNEDAPI_TEST_IS_PROGRAM=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "Usage: signedapi keygen")
}
