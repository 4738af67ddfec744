package eventsink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/events"
	"github.com/kubewright/kubewright/internal/e2e/opensearch"
)

// TestReplicasTakeOver has three replicas, of which one reads. One that ends hands over at once, from where it stopped;
// one that is killed is missed when its lease has run out. Meanwhile Events keep coming. The history mode shows each
// state of an Event, so that a gap can't hide behind a later state. The data stream rolls over whenever the reader
// changes: what its successor reads again is in an index that takes no writes any more, and must not be there twice.
func TestReplicasTakeOver(t *testing.T) {
	c := shared.Get(t)
	client := events.Client(t, c)
	node := opensearch.Start(t)
	clearEvents(t, client)
	replicas := map[string]*collector{}
	for n := range 3 {
		name := fmt.Sprint("replica-", n)
		replicas[name] = startCollector(t, c, "-sink="+node.URL, "-setup", "-retention=-1", "-replicas=-1", "-index=lease", "-mode=history", "-data-stream",
			"-lease=default/collector", "-lease-duration=4s", "-identity="+name, "-checkpoint=configmap:default/lease")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f := &flood{client: client, namespace: c.Namespace(t), workers: 2, rate: 100}
	var flooding sync.WaitGroup
	var floodErr error
	flooding.Go(func() { floodErr = f.run(ctx) })

	first := leader(t, replicas, "")
	require.NoError(t, replicas[first].ready())
	began := time.Now()
	require.NoError(t, replicas[first].Stop(), "it hands over, and ends without an error")
	second := leader(t, replicas, first)
	t.Logf("%s took over from %s, which was told to end, after %s", second, first, time.Since(began).Round(100*time.Millisecond))
	require.NoError(t, replicas[first].Start(t.Context()))

	began = time.Now()
	replicas[second].Kill()
	node.MustDo(t, http.MethodPost, "/lease/_rollover", "")
	third := leader(t, replicas, second)
	t.Logf("%s took over from %s, which was killed, after %s", third, second, time.Since(began).Round(100*time.Millisecond))
	require.NoError(t, replicas[second].Start(t.Context()))
	for name, r := range replicas {
		require.NoError(t, r.ready(), "%s stands by, or reads", name)
	}

	stop()
	flooding.Wait()
	require.NoError(t, floodErr)
	want := events.Settled(t, c)
	cluster.Eventually(t, 3*time.Minute, func() error { return onceEach(t, node, want) })
	node.MustDo(t, http.MethodPost, "/lease/_rollover", "")
	again := startCollector(t, c, "-sink="+node.URL, "-index=lease", "-mode=history", "-data-stream")
	cluster.Eventually(t, 3*time.Minute, again.ready)
	cluster.Eventually(t, 3*time.Minute, again.settled(t))
	samples := again.mustScrape(t)
	require.Zero(t, samples.series[`eventsink_documents_total{outcome="delivered",sink="elastic"}`])
	require.GreaterOrEqual(t, int(samples.series[`eventsink_documents_total{outcome="duplicate",sink="elastic"}`]), len(want))
	require.NoError(t, onceEach(t, node, want), "one without a position sends everything anew")
	require.Greater(t, f.made.Load(), int64(300))
}

// onceEach is an error unless the last state of each Event is in the data stream, and no state is in it twice.
func onceEach(t *testing.T, node *opensearch.Node, want map[string]int64) error {
	t.Helper()
	got := map[string]int64{}
	for _, hit := range node.All(t, "lease", "event.id") {
		if got[hit.ID]++; got[hit.ID] > 1 {
			return fmt.Errorf("%s is there %d times", hit.ID, got[hit.ID])
		}
	}
	for uid, n := range want {
		if id := fmt.Sprintf("%s-%d", uid, n); got[id] != 1 {
			return fmt.Errorf("%s is not there", id)
		}
	}
	return nil
}

// leader returns who reads, once it is exactly one and not the one that has gone.
func leader(t *testing.T, replicas map[string]*collector, gone string) (name string) {
	t.Helper()
	cluster.Eventually(t, 30*time.Second, func() error {
		var leaders []string
		for n, r := range replicas {
			if n == gone {
				continue
			}
			s, err := r.scrape()
			if err != nil {
				return err
			}
			if s.sum["eventsink_leader"] == 1 {
				leaders = append(leaders, n)
			}
		}
		if len(leaders) != 1 {
			return fmt.Errorf("%v read", leaders)
		}
		name = leaders[0]
		if name == gone {
			return errors.New("it has gone")
		}
		return nil
	})
	return name
}
