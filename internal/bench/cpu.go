// Package bench holds benchmarks of the library beside what people use today, in one run of one binary. The report
// command turns their output into BENCHMARKS.md.
package bench

import (
	"syscall"
	"time"
)

// cpuTime is what the process has used, of all its threads: what a benchmark spends on garbage collection counts, and
// what other processes do does not.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
