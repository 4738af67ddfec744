package main

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kubewright/kubewright/eventsink"
)

// flowMetrics reads a pipeline's flow when it is scraped, under its lock, so that what one scrape shows belongs to one
// moment and the conservation law holds in it.
type flowMetrics struct {
	pipeline *pipeline
	sink     string
	descs    flowDescs
}

type flowDescs struct {
	occurrences, objects, last                    *prometheus.Desc
	series, seriesLimit, overflow                 *prometheus.Desc
	verdicts, received, documents, dropped        *prometheus.Desc
	bufferBytes, inFlight, spooled, checkpointAge *prometheus.Desc
	tracked, forgotten                            *prometheus.Desc
}

func newFlowMetrics(p *pipeline, sink string) *flowMetrics {
	labels := []string{"type", "reason", "kind", "namespace", "component"}
	desc := prometheus.NewDesc
	return &flowMetrics{pipeline: p, sink: sink, descs: flowDescs{
		occurrences:   desc("kube_event_occurrences_total", "Occurrences that Events told of, repeats included. A lower bound: emitters throttle.", labels, nil),
		objects:       desc("kube_event_objects_total", "Events that were seen for the first time.", labels, nil),
		last:          desc("kube_event_last_occurrence_timestamp_seconds", "When the newest Event occurred, by its emitter's clock.", labels[:2], nil),
		series:        desc("eventsink_series", "Series of kube_event_occurrences_total.", nil, nil),
		seriesLimit:   desc("eventsink_series_limit", "The most series that there can be.", nil, nil),
		overflow:      desc("eventsink_series_overflow_total", "Events that were counted under other, by the label whose limit was reached.", []string{"label"}, nil),
		verdicts:      desc("eventsink_verdicts_total", "Events, by what they were beside what was known of them.", []string{"verdict"}, nil),
		received:      desc("eventsink_received_total", "Events that were taken: the sum of all outcomes, what was dropped, and what is in flight or spooled.", nil, nil),
		documents:     desc("eventsink_documents_total", "Events, by what became of them.", []string{"sink", "outcome"}, nil),
		dropped:       desc("eventsink_dropped_total", "Events that were dropped, by cause.", []string{"cause"}, nil),
		bufferBytes:   desc("eventsink_buffer_bytes", "Bytes of documents that are not settled.", []string{"sink"}, nil),
		inFlight:      desc("eventsink_in_flight", "Documents in memory that are not settled.", []string{"sink"}, nil),
		spooled:       desc("eventsink_spooled", "Documents on disk that are not settled.", []string{"sink"}, nil),
		checkpointAge: desc("eventsink_checkpoint_age_seconds", "How long ago the oldest document was read that is in flight and holds the checkpoint back; 0 if there is none.", nil, nil),
		tracked:       desc("eventsink_tracked", "Events whose occurrences are remembered.", nil, nil),
		forgotten:     desc("eventsink_forgotten_total", "Events that were forgotten before their time: raise -tracked.", nil, nil),
	}}
}

// Describe sends nothing: the collector is unchecked, because it appears with leadership.
func (f *flowMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect copies everything out under the lock and then sends it.
func (f *flowMetrics) Collect(out chan<- prometheus.Metric) {
	var all []prometheus.Metric
	f.pipeline.with(func(now time.Time, flow *eventsink.Flow) {
		all = append(all, f.series(flow.Aggregator())...)
		all = append(all, f.accounts(flow)...)
		all = append(all, f.state(now, flow)...)
	})
	for _, m := range all {
		out <- m
	}
}

func constant(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, t, v, labels...)
}

func (f *flowMetrics) series(a *eventsink.Aggregator) (all []prometheus.Metric) {
	type typeReason struct{ t, reason string }
	last := map[typeReason]time.Time{}
	for k, c := range a.All() {
		labels := []string{k.Type, k.Reason, k.Kind, k.Namespace, k.Component}
		occurrences := constant(f.descs.occurrences, prometheus.CounterValue, float64(c.Occurrences), labels...)
		all = append(all, withExemplar(occurrences, c), constant(f.descs.objects, prometheus.CounterValue, float64(c.Objects), labels...))
		if key := (typeReason{labels[0], labels[1]}); c.Last.After(last[key]) {
			last[key] = c.Last
		}
	}
	for k, at := range last {
		all = append(all, constant(f.descs.last, prometheus.GaugeValue, float64(at.UnixMilli())/1000, k.t, k.reason))
	}
	for label, n := range a.Overflow() {
		all = append(all, constant(f.descs.overflow, prometheus.CounterValue, float64(n), label))
	}
	return append(all, constant(f.descs.series, prometheus.GaugeValue, float64(a.Len())),
		constant(f.descs.seriesLimit, prometheus.GaugeValue, float64(a.Limit())))
}

// withExemplar points from a series to the document counted last. An exemplar that OpenMetrics does not allow is left
// out rather than the metric.
func withExemplar(m prometheus.Metric, c eventsink.Counts) prometheus.Metric {
	if c.Exemplar.UID == "" {
		return m
	}
	with, err := prometheus.NewMetricWithExemplars(m, prometheus.Exemplar{
		Value: 1, Labels: prometheus.Labels{"event_uid": c.Exemplar.UID}, Timestamp: c.Exemplar.Time,
	})
	if err != nil {
		return m
	}
	return with
}

func (f *flowMetrics) accounts(flow *eventsink.Flow) []prometheus.Metric {
	l := flow.Ledger()
	all := []prometheus.Metric{
		constant(f.descs.received, prometheus.CounterValue, float64(l.Received)),
		constant(f.descs.inFlight, prometheus.GaugeValue, float64(l.InFlight), f.sink),
		constant(f.descs.spooled, prometheus.GaugeValue, float64(l.Spooled), f.sink),
	}
	for _, o := range []struct {
		outcome eventsink.Outcome
		n       uint64
	}{
		{eventsink.Delivered, l.Delivered},
		{eventsink.Duplicate, l.Duplicate},
		{eventsink.Redirected, l.Redirected},
		{eventsink.DeadLettered, l.DeadLettered},
	} {
		all = append(all, constant(f.descs.documents, prometheus.CounterValue, float64(o.n), f.sink, o.outcome.String()))
	}
	// All causes there are: increase() does not see the first value of a series that begins later.
	causes := map[string]uint64{"invalid": 0, "rejected": 0, "too_large": 0, "spool_full": 0, "spool_damaged": 0}
	maps.Copy(causes, l.Dropped)
	for cause, n := range causes {
		all = append(all, constant(f.descs.dropped, prometheus.CounterValue, float64(n), cause))
	}
	for v := eventsink.New; v <= eventsink.Seeded; v++ {
		all = append(all, constant(f.descs.verdicts, prometheus.CounterValue, float64(flow.Verdicts(v)), v.String()))
	}
	return all
}

func (f *flowMetrics) state(now time.Time, flow *eventsink.Flow) []prometheus.Metric {
	return []prometheus.Metric{
		constant(f.descs.bufferBytes, prometheus.GaugeValue, float64(flow.Buffered()), f.sink),
		constant(f.descs.checkpointAge, prometheus.GaugeValue, f.pipeline.lagNow(now).Seconds()),
		constant(f.descs.tracked, prometheus.GaugeValue, float64(flow.Tracker().Len())),
		constant(f.descs.forgotten, prometheus.CounterValue, float64(flow.Tracker().Forgotten())),
	}
}
