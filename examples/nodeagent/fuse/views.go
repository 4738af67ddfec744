package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// views keeps what a view needs between reads, by cgroup. It is safe for concurrent use: each container has its own
// lock, so that a slow one holds up nobody else.
type views struct {
	fsys   fs.FS
	viewer int

	mu     sync.Mutex
	groups map[string]*view
}

type view struct {
	mu     sync.Mutex
	group  cgroupview.Group
	host   cgroupview.Host
	limits cgroupview.Limits
	sample cgroupview.Sample
	times  cgroupview.CPUTimes
	load   cgroupview.Load
}

func newViews(root string) *views {
	v := &views{fsys: cgroupview.FS(root), groups: map[string]*view{}}
	if strings.TrimSuffix(root, "/") != "" {
		v.viewer = 1
	}
	return v
}

// render returns a file as the container of a process sees it. A process in no container sees its own cgroup.
func (v *views) render(pid int, file string) ([]byte, error) {
	c, err := v.of(pid)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(v.fsys); err != nil {
		return nil, err
	}
	text, ok := (&cgroupview.View{Host: &c.host, Limits: &c.limits, Sample: &c.sample, CPU: &c.times, Load: c.load}).Append(nil, file)
	if !ok {
		return nil, fmt.Errorf("no view is called %q", file)
	}
	return text, nil
}

// of finds the container of a process. What is below a container in the hierarchy belongs to it.
func (v *views) of(pid int) (*view, error) {
	mounts, err := cgroupview.ReadMounts(v.fsys, v.viewer)
	if err != nil {
		return nil, err
	}
	g, err := mounts.Locate(pid)
	if err != nil {
		return nil, err
	}
	place := g.Place(cgroupview.Memory)
	for path := place.Path; path != ""; path = path[:strings.LastIndexByte(path, '/')] {
		if c, ok := node.ParseContainer(path); ok {
			g = mounts.Group(c.Path)
			place = g.Place(cgroupview.Memory)
			break
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := place.Path + "\n" + place.Dir
	if v.groups[key] == nil {
		v.groups[key] = &view{group: g}
	}
	return v.groups[key], nil
}

// read takes a sample. The first process tells when the container began.
func (c *view) read(fsys fs.FS) error {
	g := c.group
	if pid, err := g.Init(); err == nil {
		g = g.WithProcess(pid)
	}
	var err error
	if c.limits, err = g.Limits(); err != nil {
		return err
	}
	if err := errors.Join(c.host.Read(fsys), g.Sample(&c.sample)); err != nil {
		return err
	}
	c.times.Advance(&c.limits, &c.sample)
	return nil
}

// tick counts running tasks for the load averages, and forgets containers that are gone.
func (v *views) tick() {
	v.mu.Lock()
	all := maps.Clone(v.groups)
	v.mu.Unlock()
	for key, c := range all {
		if err := c.tick(); errors.Is(err, fs.ErrNotExist) {
			v.mu.Lock()
			delete(v.groups, key)
			v.mu.Unlock()
		}
	}
}

func (c *view) tick() error {
	tasks, err := c.group.Tasks()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sample.Tasks = tasks
	c.load.Tick(tasks.Running)
	return nil
}
