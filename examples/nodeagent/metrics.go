package main

import (
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

const namespace = "kubewright_node"

// metrics are made from the last snapshot: a scrape reads no file of a cgroup. Series have the labels pod_uid and
// container, of as many containers as -max-containers allows.
type metrics struct {
	registry *prometheus.Registry
	last     atomic.Pointer[snapshot]
	latency  prometheus.Gauge
	stuck    prometheus.Gauge
	dying    prometheus.Gauge
	failures prometheus.Counter
	perGroup []series
	machine  []total
}

// series is a metric of each container. ok is false where there is nothing to tell, such as a limit that is none.
type series struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(u *usage) (v float64, ok bool)
}

// total is a metric of the machine.
type total struct {
	desc  *prometheus.Desc
	value func(s *snapshot) float64
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		latency:  gauge("memory_stat_read_seconds", "How long the last read of the root's memory.stat took; more than 0.05 is slow, NaN unknown."),
		stuck:    gauge("memory_stat_stuck", "1 while a read of the root's memory.stat has not ended for 5 seconds."),
		dying:    gauge("dying_cgroups", "Memory cgroups that were removed and live on in the kernel; -1 if unknown."),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "snapshot_failures_total", Help: "Snapshots that failed as a whole."}),
		perGroup: perContainer(),
		machine:  perMachine(),
	}
	m.memoryStat(unknown, true, -1) // 0 would look healthy
	m.registry.MustRegister(m, m.latency, m.stuck, m.dying, m.failures,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func perContainer() []series {
	var out []series
	add := func(name, help string, kind prometheus.ValueType, value func(u *usage) (float64, bool)) {
		desc := prometheus.NewDesc(namespace+"_container_"+name, help, []string{"pod_uid", "container"}, nil)
		out = append(out, series{desc, kind, value})
	}
	always := func(f func(u *usage) float64) func(*usage) (float64, bool) {
		return func(u *usage) (float64, bool) { return f(u), true }
	}
	bytes := func(f func(l *cgroupview.Limits) cgroupview.Amount) func(*usage) (float64, bool) {
		return func(u *usage) (float64, bool) {
			a := f(&u.limits)
			return float64(a.Bytes), a.State == cgroupview.Limited
		}
	}
	add("cpu_entitlement", "CPU time per time that the container can have: the tightest quota of all levels, or the CPUs it can run on.", prometheus.GaugeValue,
		always(func(u *usage) float64 { return entitlement(&u.limits) }))
	add("cpu_parallelism", "CPUs that the container can run on.", prometheus.GaugeValue, always(func(u *usage) float64 { return float64(u.limits.CPUs.Len()) }))
	add("cpu_periods_total", "Periods with a CPU quota in which the container ran.", prometheus.CounterValue, always(func(u *usage) float64 { return float64(u.sample.Periods) }))
	add("cpu_throttled_periods_total", "Periods in which the container used its quota up.", prometheus.CounterValue, always(func(u *usage) float64 { return float64(u.sample.Throttled) }))
	add("cpu_throttled_ratio", "Share of all periods in which the container used its quota up.", prometheus.GaugeValue, func(u *usage) (float64, bool) {
		return float64(u.sample.Throttled) / max(float64(u.sample.Periods), 1), u.sample.Periods > 0
	})
	add("cpu_seconds_total", "CPU time used.", prometheus.CounterValue, always(func(u *usage) float64 { return u.sample.Usage.Seconds() }))
	add("memory_limit_bytes", "The tightest memory limit of all levels.", prometheus.GaugeValue, bytes(func(l *cgroupview.Limits) cgroupview.Amount { return l.Memory }))
	add("memory_high_bytes", "The tightest memory.high of all levels.", prometheus.GaugeValue, bytes(func(l *cgroupview.Limits) cgroupview.Amount { return l.High }))
	add("memory_working_set_bytes", "Memory in use without inactive files.", prometheus.GaugeValue, always(func(u *usage) float64 { return float64(u.sample.WorkingSet()) }))
	add("oom_kills_total", "Processes killed for want of memory.", prometheus.CounterValue, always(func(u *usage) float64 { return float64(u.sample.OOMKills) }))
	return out
}

// entitlement is the CPU time per time that a container can have.
func entitlement(l *cgroupview.Limits) float64 {
	cpus := float64(l.CPUs.Len())
	if q := l.Quota.Ratio.CPUs(); l.Quota.State == cgroupview.Limited && (cpus == 0 || q < cpus) {
		return q
	}
	return cpus
}

func perMachine() []total {
	var out []total
	add := func(name, help string, value func(s *snapshot) float64) {
		out = append(out, total{prometheus.NewDesc(namespace+"_"+name, help, nil, nil), value})
	}
	add("containers", "Containers that have metrics.", func(s *snapshot) float64 { return float64(len(s.containers)) })
	add("containers_skipped", "Containers beyond -max-containers.", func(s *snapshot) float64 { return float64(s.skipped) })
	add("read_errors", "Containers and files that the last snapshot could not read.", func(s *snapshot) float64 { return float64(len(s.errors)) })
	add("stale_shells", "Shells that were left in containers.", func(s *snapshot) float64 { return float64(s.findings[node.StaleShell]) })
	add("zombies", "Processes that ended and whose parent does not wait for them.", func(s *snapshot) float64 { return float64(s.findings[node.Zombie]) })
	add("snapshot_seconds", "How long the last snapshot took.", func(s *snapshot) float64 { return s.took.Seconds() })
	add("snapshot_timestamp_seconds", "When the last snapshot was taken.", func(s *snapshot) float64 { return float64(s.at.Unix()) })
	return out
}

// Describe is a part of prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range m.perGroup {
		ch <- s.desc
	}
	for _, t := range m.machine {
		ch <- t.desc
	}
}

// Collect is a part of prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	s := m.last.Load()
	if s == nil {
		return
	}
	for i := range s.containers {
		u := &s.containers[i]
		for _, g := range m.perGroup {
			if v, ok := g.value(u); ok {
				ch <- prometheus.MustNewConstMetric(g.desc, g.kind, v, u.container.PodUID, u.container.ID)
			}
		}
	}
	for _, t := range m.machine {
		ch <- prometheus.MustNewConstMetric(t.desc, prometheus.GaugeValue, t.value(s))
	}
}

// memoryStat takes what was measured of the root's memory.stat.
func (m *metrics) memoryStat(took time.Duration, done bool, dying int) {
	m.latency.Set(took.Seconds())
	if took == unknown {
		m.latency.Set(math.NaN())
	}
	m.dying.Set(float64(dying))
	m.stuck.Set(0)
	if !done {
		m.stuck.Set(1)
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
