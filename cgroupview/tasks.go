package cgroupview

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"
)

// Tasks counts the threads of a group.
type Tasks struct {
	Running, Total int // running or in uninterruptible sleep; all
	Last           int // the highest process number
}

const tasksDepth = 3 // levels of cgroups below a container that are looked into, as LXCFS does

// Tasks counts the threads of the group and of the groups below it, three levels deep, for [Load] and /proc/loadavg.
// Processes that end meanwhile are left out. The process numbers are those of the /proc of the file system.
func (g Group) Tasks() (Tasks, error) {
	r := sampler{g: g, buf: make([]byte, 0, 4096)}
	var t Tasks
	pids, err := g.PIDs()
	if err != nil {
		return t, err
	}
	for _, pid := range pids {
		dir := "proc/" + strconv.Itoa(pid) + "/task"
		entries, err := fs.ReadDir(g.fsys, dir)
		if err != nil {
			continue // it has ended
		}
		for _, e := range entries {
			data := r.file(dir + "/" + e.Name() + "/stat")
			after := data[bytes.LastIndexByte(data, ')')+1:]
			if len(after) < 2 {
				continue
			}
			t.Total++
			if after[1] == 'R' || after[1] == 'D' {
				t.Running++
			}
		}
	}
	if len(pids) > 0 {
		t.Last = pids[len(pids)-1]
	}
	return t, nil
}

// PIDs returns the processes of the group and of the groups below it, three levels deep, in ascending order.
func (g Group) PIDs() ([]int, error) {
	for _, c := range [...]Controller{CPU, Memory, CPUAcct, Cpuset, IO} {
		if dir := g.places[c].Dir; dir != "" {
			pids, err := g.pids(nil, dir, tasksDepth)
			slices.Sort(pids)
			return pids, err
		}
	}
	return nil, fmt.Errorf("cgroupview: processes: %w", ErrNotVisible)
}

func (g Group) pids(dst []int, dir string, depth int) ([]int, error) {
	data, err := readInto(g.fsys, join(dir, "cgroup.procs"), nil)
	if err != nil && !errors.Is(err, errNotSupported) {
		return dst, fmt.Errorf("cgroupview: processes: %w", err)
	}
	for len(data) > 0 {
		var line []byte
		line, data, _ = cut(data, '\n')
		if pid, ok := number(line); ok && pid > 0 && pid < 1<<31 { // 0 is a process of another pid namespace
			dst = append(dst, int(pid))
		}
	}
	if depth == 0 {
		return dst, nil
	}
	entries, err := fs.ReadDir(g.fsys, dir)
	if err != nil {
		return dst, fmt.Errorf("cgroupview: processes: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if dst, err = g.pids(dst, join(dir, e.Name()), depth-1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return dst, err
		}
	}
	return dst, nil
}

// errNotSupported is what a threaded group of v2 answers for cgroup.procs.
var errNotSupported = errors.ErrUnsupported

// Init returns the oldest process of those that [Group.PIDs] returns: a container's first one, whatever its number.
func (g Group) Init() (int, error) {
	pids, err := g.PIDs()
	if err != nil {
		return 0, err
	}
	r := sampler{g: g, buf: make([]byte, 0, 1024)}
	oldest, began := 0, time.Duration(0)
	for _, pid := range pids {
		if start := r.started(procFile(pid, "stat")); start > 0 && (oldest == 0 || start < began) {
			oldest, began = pid, start
		}
	}
	if oldest == 0 {
		return 0, fmt.Errorf("cgroupview: first process: %w", fs.ErrNotExist)
	}
	return oldest, nil
}

// WithProcess returns the group seen from one of its processes, whose affinity and start then count.
func (g Group) WithProcess(pid int) Group {
	g.pid = pid
	return g
}
