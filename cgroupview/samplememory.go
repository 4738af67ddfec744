package cgroupview

import "bytes"

// MemoryStat is what of memory.stat is shown in /proc/meminfo, bytes. Of v1 it is the total_ lines, with descendants.
type MemoryStat struct {
	Anon, File, Shmem, Mapped, Dirty, Writeback                                     uint64
	ActiveAnon, InactiveAnon, ActiveFile, InactiveFile, Unevictable                 uint64
	KernelStack, PageTables, Percpu, SlabReclaimable, SlabUnreclaimable, SwapCached uint64
	AnonHuge, FileHuge, ShmemHuge, Zswap, Zswapped                                  uint64
}

// set takes a line of v2.
func (m *MemoryStat) set(key string, n uint64) {
	if p := m.at(key); p != nil {
		*p = n
	}
}

func (m *MemoryStat) at(key string) *uint64 {
	switch key {
	case "anon":
		return &m.Anon
	case "file":
		return &m.File
	case "shmem":
		return &m.Shmem
	case "file_mapped":
		return &m.Mapped
	case "file_dirty":
		return &m.Dirty
	case "file_writeback":
		return &m.Writeback
	case "active_anon":
		return &m.ActiveAnon
	case "inactive_anon":
		return &m.InactiveAnon
	case "active_file":
		return &m.ActiveFile
	case "inactive_file":
		return &m.InactiveFile
	case "unevictable":
		return &m.Unevictable
	}
	return m.kernelAt(key)
}

func (m *MemoryStat) kernelAt(key string) *uint64 {
	switch key {
	case "kernel_stack":
		return &m.KernelStack
	case "pagetables":
		return &m.PageTables
	case "percpu":
		return &m.Percpu
	case "slab_reclaimable":
		return &m.SlabReclaimable
	case "slab_unreclaimable":
		return &m.SlabUnreclaimable
	case "swapcached":
		return &m.SwapCached
	case "anon_thp":
		return &m.AnonHuge
	case "file_thp":
		return &m.FileHuge
	case "shmem_thp":
		return &m.ShmemHuge
	case "zswap":
		return &m.Zswap
	case "zswapped":
		return &m.Zswapped
	}
	return nil
}

// setV1 takes a line of v1, where names differ.
func (m *MemoryStat) setV1(key string, n uint64) {
	const total = "total_"
	if len(key) <= len(total) || key[:len(total)] != total {
		return
	}
	switch key = key[len(total):]; key {
	case "cache":
		m.File = n
	case "rss":
		m.Anon = n
	case "rss_huge":
		m.AnonHuge = n
	case "mapped_file":
		m.Mapped = n
	case "dirty":
		m.Dirty = n
	case "writeback":
		m.Writeback = n
	default:
		m.set(key, n)
	}
}

func (r *sampler) memory(s *Sample) {
	oom := func(key string, n uint64) {
		if key == "oom_kill" {
			s.OOMKills = n
		}
	}
	if r.g.places[Memory].Version == V2 {
		s.Memory = r.number(Memory, "memory.current")
		s.Swap = r.number(Memory, "memory.swap.current")
		r.keys(Memory, "memory.stat", s.Stat.set)
		r.keys(Memory, "memory.events", oom)
		return
	}
	s.Memory = r.number(Memory, "memory.usage_in_bytes")
	both := r.number(Memory, "memory.memsw.usage_in_bytes")
	s.Swap = both - min(both, s.Memory)
	r.keys(Memory, "memory.stat", s.Stat.setV1)
	r.keys(Memory, "memory.oom_control", oom)
}

// DeviceIO is what was read from and written to one block device.
type DeviceIO struct {
	Major, Minor                        uint32
	ReadBytes, WriteBytes, DiscardBytes uint64
	ReadOps, WriteOps, DiscardOps       uint64
}

func (s *Sample) device(major, minor uint32) *DeviceIO {
	for i := range s.IO {
		if d := &s.IO[i]; d.Major == major && d.Minor == minor {
			return d
		}
	}
	s.IO = append(s.IO, DeviceIO{Major: major, Minor: minor})
	return &s.IO[len(s.IO)-1]
}

// io reads io.stat, one line a device,
//
//	254:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0
//
// or the two files of v1's throttling, which count on every kernel, one line a device and operation: "254:0 Read 4096".
func (r *sampler) io(s *Sample) {
	if r.g.places[IO].Version == V2 {
		r.lines(r.content(IO, "io.stat"), "io.stat", func(d *DeviceIO, rest []byte) {
			for len(rest) > 0 {
				var word []byte
				word, rest = nextField(rest)
				key, value, _ := bytes.Cut(word, []byte("="))
				if n, ok := number(value); ok {
					d.set(string(key), n)
				}
			}
		}, s)
		return
	}
	for _, file := range [...]struct{ name, unit string }{
		{"blkio.throttle.io_service_bytes_recursive", "bytes"}, {"blkio.throttle.io_serviced_recursive", "ios"},
	} {
		r.lines(r.content(IO, file.name), file.name, func(d *DeviceIO, rest []byte) {
			op, rest := nextField(rest)
			if n, ok := number(bytes.TrimSpace(rest)); ok && len(op) > 0 {
				d.setV1(op[0], file.unit == "bytes", n)
			}
		}, s)
	}
}

// lines calls f for each line that names a device. Some kernels write devices that have nothing to tell before the next
// one, on its line, "7:6 7:5 rbytes=1": the last one is meant. A disk behind NVMe multipath is "(unknown)".
func (r *sampler) lines(data []byte, name string, f func(*DeviceIO, []byte), s *Sample) {
	for len(data) > 0 {
		var line []byte
		line, data, _ = cut(data, '\n')
		major, minor, rest, ok := deviceNumber(line)
		for more := ok; more; {
			var a, b uint32
			var after []byte
			if a, b, after, more = deviceNumber(rest); more {
				major, minor, rest = a, b, after
			}
		}
		switch {
		case ok:
			f(s.device(major, minor), rest)
		case len(line) > 0 && !bytes.HasPrefix(line, []byte("Total ")) && !bytes.HasPrefix(line, []byte("(unknown)")):
			r.malformed(name, `"major:minor …"`, line)
			return
		}
	}
}

// deviceNumber reads "major:minor" in front of a text.
func deviceNumber(text []byte) (major, minor uint32, rest []byte, ok bool) {
	word, rest := nextField(text)
	a, b, ok := bytes.Cut(word, []byte(":"))
	x, ok2 := number(a)
	y, ok3 := number(b)
	return uint32(x & (1<<32 - 1)), uint32(y & (1<<32 - 1)), rest, ok && ok2 && ok3
}

func (d *DeviceIO) set(key string, n uint64) {
	switch key {
	case "rbytes":
		d.ReadBytes = n
	case "wbytes":
		d.WriteBytes = n
	case "dbytes":
		d.DiscardBytes = n
	case "rios":
		d.ReadOps = n
	case "wios":
		d.WriteOps = n
	case "dios":
		d.DiscardOps = n
	}
}

// setV1 knows the operations by their first letters: Read, Write and Discard are disjoint, Sync, Async and Total are
// sums of them.
func (d *DeviceIO) setV1(op byte, isBytes bool, n uint64) {
	switch {
	case op == 'R' && isBytes:
		d.ReadBytes = n
	case op == 'R':
		d.ReadOps = n
	case op == 'W' && isBytes:
		d.WriteBytes = n
	case op == 'W':
		d.WriteOps = n
	case op == 'D' && isBytes:
		d.DiscardBytes = n
	case op == 'D':
		d.DiscardOps = n
	}
}
