package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/kubewright/kubewright/eventsink/readiness"
)

// podWatcher measures how long Pods take to become ready. It keeps none of them. A Pod that became ready while nobody
// watched is measured by the list that follows.
type podWatcher struct {
	pods  typedcorev1.PodInterface
	log   *slog.Logger
	descs podDescs

	mu        sync.Mutex
	barometer *readiness.Barometer
}

type podDescs struct{ seconds, median, deviation, shift, overflow *prometheus.Desc }

func newPodWatcher(pods typedcorev1.PodInterface, started time.Time, log *slog.Logger) (*podWatcher, error) {
	b, err := readiness.New(readiness.Options{Start: started})
	if err != nil {
		return nil, err
	}
	labels := []string{"namespace", "workload_kind", "workload"}
	desc := prometheus.NewDesc
	return &podWatcher{pods: pods, log: log, barometer: b, descs: podDescs{
		seconds:   desc("kube_pod_start_seconds", "From scheduled to ready for the first time, by workload.", labels, nil),
		median:    desc("kube_pod_start_median_seconds", "The median of the newest starts of the workload: what is normal for it.", labels, nil),
		deviation: desc("kube_pod_start_mad_seconds", "The median absolute deviation from that median.", labels, nil),
		shift:     desc("kube_pod_start_shift", "How many standard deviations, by the median absolute deviation, the last five starts are above the median.", labels, nil),
		overflow:  desc("kube_pod_start_overflow_total", "Starts of workloads beyond the limit, which share one series.", nil, nil),
	}}, nil
}

// Describe sends nothing: the collector is unchecked, because it appears with leadership.
func (w *podWatcher) Describe(chan<- *prometheus.Desc) {}

// Collect copies the series out and sends them.
func (w *podWatcher) Collect(out chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s := range w.barometer.All() {
		labels := []string{s.Workload.Namespace, s.Workload.Kind, s.Workload.Name}
		buckets := map[float64]uint64{}
		for i, bound := range s.Bounds {
			buckets[bound.Seconds()] = s.Cumulative[i]
		}
		out <- prometheus.MustNewConstHistogram(w.descs.seconds, s.Count, s.Sum.Seconds(), buckets, labels...)
		if s.Baseline.Starts > 0 {
			out <- constant(w.descs.median, prometheus.GaugeValue, s.Baseline.Median.Seconds(), labels...)
			out <- constant(w.descs.deviation, prometheus.GaugeValue, s.Baseline.MAD.Seconds(), labels...)
			out <- constant(w.descs.shift, prometheus.GaugeValue, s.Shift, labels...)
		}
	}
	out <- constant(w.descs.overflow, prometheus.CounterValue, float64(w.barometer.Overflow()))
}

// run watches until the context ends. Nothing is lost but a measurement when it fails, so that it merely starts over.
func (w *podWatcher) run(ctx context.Context) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := w.once(ctx)
		if time.Since(began) > time.Minute {
			attempt = 0
		}
		if err != nil && ctx.Err() == nil {
			w.log.Warn("watching Pods ended", "error", err)
		}
		if !pause(ctx, attempt) {
			return
		}
	}
}

// once lists, in pages, and watches from there until the watch ends.
func (w *podWatcher) once(ctx context.Context) error {
	o := metav1.ListOptions{Limit: 500}
	for {
		list, err := w.pods.List(ctx, o)
		if err != nil {
			return err
		}
		for i := range list.Items {
			w.observe(&list.Items[i])
		}
		if o.Continue = list.Continue; o.Continue == "" {
			return w.follow(ctx, list.ResourceVersion)
		}
	}
}

// follow watches from a place on. A watch that ends at once and brings nothing leads nowhere, as where the place is
// compacted and a front end does not say so: then it takes a list.
func (w *podWatcher) follow(ctx context.Context, resourceVersion string) error {
	for {
		began, from := time.Now(), resourceVersion
		stream, err := w.pods.Watch(ctx, metav1.ListOptions{ResourceVersion: resourceVersion, AllowWatchBookmarks: true, TimeoutSeconds: watchTimeout()})
		if err != nil {
			return err
		}
		resourceVersion, err = w.frames(stream, resourceVersion)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if resourceVersion == from && time.Since(began) < 2*time.Second {
			return errors.New("the watch ended at once")
		}
	}
}

// frames reads a watch to its end and returns where it came to.
func (w *podWatcher) frames(stream watch.Interface, resourceVersion string) (string, error) {
	defer stream.Stop()
	for e := range stream.ResultChan() {
		if e.Type == watch.Error {
			return "", apierrors.FromObject(e.Object)
		}
		pod, ok := e.Object.(*corev1.Pod)
		if !ok {
			continue
		}
		if e.Type == watch.Added || e.Type == watch.Modified {
			w.observe(pod)
		}
		resourceVersion = pod.ResourceVersion
	}
	return resourceVersion, nil
}

func (w *podWatcher) expire(since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.barometer.Expire(since)
}

// slow is the score from which a start is told of.
const slow = 6

func (w *podWatcher) observe(pod *corev1.Pod) {
	w.mu.Lock()
	s, ok := w.barometer.Observe(pod, time.Now())
	w.mu.Unlock()
	if ok && s.Score > slow {
		w.log.Info("a slow start", "namespace", pod.Namespace, "pod", pod.Name, "workload", s.Workload.Kind+"/"+s.Workload.Name,
			"took", s.Took, "median", s.Baseline.Median, "score", int(s.Score))
	}
}
