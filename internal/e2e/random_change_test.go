package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// change is one thing that a mutator might do to a Pod or to a Pod template. It depends on nothing but its arguments, so
// that the test can do what the mutator did.
type change func(r *rand.Rand, meta *metav1.ObjectMeta, spec *corev1.PodSpec)

// podChanges are all there are. More than half of them touch lists: that is where patches go wrong.
var podChanges = []change{
	func(r *rand.Rand, meta *metav1.ObjectMeta, _ *corev1.PodSpec) {
		meta.Labels = changeMap(r, meta.Labels)
	},
	func(r *rand.Rand, meta *metav1.ObjectMeta, _ *corev1.PodSpec) {
		meta.Annotations = changeMap(r, meta.Annotations)
	},
	func(r *rand.Rand, meta *metav1.ObjectMeta, _ *corev1.PodSpec) {
		meta.Finalizers = changeList(r, meta.Finalizers, oddText)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.NodeSelector = changeMap(r, spec.NodeSelector)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.Containers = changeList(r, spec.Containers, newContainer)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.InitContainers = changeList(r, spec.InitContainers, newContainer)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.EphemeralContainers = changeList(r, spec.EphemeralContainers, newEphemeralContainer)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) { changeContainer(r, spec.Containers) },
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) { changeContainer(r, spec.Containers) },
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		changeContainer(r, spec.InitContainers)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.Volumes = changeList(r, spec.Volumes, newVolume)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		if v := one(r, spec.Volumes); v != nil {
			v.VolumeSource = newVolume(r).VolumeSource
		}
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.Tolerations = changeList(r, spec.Tolerations, newToleration)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.TopologySpreadConstraints = changeList(r, spec.TopologySpreadConstraints, newSpread)
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.ImagePullSecrets = changeList(r, spec.ImagePullSecrets, func(r *rand.Rand) corev1.LocalObjectReference {
			return corev1.LocalObjectReference{Name: name(r)}
		})
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.HostAliases = changeList(r, spec.HostAliases, func(r *rand.Rand) corev1.HostAlias {
			return corev1.HostAlias{IP: pick(r, "10.0.0.1", "::1"), Hostnames: changeList(r, nil, name)}
		})
	},
	func(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
		spec.Overhead = changeResources(r, spec.Overhead)
	},
	changeScalars,
	changeNested,
}

// changePod does a few of them.
func changePod(r *rand.Rand, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	for range 1 + r.IntN(4) {
		podChanges[r.IntN(len(podChanges))](r, meta, spec)
	}
}

func changeScalars(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
	switch r.IntN(7) {
	case 0:
		spec.ServiceAccountName = pick(r, "", "default", "é")
	case 1:
		spec.HostNetwork = !spec.HostNetwork
	case 2:
		spec.TerminationGracePeriodSeconds = maybe[int64](r, 0, 30, 1<<53+1)
	case 3:
		spec.AutomountServiceAccountToken = maybe(r, true, false)
	case 4:
		spec.Priority = maybe[int32](r, 0, -1, 7)
	case 5:
		spec.RestartPolicy = pick(r, "", corev1.RestartPolicyNever)
	case 6:
		spec.RuntimeClassName = maybe(r, "", "gvisor")
	}
}

// changeNested sets what is a struct behind a pointer, in a struct behind a pointer.
func changeNested(r *rand.Rand, _ *metav1.ObjectMeta, spec *corev1.PodSpec) {
	switch r.IntN(5) {
	case 0:
		spec.SecurityContext = maybe(r, corev1.PodSecurityContext{}, corev1.PodSecurityContext{
			RunAsUser: maybe[int64](r, 0, 1000), SupplementalGroups: pick(r, nil, []int64{}, []int64{2, 1}),
		})
	case 1:
		spec.SecurityContext = orNew(spec.SecurityContext)
		spec.SecurityContext.Sysctls = changeList(r, spec.SecurityContext.Sysctls, func(r *rand.Rand) corev1.Sysctl {
			return corev1.Sysctl{Name: name(r), Value: oddText(r)}
		})
	case 2:
		spec.DNSConfig = orNew(spec.DNSConfig)
		spec.DNSConfig.Options = changeList(r, spec.DNSConfig.Options, func(r *rand.Rand) corev1.PodDNSConfigOption {
			return corev1.PodDNSConfigOption{Name: name(r), Value: maybe(r, "", "5")}
		})
	case 3:
		spec.Affinity = maybe(r, corev1.Affinity{})
	case 4:
		spec.Affinity = orNew(spec.Affinity)
		spec.Affinity.NodeAffinity = orNew(spec.Affinity.NodeAffinity)
		preferred := &spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
		*preferred = changeList(r, *preferred, func(r *rand.Rand) corev1.PreferredSchedulingTerm {
			return corev1.PreferredSchedulingTerm{Weight: r.Int32N(3)}
		})
	}
}

func changeContainer(r *rand.Rand, containers []corev1.Container) {
	c := one(r, containers)
	if c == nil {
		return
	}
	switch r.IntN(12) {
	case 0, 1, 2:
		c.Env = changeList(r, c.Env, newEnv)
	case 3:
		if e := one(r, c.Env); e != nil {
			*e = newEnv(r)
		}
	case 4:
		c.Ports = changeList(r, c.Ports, newPort)
	case 5:
		c.VolumeMounts = changeList(r, c.VolumeMounts, newMount)
	case 6:
		c.Resources.Limits = changeResources(r, c.Resources.Limits)
	case 7:
		c.Resources.Requests = changeResources(r, c.Resources.Requests)
	case 8:
		c.Args = changeList(r, c.Args, oddText)
	case 9:
		c.LivenessProbe = newProbe(r)
	case 10:
		c.SecurityContext = maybe(r, corev1.SecurityContext{}, corev1.SecurityContext{
			Privileged: maybe(r, true, false), RunAsUser: maybe[int64](r, 0, 1),
		})
	case 11:
		c.Image, c.Name = "registry.example/"+name(r), pick(r, c.Name, name(r))
	}
}

// changeList is what mutators do to lists: prepend, append, insert, remove, reorder, repeat, empty. It makes a new list,
// since a mutator must not write into memory that it shares with the object before it.
func changeList[T any](r *rand.Rand, list []T, element func(*rand.Rand) T) []T {
	list = slices.Clone(list)
	n := len(list)
	switch what := r.IntN(8); {
	case n == 0 || what == 0:
		return append(list, element(r))
	case what == 1:
		return slices.Insert(list, 0, element(r))
	case what == 2:
		return slices.Insert(list, r.IntN(n+1), element(r))
	case what == 3:
		at := r.IntN(n)
		return slices.Delete(list, at, at+1)
	case what == 4:
		r.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	case what == 5:
		i, j := r.IntN(n), r.IntN(n)
		list[i], list[j] = list[j], list[i]
		return slices.Insert(list, 0, element(r))
	case what == 6 && r.IntN(3) == 0:
		return append(list, list[r.IntN(n)])
	case what == 7 && r.IntN(3) == 0:
		return pick(r, nil, []T{})
	}
	list[r.IntN(n)] = element(r)
	return list
}

func changeMap(r *rand.Rand, m map[string]string) map[string]string {
	m = maps.Clone(m)
	if keys := slices.Sorted(maps.Keys(m)); len(keys) > 0 && r.IntN(3) == 0 {
		delete(m, keys[r.IntN(len(keys))])
		return m
	}
	if r.IntN(12) == 0 {
		return pick(r, nil, map[string]string{})
	}
	m = orMap(m)
	m[oddText(r)] = oddText(r)
	return m
}

func changeResources(r *rand.Rand, l corev1.ResourceList) corev1.ResourceList {
	l = orMap(maps.Clone(l))
	key := pick[corev1.ResourceName](r, corev1.ResourceCPU, corev1.ResourceMemory, "example.com/gpu")
	if _, ok := l[key]; ok && r.IntN(3) == 0 {
		delete(l, key)
		return l
	}
	l[key] = resource.MustParse(pick(r, "0", "1", "1000m", "0.5", "1Gi", "1024Mi", "2.5Gi", "1k", "1e3", "100n"))
	return l
}

// oddText holds what JSON, JSON Pointers and HTML each have to escape.
func oddText(r *rand.Rand) string {
	return pick(r, "", "app", "a/b", "x~y", "~1", "~0~1/", "é", `"quoted\"`, "two\nlines", "<&>", "\u2028", "0", "-", "example.com/team", fmt.Sprint(r.IntN(9)))
}

// name is mostly one that nothing else has, and now and then one of few: lists whose elements cannot be told apart by
// name have rules of their own.
func name(r *rand.Rand) string {
	if r.IntN(5) == 0 {
		return pick(r, "app", "log", "proxy", "init", "db")
	}
	return fmt.Sprintf("x%d", r.IntN(1000))
}

func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// maybe is nil, or a pointer to one of the values.
func maybe[T any](r *rand.Rand, values ...T) *T {
	if r.IntN(len(values)+1) == 0 {
		return nil
	}
	return &values[r.IntN(len(values))]
}

// one is a pointer to an element, or nil if there is none.
func one[T any](r *rand.Rand, list []T) *T {
	if len(list) == 0 {
		return nil
	}
	return &list[r.IntN(len(list))]
}

func orNew[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func orMap[M ~map[K]V, K comparable, V any](m M) M {
	if m == nil {
		return M{}
	}
	return m
}
