package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kubewright/kubewright/eventsink"
)

// metrics are what Prometheus may know: kube_event_* is the cluster's barometer, eventsink_* the collector itself. The
// label values of the first come from the Aggregator, which bounds them.
type metrics struct {
	registry     *prometheus.Registry
	frames       *prometheus.CounterVec
	restarts     *prometheus.CounterVec
	relists      prometheus.Counter
	relistItems  prometheus.Counter
	otherShard   prometheus.Counter
	bulkRequests *prometheus.CounterVec
	bulkDuration *prometheus.HistogramVec
	bulkBytes    *prometheus.CounterVec
	retries      *prometheus.CounterVec
	lag          *prometheus.HistogramVec
	leader       prometheus.Gauge
	checkpoints  *prometheus.CounterVec
	skew         *skewWindow
	held         *holds
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "eventsink", Name: name, Help: help}
	}
	m := &metrics{
		registry:     prometheus.NewRegistry(),
		frames:       prometheus.NewCounterVec(counter("watch_frames_total", "Frames of watches, by type."), []string{"type"}),
		restarts:     prometheus.NewCounterVec(counter("watch_restarts_total", "Requests to the API server that ended, by cause."), []string{"cause"}),
		relists:      prometheus.NewCounter(counter("relists_total", "Lists of all Events that were started.")),
		relistItems:  prometheus.NewCounter(counter("relist_items_total", "Events that lists brought.")),
		otherShard:   prometheus.NewCounter(counter("other_shard_total", "Events of other shards that the API server has sent: 0 where it filters by -shard itself.")),
		bulkRequests: prometheus.NewCounterVec(counter("bulk_requests_total", "Requests to the sink, by its answer; none means that there was no answer."), []string{"sink", "code"}),
		bulkBytes:    prometheus.NewCounterVec(counter("bulk_bytes_total", "Bytes of requests to the sink, before compression."), []string{"sink"}),
		retries:      prometheus.NewCounterVec(counter("retries_total", "Requests that had to be repeated, in part or as a whole."), []string{"sink"}),
		checkpoints:  prometheus.NewCounterVec(counter("checkpoints_total", "Attempts to store a checkpoint, by result."), []string{"result"}),
		bulkDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "eventsink", Name: "bulk_duration_seconds", Help: "Duration of requests to the sink.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		}, []string{"sink"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "eventsink", Name: "delivery_lag_seconds", Help: "From the occurrence of an Event, by its emitter's clock, to the answer of the sink.",
			Buckets: []float64{.5, 1, 2, 3, 5, 10, 30, 60, 120, 300, 900, 3600}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		}, []string{"sink"}),
		leader: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "eventsink", Name: "leader", Help: "1 if this process reads Events, 0 if it stands by."}),
		skew:   &skewWindow{},
		held: &holds{why: map[any]error{}, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "eventsink", Name: "held", Help: "Batches that the sink refuses for a reason that only a person mends; the log and /readyz have it.",
		}, []string{"sink"})},
	}
	m.registry.MustRegister(m.frames, m.restarts, m.relists, m.relistItems, m.otherShard, m.bulkRequests, m.bulkBytes, m.retries, m.checkpoints,
		m.bulkDuration, m.lag, m.leader, m.held.gauge,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "eventsink", Name: "clock_skew_seconds",
			Help: "The most that an emitter's clock was ahead of the API server's at the creation of an Event, over the last 5 to 10 minutes.",
		}, func() float64 { return m.skew.most(time.Now()).Seconds() }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observeBulk(sink, code string, b *eventsink.Batch, took time.Duration) {
	m.bulkRequests.WithLabelValues(sink, code).Inc()
	m.bulkBytes.WithLabelValues(sink).Add(float64(len(b.Bytes())))
	m.bulkDuration.WithLabelValues(sink).Observe(took.Seconds())
}

func (m *metrics) observeSkew(r *eventsink.Record) {
	if skew, ok := r.Skew(); ok && skew > 0 {
		m.skew.observe(time.Now(), skew)
	}
}

// handler serves OpenMetrics to those who ask for it, since only that has exemplars.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, EnableOpenMetrics: true})
}

// skewWindow is a maximum over the present and the previous 5 minutes.
type skewWindow struct {
	mu        sync.Mutex
	now, then time.Duration
	began     time.Time
}

const skewPeriod = 5 * time.Minute

func (w *skewWindow) observe(at time.Time, skew time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(at)
	w.now = max(w.now, skew)
}

func (w *skewWindow) most(at time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(at)
	return max(w.now, w.then)
}

func (w *skewWindow) turn(at time.Time) {
	switch since := at.Sub(w.began); {
	case since >= 2*skewPeriod:
		w.then, w.now, w.began = 0, 0, at
	case since >= skewPeriod:
		w.then, w.now, w.began = w.now, 0, at
	}
}
