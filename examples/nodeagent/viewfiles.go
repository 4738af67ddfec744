package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// viewFiles are the plain files below a directory.
type viewFiles struct {
	dir     string
	written map[string]string // content by path
}

// still lists the files that only change with a limit.
func still() []string { return []string{"proc/cpuinfo", "sys/devices/system/cpu/online"} }

// stillTexts renders them.
func stillTexts(v *cgroupview.View) (texts []string) {
	for _, file := range still() {
		text, _ := v.Append(nil, file)
		texts = append(texts, string(text))
	}
	return texts
}

func (f *viewFiles) write(name string, texts []string) error {
	if f.dir == "" {
		return nil
	}
	var errs []error
	for i, file := range still() {
		errs = append(errs, f.put(filepath.Join(f.dir, name), file, texts[i]))
	}
	return errors.Join(errs...)
}

// writeCounts writes the files for each number of CPUs that the machine has, for containers whose limits are known
// before they exist.
func (f *viewFiles) writeCounts(host *cgroupview.Host) error {
	if f.dir == "" {
		return nil
	}
	var errs []error
	for n := 1; n <= bytes.Count(host.CPUInfo, []byte("processor\t:")); n++ {
		first, err := cgroupview.ParseCPUs("0-" + strconv.Itoa(n-1))
		if err != nil {
			return err
		}
		v := &cgroupview.View{Host: host, Limits: &cgroupview.Limits{Online: first}}
		errs = append(errs, f.write(filepath.Join("cpus", strconv.Itoa(n)), stillTexts(v)))
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

// removeBut deletes the files of containers that are gone, also of those that went while no agent ran. What has no
// container's name is somebody else's.
func (f *viewFiles) removeBut(there map[string]bool) error {
	if f.dir == "" {
		return nil
	}
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		id := e.Name()
		if c, ok := node.ParseContainer("/" + id); !ok || c.ID != id || there[id] {
			continue
		}
		for _, file := range still() {
			delete(f.written, filepath.Join(f.dir, id, file))
		}
		errs = append(errs, os.RemoveAll(filepath.Join(f.dir, id)))
	}
	return errors.Join(errs...)
}
