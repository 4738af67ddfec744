package elastic_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
	"github.com/kubewright/kubewright/internal/bulkmodel"
)

// history is a batch of the first states of n Events, for the data stream k8s-events.
func history(t testing.TB, n int) *eventsink.Batch {
	t.Helper()
	renderer, err := eventsink.NewRenderer(eventsink.Format{Mode: eventsink.History, DataStream: true})
	require.NoError(t, err)
	f, err := eventsink.NewFlow(eventsink.FlowOptions{Renderer: renderer, BatchDocs: 20_000, BatchBytes: 100 << 20, BufferBytes: 200 << 20})
	require.NoError(t, err)
	for i := range n {
		r := eventsink.Record{UID: fmt.Sprintf("u%d", i), Last: t0, Created: t0, Occurrences: 1}
		_, err := f.Admit(t0, &r, true)
		require.NoError(t, err)
	}
	b := f.Next(t0, true)
	require.Equal(t, n, b.Len())
	return b
}

// ship delivers a batch to a data stream, of which documents may be there from before.
func ship(t *testing.T, c *elastic.Client, b *eventsink.Batch) map[eventsink.Outcome]int {
	t.Helper()
	got := map[eventsink.Outcome]int{}
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	for part, _ := d.Next(); part != nil; part, _ = d.Next() {
		found, err := c.Find(t.Context(), part)
		require.NoError(t, err)
		settled := d.Found(found)
		if part, _ = d.Next(); part != nil {
			settled = append(settled, d.Settle(c.Bulk(t.Context(), part.Bytes()))...)
		}
		for _, s := range settled {
			got[s.Outcome]++
		}
	}
	return got
}

// A replay into a data stream that has rolled over twice leaves each document once.
func TestFindAcrossARollover(t *testing.T) {
	model := bulkmodel.New(bulkmodel.Options{DataStreams: []string{"k8s-events"}})
	server := httptest.NewServer(model)
	defer server.Close()
	c, err := elastic.NewClient(elastic.Options{URLs: []string{server.URL}})
	require.NoError(t, err)
	b := history(t, 6000) // more than one search
	parts := []*eventsink.Batch{b.Keep([]int{0, 1, 2}), b.Keep([]int{2, 3, 5999})}
	require.Equal(t, map[eventsink.Outcome]int{eventsink.Delivered: 3}, ship(t, c, parts[0]), "there is no data stream yet")
	model.Rollover("k8s-events")
	require.Equal(t, map[eventsink.Outcome]int{eventsink.Delivered: 2, eventsink.Duplicate: 1}, ship(t, c, parts[1]))
	model.Rollover("k8s-events")
	found, err := c.Find(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2, 3, 5999}, found)
	require.Equal(t, map[eventsink.Outcome]int{eventsink.Delivered: 5995, eventsink.Duplicate: 5}, ship(t, c, b))
	require.Equal(t, map[eventsink.Outcome]int{eventsink.Duplicate: 6000}, ship(t, c, b))
	require.Equal(t, 6000, model.Count())

	before := len(model.Documents("k8s-events"))
	require.Equal(t, 200, c.Bulk(t.Context(), b.Keep([]int{0}).Bytes()).Status)
	require.Len(t, model.Documents("k8s-events"), before+1, "without the search, the stream takes it again")
}

func TestFoundSettlesOnce(t *testing.T) {
	b := history(t, 3)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	require.Empty(t, d.Found(nil))
	settled := d.Found([]int{0, 2})
	require.Len(t, settled, 2)
	require.Equal(t, b.Token(2), settled[1].Token)
	require.Equal(t, "u1", first(d).UID(0))
	require.Len(t, d.Found([]int{0}), 1)
	require.Nil(t, first(d))
	require.Nil(t, d.Found([]int{0}))
}

// A search that is not whole finds nothing, and what a person has to mend holds.
func TestFindFails(t *testing.T) {
	for _, c := range []struct {
		refresh, search int
		body, want      string
		held            bool
	}{
		{200, 200, `{"timed_out":true,"_shards":{"failed":0}}`, "not all shards have answered", false},
		{200, 200, `{"timed_out":false,"_shards":{"failed":1}}`, "not all shards have answered", false},
		{200, 200, `{}`, "not all shards have answered", false},
		{200, 200, `<html>`, "invalid character", false},
		{200, 503, `{"error":{"type":"x","reason":"busy"}}`, "status 503 x: busy", false},
		{200, 403, `{"error":{"type":"security_exception","reason":"no read"}}`, "status 403 security_exception: no read", true},
		{403, 200, `{"error":{"type":"security_exception","reason":"no maintenance"}}`, "/k8s-events/_refresh?ignore_unavailable=true: status 403", true},
	} {
		client := client(t, elastic.Options{}, func(w http.ResponseWriter, r *http.Request) {
			status := c.search
			if strings.HasSuffix(r.URL.Path, "_refresh") {
				status = c.refresh
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, c.body)
		})
		b := history(t, 2)
		_, err := client.Find(context.Background(), b)
		require.ErrorContains(t, err, c.want)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
		require.Empty(t, d.Settle(elastic.Reply{Err: err}))
		require.Equal(t, c.held, d.Held() != nil, c.want)
		part, wait := d.Next()
		require.Equal(t, 2, part.Len())
		require.Positive(t, wait)
	}
}
