package sidecar

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/sidecar"
)

// shipped is an Elasticsearch of one process: it takes what is sent in bulk.
type shipped struct {
	mu     sync.Mutex
	events []map[string]any
}

func (s *shipped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPost {
		_, _ = io.WriteString(w, `{"version":{"number":"`+filebeatVersion[1:]+`"},"tagline":"You Know, for Search"}`)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	var items []string
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<24)
	s.mu.Lock()
	for document := false; lines.Scan(); document = !document { // each behind a line with an action
		if event := map[string]any{}; document && json.Unmarshal(lines.Bytes(), &event) == nil {
			s.events = append(s.events, event)
			items = append(items, `{"create":{"status":201}}`)
		}
	}
	s.mu.Unlock()
	_, _ = io.WriteString(w, `{"errors":false,"items":[`+strings.Join(items, ",")+`]}`)
}

// messages are the texts that came from a file.
func (s *shipped) messages(file string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		log, _ := e["log"].(map[string]any)
		from, _ := log["file"].(map[string]any)
		if path, _ := from["path"].(string); strings.HasSuffix(path, file) {
			text, _ := e["message"].(string)
			out = append(out, text)
		}
	}
	return out
}

// TestNoTailIsLost runs Filebeat as the sidecar would: with the command of the container, and its configuration but for
// the directories. The application writes thousands of lines, a stack trace and a new file, and ends; SIGTERM comes at
// that moment. Everything has to arrive, once.
func TestNoTailIsLost(t *testing.T) {
	program := filebeat(t)
	t.Run("a shell", func(t *testing.T) { testNoTailIsLost(t, program, nil) })
	t.Run("a program of the image", func(t *testing.T) {
		drain := filepath.Join(t.TempDir(), "drain")
		out, err := exec.Command("go", "build", "-o", drain, "./testdata/drain").CombinedOutput() //nolint:gosec // the test's own program
		require.NoError(t, err, "%s", out)
		testNoTailIsLost(t, program, []string{drain})
	})
}

func testNoTailIsLost(t *testing.T, program string, wrapper []string) {
	t.Helper()
	dir, peer := t.TempDir(), &shipped{}
	server := httptest.NewServer(peer)
	t.Cleanup(server.Close)
	f := shipper()
	f.Output = sidecar.Output{Elasticsearch: &sidecar.Elasticsearch{Hosts: []string{server.URL}, Index: "logs"}}
	f.Drain, f.Wrapper = metav1.Duration{Duration: 5 * time.Second}, wrapper
	set := newSet(t, f)
	out, _, err := set.Apply(annotate(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}}, map[string]string{
		"log.paths": dir + "/logs/*.log", "log.multiline": "java", "log.fields": "zip=0123,yes=${HOME}$",
		"log.json.paths": dir + "/json/*.json", "log.json.json": "true", "log.json.multiline": "none",
		"log.gbk.paths": dir + "/gbk/*.txt", "log.gbk.encoding": "gbk", "log.gbk.multiline": "none",
	}), sidecar.Namespace{})
	require.NoError(t, err)

	for _, sub := range []string{"logs", "json", "gbk", "data"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	write := func(file, text string) {
		f, err := os.OpenFile(filepath.Join(dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		_, err = f.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	write("logs/a.log", "first\n") // and not 1024 bytes of it
	write("json/x.json", `{"level":"info"}`+"\n")
	write("gbk/x.txt", "\xc4\xe3\xba\xc3\n")
	write("filebeat.yml", strings.ReplaceAll(out.Annotations[prefix+"log.config"], "/var/lib/log-shipper", dir+"/data"))

	cmd := start(t, dir, program, out.Spec.InitContainers[0])
	cluster.Eventually(t, 30*time.Second, func() error {
		if n := len(peer.messages("a.log")) + len(peer.messages("x.txt")) + len(peer.messages("x.json")); n < 3 {
			return fmt.Errorf("%d of the first three lines have arrived", n)
		}
		return nil
	})
	require.Equal(t, []string{"你好"}, peer.messages("x.txt"))
	requireEvent(t, peer)

	const lines = 5000
	var burst strings.Builder
	for i := range lines {
		fmt.Fprintln(&burst, "line", i)
	}
	write("logs/a.log", burst.String()+"boom\n\tat a.B.c(B.java:1)\n")
	write("logs/late.log", "a new file\n")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())

	got := peer.messages("a.log")
	require.Len(t, got, 1+lines+1)
	require.Equal(t, "line 4999", got[lines])
	require.Equal(t, "boom\n\tat a.B.c(B.java:1)", got[lines+1], "what may have more lines is waited for")
	require.Equal(t, []string{"a new file"}, peer.messages("late.log"))
	if wrapper != nil {
		require.Equal(t, wrapper[0], cmd.Path)
	}
}

// start runs a container's command here, with a directory of the test's in place of the volumes.
func start(t *testing.T, dir, program string, c corev1.Container) *exec.Cmd {
	t.Helper()
	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	require.NoError(t, os.Symlink(program, filepath.Join(bin, "filebeat")))
	args := append(append([]string{}, c.Command[1:]...), c.Args...)
	args[len(args)-1] = filepath.Join(dir, "filebeat.yml")
	args = append(args, "--path.home", dir)
	cmd := exec.Command(c.Command[0], args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "SHIPPER_NAMESPACE=0123", "SHIPPER_POD=1e3", "SHIPPER_NODE=true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			_ = cmd.Wait()
			t.Logf("Filebeat says:\n%s", said.String())
		}
	})
	return cmd
}

// requireEvent wants the fields of the first events to be what was meant.
func requireEvent(t *testing.T, peer *shipped) {
	t.Helper()
	peer.mu.Lock()
	defer peer.mu.Unlock()
	for _, e := range peer.events {
		require.Equal(t, map[string]any{"namespace": "0123", "pod": map[string]any{"name": "1e3"}, "node": map[string]any{"name": "true"}, "container": map[string]any{"name": "app"}}, e["kubernetes"])
		require.Equal(t, map[string]any{"index": "logs", "zip": "0123", "yes": "${HOME}$"}, e["fields"])
		if _, ok := e["message"]; !ok {
			require.Equal(t, "info", e["level"], "JSON becomes fields: %v", e)
		}
	}
}
