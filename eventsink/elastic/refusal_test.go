package elastic_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

// A document is given up for its own failures, not for those of its neighbours, and only as long as others are taken.
func TestAttemptsAreThoseOfADocument(t *testing.T) {
	_, b := batch(t, 5)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{MaxAttempts: 3})
	require.Len(t, d.Settle(reply(`{"status":500}`, `{"status":429}`, `{"status":201}`, `{"status":429}`, `{"status":429}`)), 1)
	require.Empty(t, d.Settle(reply(`{"status":500}`, `{"status":500}`, `{"status":500}`, `{"status":500}`)), "of all: not counted")
	require.Len(t, d.Settle(reply(`{"status":500}`, `{"status":429}`, `{"status":409}`, `{"status":503}`)), 1)
	settled := d.Settle(reply(`{"status":500}`, `{"status":500}`, `{"status":200}`))
	require.Len(t, settled, 2)
	require.EqualValues(t, 0, settled[0].Token)
	require.Equal(t, eventsink.DeadLettered, settled[0].Outcome)
	require.Equal(t, eventsink.Delivered, settled[1].Outcome)
	require.Equal(t, "u1", first(d).UID(0))
}

// Where items are missing, or too many, no one knows which documents the others are of.
func TestAnotherNumberOfItemsSettlesNothing(t *testing.T) {
	_, b := batch(t, 3)
	d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
	for _, items := range [][]string{
		{},
		{`{"status":201}`, `{"status":201}`},
		{`{"status":201}`, `{"status":400}`, `{"status":201}`, `{"status":201}`},
	} {
		require.Empty(t, d.Settle(reply(items...)))
		require.ErrorIs(t, d.Held(), elastic.ErrHeld)
		part, wait := d.Next()
		require.Equal(t, 3, part.Len())
		require.Positive(t, wait)
	}
	require.Len(t, d.Settle(reply(`{"status":201}`, `{"status":201}`, `{"status":201}`)), 3)
	require.NoError(t, d.Held())
}

// In a quiet cluster batches have one document. What is no answer to it is no reason to give it up.
func TestOneDocumentIsNotGivenUpForAProxy(t *testing.T) {
	for _, r := range []elastic.Reply{
		{Status: 400, Body: []byte("<html>The plain HTTP request was sent to HTTPS port</html>")},
		{Status: 413, Err: errors.New("the answer has more than 10 bytes")},
	} {
		_, b := batch(t, 1)
		d := elastic.NewDelivery(b, elastic.DeliveryOptions{})
		for range 20 {
			require.Empty(t, d.Settle(r))
			require.ErrorIs(t, d.Held(), elastic.ErrHeld)
		}
		_, wait := d.Next()
		require.Positive(t, wait)
		require.Len(t, d.Settle(reply(`{"status":201}`)), 1)
	}
}

// A node that is down, or behind a proxy that says so, costs one request and not one each.
func TestFailoverStays(t *testing.T) {
	var first atomic.Int32
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Add(1)
		body, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(string(body), "proxy") {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	defer down.Close()
	for _, body := range []string{"dead", "proxy"} {
		first.Store(0)
		c := client(t, elastic.Options{URLs: []string{down.URL}}, func(http.ResponseWriter, *http.Request) {})
		ok := 0
		for range 10 {
			if c.Bulk(context.Background(), []byte(body)).Status == http.StatusOK {
				ok++
			}
		}
		require.GreaterOrEqual(t, ok, 9)
		require.EqualValues(t, 1, first.Load(), body)
	}
}
