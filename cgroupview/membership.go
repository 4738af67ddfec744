package cgroupview

import (
	"bytes"
	"fmt"
	"strings"
)

// membership is where a process is in each hierarchy, /proc/<pid>/cgroup, cgroups(7):
//
//	5:cpuacct,cpu,cpuset:/daemons
//	0::/user.slice
//
// an id, the controllers of a v1 hierarchy, which v2 leaves empty with the id 0, and the path. The path is the rest of
// the line: it holds colons, spaces and backslashes as they are, and begins with "/.." outside the cgroup namespace.
type membership struct {
	v1    [numControllers]string // "" where no line names the controller
	v2    string
	hasV2 bool
}

func parseMembership(data []byte) (m membership, err error) {
	text := string(data) // one copy, of which the paths are parts
	for n := 1; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if line == "" {
			continue
		}
		id, rest, ok := strings.Cut(line, ":")
		names, path, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
			return membership{}, fmt.Errorf("%w: cgroup line %d %q: want \"id:controllers:/path\"", ErrMalformed, n, shorten(line))
		}
		if id == "0" && names == "" {
			m.v2, m.hasV2 = path, true
			continue
		}
		m.add(names, path)
	}
	return m, nil
}

// add sets the path of each controller of a comma-separated list.
func (m *membership) add(names, path string) {
	for names != "" {
		var name string
		name, names, _ = strings.Cut(names, ",")
		for c := range numControllers {
			if name == c.v1Name() {
				m.v1[c] = path
			}
		}
	}
}

// path returns where the process is for a controller. A v1 hierarchy that has the controller takes it away from v2, so
// each controller is decided for itself.
func (m *membership) path(c Controller) (path string, v Version) {
	switch {
	case m.v1[c] != "":
		return m.v1[c], V1
	case m.hasV2:
		return m.v2, V2
	}
	return "", 0
}

// field returns the text behind a key at the start of a line, without spaces around it: "Cpus_allowed_list:".
func field(data []byte, key string) ([]byte, bool) {
	for len(data) > 0 {
		var line []byte
		line, data, _ = cut(data, '\n')
		if len(line) >= len(key) && string(line[:len(key)]) == key {
			return bytes.TrimSpace(line[len(key):]), true
		}
	}
	return nil, false
}
