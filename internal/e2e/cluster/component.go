package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	// readyTimeout bounds a start on a busy two-core machine; a quiet one needs a tenth of it.
	readyTimeout = 90 * time.Second
	readyPoll    = 50 * time.Millisecond
	// stopGrace is longer than the API server waits for the requests in flight, a minute at most.
	stopGrace = 70 * time.Second
)

// Component is one process of the control plane. It is not safe for concurrent use.
type Component struct {
	Name    string
	Args    []string // may be changed; the next Start uses them
	LogFile string   // standard output and error of every run, appended

	path  string
	dir   string
	ready func(context.Context) error // nil once the component does its work
	proc  *process                    // nil while stopped
}

// Start runs the component and returns when it is ready.
func (c *Component) Start(ctx context.Context) error {
	if c.proc != nil {
		return fmt.Errorf("%s is already running", c.Name)
	}
	proc, err := startProcess(c.path, c.Args, c.dir, c.LogFile)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	c.proc = proc
	if err := c.awaitReady(ctx); err != nil {
		proc.kill()
		c.proc = nil
		return fmt.Errorf("start %s: %w\n%s", c.Name, err, tail(c.LogFile, 0, 20))
	}
	return nil
}

// Stop ends the component with SIGTERM and returns when it is gone. It is an error if the component
// had died before, or would not go and had to be killed.
func (c *Component) Stop() error {
	if c.proc == nil {
		return nil
	}
	proc := c.proc
	c.proc = nil
	if err := proc.stop(stopGrace); err != nil {
		return fmt.Errorf("stop %s: %w", c.Name, err)
	}
	return nil
}

// Kill ends the component as a crash would, and returns when it is gone.
func (c *Component) Kill() {
	if c.proc == nil {
		return
	}
	c.proc.kill()
	c.proc = nil
}

// Restart stops the component and starts it again, with [Component.Args] as they are now.
func (c *Component) Restart(ctx context.Context) error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.Start(ctx)
}

// PID is the process id, or 0 while the component is stopped.
func (c *Component) PID() int {
	if c.proc == nil {
		return 0
	}
	return c.proc.cmd.Process.Pid
}

// awaitReady polls until the component is ready, and gives up early if it has ended.
func (c *Component) awaitReady(ctx context.Context) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, readyPoll, readyTimeout, true, func(ctx context.Context) (bool, error) {
		select {
		case <-c.proc.done:
			return false, fmt.Errorf("ended before it was ready: %w", c.proc.exitError())
		default:
		}
		last = c.ready(ctx)
		return last == nil, nil
	})
	if wait.Interrupted(err) {
		return errors.Join(errors.New("not ready in time"), last)
	}
	return err
}

// component prepares one that is not started yet.
func (c *Cluster) component(name, path string, args []string, ready func(context.Context) error) *Component {
	return &Component{
		Name:    name,
		Args:    args,
		LogFile: filepath.Join(c.Dir, "log", name+".log"),
		path:    path,
		dir:     c.Dir,
		ready:   ready,
	}
}
