package cgroupview

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// The kernel writes paths of cgroups as the reader's cgroup namespace has them, cgroup_namespaces(7). To a container that
// has one of its own, as most have, and the machine's files below /host, the root of the whole hierarchy is "/../../..",
// and the cgroup of another Pod's process "/../../podB/c": the names of the levels above are missing. They can be found,
// because that hierarchy is mounted: the reader's own cgroup is the one that lists it in cgroup.procs.

// anchor makes paths of hierarchies that are mounted from above the reader's namespace count from their tops.
func (m *Mounts) anchor() {
	var own *membership
	var pid string
	for i := range m.list {
		h := &m.list[i]
		up := climbs(h.root)
		if up == 0 || h.hidden || !wholeHierarchy(m.fsys, h) {
			continue
		}
		if own == nil {
			own, pid = m.reader()
		}
		h.root, h.inNamespace = "/", true
		if rel, ok := own.of(h); ok && !hasDotDot(rel) {
			s := search{fsys: m.fsys, rel: strings.TrimSuffix(rel, "/"), pid: pid, left: maxSearched}
			if dir := s.below(h.point, up); dir != "" {
				h.namespace = "/" + strings.TrimPrefix(strings.TrimPrefix(dir, h.point), "/")
			}
		}
	}
}

// climbs counts the elements of a path of ".." alone; 0 for other paths.
func climbs(root string) int {
	n := 0
	for element := range strings.SplitSeq(root[1:], "/") {
		if element != ".." {
			return 0
		}
		n++
	}
	return n
}

// wholeHierarchy reports whether a mount shows the top of its hierarchy: files that only the top has, or only the
// others, tell.
func wholeHierarchy(fsys fs.FS, h *hierarchy) bool {
	has := func(name string) bool { return exists(fsys, join(h.point, name)) }
	return has("cgroup.procs") && !has("cgroup.events") && has("release_agent") == (h.version == V1)
}

// reader is where the process that reads is, and its number.
func (m *Mounts) reader() (own *membership, pid string) {
	own = &membership{}
	pid, err := fs.ReadLink(m.fsys, "proc/self")
	if _, isNumber := number(pid); err != nil || !isNumber {
		return own, ""
	}
	if data, err := readInto(m.fsys, "proc/"+pid+"/cgroup", nil); err == nil {
		if found, err := parseMembership(data); err == nil {
			own = &found
		}
	}
	return own, pid
}

// of is the path in a hierarchy.
func (m *membership) of(h *hierarchy) (path string, ok bool) {
	if h.version == V2 {
		return m.v2, m.hasV2
	}
	for c := range numControllers {
		if h.controllers&(1<<c) != 0 && m.v1[c] != "" {
			return m.v1[c], true
		}
	}
	return "", false
}

// maxSearched bounds how many directories are looked at: a node has thousands at most.
const maxSearched = 1 << 15

// search looks for the directory, some levels down, below which a process is at a path.
type search struct {
	fsys     fs.FS
	rel, pid string
	left     int
	buf      []byte
}

// below returns the directory, or "".
func (s *search) below(dir string, levels int) string {
	if s.left--; s.left < 0 {
		return ""
	}
	if levels == 0 {
		if s.has(dir + s.rel) {
			return dir
		}
		return ""
	}
	entries, err := fs.ReadDir(s.fsys, dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if e.IsDir() {
			if found := s.below(join(dir, e.Name()), levels-1); found != "" {
				return found
			}
		}
	}
	return ""
}

func (s *search) has(dir string) bool {
	data, err := readInto(s.fsys, dir+"/cgroup.procs", s.buf)
	s.buf = data[:0:cap(data)]
	for err == nil && len(data) > 0 {
		var line []byte
		if line, data, _ = cut(data, '\n'); string(line) == s.pid {
			return true
		}
	}
	return false
}

// SeenBy returns a group of one of its processes as that process sees it, by the mounts that it has: a limit that is
// outside its cgroup namespace, or above what is mounted for it, holds all the same, but no program in it can count with
// it. [Step.Outside] tells which those are, and [Limits.Predict] knows; of a container's own cgroup namespace, which most
// have, they are those of its Pod.
func (m Mounts) SeenBy(g Group, pid int) (Group, error) {
	theirs, _, err := readMounts(m.fsys, pid)
	if err != nil {
		return g, err
	}
	for c := range numControllers {
		p := &g.places[c]
		if p.Dir == "" {
			continue
		}
		g.seen[c] = -1
		for i := range theirs.list {
			h := &theirs.list[i]
			if h.hidden || h.version != p.Version || p.Version == V1 && h.controllers&(1<<c) == 0 {
				continue
			}
			if top, ok := m.fromTop(h, c); ok && within(p.Path, top) {
				g.seen[c] = max(g.seen[c], levels(path.Clean(p.Path))-levels(top)+1)
			}
		}
	}
	return g, nil
}

// fromTop is the path of the root of another process's mount, which the kernel writes for the reader as it does paths of
// cgroups.
func (m Mounts) fromTop(theirs *hierarchy, c Controller) (top string, ok bool) {
	for i := range m.list {
		h := &m.list[i]
		if h.version == theirs.version && (h.version == V2 || h.controllers&(1<<c) != 0) && (h.inNamespace || h.root == "/") {
			top, why := h.absolute(theirs.root)
			return path.Clean(top), why == ""
		}
	}
	return theirs.root, !hasDotDot(theirs.root)
}

// absolute turns a path that the kernel has written for the reader into one from the top, or says why it cannot.
func (h *hierarchy) absolute(rel string) (abs, why string) {
	switch {
	case !h.inNamespace:
		return rel, ""
	case h.namespace == "":
		return "", "is mounted from above this cgroup namespace, where the names of the levels between are not known: this process is found in no cgroup.procs below it, as without hostPID"
	}
	up := 0
	for rest := rel; strings.HasPrefix(rest, "/.."); rest = rest[len("/.."):] {
		up++
	}
	if up > levels(h.namespace) {
		return "", "does not reach it: " + strconv.Quote(shorten(rel)) + " is above its top"
	}
	return path.Join(h.namespace, rel), ""
}
