package cgroupview_test

import (
	"fmt"
	"testing/fstest"

	"github.com/kubewright/kubewright/cgroupview"
)

// machine is what a container with 2.5 CPUs sees, in a Pod with 1.5.
func machine() fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range map[string]string{
		"proc/self/cgroup":                            "0::/pod7/c1\n",
		"proc/self/mountinfo":                         "1 0 0:1 / / rw - ext4 root rw\n2 1 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"proc/self/status":                            "Cpus_allowed_list:\t0-7\n",
		"sys/devices/system/cpu/online":               "0-7\n",
		"sys/fs/cgroup/pod7/cpu.max":                  "150000 100000\n",
		"sys/fs/cgroup/pod7/c1/cpu.max":               "250000 100000\n",
		"sys/fs/cgroup/pod7/c1/memory.max":            "268435456\n",
		"sys/fs/cgroup/pod7/c1/cpuset.cpus.effective": "0-7\n",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func Example() {
	g, err := cgroupview.Locate(machine(), 0) // cgroupview.FS("/") outside of examples
	if err != nil {
		fmt.Println(err)
		return
	}
	limits, err := g.Limits()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(limits.Count(cgroupview.Ceil).Because)
	fmt.Println(limits.Memory.State, limits.Memory.Bytes>>20, "MiB by", limits.Memory.Path)
	for _, p := range limits.Predict() {
		if p.Wrong {
			fmt.Println(p.Runtime, p.CPUs.N, p.Blind)
		}
	}
	// Output:
	// 2: /sys/fs/cgroup/pod7/cpu.max = 150000 100000, ceil
	// limited 256 MiB by /sys/fs/cgroup/pod7/c1/memory.max
	// go 3 does not see /sys/fs/cgroup/pod7/cpu.max = 150000 100000
	// automaxprocs 2 does not see /sys/fs/cgroup/pod7/cpu.max = 150000 100000
	// jvm-leaf 3 does not see /sys/fs/cgroup/pod7/cpu.max = 150000 100000
	// jvm-shares 3 does not see /sys/fs/cgroup/pod7/cpu.max = 150000 100000
	// dotnet 3 does not see /sys/fs/cgroup/pod7/cpu.max = 150000 100000
}

func ExampleView() {
	g, err := cgroupview.Locate(machine(), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	limits, err := g.Limits()
	if err != nil {
		fmt.Println(err)
		return
	}
	v := cgroupview.View{Limits: &limits, Host: &cgroupview.Host{MemInfo: []byte("MemTotal:        8388608 kB\n")}, Sample: &cgroupview.Sample{Memory: 1 << 20}}
	text, _ := v.Append(nil, "sys/devices/system/cpu/online")
	text, _ = v.Append(text, "proc/meminfo")
	fmt.Printf("%s", text)
	// Output:
	// 0-1
	// MemTotal:         262144 kB
}

func ExampleCustom() {
	g, err := cgroupview.Locate(machine(), 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	limits, err := g.Limits()
	if err != nil {
		fmt.Println(err)
		return
	}
	half := cgroupview.Custom{Name: "two threads for each CPU", Round: func(quota, period uint64) int { return int(2 * quota / period) }}
	fmt.Println(limits.Count(half).Because)
	// Output:
	// 3: /sys/fs/cgroup/pod7/cpu.max = 150000 100000, two threads for each CPU
}
