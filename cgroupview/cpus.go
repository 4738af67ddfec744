package cgroupview

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// maxCPU bounds the numbers in a list: the kernel's own limit is 8192.
const maxCPU = 1 << 16

// CPUs is a set of CPU numbers. The zero value is empty.
type CPUs struct{ words []uint64 }

// ParseCPUs reads the list format of cpuset(7): "0-3,7". Text of white space alone is the empty set.
func ParseCPUs(text string) (CPUs, error) {
	var s CPUs
	if err := s.parse(text); err != nil {
		return CPUs{}, err
	}
	return s, nil
}

// parse replaces the set, whose memory it uses again. On an error the set is empty.
func (s *CPUs) parse(text string) error {
	s.words = s.words[:0]
	rest := strings.TrimSpace(text)
	for rest != "" {
		var item string
		item, rest, _ = strings.Cut(rest, ",")
		lo, hi, isRange := strings.Cut(item, "-")
		if !isRange {
			hi = lo
		}
		first, ok := number(lo)
		last, ok2 := number(hi)
		if !ok || !ok2 || first > last || last >= maxCPU {
			s.words = s.words[:0]
			return fmt.Errorf("%w: CPU list %q: item %q: want a number or first-last below %d", ErrMalformed, shorten(text), shorten(item), maxCPU)
		}
		s.add(int(first), int(last))
	}
	return nil
}

// add adds a range, whole words at a time: a list may repeat "0-65535" a million times.
func (s *CPUs) add(first, last int) {
	for len(s.words) <= last/64 {
		s.words = append(s.words, 0)
	}
	from, to := uint64(math.MaxUint64)<<(first%64), uint64(math.MaxUint64)>>(63-last%64)
	if first/64 == last/64 {
		s.words[first/64] |= from & to
		return
	}
	s.words[first/64] |= from
	for i := first/64 + 1; i < last/64; i++ {
		s.words[i] = math.MaxUint64
	}
	s.words[last/64] |= to
}

// Len is the number of CPUs in the set.
func (s CPUs) Len() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Contains reports whether a CPU is in the set.
func (s CPUs) Contains(cpu int) bool {
	return cpu >= 0 && cpu/64 < len(s.words) && s.words[cpu/64]&(1<<(cpu%64)) != 0
}

// Equal reports whether two sets hold the same CPUs.
func (s CPUs) Equal(t CPUs) bool {
	n := min(len(s.words), len(t.words))
	return slices.Equal(s.words[:n], t.words[:n]) && CPUs{s.words[n:]}.Len() == 0 && CPUs{t.words[n:]}.Len() == 0
}

// String is the list format, which [ParseCPUs] reads back: "0-3,7", and "" for the empty set.
func (s CPUs) String() string { return string(s.appendTo(nil)) }

func (s CPUs) appendTo(dst []byte) []byte {
	start := len(dst)
	for cpu := 0; cpu < len(s.words)*64; cpu++ {
		if !s.Contains(cpu) {
			continue
		}
		first := cpu
		for s.Contains(cpu + 1) {
			cpu++
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(first), 10)
		if cpu > first {
			dst = strconv.AppendInt(append(dst, '-'), int64(cpu), 10)
		}
	}
	return dst
}

// clone copies the set.
func (s CPUs) clone() CPUs { return CPUs{slices.Clone(s.words)} }

// copyFrom makes s equal to t in its own memory.
func (s *CPUs) copyFrom(t CPUs) { s.words = append(s.words[:0], t.words...) }

// keep removes what is not in t.
func (s *CPUs) keep(t CPUs) {
	for i := range s.words {
		if i < len(t.words) {
			s.words[i] &= t.words[i]
		} else {
			s.words[i] = 0
		}
	}
}
