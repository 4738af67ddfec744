package elastic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

// outcomes are what was settled, by token.
func outcomes(settled []elastic.Settled) map[eventsink.Token]eventsink.Outcome {
	got := map[eventsink.Token]eventsink.Outcome{}
	for _, s := range settled {
		got[s.Token] = s.Outcome
	}
	return got
}

func TestDeliverySettlesWhatIsAnswered(t *testing.T) {
	_, b := batch(t, 6)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	part, wait := d.Next()
	require.Equal(t, 6, part.Len())
	require.Zero(t, wait)
	settled := d.Settle(reply(
		`{"status":201}`, `{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"x"}}`,
		`{"status":201,"failure_store":"used"}`, `{"status":400,"error":{"type":"document_parsing_exception","reason":"y"}}`,
		`{"status":429}`, `{"status":503}`,
	))
	require.Equal(t, map[eventsink.Token]eventsink.Outcome{
		0: eventsink.Delivered, 1: eventsink.Duplicate, 2: eventsink.Redirected, 3: eventsink.DeadLettered,
	}, outcomes(settled))
	part, wait = d.Next()
	require.Equal(t, 2, part.Len())
	require.Equal(t, "u4", part.UID(0))
	require.Equal(t, 150*time.Millisecond, wait)
	settled = d.Settle(reply(`{"status":200}`, `{"status":200}`))
	require.Len(t, settled, 2)
	part, _ = d.Next()
	require.Nil(t, part)
	require.Equal(t, 1, d.Retries())
}
