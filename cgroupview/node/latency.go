package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/kubewright/kubewright/cgroupview"
)

// Thresholds for how long reading memory.stat may take: it takes microseconds on a healthy machine.
const (
	SlowMemoryStat  = 50 * time.Millisecond
	StuckMemoryStat = time.Second
)

// MeasureMemoryStat times one read of the root's memory.stat, which kernels before 5.3 compute by walking all cgroups,
// also dead ones: on machines with many of those it takes seconds, and everything that collects metrics waits.
//
// The kernel does not let the read be interrupted. When ctx ends first, its error is returned with the time until then,
// and the goroutine that reads stays until the kernel lets it go; do not start another one meanwhile. now is the clock.
func MeasureMemoryStat(ctx context.Context, fsys fs.FS, mounts cgroupview.Mounts, now func() time.Time) (time.Duration, error) {
	place := mounts.Group("/").Place(cgroupview.Memory)
	if place.Dir == "" {
		return 0, fmt.Errorf("node: memory.stat: %w", errors.Join(cgroupview.ErrNotVisible, place.Err))
	}
	begin := now()
	done := make(chan error, 1)
	go func() {
		_, err := fs.ReadFile(fsys, place.Dir+"/memory.stat")
		done <- err
	}()
	select {
	case <-ctx.Done():
		return now().Sub(begin), fmt.Errorf("node: memory.stat is still being read: %w", ctx.Err())
	case err := <-done:
		if err != nil {
			err = fmt.Errorf("node: %w", err)
		}
		return now().Sub(begin), err
	}
}

// DyingGroups counts memory cgroups that were removed but live on in the kernel, because page cache or slab is still
// charged to them: what slow reads of memory.stat are mostly due to. Dropping caches lets them go.
//
// On v2 it is what cgroup.stat says; on v1 the number that /proc/cgroups counts less the directories there are.
func DyingGroups(fsys fs.FS, mounts cgroupview.Mounts) (int, error) {
	place := mounts.Group("/").Place(cgroupview.Memory)
	switch {
	case place.Dir == "":
		return 0, fmt.Errorf("node: dying cgroups: %w", errors.Join(cgroupview.ErrNotVisible, place.Err))
	case place.Version == cgroupview.V2:
		return dyingV2(fsys, place.Dir)
	}
	data, err := fs.ReadFile(fsys, "proc/cgroups")
	if err != nil {
		return 0, fmt.Errorf("node: dying cgroups: %w", err)
	}
	known := -1
	for line := range bytes.Lines(data) { // memory	4	31	1: name, hierarchy, number, enabled
		if f := strings.Fields(string(line)); len(f) == 4 && f[0] == "memory" {
			if known, err = strconv.Atoi(f[2]); err != nil {
				return 0, fmt.Errorf("node: /proc/cgroups: %w: %q: want a number", cgroupview.ErrMalformed, f[2])
			}
		}
	}
	if known < 0 {
		return 0, fmt.Errorf("node: /proc/cgroups: %w: want a line memory", cgroupview.ErrMalformed)
	}
	return max(known-directories(fsys, place.Dir, maxDepth), 0), nil
}

func dyingV2(fsys fs.FS, dir string) (int, error) {
	data, err := fs.ReadFile(fsys, dir+"/cgroup.stat")
	if err != nil {
		return 0, fmt.Errorf("node: dying cgroups: %w", err)
	}
	counts := map[string]int{}
	for line := range bytes.Lines(data) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if n, err := strconv.Atoi(value); err == nil {
			counts[key] = n
		}
	}
	if n, ok := counts["nr_dying_subsys_memory"]; ok {
		return n, nil
	}
	n, ok := counts["nr_dying_descendants"]
	if !ok {
		return 0, fmt.Errorf("node: cgroup.stat: %w: want a line nr_dying_descendants", cgroupview.ErrMalformed)
	}
	return n, nil
}

// directories counts cgroups, the root included.
func directories(fsys fs.FS, dir string, depth int) int {
	n := 1
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil || depth == 0 {
		return n
	}
	for _, e := range entries {
		if e.IsDir() {
			n += directories(fsys, dir+"/"+e.Name(), depth-1)
		}
	}
	return n
}
