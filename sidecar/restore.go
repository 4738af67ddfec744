package sidecar

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// restore gives what was injected into a Pod again the places that it had, and what others did to it meanwhile. Only
// our init containers come last once more: those stop first, and a mesh proxy that was added behind a log shipper has
// to outlive it.
func (r *record) restore(before *corev1.Pod, e *edit) {
	was, is := &before.Spec, &e.pod.Spec
	name := func(c corev1.Container) string { return c.Name }
	is.Containers = placed(was.Containers, is.Containers, e.users, name, r.Containers)
	is.InitContainers = placed(nil, is.InitContainers, e.initUsers, name, nil)
	for _, list := range []struct {
		was, is []corev1.Container
		own     []string
	}{{was.Containers, is.Containers, r.Containers}, {was.InitContainers, is.InitContainers, r.InitContainers}} {
		for i := range list.is {
			j := slices.IndexFunc(list.was, func(c corev1.Container) bool { return c.Name == list.is[i].Name })
			switch {
			case j < 0:
			case slices.Contains(list.own, list.is[i].Name):
				both := overlay(list.is[i], list.was[j])
				list.is[i] = *both.DeepCopy()
			default:
				r.restoreIn(&list.was[j], &list.is[i], e)
			}
		}
	}
	r.restoreVolumes(was, is, e)
	is.ImagePullSecrets = placed(was.ImagePullSecrets, is.ImagePullSecrets, len(is.ImagePullSecrets)-len(e.record.PullSecrets),
		func(s corev1.LocalObjectReference) string { return s.Name }, r.PullSecrets)
}

func (r *record) restoreVolumes(was, is *corev1.PodSpec, e *edit) {
	name := func(v corev1.Volume) string { return v.Name }
	is.Volumes = placed(was.Volumes, is.Volumes, len(is.Volumes)-len(e.record.Volumes), name, r.Volumes)
	for i := range is.Volumes {
		if !slices.Contains(e.record.Volumes, is.Volumes[i].Name) || !slices.Contains(r.Volumes, is.Volumes[i].Name) {
			continue
		}
		j := slices.IndexFunc(was.Volumes, func(v corev1.Volume) bool { return v.Name == is.Volumes[i].Name })
		if j >= 0 {
			both := overlay(is.Volumes[i], was.Volumes[j])
			is.Volumes[i] = *both.DeepCopy()
		}
	}
}

func (r *record) restoreIn(was, is *corev1.Container, e *edit) {
	old, now := r.In[was.Name], e.record.In[is.Name]
	if old == nil || now == nil {
		return
	}
	is.Env = placedFirst(was.Env, is.Env, len(now.Env), func(v corev1.EnvVar) string { return v.Name }, old.Env)
	for i := range is.Env {
		k := slices.IndexFunc(now.Env, func(v corev1.EnvVar) bool { return v.Name == is.Env[i].Name })
		if k < 0 {
			continue
		}
		j := slices.IndexFunc(was.Env, func(v corev1.EnvVar) bool { return v.Name == is.Env[i].Name })
		if j >= 0 && covers(now.Env[k], was.Env[j]) {
			is.Env[i] = *was.Env[j].DeepCopy()
		}
	}
	path := func(m corev1.VolumeMount) string { return m.MountPath }
	var paths []string
	for _, m := range old.Mounts {
		paths = append(paths, m.MountPath)
	}
	is.VolumeMounts = placed(was.VolumeMounts, is.VolumeMounts, len(is.VolumeMounts)-len(now.Mounts), path, paths)
}

// placed returns the elements of is, of which the first n are the user's and the others ours, ours at the places that
// they had in was. Names in own were ours there.
func placed[T any](was, is []T, n int, key func(T) string, own []string) []T {
	if len(is) == n {
		return is
	}
	users, ours := is[:n], slices.Clone(is[n:])
	out := make([]T, 0, len(is))
	for _, old := range was {
		name := key(old)
		if i := slices.IndexFunc(ours, func(v T) bool { return key(v) == name }); i >= 0 && slices.Contains(own, name) {
			out = append(out, ours[i])
			ours = slices.Delete(ours, i, i+1)
			continue
		}
		if len(users) > 0 && key(users[0]) == name {
			out = append(out, users[0])
			users = users[1:]
		}
	}
	return append(append(out, users...), ours...)
}

// placedFirst is placed for variables, of which ours come first.
func placedFirst(was, is []corev1.EnvVar, ours int, key func(corev1.EnvVar) string, own []corev1.EnvVar) []corev1.EnvVar {
	var names []string
	for _, v := range own {
		names = append(names, v.Name)
	}
	known := func(v corev1.EnvVar) bool { return slices.Contains(names, v.Name) }
	if !slices.ContainsFunc(is[:ours], known) {
		return is
	}
	var fresh, again []corev1.EnvVar
	for _, v := range is[:ours] {
		if known(v) && slices.ContainsFunc(was, func(w corev1.EnvVar) bool { return w.Name == v.Name }) {
			again = append(again, v)
		} else {
			fresh = append(fresh, v)
		}
	}
	users := is[ours:]
	out := placed(was, slices.Concat(users, again), len(users), key, names)
	return slices.Concat(fresh, out)
}
