package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// viewer keeps a view of each container. It is safe for concurrent use.
type viewer struct {
	machine machine
	files   viewFiles

	mu    sync.Mutex
	host  cgroupview.Host
	views map[string]*containerView // by container ID
	began bool
}

type containerView struct {
	group  cgroupview.Group
	limits cgroupview.Limits
	sample cgroupview.Sample
	times  cgroupview.CPUTimes
	load   cgroupview.Load
}

func newViewer(m machine, dir string) *viewer {
	return &viewer{machine: m, files: viewFiles{dir: dir, written: map[string]string{}}, views: map[string]*containerView{}}
}

// update looks for containers, reads each, and writes the files that have changed.
func (v *viewer) update() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	mounts, err := v.machine.mounts()
	if err != nil {
		return err
	}
	errs := []error{v.host.Read(v.machine.fsys)}
	there := map[string]bool{}
	for c, err := range node.Walk(v.machine.fsys, mounts) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		there[c.ID] = true
		if v.views[c.ID] == nil {
			v.views[c.ID] = &containerView{}
		}
		view := v.views[c.ID]
		view.group = v.machine.container(mounts, c)
		if err := view.read(true); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, v.files.write(c.ID, v.view(view)))
	}
	for id := range v.views {
		if !there[id] {
			delete(v.views, id)
			errs = append(errs, v.files.remove(id))
		}
	}
	v.began = true
	return errors.Join(append(errs, v.files.writeCounts(v.host))...)
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

func (v *viewer) view(c *containerView) *cgroupview.View {
	return &cgroupview.View{Host: &v.host, Limits: &c.limits, Sample: &c.sample, CPU: &c.times, Load: c.load}
}

func (v *viewer) ready() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.began
}

var errNoView = errors.New("not found")

// render reads a container's counters now and renders a file.
func (v *viewer) render(id, file string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.views[id]
	if c == nil {
		return nil, fmt.Errorf("container %.64q: %w", id, errNoView)
	}
	if err := errors.Join(v.host.Read(v.machine.fsys), c.read(false)); err != nil {
		return nil, err
	}
	text, ok := v.view(c).Append(nil, file)
	if !ok {
		return nil, fmt.Errorf("file %.64q: %w; there are %q", file, errNoView, cgroupview.ViewFiles())
	}
	return text, nil
}

// viewFiles are the plain files below a directory.
type viewFiles struct {
	dir     string
	written map[string]string // content by path
}

// still lists the files that only change with a limit.
func still() []string { return []string{"proc/cpuinfo", "sys/devices/system/cpu/online"} }

func (f *viewFiles) write(name string, v *cgroupview.View) error {
	if f.dir == "" {
		return nil
	}
	var errs []error
	for _, file := range still() {
		text, _ := v.Append(nil, file)
		errs = append(errs, f.put(filepath.Join(f.dir, name), file, string(text)))
	}
	return errors.Join(errs...)
}

// writeCounts writes the files for each number of CPUs that the machine has, for containers whose limits are known
// before they exist.
func (f *viewFiles) writeCounts(host cgroupview.Host) error {
	if f.dir == "" {
		return nil
	}
	var errs []error
	for n := 1; n <= bytes.Count(host.CPUInfo, []byte("processor\t:")); n++ {
		first, err := cgroupview.ParseCPUs("0-" + strconv.Itoa(n-1))
		if err != nil {
			return err
		}
		v := &cgroupview.View{Host: &host, Limits: &cgroupview.Limits{Online: first}}
		errs = append(errs, f.write(filepath.Join("cpus", strconv.Itoa(n)), v))
	}
	return errors.Join(errs...)
}

// put writes a file that has changed, in place: a container that has mounted it keeps the file it mounted, so a new
// file under the same name would never be seen. Readers may see half of it for the time of one write of a few
// kilobytes.
//
// A container may have mounted its directory to write to: nothing that it puts there leads out of it, and only plain
// files are written.
func (f *viewFiles) put(dir, name, text string) error {
	path := filepath.Join(dir, name)
	if f.written[path] == text {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // was opened to look up names
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NONBLOCK, 0o644) // a FIFO would wait for a reader
	if err != nil {
		return err
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, file.Close(), fmt.Errorf("%s is no plain file any more", path))
	}
	_, err = file.WriteAt([]byte(text), 0)
	if err = errors.Join(err, file.Truncate(int64(len(text))), file.Close()); err == nil {
		f.written[path] = text
	}
	return err
}

// remove deletes the files of a container that is gone.
func (f *viewFiles) remove(id string) error {
	if f.dir == "" {
		return nil
	}
	for _, file := range still() {
		delete(f.written, filepath.Join(f.dir, id, file))
	}
	return os.RemoveAll(filepath.Join(f.dir, id))
}
