package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// views keeps what a view needs between reads, by cgroup. It is safe for concurrent use: each container has its own
// lock, so that a slow one holds up nobody else.
type views struct {
	fsys   fs.FS
	viewer int

	failed func(file string, pid int, err error) // is told of files that could not be rendered

	hosts sync.Pool // of *cgroupview.Host: on large machines too much to keep for each container

	mu     sync.Mutex
	groups map[string]*view
	mounts *cgroupview.Mounts // as of the last tick: they seldom change, and finding one's own place among them may take long
}

type view struct {
	open  atomic.Int32 // files, of which each keeps its text
	first atomic.Int32 // the container's first process, as of the last tick; 0 if not known

	mu     sync.Mutex
	group  cgroupview.Group
	limits cgroupview.Limits
	sample cgroupview.Sample
	times  cgroupview.CPUTimes

	ticks sync.Mutex // of what follows: a tick does not wait for a read that the kernel does not end
	load  cgroupview.Load
	tasks cgroupview.Tasks
}

func newViews(root string) *views {
	v := &views{fsys: cgroupview.FS(root), groups: map[string]*view{}, failed: func(string, int, error) {}}
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
	return v.text(c, file)
}

// maxOpen is how many files a container may keep open: their texts are this program's memory, which all share.
const maxOpen = 1024

// handle renders a file for a process that opens it, until release is called.
func (v *views) handle(pid int, file string) (text []byte, release func(), err error) {
	c, err := v.of(pid)
	if err != nil {
		return nil, nil, err
	}
	release = func() { c.open.Add(-1) }
	if c.open.Add(1) > maxOpen {
		release()
		return nil, nil, syscall.ENFILE
	}
	if text, err = v.text(c, file); err != nil {
		release()
		return nil, nil, err
	}
	return text, release, nil
}

// text reads a container's counters and renders a file.
func (v *views) text(c *view, file string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	host, ok := v.hosts.Get().(*cgroupview.Host)
	if !ok {
		host = &cgroupview.Host{}
	}
	defer v.hosts.Put(host)
	if err := errors.Join(host.Read(v.fsys, file), c.read(file)); err != nil {
		return nil, err
	}
	view := cgroupview.View{Host: host, Limits: &c.limits, Sample: &c.sample, CPU: &c.times}
	c.ticks.Lock()
	view.Load, c.sample.Tasks = c.load, c.tasks
	c.ticks.Unlock()
	text, ok := view.Append(nil, file)
	if !ok {
		return nil, fmt.Errorf("no view is called %q", file)
	}
	return text, nil
}

// of finds the container of a process. What is below a container in the hierarchy belongs to it.
func (v *views) of(pid int) (*view, error) {
	if pid <= 0 { // not in the pid namespace of this server, or below it; 0 would be the server itself
		return nil, fmt.Errorf("process %d is not of this pid namespace: run this program with hostPID", pid)
	}
	mounts, err := v.mounted()
	if err != nil {
		return nil, err
	}
	g, err := mounts.Locate(pid)
	if err != nil {
		return nil, err
	}
	place := g.Place(cgroupview.Memory)
	if c, ok := node.Enclosing(place.Path); ok && c.Path != place.Path { // in a cgroup that the container has made
		g = mounts.Group(c.Path)
		place = g.Place(cgroupview.Memory)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := place.Path + "\n" + place.Dir
	if v.groups[key] == nil {
		v.groups[key] = &view{group: g}
	}
	return v.groups[key], nil
}

// mounted returns the mounts, which are read once between ticks.
func (v *views) mounted() (cgroupview.Mounts, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mounts == nil {
		m, err := cgroupview.ReadMounts(v.fsys, v.viewer)
		if err != nil {
			return m, err
		}
		v.mounts = &m
	}
	return *v.mounts, nil
}

// read takes what a file is made of, and no more.
func (c *view) read(file string) (err error) {
	switch g := c.process(); file {
	case "proc/loadavg":
	case "proc/cpuinfo", "sys/devices/system/cpu/online":
		c.limits, err = g.Only(cgroupview.CPU, cgroupview.Cpuset).Limits()
	case "proc/diskstats":
		err = g.Only(cgroupview.IO).Sample(&c.sample)
	case "proc/meminfo", "proc/swaps":
		g = g.Only(cgroupview.Memory)
		if c.limits, err = g.Limits(); err == nil {
			err = g.Sample(&c.sample)
		}
	default:
		g = g.Only(cgroupview.CPU, cgroupview.CPUAcct, cgroupview.Cpuset)
		if c.limits, err = g.Limits(); err == nil {
			err = g.Sample(&c.sample)
		}
		if err == nil {
			c.times.Advance(&c.limits, &c.sample)
		}
	}
	return err
}

// process is the group seen from its first process, which tells when the container began. It is looked for again after
// each tick: another one may have its number by then.
func (c *view) process() cgroupview.Group {
	pid := int(c.first.Load())
	if pid == 0 {
		var err error
		if pid, err = c.group.Init(); err != nil {
			return c.group
		}
		c.first.Store(int32(pid)) //nolint:gosec // the kernel has no more than 4194304 of them
	}
	return c.group.WithProcess(pid)
}

// tick counts running tasks for the load averages, and forgets containers that are gone.
func (v *views) tick() {
	v.mu.Lock()
	all := maps.Clone(v.groups)
	v.mounts = nil
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
	c.first.Store(0)
	c.ticks.Lock()
	defer c.ticks.Unlock()
	c.tasks = tasks
	c.load.Tick(tasks.Running)
	return nil
}
