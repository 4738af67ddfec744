package cgroupview

import "strconv"

// Load is the three load averages, as the kernel keeps them: fixed point with 11 bits of fraction. The zero value is a
// machine that has just started.
type Load struct{ one, five, fifteen uint64 }

// The decay of 5 seconds in 1, 5 and 15 minutes, from include/linux/sched/loadavg.h.
const (
	loadShift = 11
	loadOne   = 1 << loadShift
	exp1      = 1884
	exp5      = 2014
	exp15     = 2037
)

// Tick takes the number of tasks that run, or sleep uninterruptibly, now. Call it every 5 seconds.
func (l *Load) Tick(running int) {
	active := uint64(max(running, 0)) * loadOne
	l.one, l.five, l.fifteen = decay(l.one, exp1, active), decay(l.five, exp5, active), decay(l.fifteen, exp15, active)
}

func decay(load, exp, active uint64) uint64 {
	next := load*exp + active*(loadOne-exp)
	if active >= load {
		next += loadOne - 1
	}
	return next / loadOne
}

// appendTo writes one average with two decimals, rounded as the kernel does.
func (l Load) appendTo(dst []byte) []byte {
	for i, v := range [...]uint64{l.one, l.five, l.fifteen} {
		if i > 0 {
			dst = append(dst, ' ')
		}
		v += loadOne / 200
		dst = strconv.AppendUint(dst, v/loadOne, 10)
		dst = append(dst, '.')
		dst = appendPadded(dst, v%loadOne*100/loadOne, 2)
	}
	return dst
}

// appendPadded writes a number with zeros in front, width digits at least.
func appendPadded(dst []byte, n uint64, width int) []byte {
	start := len(dst)
	dst = strconv.AppendUint(dst, n, 10)
	for len(dst)-start < width {
		dst = append(dst, 0)
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	return dst
}
