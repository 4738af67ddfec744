package elastic_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// batch is n documents of Events u0, u1, …
func batch(t testing.TB, n int) (*eventsink.Flow, *eventsink.Batch) {
	t.Helper()
	f, err := eventsink.NewFlow(eventsink.FlowOptions{})
	require.NoError(t, err)
	for i := range n {
		r := eventsink.Record{
			UID: fmt.Sprintf("u%d", i), Namespace: "shop", Name: "e", ResourceVersion: fmt.Sprint(i + 1), Reason: "BackOff",
			Type: "Warning", First: t0, Last: t0, Created: t0, Occurrences: 1,
		}
		_, err := f.Admit(t0, &r, true)
		require.NoError(t, err)
	}
	b := f.Next(t0, true)
	require.Equal(t, n, b.Len())
	return f, b
}

// reply is the answer of status 200 with an item of each status.
func reply(items ...string) elastic.Reply {
	body := `{"took":1,"errors":true,"items":[`
	for i, item := range items {
		if i > 0 {
			body += ","
		}
		body += `{"index":` + item + `}`
	}
	return elastic.Reply{Status: 200, Body: []byte(body + "]}")}
}
