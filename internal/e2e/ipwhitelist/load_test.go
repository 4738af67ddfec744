package ipwhitelist

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/ipwhitelist"
	"github.com/kubewright/kubewright/ipwhitelist/httpsig"
)

// loadServer is the process under load: a handler that answers "ok", behind the guard or not. It prints its address.
func loadServer(mode string) {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	if mode == "guard" {
		config, err := ipwhitelist.LoadFile(os.Getenv("KUBEWRIGHT_CONFIG"))
		if err != nil {
			panic(err)
		}
		g, err := ipwhitelist.New(config, ipwhitelist.Options{})
		if err != nil {
			panic(err)
		}
		h = g.Handler(h)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", l.Addr())
	panic(http.Serve(l, h)) //nolint:gosec // a load test
}

// wrk with signed requests, each with a nonce of its own, to a server with the guard and to one without. The numbers are
// logged; there are no thresholds, but every request must be admitted.
func TestLoad(t *testing.T) {
	wrk := components.Program(t, "wrk", "wrk")
	s := newSetup(t, ipwhitelist.ModeSignature)
	self, err := os.Executable()
	require.NoError(t, err)
	const most = 400_000 // the guard takes about 65,000 a second here, and each signature once
	for _, mode := range []string{"bare", "guard"} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "KUBEWRIGHT_LOAD="+mode, "KUBEWRIGHT_CONFIG="+s.write(), "GOMAXPROCS=1")
		server := startCommand(t, cmd)
		addr := ""
		eventually(t, "the server listens", func() bool {
			_, addr, _ = strings.Cut(strings.TrimSpace(server.log()), "listening ")
			return addr != ""
		})
		out, err := exec.Command(wrk, "-t1", "-c8", "-d2s", "-s", presigned(t, s.key(), most), "http://"+addr+"/v1/orders/42").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.NotContains(t, string(out), "Non-2xx")
		total := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(string(out))
		require.NotNil(t, total, "%s", out)
		n, err := strconv.Atoi(total[1])
		require.NoError(t, err)
		rate := regexp.MustCompile(`Requests/sec:\s+([\d.]+)`).FindStringSubmatch(string(out))
		t.Logf("%s: %s requests, %s a second, %.1f µs of CPU each", mode, total[1], rate[1], cpu(t, server.Process.Pid).Seconds()*1e6/float64(n))
	}
}

// presigned writes a script of wrk that sends each of n signatures once, with and without the guard.
func presigned(t *testing.T, key *httpsig.Key, n int) string {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "signatures"))
	require.NoError(t, err)
	w := bufio.NewWriter(file)
	created := time.Now()
	for range n {
		nonce, err := httpsig.NewNonce(rand.Reader)
		require.NoError(t, err)
		signed, err := httpsig.Sign(httpsig.Request{Method: "GET", Authority: authority, Target: "/v1/orders/42"}, nil, key, httpsig.Params{Created: created, Nonce: nonce})
		require.NoError(t, err)
		_, _ = fmt.Fprintf(w, "%s\n%s\n", signed.SignatureInput, signed.Signature)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, file.Close())
	script := filepath.Join(dir, "load.lua")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, `
local file = io.open(%q)
request = function()
  local input = file:read()
  if not input then -- without the guard, once more
    file:seek("set")
    input = file:read()
  end
  return "GET /v1/orders/42 HTTP/1.1\r\nHost: %s\r\nSignature-Input: " .. input .. "\r\nSignature: " .. file:read() .. "\r\n\r\n"
end
`, file.Name(), authority), 0o600))
	return script
}

// cpu is what a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime, in 1/100 s
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
