package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
)

// TestASmallSpoolCountsWhatItDrops: what is on disk is what the accounts say, whoever of several senders drops whose
// documents.
func TestASmallSpoolCountsWhatItDrops(t *testing.T) {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer down.Close()
	const n = 600
	var events strings.Builder
	for i := range n {
		fmt.Fprintf(&events, `{"metadata":{"namespace":"shop","name":"e%d","uid":"uid-%d"},"message":"%0200d"}`+"\n", i, i, i)
	}
	for _, batchBytes := range []int{1500, 100_000} { // below and above the bound
		o := &options{
			sink: down.URL, workers: 4, batchBytes: batchBytes, bufferBytes: 1 << 20, batchAge: time.Millisecond, series: 100, drainTimeout: time.Millisecond,
			spool: t.TempDir(), spoolBytes: 20_000, spoolAfter: time.Millisecond,
		}
		e := &environment{log: slog.New(slog.DiscardHandler), metrics: newMetrics()}
		s, err := e.startFile(t.Context(), o)
		require.NoError(t, err)
		_, err = s.readFiles(t.Context(), []string{"-"}, strings.NewReader(events.String()), (*session).admitAll)
		require.NoError(t, err)
		var l eventsink.Ledger
		onDisk := 0
		eventually(t, func() bool {
			s.spool.mu.Lock()
			defer s.spool.mu.Unlock()
			onDisk = s.spool.queue.Stats().Documents
			s.with(func(_ time.Time, f *eventsink.Flow) { l = f.Ledger() })
			return uint64(onDisk) == l.InFlight+l.Spooled // those that were taken back are still on disk
		}, "the accounts and the disk agree")
		require.True(t, l.Balanced())
		require.EqualValues(t, n, uint64(onDisk)+l.DroppedTotal(), "%+v", l)
		require.Positive(t, l.Dropped["spool_full"])
		s.finish()
	}
}

// TestCausesAreThereFromTheStart, since an alert on an increase does not see the first value of a series.
func TestCausesAreThereFromTheStart(t *testing.T) {
	p, err := newPipeline(eventsink.FlowOptions{}, time.Now)
	require.NoError(t, err)
	m := newMetrics()
	m.registry.MustRegister(newFlowMetrics(p, "file"))
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, cause := range []string{"invalid", "rejected", "too_large", "spool_full", "spool_damaged"} {
		require.Contains(t, w.Body.String(), `eventsink_dropped_total{cause="`+cause+`"} 0`)
	}
}
