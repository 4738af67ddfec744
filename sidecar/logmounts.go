package sidecar

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// mountLogs brings the directories of the logs into the shipper, at the paths that they have for the application: a
// volume that the user has there already, or an empty one that is mounted in both.
func (f Filebeat) mountLogs(e *edit, spec *LogSpec, serves, shipper *corev1.Container) {
	if n := len(serves.VolumeMounts); n > maxMounts {
		e.refuse(logDirs(spec)[0].key, "container %s has %d mounts; write at most %d, or remove the annotation", serves.Name, n, maxMounts)
		return
	}
	for _, d := range logDirs(spec) {
		if m := covering(shipper, d.path); m != nil && m.Name != shipperConfig && m.Name != shipperData {
			if own := covering(serves, d.path); own == nil || cleanPath(own.MountPath) != cleanPath(m.MountPath) {
				e.refuse(d.key, "%s is in another volume than %s, around it, which has logs too; write paths that are in one volume", d.path, m.MountPath)
			}
			continue // another stream's directory has brought it
		}
		if m := below(serves, d.path); m != nil {
			e.refuse(d.key, "container %s mounts volume %s at %s, below the directory %s of the logs; write paths that are in one volume", serves.Name, m.Name, m.MountPath, d.path)
			continue
		}
		if m := covering(serves, d.path); m != nil {
			f.reuse(e, d, serves, *m, shipper)
			continue
		}
		if f.taken(e, d, d.path, shipper) {
			continue
		}
		if deviceAt(serves, d.path) {
			e.refuse(d.key, "container %s has a block device at %s; write the logs elsewhere", serves.Name, d.path)
			continue
		}
		volume := emptyDir(numbered(shipperLogs, e.record.Volumes))
		e.addVolume(d.key, volume)
		e.addMount(serves, corev1.VolumeMount{Name: volume.Name, MountPath: d.path})
		shipper.VolumeMounts = append(shipper.VolumeMounts, corev1.VolumeMount{Name: volume.Name, MountPath: d.path, ReadOnly: true})
	}
}

// maxMounts and maxExpr (PATH_MAX) are more than a container can start with. Nobody has judged the Pod before admission.
const (
	maxMounts = 1000
	maxExpr   = 4096
)

// logDir is a directory of logs and the annotation that asks for it.
type logDir struct{ path, key string }

// logDirs are the directories of all streams, those that contain others first.
func logDirs(spec *LogSpec) []logDir {
	var dirs []logDir
	for _, s := range spec.Streams {
		key := pathsOf(s.Name)
		for _, p := range s.Paths {
			dir := globDir(p)
			if !slices.ContainsFunc(dirs, func(d logDir) bool { return d.path == dir }) {
				dirs = append(dirs, logDir{dir, key})
			}
		}
	}
	slices.SortStableFunc(dirs, func(a, b logDir) int { return strings.Compare(a.path, b.path) })
	return dirs
}

// covering is the mount that a directory is in: the deepest one.
func covering(c *corev1.Container, dir string) *corev1.VolumeMount {
	var best *corev1.VolumeMount
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		if within(dir, cleanPath(m.MountPath)) && (best == nil || len(cleanPath(m.MountPath)) > len(cleanPath(best.MountPath))) {
			best = m
		}
	}
	return best
}

// below is a mount inside of a directory.
func below(c *corev1.Container, dir string) *corev1.VolumeMount {
	for i := range c.VolumeMounts {
		if p := cleanPath(c.VolumeMounts[i].MountPath); p != dir && within(p, dir) {
			return &c.VolumeMounts[i]
		}
	}
	return nil
}

// reuse mounts a volume of the user's in the shipper as the application has it, but read-only.
func (f Filebeat) reuse(e *edit, d logDir, serves *corev1.Container, m corev1.VolumeMount, shipper *corev1.Container) {
	at := cleanPath(m.MountPath)
	if f.taken(e, d, at, shipper) {
		return
	}
	i := slices.IndexFunc(e.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
	if i >= 0 {
		kind, ok := kindOf(&e.pod.Spec.Volumes[i])
		if !ok {
			e.refuse(d.key, "%s is in volume %s, a %s, which is no place for logs; mount an emptyDir at %s", d.path, m.Name, kind, d.path)
			return
		}
		if kind != "emptyDir" {
			e.warn(fmt.Sprintf("log: %s is in volume %s, a %s: files are told apart by their inodes, which network file systems may change", d.path, m.Name, kind))
		}
	}
	own := corev1.VolumeMount{Name: m.Name, MountPath: at, SubPath: m.SubPath, SubPathExpr: m.SubPathExpr, ReadOnly: true}
	if m.SubPathExpr != "" && !copyEnv(serves, shipper, m.SubPathExpr) {
		e.refuse(d.key, "container %s mounts %s with subPathExpr %q, of variables that the log shipper can't have; use variables with a value or a fieldRef", serves.Name, m.MountPath, shorten(m.SubPathExpr))
		return
	}
	shipper.VolumeMounts = append(shipper.VolumeMounts, own)
}

// taken refuses to mount over what the shipper itself needs.
func (f Filebeat) taken(e *edit, d logDir, at string, shipper *corev1.Container) bool {
	for _, need := range []string{
		configDir, dataDir, "/bin", "/sbin", "/lib", "/lib64", "/dev", "/proc", "/sys", "/etc",
		"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share/filebeat",
	} {
		if within(need, at) || (need == configDir || need == dataDir) && within(at, need) {
			e.refuse(d.key, "%s would have to be mounted at %s, where the log shipper has %s; write the logs elsewhere", d.path, at, need)
			return true
		}
	}
	if below(shipper, at) != nil {
		e.refuse(d.key, "%s would have to be mounted at %s, around another volume of logs; write paths that are in one volume", d.path, at)
		return true
	}
	return false
}

// kindOf names the kind of a volume, and says whether logs can be in it.
func kindOf(v *corev1.Volume) (string, bool) {
	s := &v.VolumeSource
	for _, k := range []struct {
		is   bool
		name string
		ok   bool
	}{
		{s.HostPath != nil, "hostPath", false},
		{s.Secret != nil, "secret", false},
		{s.ConfigMap != nil, "configMap", false},
		{s.DownwardAPI != nil, "downwardAPI", false},
		{s.Projected != nil, "projected", false},
		{s.Image != nil, "image", false},
		{s.GitRepo != nil, "gitRepo", false},
		{s.EmptyDir != nil || *s == (corev1.VolumeSource{}), "emptyDir", true},
		{s.PersistentVolumeClaim != nil, "persistentVolumeClaim", true},
	} {
		if k.is {
			return k.name, k.ok
		}
	}
	return "network volume", true
}

// copyEnv gives the shipper the variables that a subPathExpr refers to. Of what a variable is made of, only values and
// fields are sure to mean the same there.
func copyEnv(from, to *corev1.Container, expr string) bool {
	if len(expr) > maxExpr {
		return false
	}
	for rest := expr; ; {
		_, after, ok := strings.Cut(rest, "$(")
		if !ok {
			return true
		}
		name, behind, closed := strings.Cut(after, ")")
		if !closed {
			return true
		}
		rest = behind
		env := lastEnv(from, name)
		if env == nil || env.ValueFrom != nil && env.ValueFrom.FieldRef == nil || strings.Contains(env.Value, "$") {
			return false
		}
		if own := lastEnv(to, name); own != nil && !covers(*own, *env) {
			return false
		} else if own == nil {
			to.Env = append(to.Env, *env.DeepCopy())
		}
	}
}

// numbered is a name that is not in use: name, name-2, name-3 …
func numbered(name string, used []string) string {
	candidate := name
	for n := 2; slices.Contains(used, candidate); n++ {
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
	return candidate
}
