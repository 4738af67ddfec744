package eventsink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/events"
	"github.com/kubewright/kubewright/internal/e2e/opensearch"
)

// TestNothingIsLostAndNothingTwice is the promise of the collector: while Events come from everywhere, it is killed, its
// sink is stopped, and etcd forgets what it has not read. In the end, every Event that etcd has is in the index, exactly
// once, with the count that it has in etcd. A second collector that has a spool goes through the same outage: it never
// stops reading.
func TestNothingIsLostAndNothingTwice(t *testing.T) {
	c := shared.Get(t)
	client := events.Client(t, c)
	node := opensearch.Start(t)
	t.Log(node.Version(t))
	clearEvents(t, client)
	r := startCollector(t, c, "-sink="+node.URL, "-setup", "-retention=-1", "-replicas=-1", "-index=chaos", "-cluster=e2e",
		"-checkpoint=configmap:default/chaos", "-buffer-bytes=300000", "-batch-bytes=100000", "-dead-letters="+filepath.Join(t.TempDir(), "dead.ndjson"))
	spools := startCollector(t, c, "-sink="+node.URL, "-setup", "-retention=-1", "-replicas=-1", "-index=spooled", "-schema=ecs",
		"-buffer-bytes=300000", "-batch-bytes=100000", "-spool="+t.TempDir(), "-spool-after=1s")
	f := &flood{client: client, namespace: c.Namespace(t), workers: 8, rate: 250}
	stop := f.everything(t)

	r.handles(t, 500)
	t.Log("the collector is killed in the middle of it, twice")
	for range 2 {
		r.Kill()
		require.NoError(t, r.Start(t.Context()))
		r.handles(t, 300)
	}
	outage(t, c, node, r, spools, f)
	t.Log("the collector is killed, etcd is compacted while it is away, and the sink is killed while it reads")
	r.Kill()
	compactEtcd(t, c)
	require.NoError(t, r.Start(t.Context()))
	r.handles(t, 200)
	node.Kill()
	node.Up(t)
	r.handles(t, 500)

	stop()
	want := events.Settled(t, c)
	require.Greater(t, len(want), 3000)
	cluster.Eventually(t, 4*time.Minute, func() error { return events.Differ(want, events.Indexed(t, node, "chaos-*")) })
	cluster.Eventually(t, 3*time.Minute, r.settled(t))
	s := r.mustScrape(t)
	require.Zero(t, s.sum["eventsink_dropped_total"])
	require.Zero(t, s.series[`eventsink_documents_total{outcome="dead_letter",sink="elastic"}`])
	require.NoError(t, r.ready())
	cluster.Eventually(t, 4*time.Minute, func() error { return events.Differ(want, events.Indexed(t, node, "spooled-*")) })
	cluster.Eventually(t, 3*time.Minute, spools.settled(t))
	s = spools.mustScrape(t)
	require.Zero(t, s.sum["eventsink_dropped_total"])
	require.Zero(t, s.series[`eventsink_documents_total{outcome="dead_letter",sink="elastic"}`])
	require.Zero(t, s.series[`eventsink_watch_restarts_total{cause="backpressure"}`], "it reads on")
	s = r.mustScrape(t)
	t.Logf("%d Events, of which a flood made %d; this last process: received %v, duplicates %v",
		len(want), f.made.Load(), s.sum["eventsink_received_total"], s.series[`eventsink_documents_total{outcome="duplicate",sink="elastic"}`])
}

// outage stops the sink until the buffer is full and the watch is closed, compacts etcd so that what was not read can't
// be watched any more, and starts the sink again.
func outage(t *testing.T, c *cluster.Cluster, node *opensearch.Node, r, spools *collector, f *flood) {
	t.Helper()
	t.Log("the sink is stopped: the buffer fills, and the watch is closed")
	node.Stop(t)
	r.ended(t, "backpressure")
	compactEtcd(t, c)
	before := f.made.Load()
	cluster.Eventually(t, 30*time.Second, func() error {
		if f.made.Load() < before+500 {
			return errors.New("no Events")
		}
		return nil
	})
	compactEtcd(t, c)
	cluster.Eventually(t, 3*time.Minute, func() error {
		s, err := spools.scrape()
		require.NoError(t, s.balanced())
		if err == nil && s.sum["eventsink_spooled"] < 500 { // the buffer holds 200
			err = fmt.Errorf("%v documents are on disk", s.sum["eventsink_spooled"])
		}
		return err
	})
	node.Up(t)
	r.ended(t, "expired")
}

// patience is for what takes seconds: on a machine whose cores others have, a node of OpenSearch that has started answers
// slowly, and a sink that was away is asked again after up to 30 s.
const patience = 4 * time.Minute

// ended waits until a request to the API server has ended for a cause.
func (c *collector) ended(t *testing.T, cause string) {
	t.Helper()
	cluster.Eventually(t, patience, func() error {
		s, err := c.scrape()
		if err == nil && s.series[`eventsink_watch_restarts_total{cause="`+cause+`"}`] == 0 {
			err = fmt.Errorf("nothing ended because of %s", cause)
		}
		return err
	})
}

// handles waits until the process has settled that many documents.
func (c *collector) handles(t *testing.T, documents float64) {
	t.Helper()
	cluster.Eventually(t, patience, func() error {
		s, err := c.scrape()
		if err == nil && s.sum["eventsink_documents_total"] < documents {
			err = fmt.Errorf("%v documents", s.sum["eventsink_documents_total"])
		}
		return err
	})
}

// everything has Events come from the flood, from client-go's recorders and from real controllers, until stop.
func (f *flood) everything(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var floodErr, controllersErr error
	running.Go(func() { floodErr = f.run(ctx) })
	running.Go(func() { recorders(ctx, f.client, f.namespace) })
	running.Go(func() { controllersErr = controllers(ctx, f.client, f.namespace) })
	return func() {
		cancel()
		running.Wait()
		require.NoError(t, floodErr)
		require.NoError(t, controllersErr)
	}
}

// compactEtcd makes etcd forget all revisions but the present, as the API server does every five minutes.
func compactEtcd(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	var status struct{ Header struct{ Revision string } }
	etcd(t, c, "/v3/maintenance/status", `{}`, &status)
	revision, err := strconv.ParseInt(status.Header.Revision, 10, 64)
	require.NoError(t, err)
	etcd(t, c, "/v3/kv/compaction", fmt.Sprintf(`{"revision":"%d","physical":true}`, revision), nil)
}

// etcd asks etcd's JSON gateway.
func etcd(t *testing.T, c *cluster.Cluster, path, body string, answer any) {
	t.Helper()
	resp, err := http.Post(c.EtcdEndpoint+path, "application/json", bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // it was only read
	require.Equal(t, http.StatusOK, resp.StatusCode)
	if answer != nil {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(answer))
	}
}

func deployment(namespace string, labels map[string]string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "registry.example.com/web"}}},
			},
		},
	}
}
