// Package readiness measures how long Pods take from being scheduled to being ready, for each workload: images pulled,
// volumes mounted, init containers, start, probes. For one workload the time is stable, so that a shift of it says that
// something below the workload has changed: the registry, the storage, the network, the nodes.
//
//	b, err := readiness.New(readiness.Options{Start: now})
//	…
//	if s, ok := b.Observe(pod, now); ok && s.Score > 6 {
//		… // this start took longer than this workload's starts do
//	}
//	for series := range b.All() {
//		… // a histogram and a baseline of each workload
//	}
//
// # Laws
//
//   - Each Pod is measured once, at the first time it is ready. A probe that flaps later is no start, and neither a
//     restart of the reader nor a relist measures a Pod again.
//   - Memory is bounded whatever the cluster does.
//   - The same Pods in the same order make the same series.
//
// # Limits
//
// Conditions have a resolution of a second, and scheduler and kubelet have clocks of their own: a time below zero is
// taken for zero. A Pod that became ready and unready again between two looks of the reader counts with the later time.
package readiness

import (
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Options configure a [Barometer]. Every zero field means its default.
type Options struct {
	// Start is when the reader started: Pods that were created before are not measured, since their conditions may be
	// those of a later change. The zero Time measures all.
	Start time.Time
	// Buckets are the upper bounds of the histograms, ascending. 1s to 20m in fifteen steps.
	Buckets []time.Duration
	// Workloads with a series of their own: 2000. The others share one.
	Workloads int
	// Pods that are remembered at the most: 262144, some 10 MB.
	Pods int
}

// window is how many starts a baseline looks back on, and recent how many of them are the newest ones that it judges.
const (
	window = 60
	recent = 5
	enough = 8 // below that there is no baseline
)

// Other is the workload that all share beyond the limit.
var Other = Workload{Namespace: "other", Kind: "other", Name: "other"} //nolint:gochecknoglobals // a constant

// Barometer measures Pods. It is a state machine without a clock, and not safe for concurrent use.
type Barometer struct {
	o          Options
	seed       maphash.Seed
	young, old map[uint64]bool // by UID: whether it was measured
	// The newest creation in each generation, and in those that were forgotten, if any was: a Pod that was created later
	// and is not known was never seen. These are the API server's clock, whatever that of the reader says.
	youngest, oldest, gone time.Time
	forgot                 bool
	series                 map[Workload]*series
	overflow               uint64
}

// Sample is one start.
type Sample struct {
	Workload Workload
	// Took is from scheduled to ready.
	Took time.Duration
	// Baseline is that of the starts before, and Score how far this one is from it: see [Baseline.Score].
	Baseline Baseline
	Score    float64
}

// New returns a Barometer.
func New(o Options) (*Barometer, error) {
	var errs []error
	if o.Workloads < 0 || o.Pods < 0 {
		errs = append(errs, fmt.Errorf("readiness: Workloads %d, Pods %d; write none below 0", o.Workloads, o.Pods))
	}
	for i, d := range o.Buckets {
		if d <= 0 || i > 0 && d <= o.Buckets[i-1] {
			errs = append(errs, fmt.Errorf("readiness: Buckets[%d] is %s; write times above 0 in ascending order", i, d))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(o.Buckets) == 0 {
		for _, seconds := range []int{1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200} {
			o.Buckets = append(o.Buckets, time.Duration(seconds)*time.Second)
		}
	}
	if o.Workloads == 0 {
		o.Workloads = 2000
	}
	if o.Pods == 0 {
		o.Pods = 1 << 18
	}
	o.Buckets = slices.Clone(o.Buckets)
	return &Barometer{
		o: o, seed: maphash.MakeSeed(), young: map[uint64]bool{}, old: map[uint64]bool{},
		series: map[Workload]*series{},
	}, nil
}

// Observe looks at a Pod, as a frame of a watch or an item of a list brings it. ok says that it is ready for the first
// time, so that it was measured.
func (b *Barometer) Observe(pod *corev1.Pod, now time.Time) (s Sample, ok bool) {
	key := maphash.String(b.seed, string(pod.UID))
	measured, known := b.young[key]
	if !known {
		if measured, known = b.old[key]; known {
			delete(b.old, key)
		} else if !b.isNew(pod.CreationTimestamp.Time) {
			return Sample{}, false
		}
		b.rotate()
	}
	if at := pod.CreationTimestamp.Time; at.After(b.youngest) {
		b.youngest = at
	}
	took, ready := startup(pod)
	b.young[key] = measured || ready
	if measured || !ready {
		return Sample{}, false
	}
	s = Sample{Workload: WorkloadOf(pod), Took: took}
	w, own := b.of(s.Workload)
	if own {
		s.Baseline = w.baseline(len(w.times))
		s.Score = s.Baseline.Score(took)
	} else {
		s.Workload = Other
	}
	w.add(took, now, b.o.Buckets, own)
	return s, true
}

// isNew reports whether a Pod that is not known was never seen.
func (b *Barometer) isNew(created time.Time) bool {
	return !created.Before(b.o.Start) && (!b.forgot || created.After(b.gone))
}

// rotate makes the younger generation the older when it is full.
func (b *Barometer) rotate() {
	if len(b.young) < max(b.o.Pods/2, 1) {
		return
	}
	if len(b.old) > 0 {
		b.forgot = true
		if b.oldest.After(b.gone) {
			b.gone = b.oldest
		}
	}
	clear(b.old)
	b.young, b.old = b.old, b.young
	b.oldest, b.youngest = b.youngest, time.Time{}
}

// of is the series of a workload, or that of all others.
func (b *Barometer) of(w Workload) (s *series, own bool) {
	if s, ok := b.series[w]; ok {
		return s, w != Other
	}
	if len(b.series) >= b.o.Workloads-1 && w != Other {
		b.overflow++
		s, _ := b.of(Other)
		return s, false
	}
	s = &series{buckets: make([]uint64, len(b.o.Buckets))}
	b.series[w.clone()] = s
	return s, w != Other
}

// startup is the time from scheduled to ready, ok false as long as the Pod is not ready.
func startup(pod *corev1.Pod) (took time.Duration, ok bool) {
	var scheduled, ready time.Time
	for i := range pod.Status.Conditions {
		c := &pod.Status.Conditions[i]
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case corev1.PodScheduled:
			scheduled = c.LastTransitionTime.Time
		case corev1.PodReady:
			ready = c.LastTransitionTime.Time
		}
	}
	if scheduled.IsZero() || ready.IsZero() {
		return 0, false
	}
	return max(ready.Sub(scheduled), 0), true
}

// All yields a copy of the series of each workload, sorted by namespace, kind and name.
func (b *Barometer) All() iter.Seq[Series] {
	return func(yield func(Series) bool) {
		keys := make([]Workload, 0, len(b.series))
		for w := range b.series {
			keys = append(keys, w)
		}
		slices.SortFunc(keys, Workload.compare)
		for _, w := range keys {
			if !yield(b.series[w].export(w, b.o.Buckets)) {
				return
			}
		}
	}
}

// Overflow is how many starts were of workloads beyond the limit.
func (b *Barometer) Overflow() uint64 { return b.overflow }

// Expire forgets the workloads of which no Pod became ready since then, and returns how many.
func (b *Barometer) Expire(since time.Time) int {
	before := len(b.series)
	for w, s := range b.series {
		if s.last.Before(since) {
			delete(b.series, w)
		}
	}
	return before - len(b.series)
}
