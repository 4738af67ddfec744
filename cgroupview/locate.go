package cgroupview

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Errors to match with errors.Is.
var (
	// ErrNotVisible says that a cgroup exists but cannot be read from here: its hierarchy is not mounted, or not the
	// part that has it, or it lies outside the cgroup namespace. It never means "unlimited".
	ErrNotVisible = errors.New("not visible")
	// ErrMalformed says that a file does not hold what the kernel writes.
	ErrMalformed = errors.New("malformed")
)

// Version is the version of a cgroup hierarchy; 0 where there is none.
type Version uint8

// The versions.
const (
	V1 Version = 1
	V2 Version = 2
)

// Controller is one part of what cgroups limit and account.
type Controller uint8

// The controllers this package reads. CPUAcct exists in v1 alone; in v2 it is a part of the cgroup itself.
const (
	CPU Controller = iota
	CPUAcct
	Cpuset
	Memory
	IO
	numControllers
)

// String is the name that v2 uses, and cpuacct.
func (c Controller) String() string {
	if c == IO {
		return "io"
	}
	return c.v1Name()
}

func (c Controller) v1Name() string {
	return [...]string{"cpu", "cpuacct", "cpuset", "memory", "blkio", ""}[min(c, numControllers)]
}

// Place is where a group is for one controller.
type Place struct {
	Version Version // 0 if the kernel has no hierarchy with the controller
	Path    string  // the cgroup's path in its hierarchy, from as high up as can be seen
	Mount   string  // mount point, relative to the root of the file system: "sys/fs/cgroup"
	Dir     string  // the cgroup's directory, relative as Mount; empty if it is not visible
	// Hidden is how many levels of the hierarchy lie above the mount, whose limits cannot be read. It is 0 in a cgroup
	// namespace of its own, which hides even that.
	Hidden int
	Err    error // wraps ErrNotVisible and says why, where Dir is empty and the controller exists
}

// Group is a cgroup: a place for each controller. It is a value; its methods read the file system it was made with,
// and are safe for concurrent use if that is.
type Group struct {
	fsys   fs.FS
	pid    int // -1 when there is no process to ask for its affinity
	places [numControllers]Place
	seen   [numControllers]int // levels that the process sees itself: 0 all that are here, -1 none; see [Mounts.SeenBy]
}

// Place returns where the group is for a controller.
func (g Group) Place(c Controller) Place { return g.places[min(c, numControllers-1)] }

// Only returns the group with the controllers named and no others, so that [Group.Limits] reads no more than needed.
// A resource that is left out reads as not visible.
func (g Group) Only(controllers ...Controller) Group {
	out := Group{fsys: g.fsys, pid: g.pid, seen: g.seen}
	for c := range out.places {
		out.places[c].Err = errNotAsked
	}
	for _, c := range controllers {
		out.places[c] = g.places[c]
	}
	return out
}

var errNotAsked = fmt.Errorf("%w: not asked for", ErrNotVisible)

// Locate finds the cgroup of a process, 0 being the caller, from proc/<pid>/cgroup and the mounts of the caller,
// proc/self/mountinfo. For a file system rooted where a node's root is mounted, whose paths are those of another
// process, use [ReadMounts] with that process, mostly 1.
//
// An error means that these two files could not be read. That a controller cannot be seen is an answer: [Place.Err].
func Locate(fsys fs.FS, pid int) (Group, error) {
	m, buf, err := readMounts(fsys, 0)
	if err != nil {
		return Group{}, err
	}
	m.anchor()
	return m.locate(pid, buf)
}

// Mounts are the cgroup hierarchies as one process sees them. It is immutable and safe for concurrent use.
type Mounts struct {
	fsys fs.FS
	list []hierarchy
}

// hierarchy is one mount of a cgroup file system.
type hierarchy struct {
	root, point string // unescaped; point without its slash
	version     Version
	controllers uint8
	hidden      bool
	inNamespace bool   // the whole hierarchy, seen from inside a cgroup namespace
	namespace   string // the path of that namespace's top; empty if it is not known
}

// ReadMounts reads proc/<viewer>/mountinfo, 0 being the caller. The viewer's root must be the root of fsys.
func ReadMounts(fsys fs.FS, viewer int) (Mounts, error) {
	m, _, err := readMounts(fsys, viewer)
	m.anchor()
	return m, err
}

// readMounts also returns its buffer, to be used again.
func readMounts(fsys fs.FS, viewer int) (Mounts, []byte, error) {
	data, err := readInto(fsys, procFile(viewer, "mountinfo"), nil)
	if err != nil {
		return Mounts{}, nil, fmt.Errorf("cgroupview: mounts of process %s: /%s: %w", pidName(viewer), procFile(viewer, "mountinfo"), err)
	}
	mounts, err := parseMountinfo(data)
	if err != nil {
		return Mounts{}, nil, fmt.Errorf("cgroupview: mounts of process %s: %w", pidName(viewer), err)
	}
	out := Mounts{fsys: fsys, list: make([]hierarchy, 0, 16)}
	for i, m := range mounts {
		if m.version == 0 || m.version == V1 && m.controllers == 0 {
			continue
		}
		root, ok := unescape(m.root)
		point, ok2 := unescape(m.point)
		if !ok || !ok2 {
			return Mounts{}, nil, fmt.Errorf("cgroupview: mounts of process %s: %w: escape in %q or %q: want a backslash and three octal digits",
				pidName(viewer), ErrMalformed, shorten(string(m.root)), shorten(string(m.point)))
		}
		if point = path.Clean(point)[1:]; point == "" { // over the root itself: io/fs calls that "."
			point = "."
		}
		out.list = append(out.list, hierarchy{root, point, m.version, m.controllers, hidden(mounts, i), false, ""})
	}
	return out, data, nil
}

// Locate finds the cgroup of a process through the mounts, 0 being the caller.
func (m Mounts) Locate(pid int) (Group, error) { return m.locate(pid, nil) }

func (m Mounts) locate(pid int, buf []byte) (Group, error) {
	data, err := readInto(m.fsys, procFile(pid, "cgroup"), buf)
	if err != nil {
		return Group{}, fmt.Errorf("cgroupview: cgroup of process %s: /%s: %w", pidName(pid), procFile(pid, "cgroup"), err)
	}
	member, err := parseMembership(data)
	if err != nil {
		return Group{}, fmt.Errorf("cgroupview: cgroup of process %s: %w", pidName(pid), err)
	}
	g := Group{fsys: m.fsys, pid: pid}
	for c := range numControllers {
		path, v := member.path(c)
		if before := g.places[max(c, 1)-1]; c > 0 && v == V2 && before.Version == V2 && before.Err == nil {
			g.places[c] = before // v2 has one path for all
			continue
		}
		g.places[c] = m.place(c, path, v, false)
	}
	return g, nil
}

// Group returns the cgroup with a path from the top of the hierarchies, which may be different directories of different
// ones. There is no process, so the CPU affinity is not known.
func (m Mounts) Group(path string) Group {
	g := Group{fsys: m.fsys, pid: -1}
	for c := range numControllers {
		v := Version(0)
		for _, h := range m.list {
			if h.version == V1 && h.controllers&(1<<c) != 0 {
				v = V1
			} else if h.version == V2 && v == 0 {
				v = V2
			}
		}
		g.places[c] = m.place(c, path, v, true)
	}
	return g
}

// place maps a path of a hierarchy to a directory. Of several mounts that show it, the one is taken that shows most of
// its ancestors, and has the directory. A path that is not from the top is the kernel's for the reader.
func (m Mounts) place(c Controller, path string, v Version, fromTop bool) Place {
	p := Place{Version: v, Path: path}
	if v == 0 {
		return p
	}
	var few [4]Place // more is rare
	found := few[:0]
	reason := "no mount of its hierarchy"
	for _, h := range m.list {
		switch {
		case h.version != v || v == V1 && h.controllers&(1<<c) == 0:
		case h.hidden:
			reason = "/" + h.point + " is covered by another mount"
		default:
			at, why := path, ""
			if !fromTop {
				at, why = h.absolute(path)
			}
			rel := ""
			if why == "" {
				rel, why = below(at, h.root)
			}
			if why != "" {
				reason = "/" + h.point + " " + why
				continue
			}
			found = append(found, Place{v, at, h.point, strings.TrimPrefix(h.point+rel, "./"), levels(h.root), nil})
		}
	}
	best := -1
	for i := range found {
		there := len(found) == 1 || exists(m.fsys, found[i].Dir)
		if there && (best < 0 || found[i].Hidden < found[best].Hidden) {
			best = i
		}
	}
	switch {
	case best >= 0:
		return found[best]
	case len(found) > 0:
		reason = "/" + found[0].Dir + " does not exist"
	}
	p.Err = fmt.Errorf("%w: %s cgroup %q: %s", ErrNotVisible, c, shorten(path), reason)
	return p
}

// below returns path relative to the root of a mount, "" or beginning with a slash, or why it is not below it.
func below(path, root string) (rel, why string) {
	switch {
	case root == "/":
		rel = path
	case within(path, root):
		rel = path[len(root):]
	case strings.HasPrefix(root, "/.."):
		return "", "is mounted from above this cgroup namespace (root " + strconv.Quote(root) + "), where the names of the levels between are not known; use a mount made in this namespace, or the host's namespace"
	default:
		return "", "shows only " + strconv.Quote(shorten(root))
	}
	if hasDotDot(rel) {
		return "", "does not reach it: it is outside this cgroup namespace"
	}
	return strings.TrimSuffix(rel, "/"), ""
}

// levels counts the elements of the root of a mount.
func levels(root string) int {
	if root == "/" {
		return 0
	}
	return strings.Count(root, "/")
}

func procFile(pid int, name string) string { return "proc/" + pidName(pid) + "/" + name }

func pidName(pid int) string {
	if pid == 0 {
		return "self"
	}
	return strconv.Itoa(pid)
}
