package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/internal/bulkmodel"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

const (
	leasePath    = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/lease"
	positionPath = "/api/v1/namespaces/ns/configmaps/position"
)

// running is a collector in process that reads an apiServer and writes to a model.
type running struct {
	errs *buffer
	stop func() int
}

func runCollector(t *testing.T, a *apiServer, flags ...string) *running {
	t.Helper()
	_, errs, stop := started(t, nil, append([]string{"-kubeconfig=" + a.kubeconfig(t), "-listen=127.0.0.1:0", "-batch-age=1ms"}, flags...)...)
	return &running{errs, stop}
}

var servingAt = regexp.MustCompile(`msg=serving address=(\S+)`)

// url is where it serves.
func (r *running) url(t *testing.T, path string) string {
	t.Helper()
	eventually(t, func() bool { return servingAt.MatchString(r.errs.String()) }, "serving")
	return "http://" + servingAt.FindStringSubmatch(r.errs.String())[1] + path
}

func (r *running) metric(t *testing.T, line string) func() bool {
	t.Helper()
	url := r.url(t, "/metrics")
	return func() bool {
		return strings.Contains(get(t, url), "\n"+line+"\n")
	}
}

func (r *running) ready(t *testing.T) bool {
	t.Helper()
	resp, err := http.Get(r.url(t, "/readyz"))
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // only its status counts
	return resp.StatusCode == http.StatusOK
}

// freshPod is one that is scheduled and becomes ready after the collector has started.
func freshPod(n int) *corev1.Pod {
	pod := startedPod(n)
	pod.CreationTimestamp = metav1.NewTime(time.Now().Add(2 * time.Second)) // of whole seconds, and after the start
	for i := range pod.Status.Conditions {
		pod.Status.Conditions[i].LastTransitionTime = metav1.NewTime(time.Now().Add(time.Duration(2+i) * time.Second))
	}
	return pod
}

// TestACollectorReadsACluster from the first list over a live watch to its end, and its successor from there.
func TestACollectorReadsACluster(t *testing.T) {
	a := newAPIServer(t)
	m, sink := model(t, bulkmodel.Options{})
	for n := range 5 {
		a.add("events", ev(n, 1))
	}
	for n := range 8 {
		a.add("pods", startedPod(n))
	}
	flags := []string{"-sink=" + sink, "-pods", "-lease=ns/lease", "-checkpoint=configmap:ns/position"}
	r := runCollector(t, a, append(flags, "-identity=first")...)
	eventually(t, func() bool { return m.Count() == 5 }, "the Events that exist")
	last := ev(5, 1)
	a.add("events", last)
	a.add("pods", freshPod(8))
	eventually(t, func() bool { return m.Count() == 6 }, "one that is new")
	require.Equal(t, "ok\n", get(t, r.url(t, "/readyz")))
	eventually(t, r.metric(t, "eventsink_leader 1"), "it leads")
	eventually(t, r.metric(t, `kube_pod_start_seconds_count{namespace="shop",workload="",workload_kind="Pod"} 1`), "a start after its own")
	require.Equal(t, "first", *a.get(leasePath).(*coordinationv1.Lease).Spec.HolderIdentity)
	require.Equal(t, cli.ExitOK, r.stop(), r.errs)
	require.Empty(t, *a.get(leasePath).(*coordinationv1.Lease).Spec.HolderIdentity, "it gives the lease up")
	position := a.get(positionPath).(*corev1.ConfigMap).Data["checkpoint"]
	require.Contains(t, position, `"resourceVersion":"`+last.ResourceVersion+`"`)

	a.add("events", ev(6, 1))
	r = runCollector(t, a, append(flags, "-identity=second")...)
	eventually(t, func() bool { return m.Count() == 7 }, "what came in between")
	_, conflicts := m.Requests()
	require.Zero(t, conflicts, "nothing is sent again")
	require.Equal(t, cli.ExitOK, r.stop(), r.errs)
}

// TestAServerThatAnswersInJSON is read as well: the media type is the server's choice.
func TestAServerThatAnswersInJSON(t *testing.T) {
	a := newAPIServer(t)
	a.json = true
	m, sink := model(t, bulkmodel.Options{})
	a.add("events", ev(0, 1))
	r := runCollector(t, a, "-sink="+sink)
	eventually(t, func() bool { return m.Count() == 1 }, "the Event that exists")
	a.add("events", ev(1, 1))
	eventually(t, func() bool { return m.Count() == 2 }, "one that is new")
	require.Equal(t, cli.ExitOK, r.stop(), r.errs)
}

// TestTheLeaseIsLost to somebody who does not ask: the collector delivers what it has read, and ends with an error.
func TestTheLeaseIsLost(t *testing.T) {
	a := newAPIServer(t)
	m, sink := model(t, bulkmodel.Options{})
	a.add("events", ev(0, 1))
	r := runCollector(t, a, "-sink="+sink, "-lease=ns/lease", "-identity=first", "-lease-duration=1s")
	eventually(t, func() bool { return m.Count() == 1 }, "it leads")
	other := a.get(leasePath).(*coordinationv1.Lease).DeepCopy()
	other.Spec.HolderIdentity, other.Spec.RenewTime = new("second"), new(metav1.NowMicro())
	other.Spec.LeaseDurationSeconds = new(int32(3600))
	a.set(leasePath, other)
	eventually(t, func() bool { return strings.Contains(r.errs.String(), errLeaseLost.Error()) }, "told")
	require.Equal(t, cli.ExitFailed, r.stop())
	require.Equal(t, "second", *a.get(leasePath).(*coordinationv1.Lease).Spec.HolderIdentity)
}

// TestStandingByIsReady, and ends at once.
func TestStandingByIsReady(t *testing.T) {
	a := newAPIServer(t)
	a.set(leasePath, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "lease"}, Spec: coordinationv1.LeaseSpec{
		HolderIdentity: new("other"), LeaseDurationSeconds: new(int32(3600)), RenewTime: new(metav1.NowMicro()), AcquireTime: new(metav1.NowMicro()),
	}})
	r := runCollector(t, a, "-lease=ns/lease", "-identity=second")
	require.Equal(t, "ok\n", get(t, r.url(t, "/readyz")))
	require.True(t, r.metric(t, "eventsink_leader 0")())
	require.Equal(t, cli.ExitOK, r.stop(), r.errs)
}

// TestAnOutageItemByItemIsHeld: a sink that fails on every document for longer than a document's attempts loses none.
// Meanwhile the collector says what holds.
func TestAnOutageItemByItemIsHeld(t *testing.T) {
	a := newAPIServer(t)
	m, sink := model(t, bulkmodel.Options{})
	for _, status := range []int{500, 400} {
		m.Script(bulkmodel.Fault{EveryItem: status})
	}
	m.Script(bulkmodel.Fault{Body: "<html>Sign in</html>"})
	for n := range 30 {
		a.add("events", ev(n, 1))
	}
	dead := t.TempDir() + "/dead.ndjson"
	r := runCollector(t, a, "-sink="+sink, "-dead-letters="+dead, "-batch-age=20ms", "-workers=1")
	eventually(t, r.metric(t, `eventsink_held{sink="elastic"} 1`), "held")
	eventually(t, r.metric(t, `eventsink_held{sink="elastic"} 0`), "mended")
	eventually(t, func() bool { return m.Count()+strings.Count(read(t, dead), "\n") == 30 }, "all of them")
	require.LessOrEqual(t, strings.Count(read(t, dead), "\n"), 8)
	require.Contains(t, r.errs.String(), "status 500 exception")
	require.Contains(t, r.errs.String(), "is no answer to _bulk")
	require.Equal(t, cli.ExitOK, r.stop(), r.errs)
}

// TestReadyNamesWhatHolds is /readyz, without the waiting.
func TestReadyNamesWhatHolds(t *testing.T) {
	now := time.Now()
	p, err := newPipeline(eventsink.FlowOptions{}, func() time.Time { return now })
	require.NoError(t, err)
	c := &collector{environment: &environment{metrics: newMetrics()}, o: &options{readyLag: time.Minute}}
	require.ErrorContains(t, c.ready(), "not all Events that exist were read yet")
	c.state.Store(&reading{session: &session{pipeline: p}})
	c.state.Load().synced.Store(true)
	require.NoError(t, c.ready())
	require.NoError(t, p.admit(&eventsink.Record{UID: "u", ResourceVersion: "1", Occurrences: 1}, true))
	require.NoError(t, c.ready())
	now = now.Add(2 * time.Minute)
	require.EqualError(t, c.ready(), "documents wait for the sink for 2m0s")
	c.metrics.held.note("elastic", c, errTest)
	require.EqualError(t, c.ready(), "documents wait for the sink for 2m0s: read-only")
	c.metrics.held.note("elastic", c, nil)
	require.EqualError(t, c.ready(), "documents wait for the sink for 2m0s")
}

// TestShardsAreAskedFor of the API server, and other things are not touched.
func TestShardsAreAskedFor(t *testing.T) {
	a := newAPIServer(t)
	for n := range 20 {
		a.add("events", ev(n, 1))
	}
	sum := 0
	for _, shard := range []string{"0/2", "1/2"} {
		m, sink := model(t, bulkmodel.Options{})
		r := runCollector(t, a, "-sink="+sink, "-shard="+shard, "-pages="+map[string]string{"0/2": "true", "1/2": "false"}[shard])
		eventually(t, func() bool { return r.ready(t) }, "all that exist are read")
		require.False(t, r.metric(t, "eventsink_other_shard_total 0")(), "this server sends those of others")
		require.Equal(t, cli.ExitOK, r.stop(), r.errs)
		sum += m.Count()
	}
	require.Equal(t, 20, sum)
	require.Greater(t, len(a.asked), 2)
	for _, query := range a.asked {
		require.Contains(t, query, "shardSelector=shardRange%28object.metadata.uid%2C")
	}

	var seen []string
	transport := shardTransport(eventsink.Shard{Index: 1, Count: 2})(roundTripper(func(r *http.Request) { seen = append(seen, r.URL.Query().Get("shardSelector")) }))
	for _, path := range []string{"/api/v1/events?limit=5", "/api/v1/pods", "/api/v1/namespaces/x/configmaps/events"} {
		resp, err := transport.RoundTrip(httptest.NewRequest(http.MethodGet, path, nil))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Equal(t, []string{"shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')", "", ""}, seen)
	require.Nil(t, shardTransport(eventsink.Shard{}))
}

type roundTripper func(*http.Request)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return httptest.NewRecorder().Result(), nil
}

// TestACheckpointOfAnotherShardIsRefused: it would leave Events out.
func TestACheckpointOfAnotherShardIsRefused(t *testing.T) {
	a := newAPIServer(t)
	position := put(t, "position", `{"resourceVersion":"7","time":"2026-11-20T22:00:00Z","shard":"0/2"}`)
	r := runCollector(t, a, "-shard=1/2", "-checkpoint=file:"+position)
	eventually(t, func() bool { return strings.Contains(r.errs.String(), "give each shard its own") }, "told")
	require.Equal(t, cli.ExitUsage, r.stop())
}
