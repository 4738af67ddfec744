package cgroupview

import (
	"bytes"
	"strconv"
	"time"
)

// View is a container's own /proc, rendered from what was read before: nothing here opens a file. The files look as the
// kernel writes them, with the container's numbers in place of the machine's. A View may be used by one goroutine at a
// time; rendering changes nothing.
//
// Limits and Host are needed by all files; Sample by meminfo, swaps, stat, uptime, diskstats and loadavg; CPU by stat
// and uptime, and Load by loadavg.
type View struct {
	Host   *Host
	Limits *Limits
	Sample *Sample
	CPU    *CPUTimes
	Load   Load
}

// ViewFiles lists what [View.Append] renders, in a fixed order.
func ViewFiles() []string {
	return []string{
		"proc/cpuinfo", "proc/diskstats", "proc/loadavg", "proc/meminfo", "proc/stat", "proc/swaps", "proc/uptime",
		"sys/devices/system/cpu/online",
	}
}

// Append renders a file by its name. ok is false for a name that is not in [ViewFiles].
func (v *View) Append(dst []byte, file string) (out []byte, ok bool) {
	switch file {
	case "proc/cpuinfo":
		return v.appendCPUInfo(dst), true
	case "proc/diskstats":
		return v.appendDiskStats(dst), true
	case "proc/loadavg":
		return v.appendLoadAvg(dst), true
	case "proc/meminfo":
		return v.appendMemInfo(dst), true
	case "proc/stat":
		return v.appendStat(dst), true
	case "proc/swaps":
		return v.appendSwaps(dst), true
	case "proc/uptime":
		return v.appendUptime(dst), true
	case "sys/devices/system/cpu/online":
		return v.appendOnline(dst), true
	}
	return dst, false
}

// visible is the number of CPUs that views show, that of the LXCFS policy.
func (l *Limits) visible() int {
	c, _ := LXCFS.rule()
	n, _, _ := c.number(l)
	return n
}

// appendOnline renders /sys/devices/system/cpu/online: "0-1".
func (v *View) appendOnline(dst []byte) []byte {
	dst = append(dst, '0')
	if n := v.Limits.visible(); n > 1 {
		dst = strconv.AppendInt(append(dst, '-'), int64(n-1), 10)
	}
	return append(dst, '\n')
}

// appendCPUInfo renders /proc/cpuinfo: the stanzas of the first CPUs that the container can run on, numbered from 0.
// All else in them is the hardware's and stays. Text that belongs to no CPU, as some architectures have at the end, stays
// too.
func (v *View) appendCPUInfo(dst []byte) []byte {
	shown, most := 0, v.Limits.visible()
	for rest := v.Host.CPUInfo; len(rest) > 0; {
		line, next, _ := cut(rest, '\n')
		if !bytes.HasPrefix(line, []byte("processor")) {
			if bytes.HasPrefix(line, []byte("# processors")) { // s390x
				key, _, _ := bytes.Cut(line, []byte(":"))
				dst = strconv.AppendInt(append(append(dst, key...), ": "...), int64(most), 10)
			} else {
				dst = append(dst, line...)
			}
			dst, rest = append(dst, '\n'), next
			continue
		}
		stanza := rest
		if end := bytes.Index(rest, []byte("\n\n")); end >= 0 && !isS390(line) {
			stanza = rest[:end+2]
		} else if isS390(line) {
			stanza = rest[:len(rest)-len(next)]
		}
		rest = rest[len(stanza):]
		number, tail, ok := processor(stanza)
		if !ok || shown == most || v.Limits.CPUs.Len() > 0 && !v.Limits.CPUs.Contains(number) {
			continue
		}
		dst = append(dst, stanza[:len(stanza)-len(tail)-digits(number)]...)
		dst = append(strconv.AppendInt(dst, int64(shown), 10), tail...)
		shown++
	}
	return dst
}

// isS390 tells "processor 0: version = FF" from "processor	: 0".
func isS390(line []byte) bool {
	return bytes.HasPrefix(line, []byte("processor ")) && !bytes.HasPrefix(bytes.TrimLeft(line[9:], " \t"), []byte(":"))
}

// processor returns the CPU's number in the first line of a stanza, and the text behind it.
func processor(stanza []byte) (cpu int, tail []byte, ok bool) {
	i := len("processor")
	for i < len(stanza) && (stanza[i] == ' ' || stanza[i] == '\t' || stanza[i] == ':') {
		i++
	}
	end := i
	for end < len(stanza) && stanza[end] >= '0' && stanza[end] <= '9' {
		end++
	}
	n, ok := number(stanza[i:end])
	if !ok || n >= maxCPU || end-i != digits(int(n)) {
		return 0, nil, false
	}
	return int(n), stanza[end:], true
}

func digits(n int) int {
	d := 1
	for ; n >= 10; n /= 10 {
		d++
	}
	return d
}

// appendStat renders /proc/stat: the CPU lines from [View.CPU], the rest from the machine. ps needs the machine's btime
// to turn the start of a process into a time.
func (v *View) appendStat(dst []byte) []byte {
	var sum cpuTime
	for _, c := range v.CPU.cpus {
		sum.user, sum.system, sum.idle = sum.user+c.user, sum.system+c.system, sum.idle+c.idle
	}
	dst = appendTicks(append(dst, "cpu  "...), sum)
	for i, c := range v.CPU.shown() {
		dst = strconv.AppendInt(append(dst, "cpu"...), int64(i), 10)
		dst = appendTicks(append(dst, ' '), c)
	}
	rest := v.Host.Stat
	for bytes.HasPrefix(rest, []byte("cpu")) {
		_, rest, _ = cut(rest, '\n')
	}
	return append(dst, rest...)
}

// appendTicks writes user nice system idle iowait irq softirq steal guest guest_nice, of which three are known.
func appendTicks(dst []byte, c cpuTime) []byte {
	dst = strconv.AppendInt(dst, int64(c.user/tick), 10)
	dst = strconv.AppendInt(append(dst, " 0 "...), int64(c.system/tick), 10)
	dst = strconv.AppendInt(append(dst, ' '), int64(c.idle/tick), 10)
	return append(dst, " 0 0 0 0 0 0\n"...)
}

// appendUptime renders /proc/uptime: the age of the container, and the idle time of its CPUs together, which exceeds the
// age as it does on a machine. Without a known start the age is the machine's.
func (v *View) appendUptime(dst []byte) []byte {
	dst = appendHundredths(dst, max(v.Sample.At-v.Sample.Started, 0))
	return append(appendHundredths(append(dst, ' '), v.CPU.idle), '\n')
}

func appendHundredths(dst []byte, d time.Duration) []byte {
	dst = strconv.AppendInt(dst, int64(d/time.Second), 10)
	return appendPadded(append(dst, '.'), uint64(d%time.Second/tick), 2)
}

// appendLoadAvg renders /proc/loadavg: "0.52 0.13 0.04 1/3 495".
func (v *View) appendLoadAvg(dst []byte) []byte {
	t := v.Sample.Tasks
	dst = append(v.Load.appendTo(dst), ' ')
	dst = strconv.AppendInt(dst, int64(t.Running), 10)
	dst = strconv.AppendInt(append(dst, '/'), int64(t.Total), 10)
	return append(strconv.AppendInt(append(dst, ' '), int64(t.Last), 10), '\n')
}

// appendSwaps renders /proc/swaps: one line for the swap that the container may use, none if that is nothing.
func (v *View) appendSwaps(dst []byte) []byte {
	dst = append(dst, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"...)
	total, used := v.swap()
	if total == 0 {
		return dst
	}
	dst = append(append(dst, "none"...), spaces[:36]...)
	dst = strconv.AppendUint(append(dst, "virtual\t\t"...), total>>10, 10)
	dst = strconv.AppendUint(append(dst, "\t\t"...), used>>10, 10)
	return append(dst, "\t\t0\n"...)
}

const spaces = "                                        "

// appendDiskStats renders /proc/diskstats: the machine's devices with what the container has done on each. Times and
// merges are not accounted to cgroups and are 0.
func (v *View) appendDiskStats(dst []byte) []byte {
	for rest := v.Host.DiskStats; len(rest) > 0; {
		var line []byte
		line, rest, _ = cut(rest, '\n')
		a, after := nextField(line)
		b, after := nextField(after)
		name, _ := nextField(after)
		major, ok := number(a)
		minor, ok2 := number(b)
		if !ok || !ok2 || len(name) == 0 {
			continue
		}
		dst = append(dst, line[:len(line)-len(after)]...)
		dst = append(append(dst, ' '), name...)
		d := v.Sample.find(uint32(major&(1<<32-1)), uint32(minor&(1<<32-1)))
		for _, n := range [...]uint64{ // fields 4 to 20, Documentation/admin-guide/iostats.rst
			d.ReadOps, 0, d.ReadBytes / 512, 0, d.WriteOps, 0, d.WriteBytes / 512, 0, 0, 0, 0,
			d.DiscardOps, 0, d.DiscardBytes / 512, 0, 0, 0,
		} {
			dst = strconv.AppendUint(append(dst, ' '), n, 10)
		}
		dst = append(dst, '\n')
	}
	return dst
}

func (s *Sample) find(major, minor uint32) DeviceIO {
	for _, d := range s.IO {
		if d.Major == major && d.Minor == minor {
			return d
		}
	}
	return DeviceIO{}
}
