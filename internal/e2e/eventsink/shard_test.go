package eventsink

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/events"
)

// TestShards has two collectors read half of the Events each, from an API server whose feature gate ShardedListAndWatch
// is on. Every Event is in the file of one of them. The API server filters its lists (KEP-5866); what it does with a watch
// is logged.
func TestShards(t *testing.T) {
	c := shared.Get(t)
	client := events.Client(t, c)
	clearEvents(t, client)
	f := &flood{client: client, namespace: c.Namespace(t), workers: 4, most: 300}
	require.NoError(t, f.run(t.Context()))
	dir := t.TempDir()
	halves := make([]*collector, 2)
	for i := range halves {
		halves[i] = startCollector(t, c, fmt.Sprintf("-sink=%s/%d", dir, i), fmt.Sprintf("-shard=%d/2", i), "-schema=raw", "-pages")
		cluster.Eventually(t, 3*time.Minute, halves[i].ready)
		s := halves[i].mustScrape(t)
		require.Zero(t, s.sum["eventsink_other_shard_total"], "the API server lists one shard alone")
		require.Greater(t, s.sum["eventsink_received_total"], 50.)
	}
	live := &flood{client: client, namespace: f.namespace, workers: 4, most: 300}
	require.NoError(t, live.run(t.Context()))
	want := events.Settled(t, c)
	cluster.Eventually(t, 3*time.Minute, func() error {
		got := map[string]int64{}
		for i := range halves {
			for line := range strings.Lines(read(t, filepath.Join(dir, fmt.Sprint(i)))) {
				var d struct{ UID string }
				if json.Unmarshal([]byte(line), &d) != nil {
					continue // it is being written
				}
				if _, ok := want[d.UID]; ok {
					got[d.UID] = want[d.UID]
				}
			}
		}
		return events.Differ(want, got)
	})
	for i, half := range halves {
		s := half.mustScrape(t)
		require.NoError(t, s.balanced())
		t.Logf("shard %d: %v Events received, %v of the other shard were sent and left out", i, s.sum["eventsink_received_total"], s.sum["eventsink_other_shard_total"])
	}
}
