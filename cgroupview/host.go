package cgroupview

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// Host is the machine's own files, from which the views take what belongs to no container. It may be shared between
// goroutines that only render.
type Host struct {
	CPUInfo, MemInfo, Stat, Uptime, LoadAvg, Swaps, DiskStats []byte
}

// Read reads the files from proc, into the memory of those before: those named, as in [ViewFiles], or all. Files that do
// not exist are empty.
func (h *Host) Read(fsys fs.FS, files ...string) error {
	var errs []error
	for _, f := range [...]struct {
		name string
		dst  *[]byte
	}{
		{"proc/cpuinfo", &h.CPUInfo},
		{"proc/meminfo", &h.MemInfo},
		{"proc/stat", &h.Stat},
		{"proc/uptime", &h.Uptime},
		{"proc/loadavg", &h.LoadAvg},
		{"proc/swaps", &h.Swaps},
		{"proc/diskstats", &h.DiskStats},
	} {
		if len(files) > 0 && !slices.Contains(files, f.name) {
			continue
		}
		data, err := readInto(fsys, f.name, *f.dst)
		if err != nil {
			data = data[:0]
			if !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("cgroupview: /%s: %w", f.name, err))
			}
		}
		*f.dst = data
	}
	return errors.Join(errs...)
}
