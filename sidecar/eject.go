package sidecar

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// eject undoes what is recorded, where it is still as it was left. Names that no longer fit anything are ignored.
func (r *record) eject(pod *corev1.Pod, prefix string) {
	spec := &pod.Spec
	spec.Containers = without(spec.Containers, func(c corev1.Container) bool { return slices.Contains(r.Containers, c.Name) })
	spec.InitContainers = without(spec.InitContainers, func(c corev1.Container) bool { return slices.Contains(r.InitContainers, c.Name) })
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			if in := r.In[containers[i].Name]; in != nil {
				in.eject(&containers[i])
			}
		}
	}
	spec.Volumes = without(spec.Volumes, func(v corev1.Volume) bool {
		return slices.Contains(r.Volumes, v.Name) && !mounted(spec, v.Name) // by a container that came later
	})
	spec.ImagePullSecrets = without(spec.ImagePullSecrets, func(s corev1.LocalObjectReference) bool { return slices.Contains(r.PullSecrets, s.Name) })
	spec.ReadinessGates = without(spec.ReadinessGates, func(g corev1.PodReadinessGate) bool {
		return slices.Contains(r.ReadinessGates, string(g.ConditionType))
	})
	r.ejectHosts(spec)
	if g := r.Grace; g != nil && spec.TerminationGracePeriodSeconds != nil && *spec.TerminationGracePeriodSeconds == g.To {
		spec.TerminationGracePeriodSeconds = clonePointer(g.From)
	}
	for _, name := range append(r.Annotations, recordKey) {
		delete(pod.Annotations, prefix+"/"+name)
	}
	if len(pod.Annotations) == 0 {
		pod.Annotations = nil
	}
}

func (r *record) ejectHosts(spec *corev1.PodSpec) {
	ours := map[string]map[string]bool{} // by address: lists may be long
	for _, added := range r.Hostnames {
		if ours[added.IP] == nil {
			ours[added.IP] = map[string]bool{}
		}
		for _, h := range added.Hostnames {
			ours[added.IP][h] = true
		}
	}
	for i := range spec.HostAliases {
		entry := &spec.HostAliases[i]
		if names := ours[entry.IP]; names != nil {
			entry.Hostnames = without(entry.Hostnames, func(h string) bool { return names[h] })
			delete(ours, entry.IP) // names were added to the first entry of an address
		}
	}
	added := map[string][][]string{}
	for _, a := range r.HostAliases {
		added[a.IP] = append(added[a.IP], a.Hostnames)
	}
	spec.HostAliases = without(spec.HostAliases, func(h corev1.HostAlias) bool {
		return slices.ContainsFunc(added[h.IP], func(names []string) bool { return slices.Equal(h.Hostnames, names) })
	})
}

func (in *recordIn) eject(c *corev1.Container) {
	for _, added := range in.Env {
		i := slices.IndexFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == added.Name && e.Value == added.Value && covers(added, e) })
		if i >= 0 {
			c.Env = slices.Delete(c.Env, i, i+1)
		}
	}
	c.Env = orNil(c.Env)
	for _, w := range in.Words {
		if e := lastEnv(c, w.Name); e != nil && e.ValueFrom == nil {
			e.Value = withoutWord(e.Value, w.Word)
		}
	}
	c.VolumeMounts = without(c.VolumeMounts, func(m corev1.VolumeMount) bool {
		return slices.ContainsFunc(in.Mounts, func(added corev1.VolumeMount) bool {
			return added.MountPath == m.MountPath && added.Name == m.Name && covers(added, m)
		})
	})
	if c.LivenessProbe == nil {
		c.LivenessProbe = in.Liveness.DeepCopy()
	}
	if c.StartupProbe == nil {
		c.StartupProbe = in.Startup.DeepCopy()
	}
}

// withoutWord removes a word with the blank before it, or the one behind where it has become the first.
func withoutWord(list, word string) string {
	if rest, ok := strings.CutSuffix(list, " "+word); ok {
		return rest
	}
	if before, after, ok := strings.Cut(list, " "+word+" "); ok {
		return before + " " + after
	}
	if rest, ok := strings.CutPrefix(list, word+" "); ok {
		return rest
	}
	return list
}

// lastEnv is the definition of a variable that counts.
func lastEnv(c *corev1.Container, name string) *corev1.EnvVar {
	for i := len(c.Env) - 1; i >= 0; i-- {
		if c.Env[i].Name == name {
			return &c.Env[i]
		}
	}
	return nil
}

// mounted reports whether a container uses a volume.
func mounted(spec *corev1.PodSpec, volume string) bool {
	uses := func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume }) ||
			slices.ContainsFunc(c.VolumeDevices, func(d corev1.VolumeDevice) bool { return d.Name == volume })
	}
	return slices.ContainsFunc(spec.Containers, uses) || slices.ContainsFunc(spec.InitContainers, uses)
}

// without removes elements in place. What becomes empty is nil, as it is in a Pod that never had any.
func without[T any](list []T, drop func(T) bool) []T {
	return orNil(slices.DeleteFunc(list, drop))
}

func orNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}
