package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// usage is one container at one moment.
type usage struct {
	container node.Container
	limits    cgroupview.Limits
	sample    cgroupview.Sample
}

// snapshot is the whole machine at one moment. It is immutable once it is published.
type snapshot struct {
	at         time.Time
	took       time.Duration
	containers []usage
	skipped    int     // containers beyond the bound
	errors     []error // of containers or files that could not be read
	findings   map[node.Kind]int
}

// sampler takes snapshots. It is used by one goroutine.
type sampler struct {
	machine machine
	scanner *node.Scanner
	most    int // containers that get metrics of their own
}

// snapshot reads everything but the root's memory.stat, which may block for seconds.
func (s *sampler) snapshot(now time.Time, since func(time.Time) time.Duration) (*snapshot, error) {
	out := &snapshot{at: now, findings: map[node.Kind]int{}}
	mounts, err := s.machine.mounts()
	if err != nil {
		return nil, err
	}
	for c, err := range s.machine.containers(mounts) {
		if err != nil {
			out.errors = append(out.errors, err)
			continue
		}
		if len(out.containers) == s.most {
			out.skipped++
			continue
		}
		g, _ := s.machine.container(mounts, c)
		if node.Sandbox(s.machine.fsys, g) {
			continue
		}
		g = g.Only(cgroupview.CPU, cgroupview.CPUAcct, cgroupview.Cpuset, cgroupview.Memory) // what has metrics
		u := usage{container: c}
		u.limits, err = g.Limits()
		if err = errors.Join(err, g.Sample(&u.sample)); err != nil { // mostly it has ended meanwhile
			out.errors = append(out.errors, fmt.Errorf("container %s: %w", c.ID, err))
			continue
		}
		out.containers = append(out.containers, u)
	}
	findings, err := s.scanner.Scan(s.machine.fsys, now)
	if err != nil {
		out.errors = append(out.errors, err)
	}
	for _, f := range findings {
		out.findings[f.Kind]++
	}
	out.took = since(now)
	return out, nil
}

// latency measures reads of the root's memory.stat one after the other, each as long as it takes, apart from all that
// waits for answers.
type latency struct {
	machine machine
	report  func(took time.Duration, done bool, dying int)
}

// unknown is how long a read took that could not be made.
const unknown time.Duration = -1

// patience is after how long a read that does not end is reported while it goes on.
const patience = 5 * time.Second

func (l latency) run(ctx context.Context, every time.Duration) {
	for ctx.Err() == nil {
		l.measure(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

// measure waits for the read to end however long it takes: no second one is started beside it.
func (l latency) measure(ctx context.Context) {
	mounts, err := l.machine.mounts()
	if err != nil {
		l.report(unknown, true, -1)
		return
	}
	dying, err := node.DyingGroups(l.machine.fsys, mounts)
	if err != nil {
		dying = -1
	}
	slow := time.AfterFunc(patience, func() { l.report(patience, false, dying) })
	took, err := node.MeasureMemoryStat(ctx, l.machine.fsys, mounts, time.Now)
	slow.Stop()
	if err != nil {
		took = unknown
	}
	l.report(took, true, dying)
}
