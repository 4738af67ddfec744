package eventsink

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/opensearch"
)

// mostMemory is the promise: the resident set of the collector, at its peak.
const mostMemory = 150 << 20

// full says that the tests of this file are to be as large as the promise.
func full() bool { return os.Getenv("KUBEWRIGHT_E2E_SOAK") == "full" }

// TestSoak has 2,000 Events a second come through a watch of the API server.
func TestSoak(t *testing.T) {
	c := cluster.New(t, cluster.Options{AuditPolicy: "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]\n"})
	const rate = 2000
	seconds := 15
	if full() {
		seconds = 120
	}
	file := filepath.Join(t.TempDir(), "events.ndjson")
	r := startCollector(t, c, "-sink="+file, "-log-level=info", "-checkpoint=configmap:default/soak")
	cluster.Eventually(t, 3*time.Minute, r.ready)
	began := time.Now()
	for n := range seconds * 10 {
		put(t, c, "soak", n*rate/10, rate/10)
		time.Sleep(time.Until(began.Add(time.Duration(n+1) * 100 * time.Millisecond))) // a rate is a matter of time
	}
	took := time.Since(began)
	cluster.Eventually(t, 3*time.Minute, func() error { return r.delivered("file", seconds*rate) })
	r.within(t, "soak", seconds*rate, took)
	require.Equal(t, seconds*rate, strings.Count(read(t, file), `"reason":"Soaked"`))
}

// TestDrain starts the collector on Events that exist, as after an outage, and ships them to a real OpenSearch.
func TestDrain(t *testing.T) {
	c := cluster.New(t, cluster.Options{})
	n := 20_000
	if full() {
		n = 200_000
	}
	for at := 0; at < n; at += 1000 {
		put(t, c, "drain", at, 1000)
	}
	t.Run("half, of an API server that sends all", func(t *testing.T) {
		r := startCollector(t, c, "-sink="+filepath.Join(t.TempDir(), "events.ndjson"), "-log-level=info", "-shard=0/2")
		cluster.Eventually(t, 3*time.Minute, r.ready)
		s := r.mustScrape(t)
		require.Greater(t, s.sum["eventsink_other_shard_total"], float64(n)/3)
		require.Greater(t, s.sum["eventsink_received_total"], float64(n)/3)
		require.GreaterOrEqual(t, s.sum["eventsink_received_total"]+s.sum["eventsink_other_shard_total"], float64(n))
	})
	node := opensearch.Start(t)
	for _, mode := range []string{"stream", "pages"} {
		t.Run(mode, func(t *testing.T) {
			r := startCollector(t, c, "-sink="+node.URL, "-log-level=info", "-setup", "-retention=-1", "-replicas=-1", "-index="+mode, "-pages="+strconv.FormatBool(mode == "pages"))
			began := time.Now()
			cluster.Eventually(t, 5*time.Minute, func() error { return r.delivered("elastic", n) })
			r.within(t, "drain, "+mode, n, time.Since(began))
			cluster.Eventually(t, 3*time.Minute, r.settled(t))
			require.Equal(t, n, node.Count(t, mode+"-*"))
		})
	}
}

// delivered is an error until that many documents of the test are delivered. The control plane has a few Events of its
// own.
func (c *collector) delivered(sink string, n int) error {
	s, err := c.scrape()
	if got := s.series[`eventsink_documents_total{outcome="delivered",sink="`+sink+`"}`]; err == nil && int(got) < n {
		err = fmt.Errorf("%v of %d are delivered", got, n)
	}
	return err
}

// within checks the promises after n Events, and tells the numbers.
func (c *collector) within(t *testing.T, what string, n int, took time.Duration) {
	t.Helper()
	s := c.mustScrape(t)
	require.NoError(t, s.balanced())
	require.Zero(t, s.sum["eventsink_dropped_total"])
	peak := c.peak(t)
	cpu := s.sum["process_cpu_seconds_total"]
	t.Logf("%s: %d Events in %s, %.0f a second; peak of the resident set %d MiB; %.1f s of CPU, %.1f µs an Event",
		what, n, took.Round(100*time.Millisecond), float64(n)/took.Seconds(), peak>>20, cpu, cpu*1e6/float64(n))
	require.Less(t, peak, int64(mostMemory))
}

var highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the largest resident set that the kernel has seen of the process.
func (c *collector) peak(t *testing.T) int64 {
	t.Helper()
	found := highWater.FindStringSubmatch(read(t, fmt.Sprintf("/proc/%d/status", c.PID())))
	require.NotNil(t, found)
	kilobytes, err := strconv.ParseInt(found[1], 10, 64)
	require.NoError(t, err)
	return kilobytes << 10
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

// put writes Events to etcd as the API server does, in transactions of a hundred: the API server itself can't take 2,000
// creates a second on a small machine, but it watches and lists what is there.
func put(t *testing.T, c *cluster.Cluster, namespace string, from, n int) {
	t.Helper()
	type request struct {
		RequestPut struct {
			Key   []byte `json:"key"`
			Value []byte `json:"value"`
		} `json:"requestPut"`
	}
	for n > 0 {
		some := min(n, 100)
		requests := make([]request, some)
		for i := range requests {
			e := event(namespace, 0, int64(from+i))
			requests[i].RequestPut.Key = []byte("/registry/events/" + namespace + "/" + e.Name)
			requests[i].RequestPut.Value = encoded(t, e)
		}
		body, err := json.Marshal(map[string]any{"success": requests})
		require.NoError(t, err)
		etcd(t, c, "/v3/kv/txn", string(body), nil)
		from, n = from+some, n-some
	}
}

// encoded is what the API server stores of an Event.
func encoded(t *testing.T, e *corev1.Event) []byte {
	t.Helper()
	e.Name += fmt.Sprintf(".%d", len(e.Name))
	e.UID, e.CreationTimestamp = uuid.NewUUID(), metav1.Now()
	e.Reason = "Soaked"
	e.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Event"}
	var text strings.Builder
	require.NoError(t, protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(e, &text))
	return []byte(text.String())
}
