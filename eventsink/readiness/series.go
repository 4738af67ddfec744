package readiness

import (
	"slices"
	"time"
)

// Series is what is known of one workload.
type Series struct {
	Workload Workload
	// Count and Sum of all starts, and for each of Bounds how many took at most that long: a classic histogram, of which
	// the bucket +Inf is Count.
	Count      uint64
	Sum        time.Duration
	Bounds     []time.Duration
	Cumulative []uint64
	// Baseline of the newest starts but five, and Shift, the score of the median of these five: above zero starts became
	// slower. Both are zero while there are too few, and for Other.
	Baseline Baseline
	Shift    float64
}

// Baseline is what is normal for a workload, by measures that a few bad starts do not move.
type Baseline struct {
	// Starts it is of, at most 60; 0 says that there are too few for one.
	Starts int
	Median time.Duration
	// MAD is the median of the absolute deviations from Median.
	MAD time.Duration
}

// Score is how many standard deviations a start is from the median, by MAD/0.6745, which estimates the deviation of a
// normal distribution. Deviations are taken for at least a second, the resolution of conditions, and a 20th of the
// median, since few would call 63 seconds slow where 60 are normal. 0 without a baseline.
func (b Baseline) Score(took time.Duration) float64 {
	if b.Starts == 0 {
		return 0
	}
	deviation := max(float64(b.MAD)/0.6745, float64(time.Second), float64(b.Median)/20)
	return float64(took-b.Median) / deviation
}

// series is a workload's histogram and its newest starts, oldest first.
type series struct {
	count   uint64
	sum     time.Duration
	buckets []uint64 // not cumulative, without +Inf
	times   []time.Duration
	last    time.Time
}

func (s *series) add(took time.Duration, now time.Time, bounds []time.Duration, own bool) {
	s.count++
	s.sum += took
	s.last = now
	if i, _ := slices.BinarySearch(bounds, took); i < len(bounds) {
		s.buckets[i]++
	}
	if !own {
		return
	}
	if len(s.times) == window+recent {
		s.times = append(s.times[:0], s.times[1:]...)
	}
	s.times = append(s.times, took)
}

// baseline is that of the first n of the newest starts.
func (s *series) baseline(n int) Baseline {
	if n < enough {
		return Baseline{}
	}
	times := slices.Clone(s.times[max(0, n-window):n])
	b := Baseline{Starts: len(times), Median: median(times)}
	for i, t := range times {
		times[i] = (t - b.Median).Abs()
	}
	b.MAD = median(times)
	return b
}

// median sorts its argument.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	n := len(times)
	if n%2 == 1 {
		return times[n/2]
	}
	return (times[n/2-1] + times[n/2]) / 2
}

func (s *series) export(w Workload, bounds []time.Duration) Series {
	e := Series{Workload: w, Count: s.count, Sum: s.sum, Bounds: slices.Clone(bounds), Cumulative: slices.Clone(s.buckets)}
	for i := 1; i < len(e.Cumulative); i++ {
		e.Cumulative[i] += e.Cumulative[i-1]
	}
	if n := len(s.times) - recent; n >= enough {
		e.Baseline = s.baseline(n)
		e.Shift = e.Baseline.Score(median(slices.Clone(s.times[n:])))
	}
	return e
}
