package main

import (
	"bytes"
	"context"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/bulkmodel"
)

const sample = "testdata/events.ndjson"

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// runIt runs the program in process.
func runIt(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

// model is a server that answers _bulk strictly, and where it is.
func model(t *testing.T, o bulkmodel.Options) (*bulkmodel.Server, string) {
	t.Helper()
	m := bulkmodel.New(o)
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return m, s.URL
}

func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func readSample(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(sample)
	require.NoError(t, err)
	return string(text)
}

// eventually polls, for what goroutines do.
func eventually(t *testing.T, condition func() bool, why string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 5*time.Millisecond, why)
}

// started runs the program until stop, which returns its exit code.
func started(t *testing.T, stdin io.Reader, args ...string) (out, errs *buffer, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, errs = &buffer{}, &buffer{}
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, stdin, out, errs) }()
	return out, errs, func() int { cancel(); return <-code }
}
