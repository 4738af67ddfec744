package eventsink

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/events"
)

// TestKafka ships to a topic of four partitions, keyed by UID, over brokers that speak the protocol in process.
func TestKafka(t *testing.T) {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(4, "k8s-events"))
	require.NoError(t, err)
	defer brokers.Close()
	c := shared.Get(t)
	client := events.Client(t, c)
	r := startCollector(t, c, "-sink=kafka://"+strings.Join(brokers.ListenAddrs(), ",")+"/k8s-events", "-schema=raw")
	cluster.Eventually(t, 3*time.Minute, r.ready)
	f := &flood{client: client, namespace: c.Namespace(t), workers: 4, most: 300}
	require.NoError(t, f.run(t.Context()))
	want := events.Settled(t, c)
	cluster.Eventually(t, 3*time.Minute, r.settled(t))

	consumer, err := kgo.NewClient(kgo.SeedBrokers(brokers.ListenAddrs()...), kgo.ConsumeTopics("k8s-events"))
	require.NoError(t, err)
	defer consumer.Close()
	got := map[string]int64{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for events.Differ(want, got) != nil {
		fetches := consumer.PollFetches(ctx)
		require.NoError(t, fetches.Err(), "%v", events.Differ(want, got))
		fetches.EachRecord(func(record *kgo.Record) {
			require.True(t, json.Valid(record.Value))
			if _, ok := want[string(record.Key)]; ok { // it may have seen Events that another test has deleted since
				got[string(record.Key)] = want[string(record.Key)]
			}
		})
	}
}
