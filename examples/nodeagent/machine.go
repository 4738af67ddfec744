package main

import (
	"errors"
	"fmt"
	"io/fs"
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
		return machine{}, cli.Usagef("-root %s: %w (want the root of a Linux machine, with its /proc)", root, err)
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
		g, err := mounts.Locate(pid)
		title := "process " + arg
		if arg == "" {
			title = "this process"
		}
		return found{title, g}, err
	}
	const shortest = 6
	if len(arg) < shortest {
		return found{}, cli.Usagef("%q: want a process number or at least %d digits of a container's ID", arg, shortest)
	}
	var matches []node.Container
	var errs []error
	for c, err := range node.Walk(m.fsys, mounts) {
		switch {
		case err != nil:
			errs = append(errs, err)
		case strings.HasPrefix(c.ID, arg):
			matches = append(matches, c)
		}
	}
	switch len(matches) {
	case 1:
		return found{"container " + matches[0].ID, m.container(mounts, matches[0])}, nil
	case 0:
		return found{}, errors.Join(append(errs, fmt.Errorf("no container's ID begins with %q", arg))...)
	}
	return found{}, cli.Usagef("%q is the start of %d containers' IDs, such as %s and %s: write more of it", arg, len(matches), matches[0].ID, matches[1].ID)
}

// container is the group of a container, seen from its first process. Where hierarchies have different paths for it, that
// process leads to them.
func (m machine) container(mounts cgroupview.Mounts, c node.Container) cgroupview.Group {
	g := mounts.Group(c.Path)
	pid, err := g.Init()
	if err != nil {
		return g
	}
	if of, err := mounts.Locate(pid); err == nil && of.Place(cgroupview.Memory).Dir == g.Place(cgroupview.Memory).Dir {
		return of
	}
	return g.WithProcess(pid)
}
