package sidecar

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// disclaim removes from a record what this Set can't have added. Users can write records, and webhooks that came before
// us have added containers, mounts and variables that users may not remove.
func (s *Set) disclaim(r *record) {
	own := s.names()
	foreign := func(name string) bool { return !own[name] }
	foreignVolume := func(name string) bool { return foreign(name) && !strings.HasPrefix(name, shipperLogs) }
	r.Containers = slices.DeleteFunc(r.Containers, foreign)
	r.InitContainers = slices.DeleteFunc(r.InitContainers, foreign)
	r.Volumes = slices.DeleteFunc(r.Volumes, foreignVolume)
	r.ReadinessGates = slices.DeleteFunc(r.ReadinessGates, func(g string) bool { return g != s.prefix+"/"+debugGate })
	r.Annotations = slices.DeleteFunc(r.Annotations, func(name string) bool { return name != configKey })
	for _, in := range r.In {
		in.Env = slices.DeleteFunc(in.Env, func(v corev1.EnvVar) bool { return foreign(v.Name) })
		in.Words = slices.DeleteFunc(in.Words, func(w word) bool {
			return w.Word != faketimeFile && w.Word != shimFile && !strings.HasPrefix(w.Word, processorCountFlag)
		})
		in.Mounts = slices.DeleteFunc(in.Mounts, func(m corev1.VolumeMount) bool { return foreignVolume(m.Name) })
	}
}

// names are those of all containers, volumes and variables that the Set may add. One map does for all three.
func (s *Set) names() map[string]bool {
	own := map[string]bool{}
	for _, name := range []string{
		shipperName, shipperConfig, shipperData, faketimeName, shimName, zoneName, "lxcfs-parent",
		preload, javaOptions, goMaxProcs, "TZ",
		"FAKETIME", "FAKETIME_DISABLE_SHM", "FAKETIME_DONT_RESET", "FAKETIME_DONT_FAKE_MONOTONIC", "FAKETIME_FORCE_MONOTONIC_FIX",
	} {
		own[name] = true
	}
	for f := range lxcfsPaths() {
		own["lxcfs-"+f] = true
	}
	CPUCount{}.names(own)
	for _, i := range s.injectors {
		if i, ok := i.(interface{ names(own map[string]bool) }); ok { // also one around ours, in a struct of the caller's
			i.names(own)
		}
	}
	return own
}

func (n CPUCount) names(own map[string]bool) {
	for _, v := range n.variables() {
		own[v] = true
	}
}

func (s Sidecar) names(own map[string]bool) {
	for _, c := range slices.Concat(s.InitContainers, s.Containers) {
		own[c.Name] = true
	}
	for _, v := range s.Volumes {
		own[v.Name] = true
	}
	for _, v := range s.Env {
		own[v.Name] = true
	}
}
