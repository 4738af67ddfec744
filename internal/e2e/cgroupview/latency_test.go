package cgroupview_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readerEnv makes the test program a reader of one file, which countEnv tells how often.
const (
	readerEnv = "KUBEWRIGHT_CGROUPVIEW_READ"
	countEnv  = "KUBEWRIGHT_CGROUPVIEW_COUNT"
)

// latencies are what the reader says, in nanoseconds.
type latencies struct{ Mean, P50, P99 float64 }

// readAgain opens, reads and closes a file many times.
func readAgain(file string) int {
	count, err := strconv.Atoi(os.Getenv(countEnv))
	if err != nil || count < 1 {
		fmt.Fprintln(os.Stderr, countEnv, err)
		return 1
	}
	took := make([]time.Duration, count)
	var all time.Duration
	buf := make([]byte, 1<<20)
	for i := range took {
		begin := time.Now()
		fd, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		for n := 1; err == nil && n > 0; {
			n, err = syscall.Read(fd, buf)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, file, err)
			return 1
		}
		_ = syscall.Close(fd) // was opened to read
		took[i] = time.Since(begin)
		all += took[i]
	}
	slices.Sort(took)
	l := latencies{float64(all) / float64(count), float64(took[count/2]), float64(took[count*99/100])}
	if err := json.NewEncoder(os.Stdout).Encode(l); err != nil {
		return 1
	}
	return 0
}

// BenchmarkFUSE opens, reads and closes files of /proc in a limited cgroup and a pid namespace of its own: through
// examples/nodeagent/fuse, through LXCFS, and the kernel's own.
func BenchmarkFUSE(b *testing.B) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		b.Skip("no FUSE: ", err)
	}
	g, _ := newContainer(b)
	if g.v2 {
		b.Skip("LXCFS 5 has other views on v2")
	}
	g.quota(b, "150000")
	g.memory(b, "268435456")
	lxcfs := startLXCFS(b)
	ours := b.TempDir()
	_, wait := start(b, exec.Command(build(b, "nodeagent/fuse"), "-mount", ours)) //nolint:gosec // the benchmark's own program
	b.Cleanup(func() { _ = syscall.Unmount(ours, syscall.MNT_DETACH) })
	wait("mounted")
	for _, name := range []string{"cpuinfo", "meminfo", "stat", "uptime", "loadavg", "swaps", "diskstats"} {
		for _, from := range []struct{ who, dir string }{{"kubewright", ours}, {"lxcfs", lxcfs}, {"kernel", "/"}} {
			b.Run(name+"/"+from.who, func(b *testing.B) {
				b.Setenv(readerEnv, filepath.Join(from.dir, "proc", name))
				b.Setenv(countEnv, strconv.Itoa(b.N))
				var l latencies
				require.NoError(b, json.Unmarshal([]byte(g.output(b, "unshare", "--pid", "--fork", os.Args[0])), &l))
				b.ReportMetric(l.Mean, "ns/op")
				b.ReportMetric(l.P50, "p50-ns")
				b.ReportMetric(l.P99, "p99-ns")
			})
		}
	}
}
