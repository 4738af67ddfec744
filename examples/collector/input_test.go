package main

import (
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// endless is a file that goes on and on.
type endless struct{ line string }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.line) <= len(p) {
		n += copy(p[n:], e.line)
	}
	return n, nil
}

// TestASignalEndsTheReading of what gives nothing, has nobody at its other end, or has no end.
func TestASignalEndsTheReading(t *testing.T) {
	silent, w := io.Pipe()
	defer w.Close() //nolint:errcheck // a test's
	line, _, _ := strings.Cut(readSample(t), "\n")
	for name, c := range map[string]struct {
		in   io.Reader
		args []string
	}{
		"silent":          {silent, []string{"-from=-", "-listen="}},
		"silent, replay":  {silent, []string{"replay", "-"}},
		"silent, resend":  {silent, []string{"resend", "-"}},
		"endless":         {endless{line + "\n"}, []string{"-from=-", "-listen=", "-sink=" + filepath.Join(t.TempDir(), "out")}},
		"endless, replay": {endless{line + "\n"}, []string{"replay", "-"}},
	} {
		endsBySignal(t, name, c.in, c.args...)
	}
}

// noticed tells when it is read.
type noticed struct {
	io.Reader
	once  sync.Once
	began chan struct{}
}

func (n *noticed) Read(p []byte) (int, error) {
	n.once.Do(func() { close(n.began) })
	return n.Reader.Read(p)
}

func endsBySignal(t *testing.T, name string, in io.Reader, args ...string) {
	t.Helper()
	r := &noticed{Reader: in, began: make(chan struct{})}
	_, errs, stop := started(t, r, args...)
	if in != nil {
		<-r.began
	}
	code := make(chan int, 1)
	go func() { code <- stop() }()
	select {
	case c := <-code:
		require.NotEqual(t, cli.ExitUsage, c, "%s: %s", name, errs)
	case <-time.After(time.Minute):
		require.Fail(t, "the signal did not end it", name)
	}
	require.NotContains(t, errs.String(), "not an Event", name)
	require.NotContains(t, errs.String(), "context canceled", name)
}

// TestFilesOfAllKindsAreRead: with Windows' marks, and a List on one line, as "kubectl get --raw /api/v1/events" prints it.
func TestFilesOfAllKindsAreRead(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(readSample(t)), "\n")
	const bom = "\xef\xbb\xbf"
	for name, text := range map[string]string{
		"byte order mark":           bom + lines[0] + "\n" + lines[1] + "\n",
		"byte order mark in a List": bom + "{\n\"kind\":\"List\",\"items\":[" + lines[0] + "," + lines[1] + "]}",
		"CRLF":                      lines[0] + "\r\n\r\n" + lines[1] + "\r\n",
		"no last newline":           lines[0] + "\n" + lines[1],
		"a long line": `{"kind":"EventList","apiVersion":"v1","metadata":{"x":"` + strings.Repeat("x", maxEvent) + `"},"items":[` +
			lines[0] + "," + lines[1] + "]}\n",
	} {
		code, out, errs := runIt(t, text, "replay", "-")
		require.Equal(t, cli.ExitOK, code, "%s: %.300s", name, errs)
		require.Equal(t, 2, strings.Count(out, "\n"), name)
	}
	code, out, errs := runIt(t, lines[0]+"\n"+strings.Repeat("x", maxEvent+1)+"\n"+lines[1]+"\n", "replay", "-")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, 1, strings.Count(out, "\n"))
	require.Contains(t, errs, "line 2: it has more than 16777216 bytes, and what is behind it is not read")
}

// TestSinksThatAreNoFiles are told before anything is read.
func TestSinksThatAreNoFiles(t *testing.T) {
	directory := t.TempDir()
	for sink, want := range map[string]string{
		"localhost:9200":           "write http:// or https:// before it, or ./ if it is a file",
		"elastic:sesame@host:9200": "write http:// or https:// before it",
		directory:                  "-sink",
		os.DevNull:                 "is no regular file; - is standard output",
	} {
		code, _, errs := runIt(t, readSample(t), "replay", "-sink="+sink, "-")
		require.Equal(t, cli.ExitUsage, code, "%s: %s", sink, errs)
		require.Contains(t, errs, want, sink)
		require.NotContains(t, errs, "sesame")
	}
	s := httptest.NewServer(nil)
	defer s.Close()
	code, _, errs := runIt(t, readSample(t), "replay", "-sink="+s.URL, "-dead-letters="+os.DevNull, "-")
	require.Equal(t, cli.ExitUsage, code, errs)
	require.Contains(t, errs, "-dead-letters")
	require.NoFileExists(t, "localhost:9200")
}
