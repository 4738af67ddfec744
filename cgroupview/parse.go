package cgroupview

import (
	"bytes"
	"fmt"
)

// parse sets the step's text, state and values from the content of its file.
func (s *Step) parse(data []byte) {
	switch s.kind {
	case kindAffinity:
		data, _ = field(data, "Cpus_allowed_list:")
		s.keep(data)
		s.State = Limited
	case kindCpuset, kindOnline:
		s.keep(bytes.TrimSpace(data))
		s.State = Limited
		if s.Text == "" { // no CPU of its own: the parent's are used
			s.State = Unlimited
		}
	case kindMeminfo:
		s.parseTwo(data, "MemTotal:", "SwapTotal:")
		if s.value <<= 10; s.period != noLimit {
			s.period <<= 10
		}
	case kindHierarchical:
		s.parseTwo(data, "hierarchical_memory_limit ", "hierarchical_memsw_limit ")
	case kindQuota:
		s.parseQuota(bytes.TrimSpace(data))
	default:
		s.parseAmount(bytes.TrimSpace(data))
	}
}

// keep sets the text, and allocates only if it has changed.
func (s *Step) keep(text []byte) {
	if string(text) != s.Text {
		s.Text = intern(text)
	}
}

// intern saves the copies of what most files say.
func intern(text []byte) string {
	for _, common := range [...]string{"max", "0", "-1", "max 100000", "100000", "100", "1024", "9223372036854771712"} {
		if string(text) == common {
			return common
		}
	}
	return string(text)
}

func (s *Step) bad(text []byte, want string) {
	s.keep(text)
	s.State, s.Err = Unreadable, fmt.Errorf("%w: %q: want %s", ErrMalformed, shorten(string(text)), want)
}

// noLimit is where v1 starts to mean "no limit": LONG_MAX rounded down to a page, which differs between kernels and
// page sizes, is above it, and no machine is.
const noLimit = 1 << 62

// parseAmount reads "max" or a number; v1's -1 and its largest numbers are no limit.
func (s *Step) parseAmount(text []byte) {
	n, ok := number(text)
	switch {
	case ok && n < noLimit:
		s.value, s.State = n, Limited
	case ok, string(text) == "max", string(text) == "-1":
		s.value, s.State = 0, Unlimited
	default:
		s.bad(text, `a number or "max"`)
		return
	}
	s.keep(text)
}

// parseQuota reads cpu.max, "max 100000" or "150000 100000", of which the period may be missing, and cpu.cfs_quota_us,
// whose period is another file.
func (s *Step) parseQuota(text []byte) {
	const want = `"max 100000", "150000 100000" or -1`
	quota, rest := nextField(text)
	period, rest := nextField(rest)
	if len(rest) > 0 {
		s.bad(text, want)
		return
	}
	s.period = 100000
	if len(period) > 0 {
		var ok bool
		if s.period, ok = number(period); !ok || s.period == 0 || s.period > 1<<32 {
			s.bad(text, want)
			return
		}
	}
	n, ok := number(quota)
	switch {
	case string(quota) == "max", string(quota) == "-1", ok && n == 0:
		s.value, s.State = 0, Unlimited
	case ok && n < 1<<62:
		s.value, s.State = n, Limited
	default:
		s.bad(text, want)
		return
	}
	s.keep(text)
}

// parseTwo reads two keys of a file that has many. The second one may be missing.
func (s *Step) parseTwo(data []byte, first, second string) {
	s.value, s.period = 0, 0
	a, ok := field(data, first)
	if !ok {
		s.bad(nil, "a line "+first)
		return
	}
	if s.value, ok = number(bytes.TrimSuffix(a, []byte(" kB"))); !ok {
		s.bad(a, "a number behind "+first)
		return
	}
	b, has := field(data, second)
	if has {
		if s.period, ok = number(bytes.TrimSuffix(b, []byte(" kB"))); !ok {
			s.bad(b, "a number behind "+second)
			return
		}
	}
	if !has {
		s.period = noLimit
	}
	s.State = Limited
	s.keepTwo(first, a, second, b)
}

// keepTwo writes "key a, key b", the way it was found, without allocating if it is what the step says already.
func (s *Step) keepTwo(first string, a []byte, second string, b []byte) {
	var scratch [160]byte
	text := append(append(scratch[:0], first...), ' ')
	if first[len(first)-1] == ' ' {
		text = text[:len(text)-1]
	}
	text = append(text, a...)
	if len(b) > 0 {
		text = append(append(text, ", "...), second...)
		if second[len(second)-1] != ' ' {
			text = append(text, ' ')
		}
		text = append(text, b...)
	}
	s.keep(text)
}
