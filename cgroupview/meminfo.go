package cgroupview

import (
	"bytes"
	"strconv"
)

// memory is how much the container may use: its limit, or the machine's memory.
func (v *View) memory() uint64 {
	total := v.Limits.MemTotal
	if m := v.Limits.Memory; m.State == Limited && (total == 0 || m.Bytes < total) {
		total = m.Bytes
	}
	return total
}

// swap is how much swap the container may use, and uses.
func (v *View) swap() (total, used uint64) {
	total = v.Limits.SwapTotal
	if s := v.Limits.Swap; s.State == Limited {
		total = min(total, s.Bytes)
	}
	return total, min(total, v.Sample.Swap)
}

// memField computes a line of meminfo in bytes. ok is false for what no cgroup counts: those lines are the machine's
// where they are sizes of hardware, and 0 where they would tell of other containers.
func (v *View) memField(key []byte) (n uint64, ok bool) {
	s, m := v.Sample, &v.Sample.Stat
	total := v.memory()
	used := min(s.Memory, total)
	switch string(key) {
	case "MemTotal":
		return total, true
	case "MemFree":
		return total - used, true
	case "MemAvailable":
		return min(total-used+m.ActiveFile+m.InactiveFile+m.SlabReclaimable, total), true
	case "Buffers", "NFS_Unstable", "Bounce", "WritebackTmp":
		return 0, true
	case "Cached":
		return min(m.File, total), true
	case "SwapCached":
		return min(m.SwapCached, total), true
	case "Active":
		return min(m.ActiveAnon+m.ActiveFile, total), true
	case "Inactive":
		return min(m.InactiveAnon+m.InactiveFile, total), true
	case "SwapTotal":
		n, _ = v.swap()
		return n, true
	case "SwapFree":
		all, used := v.swap()
		return all - used, true
	case "CommitLimit":
		swap, _ := v.swap()
		return total/2 + swap, true
	}
	if n, ok = m.field(key); ok {
		return min(n, total), true
	}
	return 0, false
}

// field is what memory.stat has a line for.
func (m *MemoryStat) field(key []byte) (uint64, bool) {
	switch string(key) {
	case "Active(anon)":
		return m.ActiveAnon, true
	case "Inactive(anon)":
		return m.InactiveAnon, true
	case "Active(file)":
		return m.ActiveFile, true
	case "Inactive(file)":
		return m.InactiveFile, true
	case "Unevictable":
		return m.Unevictable, true
	case "Dirty":
		return m.Dirty, true
	case "Writeback":
		return m.Writeback, true
	case "AnonPages":
		return m.Anon, true
	case "Mapped":
		return m.Mapped, true
	case "Shmem":
		return m.Shmem, true
	case "AnonHugePages":
		return m.AnonHuge, true
	}
	return m.kernelField(key)
}

func (m *MemoryStat) kernelField(key []byte) (uint64, bool) {
	switch string(key) {
	case "ShmemHugePages":
		return m.ShmemHuge, true
	case "FileHugePages":
		return m.FileHuge, true
	case "KReclaimable", "SReclaimable":
		return m.SlabReclaimable, true
	case "Slab":
		return m.SlabReclaimable + m.SlabUnreclaimable, true
	case "SUnreclaim":
		return m.SlabUnreclaimable, true
	case "KernelStack":
		return m.KernelStack, true
	case "PageTables":
		return m.PageTables, true
	case "Percpu":
		return m.Percpu, true
	case "Zswap":
		return m.Zswap, true
	case "Zswapped":
		return m.Zswapped, true
	}
	return 0, false
}

// ofHardware reports lines that describe the machine rather than what is used of it.
func ofHardware(key []byte) bool {
	switch string(key) {
	case "VmallocTotal", "Hugepagesize":
		return true
	}
	return false
}

// appendMemInfo renders /proc/meminfo, in the order of the machine's. Amounts that no cgroup counts, such as
// Committed_AS and HugePages_Total, are 0: the machine's would be those of other containers.
func (v *View) appendMemInfo(dst []byte) []byte {
	for rest := v.Host.MemInfo; len(rest) > 0; {
		var line []byte
		line, rest, _ = cut(rest, '\n')
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		n, known := v.memField(key)
		switch {
		case !known && ofHardware(key):
			dst = append(append(dst, line...), '\n')
		case bytes.HasSuffix(value, []byte(" kB")):
			dst = append(appendKB(dst, key, n>>10), " kB\n"...)
		default:
			dst = append(appendKB(dst, key, n), '\n')
		}
	}
	return dst
}

// appendKB writes "key:" and a number that ends in column 24, as the kernel aligns them.
func appendKB(dst, key []byte, n uint64) []byte {
	start := len(dst)
	dst = append(append(dst, key...), ':')
	var scratch [20]byte
	text := strconv.AppendUint(scratch[:0], n, 10)
	const column = 24
	for len(dst)-start+len(text) < column {
		dst = append(dst, ' ')
	}
	return append(dst, text...)
}
