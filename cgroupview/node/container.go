package node

import "strings"

// Container is what the path of a cgroup says about a container.
type Container struct {
	ID      string // 64 hexadecimal digits
	Runtime string // containerd, cri-o, docker or podman; empty if the name does not tell
	PodUID  string // with dashes, but for static Pods, which have none; empty outside Kubernetes
	QoS     string // guaranteed, burstable or besteffort; empty outside Kubernetes
	Path    string // of the cgroup in its hierarchy
}

// ParseContainer recognizes the cgroup of a container:
//
//	/kubepods/burstable/pod<uid>/<id>                                       cgroupfs driver; CRI-O: crio-<id>
//	/kubepods.slice/kubepods-pod<uid>.slice/cri-containerd-<id>.scope       systemd driver; crio-, docker-, libpod-
//	/kubelet.slice/kubelet-kubepods.slice/…                                 kind
//	/system.slice/containerd.service/kubepods-pod<uid>.slice:cri-containerd:<id>   one driver told to the other
//	/docker/<id>, /system.slice/docker-<id>.scope, /machine.slice/libpod-<id>.scope/container
//
// Mounts, monitors (crio-conmon-…) and cgroups inside a container are not containers. That the sandbox of a Pod is one
// does not show in its path: see [Sandbox].
func ParseContainer(path string) (Container, bool) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	own := path
	if strings.HasSuffix(path, "/container") { // crun below CRI-O and podman
		own = path[:len(path)-len("/container")]
		name = own[strings.LastIndexByte(own, '/')+1:]
	}
	name = strings.TrimSuffix(name, ".scope")
	if len(name) < idLength || strings.Contains(name, "conmon") {
		return Container{}, false
	}
	id := name[len(name)-idLength:]
	prefix := name[:len(name)-idLength]
	if !isID(id) || prefix != "" && !strings.HasSuffix(prefix, "-") && !strings.HasSuffix(prefix, ":") {
		return Container{}, false
	}
	above := own[:len(own)-len(own[strings.LastIndexByte(own, '/')+1:])]
	pod := ""
	if slice, rest, ok := strings.Cut(prefix, ":"); ok {
		above, prefix = above+slice, rest
	}
	if pod = podUID(above); pod == "" && strings.Contains(path, "kubepods") {
		return Container{}, false
	}
	c := Container{ID: id, Path: path, PodUID: pod, Runtime: runtimeOf(strings.TrimRight(prefix, "-:"), above)}
	if pod != "" {
		c.QoS = qos(above)
	}
	return c, true
}

// Enclosing recognizes the container that a cgroup is, or that it lies in: the outermost one of its path, since what is
// below a container is what its processes have made, under names that they choose.
func Enclosing(path string) (Container, bool) {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		if c, ok := ParseContainer(path[:i]); ok {
			return c, true
		}
	}
	return Container{}, false
}

const idLength = 64

func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == idLength
}

func runtimeOf(prefix, above string) string {
	switch {
	case prefix == "cri-containerd":
		return "containerd"
	case prefix == "crio":
		return "cri-o"
	case prefix == "docker", prefix == "" && strings.HasSuffix(above, "/docker/"):
		return "docker"
	case prefix == "libpod":
		return "podman"
	}
	return ""
}

// podUID finds "pod<uid>" at the end of an element, as it is or with systemd's escapes.
func podUID(path string) string {
	for element := range strings.SplitSeq(path, "/") {
		element = strings.TrimSuffix(element, ".slice")
		_, uid, ok := strings.Cut(element, "-pod")
		if i := strings.LastIndex(element, "-pod"); i >= 0 {
			uid = element[i+len("-pod"):]
		}
		if !ok {
			uid, ok = strings.CutPrefix(element, "pod")
		}
		if uid = strings.ReplaceAll(uid, "_", "-"); ok && isUID(uid) {
			return uid
		}
	}
	return ""
}

// isUID reports 32 hexadecimal digits, with dashes or, for static Pods, without.
func isUID(s string) bool {
	digits := strings.ReplaceAll(s, "-", "")
	return len(digits) == 32 && isID(digits+digits) && (len(s) == 32 || len(s) == 36)
}

func qos(path string) string {
	switch {
	case strings.Contains(path, "burstable"):
		return "burstable"
	case strings.Contains(path, "besteffort"):
		return "besteffort"
	}
	return "guaranteed"
}
