package cgroupview

import (
	"bytes"
	"fmt"
	"strconv"
)

// mount is one line of /proc/<pid>/mountinfo, proc_pid_mountinfo(5):
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//	(1)(2) (3)  (4)   (5)      (6)      (7)  (8) (9)    (10)        (11)
//
// (1) id, (2) parent's id, (4) root within the file system, (5) mount point, (7) any number of optional fields, (8) a
// lone hyphen, (9) file system type, (10) source, (11) super options, which hold spaces on some systems.
type mount struct {
	id, parent  int
	root, point []byte // as they stand in the file, escaped
	version     Version
	controllers uint8 // v1: a bit for each Controller
}

// parseMountinfo returns all mounts, since any can hide a cgroup mount. The result refers to data.
func parseMountinfo(data []byte) ([]mount, error) {
	mounts := make([]mount, 0, bytes.Count(data, []byte{'\n'})+1)
	for n := 1; len(data) > 0; n++ {
		var line []byte
		line, data, _ = cut(data, '\n')
		if len(line) == 0 {
			continue
		}
		m, ok := parseMount(line)
		if !ok {
			return nil, fmt.Errorf("%w: mountinfo line %d %q: want \"id parent dev root point options … - type source superoptions\"", ErrMalformed, n, shorten(string(line)))
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

func parseMount(line []byte) (m mount, ok bool) {
	front, back, ok := bytes.Cut(line, []byte(" - "))
	if !ok {
		return m, false
	}
	var field [6][]byte
	for i := range field {
		field[i], front, ok = cut(front, ' ')
		if !ok && i < len(field)-1 {
			return m, false
		}
	}
	id, err := strconv.Atoi(string(field[0]))
	parent, err2 := strconv.Atoi(string(field[1]))
	m = mount{id: id, parent: parent, root: field[3], point: field[4]}
	if err != nil || err2 != nil || len(m.point) == 0 || m.point[0] != '/' || len(m.root) == 0 {
		return m, false
	}
	kind, back, _ := cut(back, ' ')
	_, super, _ := cut(back, ' ')
	switch string(kind) {
	case "cgroup2":
		m.version = V2
	case "cgroup":
		m.version, m.controllers = V1, controllersOf(super)
	}
	return m, true
}

// controllersOf finds the controllers among comma-separated tokens: exact ones, "cpu" is not in "cpuacct", and a
// named hierarchy ("name=systemd") has none.
func controllersOf(tokens []byte) (mask uint8) {
	for len(tokens) > 0 {
		var token []byte
		token, tokens, _ = cut(tokens, ',')
		for c := range numControllers {
			if string(token) == c.v1Name() {
				mask |= 1 << c
			}
		}
	}
	return mask
}

// hidden reports whether looking up the mount point of mounts[i] ends at another mount. A lookup crosses the mounts of
// one parent at the shortest mount point first, so two mounts are compared where their ways from the root part.
func hidden(mounts []mount, i int) bool {
	for j := range mounts {
		if j != i && within(mounts[i].point, mounts[j].point) && covers(mounts, j, i) {
			return true
		}
	}
	return false
}

func covers(mounts []mount, over, under int) bool {
	if wayFrom(mounts, mounts[over].id, under) >= 0 { // under is mounted on something of over
		return false
	}
	branch := over
	for range mounts {
		if branch == under { // over is mounted on something of under
			return false
		}
		if mounts[branch].parent == mounts[under].id {
			return bytes.Equal(mounts[branch].point, mounts[under].point)
		}
		if way := wayFrom(mounts, mounts[branch].parent, under); way >= 0 {
			a, b := mounts[branch].point, mounts[way].point
			if way == branch || !within(b, a) {
				return false
			}
			return len(a) < len(b) || branch > way
		}
		next := index(mounts, mounts[branch].parent)
		if next < 0 {
			return false
		}
		branch = next
	}
	return false
}

// wayFrom returns the mount below the mount with an id through which the way to mounts[i] goes, or -1.
func wayFrom(mounts []mount, id, i int) int {
	for range mounts {
		if mounts[i].parent == id {
			return i
		}
		if i = index(mounts, mounts[i].parent); i < 0 {
			return -1
		}
	}
	return -1
}

func index(mounts []mount, id int) int {
	for i := range mounts {
		if mounts[i].id == id {
			return i
		}
	}
	return -1
}

// within reports whether path is dir or below it.
func within[T ~string | ~[]byte](path, dir T) bool {
	if len(dir) == 1 && dir[0] == '/' {
		return true
	}
	return len(path) >= len(dir) && string(path[:len(dir)]) == string(dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}

// unescape undoes what the kernel does to space, tab, newline and backslash: a backslash and three octal digits. ok is
// false for a lone backslash and for values above 0377.
func unescape(text []byte) (s string, ok bool) {
	if bytes.IndexByte(text, '\\') < 0 {
		return string(text), true
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		if i+4 > len(text) {
			return "", false
		}
		v, err := strconv.ParseUint(string(text[i+1:i+4]), 8, 8)
		if err != nil {
			return "", false
		}
		out = append(out, byte(v))
		i += 3
	}
	return string(out), true
}
