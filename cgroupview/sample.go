package cgroupview

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// Sample is what a cgroup has used, at one moment. Counters only rise while the cgroup lives.
type Sample struct {
	At      time.Duration // since the machine has started, of /proc/uptime
	Started time.Duration // when the process of the group began, likewise; 0 if there is no process

	Usage, User, System time.Duration // CPU time
	perCPU              []cpuUse      // by the machine's CPU number; v1 alone
	Periods, Throttled  uint64        // periods with a quota, and how many of them used it up
	ThrottledTime       time.Duration // of all CPUs together

	Memory   uint64 // bytes in use, page cache included
	Swap     uint64 // bytes swapped out
	Stat     MemoryStat
	OOMKills uint64 // processes killed for want of memory
	IO       []DeviceIO
	Tasks    Tasks
}

// cpuUse is what was used of one CPU.
type cpuUse struct{ User, System time.Duration }

// WorkingSet is the memory that cannot be given back at once, what the kubelet evicts by: usage without the inactive
// files.
func (s *Sample) WorkingSet() uint64 { return s.Memory - min(s.Memory, s.Stat.InactiveFile) }

// sampler reads samples; it holds the buffer.
type sampler struct {
	g    Group
	buf  []byte
	errs []error
}

// Sample reads the counters of the group into s, whose slices it uses again. Files that do not exist leave zeros; what
// is wrong otherwise is joined into the error, and all the rest is there nevertheless.
func (g Group) Sample(s *Sample) error {
	perCPU, devices := s.perCPU[:0], s.IO[:0]
	*s = Sample{perCPU: perCPU, IO: devices, Tasks: s.Tasks}
	r := sampler{g: g, buf: make([]byte, 0, 8192)}
	s.At = r.uptime()
	if g.pid >= 0 {
		s.Started = r.started("proc/" + pidName(g.pid) + "/stat")
	}
	if g.places[CPU].Version == V2 {
		r.keys(CPU, "cpu.stat", s.cpuStatV2)
	} else {
		r.keys(CPU, "cpu.stat", s.cpuStatV1)
	}
	if g.places[CPUAcct].Version == V1 {
		r.cpuacct(s)
	}
	r.memory(s)
	r.io(s)
	if err := errors.Join(r.errs...); err != nil {
		return fmt.Errorf("cgroupview: sample: %w", err)
	}
	return nil
}

// content reads a file of the group; nil if there is none.
func (r *sampler) content(c Controller, name string) []byte {
	p := &r.g.places[c]
	if p.Dir == "" {
		return nil
	}
	return r.file(join(p.Dir, name))
}

func (r *sampler) file(name string) []byte {
	data, err := readInto(r.g.fsys, name, r.buf)
	r.buf = data[:0:cap(data)]
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.errs = append(r.errs, fmt.Errorf("/%s: %w", name, err))
		}
		return nil
	}
	return data
}

func (r *sampler) malformed(name, want string, text []byte) {
	r.errs = append(r.errs, fmt.Errorf("%s: %w: %q: want %s", name, ErrMalformed, shorten(string(text)), want))
}

// keys calls f for each line "key number".
func (r *sampler) keys(c Controller, name string, f func(key string, n uint64)) {
	data := r.content(c, name)
	for len(data) > 0 {
		var line []byte
		line, data, _ = cut(data, '\n')
		key, value, ok := cut(line, ' ')
		if n, isNumber := number(value); ok && isNumber {
			f(string(key), n)
		} else if len(line) > 0 && !bytes.HasPrefix(value, []byte("-")) {
			r.malformed(name, `"key number"`, line)
			return
		}
	}
}

func (r *sampler) number(c Controller, name string) uint64 {
	data := bytes.TrimSpace(r.content(c, name))
	if len(data) == 0 {
		return 0
	}
	n, ok := number(data)
	if !ok {
		r.malformed(name, "a number", data)
	}
	return n
}

func (s *Sample) cpuStatV2(key string, n uint64) {
	d := time.Duration(min(n, 1<<53)) * time.Microsecond
	switch key {
	case "usage_usec":
		s.Usage = d
	case "user_usec":
		s.User = d
	case "system_usec":
		s.System = d
	case "throttled_usec":
		s.ThrottledTime = d
	default:
		s.throttling(key, n)
	}
}

func (s *Sample) cpuStatV1(key string, n uint64) {
	if key == "throttled_time" {
		s.ThrottledTime = time.Duration(min(n, 1<<62))
	}
	s.throttling(key, n)
}

func (s *Sample) throttling(key string, n uint64) {
	switch key {
	case "nr_periods":
		s.Periods = n
	case "nr_throttled":
		s.Throttled = n
	}
}

// cpuacct reads v1's CPU time: exact in total, by CPU in the table
//
//	cpu user system
//	0 1128000000 948000000
//
// whose sum is lower, since it is counted in ticks.
func (r *sampler) cpuacct(s *Sample) {
	s.Usage = time.Duration(min(r.number(CPUAcct, "cpuacct.usage"), 1<<62))
	data := r.content(CPUAcct, "cpuacct.usage_all")
	_, data, _ = cut(data, '\n')
	for len(data) > 0 {
		var line []byte
		line, data, _ = cut(data, '\n')
		first, rest := nextField(line)
		second, rest := nextField(rest)
		third, _ := nextField(rest)
		cpu, ok := number(first)
		user, ok2 := number(second)
		system, ok3 := number(third)
		if !ok || !ok2 || !ok3 || cpu >= maxCPU {
			r.malformed("cpuacct.usage_all", `"cpu user system"`, line)
			return
		}
		if more := int(cpu) + 1 - len(s.perCPU); more > 0 {
			s.perCPU = append(s.perCPU, make([]cpuUse, more)...)
		}
		t := cpuUse{time.Duration(min(user, 1<<62)), time.Duration(min(system, 1<<62))}
		s.perCPU[cpu] = t
		s.User += t.User
		s.System += t.System
	}
}

// uptime reads "seconds.hundredths idle".
func (r *sampler) uptime() time.Duration {
	data := r.file("proc/uptime")
	first, _ := nextField(data)
	d, ok := seconds(first)
	if !ok && len(data) > 0 {
		r.malformed("/proc/uptime", `"seconds seconds"`, data)
	}
	return d
}

// seconds reads a decimal number of seconds, exactly.
func seconds(text []byte) (time.Duration, bool) {
	whole, fraction, _ := bytes.Cut(bytes.TrimSpace(text), []byte("."))
	n, ok := number(whole)
	if !ok || n > 1<<33 || len(fraction) > 9 {
		return 0, false
	}
	d := time.Duration(n) * time.Second
	unit := time.Second
	for _, c := range fraction {
		if c < '0' || c > '9' {
			return 0, false
		}
		unit /= 10
		d += time.Duration(c-'0') * unit
	}
	return d, true
}

// hz is USER_HZ, the unit of times in /proc, on every architecture Go runs on.
const hz = 100

const tick = time.Second / hz

// started reads field 22 of /proc/<pid>/stat.
func (r *sampler) started(name string) time.Duration {
	data := r.file(name)
	if len(data) == 0 {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:])) // a name may hold spaces and parentheses
	if len(fields) > 19 {
		if ticks, err := strconv.ParseUint(fields[19], 10, 64); err == nil {
			return time.Duration(min(ticks, 1<<38)) * tick
		}
	}
	r.malformed("/"+name, "a start time in field 22", data)
	return 0
}
