// Package node looks at all containers of a machine: who they are, by the names of their cgroups, and the two things that
// kill nodes slowly, reads of memory.stat that take seconds and shells that somebody left in containers.
//
//	mounts, err := cgroupview.ReadMounts(fsys, 1) // as the machine's first process sees them
//	for c, err := range node.Walk(fsys, mounts) {
//		limits, err := mounts.Group(c.Path).Limits()
//		fmt.Println(c.PodUID, c.ID, limits.Count(cgroupview.Ceil).Because)
//	}
//
// [ParseContainer] knows the names that containerd, CRI-O, Docker and podman give with the cgroupfs and the systemd
// driver. [MeasureMemoryStat] times a read that cannot be interrupted, and [DyingGroups] counts what makes it slow.
// [Scanner] finds shells that were started by exec and do nothing any more, and zombies with the parent that does not
// wait for them; [Signal] ends a process that is still the one that was found.
//
// # Laws
//
//   - A path is a container or it is not; what is inside a container is not another one.
//   - A container's own first process is never a stale shell, whatever it is.
//   - A signal never reaches a process that began after the finding.
//
// # Limits
//
// Names of Pods and namespaces are not on the node's file system; cgroups have the Pod's UID alone. The package reads a
// procfs of the machine's pid namespace: elsewhere it sees only what is in its own. Names of programs are cut at 15
// bytes by the kernel, and a process can call itself anything.
package node
