package main

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strconv"
	"strings"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// machine is where everything is read.
type machine struct {
	root string
	fsys fs.FS
}

// rootFlag adds -root.
func rootFlag(f *cli.Flags) *string {
	return f.String("root", "/", "where the machine's root `directory` is mounted, such as /host; then hostPID is needed too")
}

func newMachine(root string) (machine, error) {
	if _, err := os.Stat(root + "/proc/self/cgroup"); err != nil {
		return machine{}, cli.Usagef("-root %s: %w (want the root of a Linux machine, with its /proc, and in a container hostPID)", root, err)
	}
	return machine{root, cgroupview.FS(root)}, nil
}

// mounts are those of this process or, below another root, of the machine's first process, whose paths are meant.
func (m machine) mounts() (cgroupview.Mounts, error) {
	viewer := 0
	if strings.TrimSuffix(m.root, "/") != "" {
		viewer = 1
	}
	return cgroupview.ReadMounts(m.fsys, viewer)
}

// found is what an argument of the command line means.
type found struct {
	title string
	group cgroupview.Group
}

// find takes a process number, or a container by the start of its ID; without an argument, this process.
func (m machine) find(arg string) (found, error) {
	mounts, err := m.mounts()
	if err != nil {
		return found{}, err
	}
	if pid, err := strconv.Atoi(arg); (err == nil || arg == "") && len(arg) < 8 { // the kernel has no more than 4194304 of them
		if pid == 0 {
			g, err := mounts.Locate(0)
			return found{"this process", g}, err
		}
		g, err := mounts.Locate(pid)
		if errors.Is(err, fs.ErrNotExist) {
			return found{}, fmt.Errorf("no process %d in %s/proc: it has ended, or is meant by its number in another pid namespace (%w)", pid, strings.TrimSuffix(m.root, "/"), err)
		}
		return found{"process " + arg, seenBy(mounts, g, pid)}, err
	}
	if len(arg) < shortestID || strings.Trim(arg, "0123456789abcdef") != "" {
		return found{}, cli.Usagef("%q: want a process number, or the first %d or more of a container's ID, which is digits and a to f", arg, shortestID)
	}
	var matches []node.Container
	var errs []error
	for c, err := range m.containers(mounts) {
		switch {
		case err != nil:
			errs = append(errs, err)
		case strings.HasPrefix(c.ID, arg):
			matches = append(matches, c)
		}
	}
	switch len(matches) {
	case 1:
		g, pid := m.container(mounts, matches[0])
		return found{"container " + matches[0].ID, seenBy(mounts, g, pid)}, nil
	case 0:
		return found{}, errors.Join(append(errs, fmt.Errorf("no container's ID begins with %q", arg))...)
	}
	return found{}, cli.Usagef("%q is the start of %d containers' IDs, such as %s and %s: write more of it", arg, len(matches), matches[0].ID, matches[1].ID)
}

// shortestID is how much of a container's ID names it.
const shortestID = 6

// seenBy is the group as its process sees it, if that can be told.
func seenBy(mounts cgroupview.Mounts, g cgroupview.Group, pid int) cgroupview.Group {
	if seen, err := mounts.SeenBy(g, pid); err == nil && pid > 0 {
		return seen
	}
	return g
}

// container is the group of a container, seen from its first process, and that one's number, 0 if there is none. Where
// hierarchies have different paths for it, that process leads to them.
func (m machine) container(mounts cgroupview.Mounts, c node.Container) (cgroupview.Group, int) {
	g := mounts.Group(c.Path)
	pid, err := g.Init()
	if err != nil {
		return g, 0
	}
	if of, err := mounts.Locate(pid); err == nil && of.Place(cgroupview.Memory).Dir == g.Place(cgroupview.Memory).Dir {
		return of, pid
	}
	return g.WithProcess(pid), pid
}

var errTwice = errors.New("have the container ID of another one and are left out")

// containers yields the containers of the machine, each once: IDs are names of cgroups, and whoever may make cgroups of
// his own can make one with an ID that is another container's. The first one counts, in the order of paths, in which
// those of Kubernetes come before those of users.
func (m machine) containers(mounts cgroupview.Mounts) iter.Seq2[node.Container, error] {
	return func(yield func(node.Container, error) bool) {
		seen := map[string]bool{}
		again, one := 0, ""
		for c, err := range node.Walk(m.fsys, mounts) {
			if err == nil && seen[c.ID] {
				again, one = again+1, c.Path
				continue
			}
			seen[c.ID] = err == nil
			if !yield(c, err) {
				return
			}
		}
		if again > 0 {
			yield(node.Container{}, fmt.Errorf("%d cgroups %w, such as %.200q", again, errTwice, one))
		}
	}
}
