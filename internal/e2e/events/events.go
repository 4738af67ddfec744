// Package events compares the Events that etcd holds with the documents that examples/collector has made of them. Both
// are maps from an Event's UID to its occurrences.
package events

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/opensearch"
)

// Client writes and reads in protobuf: JSON would load the API server more than what is tested.
func Client(t testing.TB, c *cluster.Cluster) kubernetes.Interface {
	t.Helper()
	config, err := c.RESTConfig()
	require.NoError(t, err)
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return client
}

// Stored are the Events in etcd, as the API server reads them in the form of events.k8s.io/v1, which the collector does
// not read.
func Stored(t testing.TB, client kubernetes.Interface) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for next := ""; ; {
		list, err := client.EventsV1().Events("").List(t.Context(), metav1.ListOptions{Limit: 5000, Continue: next})
		require.NoError(t, err)
		for i := range list.Items {
			all[string(list.Items[i].UID)] = occurrences(&list.Items[i])
		}
		if next = list.Continue; next == "" {
			return all
		}
	}
}

func occurrences(e *eventsv1.Event) int64 {
	n := max(int64(e.DeprecatedCount), 1)
	if e.Series != nil {
		n = max(n, int64(e.Series.Count))
	}
	return n
}

// Settled is [Stored] once nobody writes any more: recorders and controllers have queues.
func Settled(t testing.TB, c *cluster.Cluster) map[string]int64 {
	t.Helper()
	client := Client(t, c)
	var last map[string]int64
	cluster.Eventually(t, time.Minute, func() error {
		now := Stored(t, client)
		err := Differ(now, last)
		if err != nil {
			last = now
			time.Sleep(2 * time.Second) // long enough for a write of somebody to show
		}
		return err
	})
	return last
}

// Indexed are the documents of the indices that match a pattern. Under two ids, or in two indices, an Event would be
// there twice.
func Indexed(t testing.TB, node *opensearch.Node, pattern string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, hit := range node.All(t, pattern, "event.id", "kubernetes.event.count") {
		var d struct {
			Event      struct{ ID string }
			Kubernetes struct{ Event struct{ Count int64 } }
		}
		require.NoError(t, json.Unmarshal(hit.Source, &d))
		require.Equal(t, hit.ID, d.Event.ID)
		require.Equal(t, hit.Version, d.Kubernetes.Event.Count)
		require.NotContains(t, all, hit.ID, "%s is in two indices", hit.ID)
		all[hit.ID] = hit.Version
	}
	return all
}

// Differ says how an index is not what is stored.
func Differ(stored, index map[string]int64) error {
	missing, wrong, extra := 0, 0, 0
	example := ""
	for uid, n := range stored {
		switch got, ok := index[uid]; {
		case !ok:
			missing++
			example = uid
		case got != n:
			wrong++
			example = fmt.Sprintf("%s: %d occurrences, want %d", uid, got, n)
		}
	}
	for uid := range index {
		if _, ok := stored[uid]; !ok {
			extra++
		}
	}
	if missing+wrong+extra == 0 {
		return nil
	}
	return fmt.Errorf("of %d Events, %d are missing, %d have another count, %d are too many: %s", len(stored), missing, wrong, extra, example)
}
