package main

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
)

// metrics are what Prometheus may know. Labels have few values: nothing that a client can choose, such as the name of
// an object or of an unknown kind, becomes one.
type metrics struct {
	registry        *prometheus.Registry
	kinds           map[schema.GroupVersionKind]reflect.Type // set once the handler is made, before it serves
	reviews         *prometheus.CounterVec
	responses       *prometheus.CounterVec
	findings        *prometheus.CounterVec
	duration        *prometheus.HistogramVec
	patch           prometheus.Histogram
	panics          prometheus.Counter
	failedOpen      prometheus.Counter
	installFailures prometheus.Counter
	inFlight        prometheus.Gauge
}

const namespace = "kubewright_webhook"

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	}
	m := &metrics{
		registry:        prometheus.NewRegistry(),
		reviews:         prometheus.NewCounterVec(counter("reviews_total", "Reviews, by phase, kind, operation and outcome."), []string{"phase", "kind", "operation", "outcome"}),
		responses:       prometheus.NewCounterVec(counter("responses_total", "HTTP answers to reviews, by phase and status code."), []string{"phase", "code"}),
		findings:        prometheus.NewCounterVec(counter("findings_total", "Findings, by rule and the action that was taken."), []string{"rule", "action"}),
		panics:          prometheus.NewCounter(counter("panics_total", "Panics of policies and mutators.")),
		failedOpen:      prometheus.NewCounter(counter("failed_open_total", "Failures of functions that fail open.")),
		installFailures: prometheus.NewCounter(counter("install_failures_total", "Attempts to update the webhook configurations that failed.")),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "review_duration_seconds", Help: "Duration of reviews without the network, by phase.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 1, 5, 10},
		}, []string{"phase"}),
		patch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "patch_bytes", Help: "Size of patches, where there is one.",
			Buckets: prometheus.ExponentialBuckets(64, 4, 7),
		}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "requests_in_flight", Help: "HTTP requests that are answered now, waiting ones included."}),
	}
	m.registry.MustRegister(m.reviews, m.responses, m.findings, m.duration, m.patch, m.panics, m.failedOpen, m.installFailures, m.inFlight,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watchCertificate adds the end of the serving certificate, which alerts should be built on.
func (m *metrics) watchCertificate(notAfter func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "certificate_not_after_timestamp_seconds", Help: "When the serving certificate expires.",
	}, func() float64 { return float64(notAfter().Unix()) }))
}

func (m *metrics) observe(_ context.Context, o admission.Observation) {
	kind, operation := m.labels(o.Request)
	m.reviews.WithLabelValues(o.Phase, kind, operation, o.Outcome).Inc()
	m.responses.WithLabelValues(o.Phase, strconv.Itoa(o.Code)).Inc()
	m.duration.WithLabelValues(o.Phase).Observe(o.Duration.Seconds())
	for _, f := range o.Findings {
		m.findings.WithLabelValues(f.Rule, string(f.Action)).Inc()
	}
	if o.Patch > 0 {
		m.patch.Observe(float64(o.Patch))
	}
	m.failedOpen.Add(float64(len(o.Dropped)))
	for _, err := range append(slices.Clone(o.Dropped), o.Err) {
		if _, ok := errors.AsType[*admission.PanicError](err); ok {
			m.panics.Inc()
		}
	}
}

// labels are empty for requests that could not be read.
func (m *metrics) labels(r *admissionv1.AdmissionRequest) (kind, operation string) {
	if r == nil {
		return "", ""
	}
	kind, operation = "other", "other"
	if m.kinds[schema.GroupVersionKind(r.Kind)] != nil {
		kind = r.Kind.Kind
	}
	switch r.Operation {
	case admissionv1.Create, admissionv1.Update, admissionv1.Delete, admissionv1.Connect:
		operation = string(r.Operation)
	}
	return kind, operation
}

func (m *metrics) countInFlight(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, next)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
