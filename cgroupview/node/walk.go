package node

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/kubewright/kubewright/cgroupview"
)

// maxDepth bounds the walk; systemd and Kubernetes nest to about 8.
const maxDepth = 32

// Walk yields the containers of a machine in the order of their paths. An error is about one directory, and the walk
// goes on; cgroups that are removed meanwhile are no error. fsys is where mounts were read.
//
// On v1 the hierarchy of the memory controller is walked, or that of the first controller that can be seen: a container
// has the same path in each as a rule, and where it has not, [cgroupview.Mounts.Locate] with one of its processes finds
// the others.
func Walk(fsys fs.FS, mounts cgroupview.Mounts) iter.Seq2[Container, error] {
	return func(yield func(Container, error) bool) {
		root, err := top(mounts)
		if err != nil {
			yield(Container{}, err)
			return
		}
		walk(fsys, root.Dir, "", maxDepth, yield)
	}
}

// top is the root of a hierarchy that can be seen.
func top(mounts cgroupview.Mounts) (cgroupview.Place, error) {
	g := mounts.Group("/")
	var errs []error
	for _, c := range []cgroupview.Controller{cgroupview.Memory, cgroupview.CPU, cgroupview.CPUAcct, cgroupview.Cpuset, cgroupview.IO} {
		p := g.Place(c)
		if p.Dir != "" {
			return p, nil
		}
		errs = append(errs, p.Err)
	}
	if err := errors.Join(errs...); err != nil {
		return cgroupview.Place{}, fmt.Errorf("node: %w", err)
	}
	return cgroupview.Place{}, fmt.Errorf("node: %w: no cgroup hierarchy is mounted", cgroupview.ErrNotVisible)
}

// walk reports whether to go on.
func walk(fsys fs.FS, dir, path string, depth int, yield func(Container, error) bool) bool {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || yield(Container{Path: path}, fmt.Errorf("node: containers below %s: %w", path, err))
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasSuffix(e.Name(), ".mount") {
			continue
		}
		at := path + "/" + e.Name()
		if c, ok := ParseContainer(at); ok {
			if !yield(c, nil) {
				return false
			}
			continue
		}
		if depth > 0 && !walk(fsys, dir+"/"+e.Name(), at, depth-1, yield) {
			return false
		}
	}
	return true
}

// Sandbox reports whether a container is the pause container of a Pod, which only holds its namespaces: one process of
// that name.
func Sandbox(fsys fs.FS, g cgroupview.Group) bool {
	pids, err := g.PIDs()
	if err != nil || len(pids) != 1 {
		return false
	}
	p, err := ReadProcess(fsys, pids[0])
	return err == nil && p.Name == "pause"
}
