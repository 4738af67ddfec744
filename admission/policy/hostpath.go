package policy

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// HostPath is the check "host-path": a Pod may mount the directories of its node that are on the allow-list, and no
// others.
//
// Paths are cleaned before they are compared, so that /var/log/../../etc is /etc, and compared by whole segments, so
// that /var/log does not allow /var/logs. A path that is not absolute is always a finding, which includes Windows paths
// with a drive letter. A backslash counts as a slash too, which it is on Windows nodes and not for the API server's own check
// against "..": /var/log/a\..\..\.. needs both its readings allowed. A mount is judged by the volume's path and its subPath together; since the value of a subPathExpr
// is not known, such a mount is judged by the volume's path.
//
// What it cannot see: symbolic links on the node, and a hostPath behind a PersistentVolumeClaim.
//
// Without options it agrees with the check hostPathVolumes of Pod Security Admission (baseline).
type HostPath struct {
	// Allow lists the paths that may be mounted. Where several match, the most generous counts: a directory that can
	// be written can be written in all its subdirectories. Empty allows none.
	Allow []AllowedHostPath `json:"allow,omitempty"`
}

// AllowedHostPath is a directory or file of the node that [HostPath] allows to mount, with all below it.
type AllowedHostPath struct {
	// PathPrefix is an absolute path: /var/log allows /var/log and /var/log/pods.
	PathPrefix string `json:"pathPrefix"`
	// ReadOnly requires that every mount in every container says readOnly: true. File systems mounted below the path
	// on the node stay writable unless the mount also says recursiveReadOnly: Enabled.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Check validates the options and returns the check.
func (o HostPath) Check() (Check, error) {
	p := problems{check: nameHostPath}
	var c hostPaths
	for i, a := range o.Allow {
		if !path.IsAbs(a.PathPrefix) || slices.Contains(strings.Split(a.PathPrefix, "/"), "..") {
			p.add("allow[%d].pathPrefix %s: write an absolute path without ..", i, quote(a.PathPrefix))
		}
		a.PathPrefix = path.Clean(a.PathPrefix)
		c.allowed = append(c.allowed, a)
	}
	return p.done(Check{Name: nameHostPath, Evaluate: c.evaluate})
}

type hostPaths struct {
	allowed []AllowedHostPath // with clean prefixes
}

// access is what the allow-list grants for a path.
type access int

const (
	none access = iota
	readOnly
	readWrite
)

// access is what both readings of a path have in common: with backslashes as letters, and as the slashes that they are on
// Windows nodes.
func (c hostPaths) access(p string) access {
	return min(c.granted(path.Clean(p)), c.granted(windows(p)))
}

func windows(p string) string { return path.Clean(strings.ReplaceAll(p, `\`, "/")) }

// granted expects a clean path.
func (c hostPaths) granted(p string) access {
	granted := none
	for _, a := range c.allowed {
		switch {
		case !within(p, a.PathPrefix):
		case !a.ReadOnly:
			return readWrite
		default:
			granted = readOnly
		}
	}
	return granted
}

// within reports whether p is dir or below it; both are clean.
func within(p, dir string) bool {
	if dir == "/" {
		return path.IsAbs(p)
	}
	rest, ok := strings.CutPrefix(p, dir)
	return ok && (rest == "" || rest[0] == '/')
}

func (c hostPaths) evaluate(s Subject) []admission.Finding {
	r := report{rule: nameHostPath}
	for i := range s.Spec.Volumes {
		v := &s.Spec.Volumes[i]
		if v.HostPath == nil {
			continue
		}
		field := func() string { return element(s.Path+".volumes", v.Name, i) + ".hostPath.path" }
		switch dir := path.Clean(v.HostPath.Path); {
		case !path.IsAbs(v.HostPath.Path):
			r.add(field(), "hostPath %s is not absolute: %s", quote(v.HostPath.Path), c.advice())
		case c.access(dir) == none:
			r.add(field(), "hostPath %s is not allowed: %s", quoteClean(v.HostPath.Path), c.advice())
		default:
			c.mounts(&r, s, v.Name, dir)
		}
	}
	return r.findings
}

// mounts judges the mounts of a volume whose path is allowed.
func (c hostPaths) mounts(r *report, s Subject, volume, dir string) {
	for ctr := range s.Containers() {
		for i := range ctr.VolumeMounts {
			if m := &ctr.VolumeMounts[i]; m.Name == volume {
				c.mount(r, ctr, m, i, dir)
			}
		}
	}
}

func (c hostPaths) mount(r *report, ctr Container, m *corev1.VolumeMount, index int, dir string) {
	if m.SubPath != "" {
		dir = path.Join(dir, m.SubPath)
	}
	field := func(name string) string {
		return ctr.Field(element("volumeMounts", m.MountPath, index) + "." + name)
	}
	switch granted := c.access(dir); {
	case granted == none:
		r.add(field("subPath"), "subPath %s leads to %s, which is not allowed: %s", quote(m.SubPath), quote(windows(dir)), c.advice())
	case granted == readOnly && !m.ReadOnly:
		r.add(field("readOnly"), "hostPath %s may only be read: write readOnly: true", quote(dir))
	}
}

// advice says what to write instead.
func (c hostPaths) advice() string {
	const instead = "use an emptyDir, a ConfigMap or a PersistentVolumeClaim"
	if len(c.allowed) == 0 {
		return instead
	}
	paths := make([]string, len(c.allowed))
	for i, a := range c.allowed {
		paths[i] = a.PathPrefix
		if a.ReadOnly {
			paths[i] += " (read-only)"
		}
	}
	return instead + ", or a path under " + list(paths)
}

// quoteClean quotes a path and, if that is another one, what it comes to.
func quoteClean(p string) string {
	if clean := windows(p); clean != strings.TrimRight(p, "/") && clean != p {
		return quote(p) + ", which is " + quote(clean) + ","
	}
	return quote(p)
}
