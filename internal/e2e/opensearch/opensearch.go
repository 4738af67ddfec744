// Package opensearch runs a real node of OpenSearch on loopback. Maven copies the server and its modules from Maven
// Central, as pom.xml lists them, into the user's cache directory; Node.java starts them on the JDK.
package opensearch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

// Node is one node with its data. Its URL stays the same while the process behind it is stopped and started again. It
// is not safe for concurrent use, except for its URL.
type Node struct {
	URL     string // http://127.0.0.1:port; while the node is down, connections are closed at once
	LogFile string

	dir     string
	java    string
	jars    string
	source  string
	front   *front
	process *process
}

// heap is what a node gets: its default of a quarter of the machine's memory would starve the tests beside it.
const heap = "-Xmx768m"

// readyTimeout bounds a start on a machine whose cores others have: a quiet one needs 10 s, one of a load of 12 over two
// minutes.
const readyTimeout = 5 * time.Minute

// Require skips the test if the server can't be downloaded. A test that only in part needs a node asks in a subtest.
func Require(t testing.TB) (java, home string) {
	t.Helper()
	java = components.Program(t, "java", "openjdk-17-jdk-headless")
	home, err := ensure(t.Context(), components.Program(t, "mvn", "maven"))
	if reason, ok := downloadFailure(err); ok {
		components.Skip(t, "opensearch", reason)
	}
	require.NoError(t, err)
	return java, home
}

// Start runs a node with an empty data directory, and stops it when the test ends. The test is skipped if the server
// can't be downloaded.
func Start(t testing.TB) *Node {
	t.Helper()
	java, home := Require(t)
	dir := t.TempDir()
	front, err := newFront()
	require.NoError(t, err)
	n := &Node{
		URL: "http://" + front.address(), LogFile: filepath.Join(dir, "opensearch.log"),
		dir: dir, java: java, jars: filepath.Join(home, "lib"), source: filepath.Join(home, "Node.java"), front: front,
	}
	t.Cleanup(func() {
		n.Stop(t)
		front.close()
		if log, err := os.ReadFile(n.LogFile); t.Failed() && err == nil {
			t.Logf("end of OpenSearch's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	n.Up(t)
	return n
}

// Up starts the process and returns when it answers.
func (n *Node) Up(t testing.TB) {
	t.Helper()
	settings := filepath.Join(n.dir, "settings.properties")
	require.NoError(t, os.WriteFile(settings, []byte(nodeSettings), 0o600))
	args := []string{
		"-Xms256m", heap, "-XX:+UseSerialGC", "-Dlog4j2.disable.jmx=true",
		"-cp", filepath.Join(n.jars, "*"), n.source, filepath.Join(n.dir, "node"), settings,
	}
	var err error
	n.process, err = startProcess(n.java, args, n.dir, n.LogFile)
	require.NoError(t, err)
	cluster.Eventually(t, readyTimeout, func() error {
		address, err := n.process.listening()
		if err != nil {
			return err
		}
		n.front.to(address)
		_, err = n.Do("GET", "/_cluster/health?wait_for_status=yellow&timeout=60s", nil)
		return err
	})
}

// nodeSettings are those of a single node that talks to nobody. A write is acknowledged once it is on disk, which is
// the default of index.translog.durability, so that what a killed node had acknowledged is there when it is back.
const nodeSettings = `cluster.name=kubewright-e2e
node.name=node
discovery.type=single-node
http.host=127.0.0.1
transport.host=127.0.0.1
http.port=0
transport.port=0
cluster.routing.allocation.disk.threshold_enabled=false
`

// Stop ends the process as an operator would, and returns when it is gone. It does nothing if there is none.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	n.front.to("")
	if n.process != nil {
		require.NoError(t, n.process.stop())
	}
	n.process = nil
}

// Kill ends the process as a crash would.
func (n *Node) Kill() {
	n.front.to("")
	n.process.kill()
	n.process = nil
}

// Do sends a request with a JSON body, or none, and returns what was answered. An answer other than 2xx is an error.
func (n *Node) Do(method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequest(method, n.URL+path, bytes.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.2000s", method, path, response.Status, answer)
	}
	return answer, err
}

// MustDo is Do for a request that has to succeed.
func (n *Node) MustDo(t testing.TB, method, path, body string) []byte {
	t.Helper()
	answer, err := n.Do(method, path, []byte(body))
	require.NoError(t, err)
	return answer
}

// Hit is a document that a search found.
type Hit struct {
	Index   string          `json:"_index"`
	ID      string          `json:"_id"`
	Version int64           `json:"_version"`
	Source  json.RawMessage `json:"_source"`
	Sort    json.RawMessage `json:"sort"`
}

// All returns every document of the indices that match a pattern, with the parts of its source that are named, in the
// order of their ids. Deep paging by search_after needs no state in the server.
func (n *Node) All(t testing.TB, pattern string, fields ...string) []Hit {
	t.Helper()
	n.MustDo(t, http.MethodPost, "/"+pattern+"/_refresh?ignore_unavailable=true", "")
	const page = 10_000 // index.max_result_window
	names, err := json.Marshal(fields)
	require.NoError(t, err)
	source := string(names)
	if len(fields) == 0 {
		source = "false"
	}
	var all []Hit
	after := ""
	for {
		query := fmt.Sprintf(`{"size":%d,"version":true,"_source":%s,"sort":[{"_id":"asc"}]%s}`, page, source, after)
		var found struct{ Hits struct{ Hits []Hit } }
		answer := n.MustDo(t, http.MethodPost, "/"+pattern+"/_search?ignore_unavailable=true", query)
		require.NoError(t, json.Unmarshal(answer, &found))
		all = append(all, found.Hits.Hits...)
		if len(found.Hits.Hits) < page {
			return all
		}
		after = `,"search_after":` + string(found.Hits.Hits[page-1].Sort)
	}
}

// Count is the number of documents in the indices that match a pattern, once refreshed.
func (n *Node) Count(t testing.TB, pattern string) int {
	t.Helper()
	n.MustDo(t, http.MethodPost, "/"+pattern+"/_refresh?ignore_unavailable=true", "")
	var counted struct{ Count int }
	require.NoError(t, json.Unmarshal(n.MustDo(t, http.MethodGet, "/"+pattern+"/_count?ignore_unavailable=true", ""), &counted))
	return counted.Count
}

// Version is the node's own statement of what it is, such as "opensearch 2.19.1".
func (n *Node) Version(t testing.TB) string {
	t.Helper()
	var root struct {
		Version struct{ Distribution, Number string }
	}
	require.NoError(t, json.Unmarshal(n.MustDo(t, http.MethodGet, "/", ""), &root))
	return strings.TrimSpace(root.Version.Distribution + " " + root.Version.Number)
}
