package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/require"
	"go.uber.org/automaxprocs/maxprocs"

	"github.com/kubewright/kubewright/cgroupview"
	"github.com/kubewright/kubewright/cgroupview/node"
)

// located skips where there are no cgroups to read.
func located(b *testing.B, controllers ...cgroupview.Controller) cgroupview.Group {
	b.Helper()
	g, err := cgroupview.Locate(cgroupview.FS("/"), 0)
	if err != nil {
		b.Skip("no cgroups on this machine: ", err)
	}
	if len(controllers) > 0 {
		g = g.Only(controllers...)
	}
	return g
}

// measureCPU reports the CPU time beside the time.
func measureCPU(b *testing.B, f func()) {
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}

// BenchmarkContainer finds what the container of this process has: the CPU quota, beside automaxprocs; the memory limit,
// beside automemlimit. Both read the process's own cgroup alone or, for memory, its ancestors; kubewright reads all
// ancestors, and says what each file said.
func BenchmarkContainer(b *testing.B) {
	fsys := cgroupview.FS("/")
	ours := func(c cgroupview.Controller) func() {
		return func() {
			g, err := cgroupview.Locate(fsys, 0)
			if err != nil {
				panic(err)
			}
			if _, err := g.Only(c).Limits(); err != nil {
				panic(err)
			}
		}
	}
	located(b)
	b.Run("cpu/kubewright", func(b *testing.B) { measureCPU(b, ours(cgroupview.CPU)) })
	b.Run("cpu/automaxprocs", func(b *testing.B) {
		measureCPU(b, func() {
			undo, err := maxprocs.Set()
			if err != nil {
				panic(err)
			}
			undo()
		})
	})
	b.Run("memory/kubewright", func(b *testing.B) { measureCPU(b, ours(cgroupview.Memory)) })
	b.Run("memory/automemlimit", func(b *testing.B) {
		measureCPU(b, func() { _, _ = memlimit.FromCgroup() }) // "no limit" is an error of its
	})
	b.Run("mountinfo", func(b *testing.B) { // what all of them have to read: the floor
		measureCPU(b, func() {
			if _, err := cgroupview.ReadMounts(fsys, 0); err != nil {
				panic(err)
			}
		})
	})
}

// BenchmarkReread reads all limits through files that are kept open.
func BenchmarkReread(b *testing.B) {
	r, err := located(b).Open()
	require.NoError(b, err)
	defer func() { require.NoError(b, r.Close()) }()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Limits(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkView renders each file from samples that were loaded before.
func BenchmarkView(b *testing.B) {
	g := located(b)
	l, err := g.Limits()
	require.NoError(b, err)
	var s cgroupview.Sample
	require.NoError(b, g.Sample(&s))
	var h cgroupview.Host
	require.NoError(b, h.Read(cgroupview.FS("/")))
	var times cgroupview.CPUTimes
	times.Advance(&l, &s)
	v := &cgroupview.View{Host: &h, Limits: &l, Sample: &s, CPU: &times}
	buf := make([]byte, 0, 1<<20)
	for _, file := range cgroupview.ViewFiles() {
		b.Run(filepath.Base(file), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Append(buf, file)
			}
		})
	}
}

// BenchmarkNode walks 500 containers and samples each, on a copy of a cgroup tree in a temporary directory.
func BenchmarkNode(b *testing.B) {
	dir := b.TempDir()
	put := func(name, text string) {
		file := filepath.Join(dir, name)
		require.NoError(b, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(b, os.WriteFile(file, []byte(text), 0o600))
	}
	put("proc/self/mountinfo", "1 0 0:1 / / rw - ext4 root rw\n2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	put("proc/uptime", "100.00 1.00\n")
	put("proc/meminfo", "MemTotal: 8388608 kB\nSwapTotal: 0 kB\n")
	stat := "anon 3497984\nfile 262144\n" + strings.Repeat("workingset_refault_anon 0\n", 45)
	for i := range 500 {
		pod := "sys/fs/cgroup/kubepods/burstable/pod9f1c2a3b-0000-4444-8888-" + strconv.Itoa(100000000000+i)
		c := pod + "/" + strings.Repeat("0123456789abcdef", 4)
		for name, text := range map[string]string{
			"/cpu.max": "150000 100000\n", "/memory.max": "268435456\n", "/memory.high": "max\n", "/memory.swap.max": "0\n",
		} {
			put(pod+name, text)
			put(c+name, text)
		}
		for name, text := range map[string]string{
			"/cpu.stat": "usage_usec 35098608\nuser_usec 12749074\nsystem_usec 22349534\nnr_periods 131\nnr_throttled 0\nthrottled_usec 0\n", "/memory.stat": stat,
			"/memory.current": "3280896\n", "/memory.swap.current": "0\n", "/memory.events": "oom_kill 0\n", "/io.stat": "254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n",
		} {
			put(c+name, text)
		}
	}
	fsys := cgroupview.FS(dir)
	measureCPU(b, func() {
		m, err := cgroupview.ReadMounts(fsys, 0)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		var s cgroupview.Sample
		for c, err := range node.Walk(fsys, m) {
			if err != nil {
				b.Fatal(err)
			}
			g := m.Group(c.Path)
			if _, err := g.Limits(); err != nil {
				b.Fatal(err)
			}
			if err := g.Sample(&s); err != nil {
				b.Fatal(err)
			}
			n++
		}
		require.Equal(b, 500, n)
	})
}
