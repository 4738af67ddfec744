// Package cgroupview says how many CPUs and how much memory a container really has, why, and what each language's
// runtime will make of it.
//
// /proc shows the machine, so thread pools and garbage collectors of a container are sized for the machine; every
// runtime reads the cgroup files in its own way, and none says what it has read. This package reads them all, of v1, v2
// and mixtures, through an fs.FS:
//
//	g, err := cgroupview.Locate(cgroupview.FS("/"), 0) // this process; any other by its number
//	if err != nil {
//		return err
//	}
//	limits, err := g.Limits()
//	fmt.Println(limits.Count(cgroupview.Ceil).Because)
//	// 2: /sys/fs/cgroup/kubepods/pod7/cpu.max = 150000 100000, ceil
//	for _, p := range limits.Predict() { // Go, automaxprocs, JVM, Node.js, Rust, .NET, LXCFS
//		fmt.Println(p.Runtime, p.CPUs.N, p.Blind, p.Heap.Bytes, p.Heap.Blind)
//	}
//
// A program that only wants the right GOMAXPROCS and GOMEMLIMIT, also after its Pod was resized in place, calls [Set].
//
// # What there is
//
// [Locate] finds the cgroup of a process, per controller. [Group.Limits] reads it and every ancestor, and keeps what
// each file said ([Step]). A [Policy] turns limits into a number; [Limits.Predict] applies those of known programs, and
// says how large each lets its heap grow. [Group.Open] reads again without allocating, [Group.Watch] tells of changes.
// [Group.Sample] reads counters, and a [View] renders from them the /proc files that the container should see.
//
// How many CPUs a container has is two questions: how many threads can run at the same time ([Limits.CPUs]), and how
// much CPU time there is ([Limits.Quota]). Programs want one number; a policy is the way to it.
//
// # Laws
//
//   - The answer is the minimum over the group and every ancestor that can be seen.
//   - [Unlimited], [NotVisible] and [Unreadable] are three answers. None is ever given for another.
//   - A [Runtime] counts what the program of that name counts, on captured hosts and on this one.
//   - A view never shows more than the limit, and CPU times never fall.
//   - Reading the same files gives the same answer, from kept files too.
//
// # Limits
//
// What lies outside a cgroup namespace, or above the part of the hierarchy that is mounted, cannot be read from inside:
// its limits are missing, and a step says so. Only memory.stat of v1 tells of ancestors that cannot be seen. Shares and
// weights are no limits and enter no count. Files are read one after the other; while someone writes them, the answer
// may mix before and after, which [Group.Watch] corrects at once.
//
// Nothing panics on any content of any file, and no file is read beyond 16 MiB. Only [Set] changes the process or looks
// at its environment, and only it starts a goroutine.
//
// # Sources
//
// The kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst, proc(5), cgroups(7), cpuset(7); for policies the
// sources of each program; KEP-2254 for weights, KEP-2570 for memory.high.
package cgroupview
