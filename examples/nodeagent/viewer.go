package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// viewer keeps a view of each container. It is safe for concurrent use. Each container is read by one goroutine at a time,
// and nobody waits for a read that the kernel does not end, but those who want the same container.
type viewer struct {
	machine  machine
	files    viewFiles     // of update alone
	patience time.Duration // for one container
	hosts    sync.Pool     // of *cgroupview.Host

	mu    sync.Mutex
	views map[string]*containerView // by container ID
	began bool
}

type containerView struct {
	turn chan struct{} // holds something while a goroutine owns the group and what was read of it
	late bool          // the last update has not ended in time; of update alone

	group  cgroupview.Group
	limits cgroupview.Limits
	sample cgroupview.Sample
	times  cgroupview.CPUTimes
	load   cgroupview.Load
}

func newViewer(m machine, dir string) *viewer {
	return &viewer{
		machine: m, files: viewFiles{dir: dir, written: map[string]string{}}, patience: patience,
		hosts: sync.Pool{New: func() any { return &cgroupview.Host{} }}, views: map[string]*containerView{},
	}
}

var errStuck = errors.New("is still being read: the kernel does not answer, as with a slow memory.stat")

// alone runs f while no other goroutine reads the container, and returns what it returns. When ctx ends first f goes
// on, since a read of the kernel's cannot be interrupted, and keeps others out until it is done.
func (c *containerView) alone(ctx context.Context, f func() ([]string, error)) ([]string, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, errStuck
	}
	type result struct {
		texts []string
		err   error
	}
	done := make(chan result, 1)
	go func() {
		texts, err := f()
		<-c.turn
		done <- result{texts, err}
	}()
	select {
	case r := <-done:
		return r.texts, r.err
	case <-ctx.Done():
		return nil, errStuck
	}
}

// update looks for containers, reads each, and writes the files that have changed.
func (v *viewer) update(ctx context.Context) error {
	mounts, err := v.machine.mounts()
	if err != nil {
		return err
	}
	host := &cgroupview.Host{} // a new one: a container that is stuck may still use the last one
	errs := []error{host.Read(v.machine.fsys)}
	there, all := map[string]bool{}, true
	for c, err := range v.machine.containers(mounts) {
		if err != nil {
			errs, all = append(errs, err), all && errors.Is(err, errTwice)
			continue
		}
		there[c.ID] = true
		if err := v.updateOne(ctx, host, mounts, c); err != nil {
			errs = append(errs, fmt.Errorf("container %s: %w", c.ID, err))
		}
	}
	v.keep(there, all)
	if all {
		errs = append(errs, v.files.removeBut(there))
	}
	return errors.Join(append(errs, v.files.writeCounts(host))...)
}

// keep forgets containers that are not there any more. Where not all could be looked at, who was not found may still be
// there, and have its files mounted.
func (v *viewer) keep(there map[string]bool, all bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.began = true; !all {
		return
	}
	maps.DeleteFunc(v.views, func(id string, _ *containerView) bool { return !there[id] })
}

func (v *viewer) updateOne(ctx context.Context, host *cgroupview.Host, mounts cgroupview.Mounts, of node.Container) error {
	v.mu.Lock()
	c := v.views[of.ID]
	if c == nil {
		c = &containerView{turn: make(chan struct{}, 1), group: mounts.Group(of.Path)}
		v.views[of.ID] = c
	}
	v.mu.Unlock()
	if c.late && len(c.turn) > 0 { // still: the others do not wait for it again
		return errStuck
	}
	ctx, cancel := context.WithTimeout(ctx, v.patience)
	defer cancel()
	texts, err := c.alone(ctx, func() ([]string, error) {
		c.group, _ = v.machine.container(mounts, of)
		if err := c.read(true); err != nil {
			return nil, err
		}
		return stillTexts(c.view(host)), nil
	})
	c.late = errors.Is(err, errStuck)
	if err != nil {
		return err
	}
	return v.files.write(of.ID, texts)
}

// read takes a sample, and every 5 seconds what the load averages need.
func (c *containerView) read(tick bool) (err error) {
	if c.limits, err = c.group.Limits(); err != nil {
		return err
	}
	if err := c.group.Sample(&c.sample); err != nil {
		return err
	}
	c.times.Advance(&c.limits, &c.sample)
	if tick {
		if c.sample.Tasks, err = c.group.Tasks(); err != nil {
			return err
		}
		c.load.Tick(c.sample.Tasks.Running)
	}
	return nil
}

func (c *containerView) view(host *cgroupview.Host) *cgroupview.View {
	return &cgroupview.View{Host: host, Limits: &c.limits, Sample: &c.sample, CPU: &c.times, Load: c.load}
}

func (v *viewer) ready() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.began
}

var errNoView = errors.New("not found")

// render reads a container's counters now and renders a file.
func (v *viewer) render(ctx context.Context, id, file string) (string, error) {
	v.mu.Lock()
	c := v.views[id]
	v.mu.Unlock()
	if c == nil {
		return "", fmt.Errorf("container %.64q: %w", id, errNoView)
	}
	texts, err := c.alone(ctx, func() ([]string, error) {
		host, _ := v.hosts.Get().(*cgroupview.Host) // New makes no other
		defer v.hosts.Put(host)
		if err := errors.Join(host.Read(v.machine.fsys, file), c.read(false)); err != nil {
			return nil, err
		}
		text, ok := c.view(host).Append(nil, file)
		if !ok {
			return nil, fmt.Errorf("file %.64q: %w; there are %q", file, errNoView, cgroupview.ViewFiles())
		}
		return []string{string(text)}, nil
	})
	if err != nil {
		return "", fmt.Errorf("container %.64q: %w", id, err)
	}
	return texts[0], nil
}
