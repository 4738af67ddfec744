package sidecar

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// LXCFS shows containers their own limits in /proc, by mounting files of an LXCFS that runs on the node.
//
// Every file is a volume of type File, so that the kubelet waits for LXCFS instead of having a directory made in its
// place. hostPath is forbidden by the baseline level: under it, the injector is skipped with a warning.
type LXCFS struct {
	// Dir is where LXCFS is mounted on the node. /var/lib/lxcfs if empty.
	Dir string `json:"dir,omitempty"`
	// Files are those that Pods get when they do not choose: of cpuinfo, diskstats, meminfo, stat, swaps, uptime,
	// loadavg (for lxcfs -l), slabinfo and online (/sys/devices/system/cpu/online). The first six if empty. There are no
	// others: container runtimes refuse mounts elsewhere in /proc.
	Files []string `json:"files,omitempty"`
	// Parent is a directory on the node around Dir, which is mounted in containers too, with HostToContainer. Then a script
	// on the node can repair containers after LXCFS was restarted. Containers see all that is in it, so it should hold
	// nothing but the mount point. Off if empty.
	Parent string `json:"parent,omitempty"`
}

const lxcfsKey = "lxcfs"

// lxcfsPaths is where each file belongs.
func lxcfsPaths() map[string]string {
	paths := map[string]string{"online": "/sys/devices/system/cpu/online"}
	for _, f := range []string{"cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime"} {
		paths[f] = "/proc/" + f
	}
	return paths
}

// Name is "lxcfs".
func (LXCFS) Name() string { return "lxcfs" }

func (LXCFS) rank() int { return 1 }

func (LXCFS) keys() []Key {
	names := sortedKeys(lxcfsPaths())
	return []Key{
		{Name: lxcfsKey, Values: boolWords, Doc: "`/proc` shows the container's limits instead of the node's.", parse: parseBool},
		{Name: "lxcfs.files", Values: "some of " + strings.Join(names, ", "), Doc: "The files to replace, instead of those that the platform has chosen.", parse: someOf(names...)},
		{Name: "lxcfs.skip", Values: "names of containers", Doc: "Containers that keep the node's.", parse: parseContainers},
	}
}

func (l LXCFS) dir() string {
	if l.Dir == "" {
		return "/var/lib/lxcfs"
	}
	return path.Clean(l.Dir)
}

func (l LXCFS) validate() (errs []error) {
	if !strings.HasPrefix(l.dir(), "/") || strings.Contains(l.Dir, "..") || strings.Contains(l.Dir, ":") || l.dir() == "/" {
		errs = append(errs, fmt.Errorf("dir %q: write an absolute path", l.Dir))
	}
	if len(l.Files) > 0 {
		if _, err := someOf(sortedKeys(lxcfsPaths())...)(strings.Join(l.Files, ",")); err != nil {
			errs = append(errs, fmt.Errorf("files: %w", err))
		}
	}
	if p := l.Parent; p != "" && (p != path.Clean(p) || p == l.dir() || !within(l.dir(), p) || strings.Count(p, "/") < 3) {
		errs = append(errs, errors.New("parent: write a directory around dir that holds nothing else, at least three deep, such as /var/lib/lxcfs-mount with dir /var/lib/lxcfs-mount/lxcfs"))
	}
	return errs
}

func (LXCFS) asked(v *values) bool { return get(v, lxcfsKey, false) }

func (l LXCFS) inject(e *edit) {
	if e.ns.Level.strictness() > 0 {
		e.skip(l.Name(), ReasonPodSecurity, fmt.Sprintf("it takes hostPath volumes, which Pod Security level %s forbids", e.ns.Level))
		return
	}
	files := get(e.values, "lxcfs.files", l.Files)
	if len(files) == 0 {
		files = []string{"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime"}
	}
	files = slices.Sorted(slices.Values(files))
	skip := e.knownContainers("lxcfs.skip")
	used := map[string]bool{}
	for _, c := range e.allContainers() {
		if slices.Contains(skip, c.Name) || privileged(c) {
			continue
		}
		l.mount(e, c, files, used)
	}
	if len(used) == 0 {
		e.skip(l.Name(), ReasonNoTarget, "no container can have it")
		return
	}
	l.addVolumes(e, used)
	if e.pod.Spec.HostPID {
		e.warn("lxcfs: the Pod has hostPID; old versions of LXCFS then show the limits of the pause container")
	}
	e.applied(l.Name())
}

func privileged(c *corev1.Container) bool {
	return c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
}

// mount gives a container the files at whose place it has nothing else.
func (l LXCFS) mount(e *edit, c *corev1.Container, files []string, used map[string]bool) {
	paths := lxcfsPaths()
	for _, f := range files {
		at := paths[f]
		if m := covering(c, at); m != nil && cleanPath(m.MountPath) != "/" || deviceAt(c, at) {
			continue
		}
		e.addMount(c, corev1.VolumeMount{Name: "lxcfs-" + f, MountPath: at, ReadOnly: true})
		used[f] = true
	}
	if l.Parent != "" && mountAt(c, l.Parent) == nil && below(c, l.Parent) == nil && !deviceAt(c, l.Parent) {
		propagation := corev1.MountPropagationHostToContainer
		e.addMount(c, corev1.VolumeMount{Name: "lxcfs-parent", MountPath: l.Parent, ReadOnly: true, MountPropagation: &propagation})
		used[""] = true
	}
}

func (l LXCFS) addVolumes(e *edit, used map[string]bool) {
	for _, f := range sortedKeys(used) {
		name, host, kind := "lxcfs-parent", l.Parent, corev1.HostPathDirectory
		if f != "" {
			name, host, kind = "lxcfs-"+f, l.dir()+lxcfsPaths()[f], corev1.HostPathFile
		}
		e.addVolume(lxcfsKey, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: host, Type: &kind},
		}})
	}
}

// knownContainers is a list of containers of the Pod.
func (e *edit) knownContainers(key string) []string {
	names := get(e.values, key, []string(nil))
	for _, name := range names {
		if e.container(name) == nil {
			e.refuse(key, "the Pod has no container %q; write some of %s", shorten(name), containerNames(e))
		}
	}
	return names
}
