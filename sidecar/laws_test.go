package sidecar_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubewright/kubewright/internal/podgen"
	"github.com/kubewright/kubewright/sidecar"
)

// requireLaws applies to a Pod and wants everything that package sidecar promises, or an error. It returns the result,
// or nil.
func requireLaws(t *testing.T, set *sidecar.Set, pod *corev1.Pod, ns sidecar.Namespace) *corev1.Pod {
	t.Helper()
	before := encode(t, pod)
	out, outcome, err := set.Apply(pod, ns)
	require.Equal(t, before, encode(t, pod), "the input was modified")
	if err != nil {
		require.Nil(t, out)
		require.Empty(t, outcome)
		return nil
	}
	require.NotSame(t, pod, out)
	if len(outcome.Applied) == 0 {
		require.Equal(t, before, encode(t, out), "nothing applied, nothing changed")
	}
	again, _, err := set.Apply(out, ns)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(encode(t, out), encode(t, again)), "applied twice")
	back, err := set.Eject(out)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(before, encode(t, back)), "ejected")
	requireKept(t, pod, out)
	require.Equal(t, qos(pod), qos(out))
	return out
}

// requireKept wants what the user wrote in the order in which it was written.
func requireKept(t *testing.T, pod, out *corev1.Pod) {
	t.Helper()
	requireWithin(t, names(pod.Spec.Containers), names(out.Spec.Containers))
	requireWithin(t, names(pod.Spec.InitContainers), names(out.Spec.InitContainers))
	requireWithin(t, pod.Spec.Volumes, out.Spec.Volumes)
	requireWithin(t, pod.Spec.ImagePullSecrets, out.Spec.ImagePullSecrets)
	for _, lists := range [][2][]corev1.Container{{pod.Spec.Containers, out.Spec.Containers}, {pod.Spec.InitContainers, out.Spec.InitContainers}} {
		for _, c := range lists[0] {
			i := slices.IndexFunc(lists[1], func(o corev1.Container) bool { return o.Name == c.Name })
			o := lists[1][i]
			requireWithin(t, c.VolumeMounts, o.VolumeMounts)
			requireWithin(t, own(c.Env), own(o.Env))
			c.Env, o.Env, c.VolumeMounts, o.VolumeMounts = nil, nil, nil, nil
			c.LivenessProbe, c.StartupProbe, o.LivenessProbe, o.StartupProbe = nil, nil, nil, nil // for debug to take
			require.Equal(t, encode(t, c), encode(t, o))
		}
	}
}

func names(list []corev1.Container) (out []string) {
	for _, c := range list {
		out = append(out, c.Name)
	}
	return out
}

// own are variables without those to which words may be appended.
func own(list []corev1.EnvVar) []corev1.EnvVar {
	return slices.DeleteFunc(slices.Clone(list), func(v corev1.EnvVar) bool { return v.Name == "LD_PRELOAD" || v.Name == "JAVA_TOOL_OPTIONS" })
}

// requireWithin wants the elements of one list in another, in order.
func requireWithin[T any](t *testing.T, want, in []T) {
	t.Helper()
	i := 0
	for _, v := range in {
		if i < len(want) && cmp.Equal(want[i], v) {
			i++
		}
	}
	require.Equal(t, len(want), i, "%v is not in order within %v", want, in)
}

// qos is the class of a Pod, told in another way than the package does: by the sums over all containers.
func qos(pod *corev1.Pod) corev1.PodQOSClass {
	if pod.Spec.Resources != nil {
		return "pod-level"
	}
	requests, limits, complete := map[corev1.ResourceName]int64{}, map[corev1.ResourceName]int64{}, true
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			limit := c.Resources.Limits[name]
			request, ok := c.Resources.Requests[name]
			if !ok {
				request = limit // the API server's default
			}
			complete = complete && !limit.IsZero()
			limits[name] += limit.MilliValue()
			requests[name] += request.MilliValue()
		}
	}
	switch {
	case maps.Equal(requests, limits) && complete:
		return corev1.PodQOSGuaranteed
	case requests[corev1.ResourceCPU]+requests[corev1.ResourceMemory]+limits[corev1.ResourceCPU]+limits[corev1.ResourceMemory] == 0:
		return corev1.PodQOSBestEffort
	}
	return corev1.PodQOSBurstable
}

func generated() int {
	if testing.Short() {
		return 300
	}
	return 2000
}

// TestLawsOnGeneratedPods is every law on Pods that nobody thought of.
func TestLawsOnGeneratedPods(t *testing.T) {
	classic := shipper()
	classic.Classic = true
	sets := []*sidecar.Set{newSet(t), newSet(t, append(all()[1:], classic)...)}
	done := map[string]int{}
	for seed := range uint64(generated()) {
		r := rand.New(rand.NewPCG(seed, 3))
		pod := annotate(podgen.New(r), podgen.Annotations(r))
		ns := sidecar.Namespace{Level: []sidecar.Level{"", sidecar.LevelBaseline, sidecar.LevelRestricted}[r.IntN(3)]}
		out := requireLaws(t, sets[seed%2], pod, ns)
		if out == nil {
			done["refused"]++
			continue
		}
		done["applied"]++
		done[string(qos(pod))]++
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Log(done)
	for _, what := range []string{"applied", "refused", "Guaranteed", "Burstable", "BestEffort", "pod-level"} {
		require.Greater(t, done[what], generated()/60, what)
	}
}

// TestLawNoKeyNoChange is on Pods with annotations of other domains and other people's sidecars.
func TestLawNoKeyNoChange(t *testing.T) {
	set := newSet(t)
	for seed := range uint64(generated() / 10) {
		pod := podgen.New(rand.New(rand.NewPCG(seed, 4)))
		pod.Annotations = map[string]string{"example.com/log.paths": "/x/*.log", "sidecar.kubewright.iox/log.paths": "/"}
		out, outcome, err := set.Apply(pod, sidecar.Namespace{Disabled: []string{"log"}})
		require.NoError(t, err)
		require.Equal(t, encode(t, pod), encode(t, out))
		require.Empty(t, outcome)
		out, err = set.Eject(pod)
		require.NoError(t, err)
		require.Equal(t, encode(t, pod), encode(t, out))
	}
}

// TestLawOrder is that the order of injectors does not matter, nor that of any map.
func TestLawOrder(t *testing.T) {
	reference := newSet(t)
	for seed := range uint64(generated() / 10) {
		r := rand.New(rand.NewPCG(seed, 5))
		pod := annotate(podgen.New(r), podgen.Annotations(r))
		want, wantOutcome, wantErr := reference.Apply(pod, sidecar.Namespace{})
		injectors := all()
		r.Shuffle(len(injectors), func(i, j int) { injectors[i], injectors[j] = injectors[j], injectors[i] })
		got, outcome, err := newSet(t, injectors...).Apply(pod, sidecar.Namespace{})
		require.Equal(t, encode(t, want), encode(t, got))
		require.Equal(t, wantOutcome, outcome)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
	}
}

// TestLawOthers lets others change what was injected, and wants the second call to leave their work alone and to cover
// what they added.
func TestLawOthers(t *testing.T) {
	set := newSet(t)
	changed := 0
	for seed := range uint64(generated() / 4) {
		r := rand.New(rand.NewPCG(seed, 6))
		pod := annotate(podgen.New(r), podgen.Annotations(r))
		out, _, err := set.Apply(pod, sidecar.Namespace{})
		if err != nil {
			continue
		}
		theirs := out.DeepCopy()
		interfere(r, theirs)
		second, _, err := set.Apply(theirs, sidecar.Namespace{})
		require.NoError(t, err, "seed %d", seed)
		third, _, err := set.Apply(second, sidecar.Namespace{})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(encode(t, second), encode(t, third)), "seed %d", seed)
		requireStillThere(t, theirs, second, seed)
		changed++
	}
	require.Greater(t, changed, generated()/20)
}

// interfere does what the API server, its plugins and service meshes do to every container, ours included.
func interfere(r *rand.Rand, pod *corev1.Pod) {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			c := &list[i]
			c.TerminationMessagePath = "/dev/termination-log"
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true})
			c.Env = slices.Insert(c.Env, r.IntN(len(c.Env)+1), corev1.EnvVar{Name: "MESH", Value: "on"})
			for j := range c.Env {
				if s := c.Env[j].ValueFrom; s != nil && s.FieldRef != nil {
					s.FieldRef.APIVersion = "v1"
				}
			}
			if c.Resources.Limits == nil {
				c.Resources.Limits = corev1.ResourceList{corev1.ResourceEphemeralStorage: resource.MustParse("1Gi")}
			}
		}
	}
	pod.Spec.Volumes = slices.Insert(pod.Spec.Volumes, r.IntN(len(pod.Spec.Volumes)+1), corev1.Volume{Name: "token"})
	pod.Spec.Containers = slices.Insert(pod.Spec.Containers, r.IntN(len(pod.Spec.Containers)+1), corev1.Container{
		Name: "mesh", Image: "registry.example.com/mesh:1",
		Resources:    corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}},
		VolumeMounts: []corev1.VolumeMount{{Name: "token", MountPath: "/token"}},
	})
	always := corev1.ContainerRestartPolicyAlways
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "mesh-native", Image: "registry.example.com/mesh:1", RestartPolicy: &always})
}

// requireStillThere wants all that others did, in every container.
func requireStillThere(t *testing.T, theirs, second *corev1.Pod, seed uint64) {
	t.Helper()
	of := map[string]corev1.Container{}
	for _, c := range slices.Concat(second.Spec.InitContainers, second.Spec.Containers) {
		of[c.Name] = c
	}
	for _, c := range slices.Concat(theirs.Spec.InitContainers, theirs.Spec.Containers) {
		got, ok := of[c.Name]
		require.True(t, ok, "seed %d: %s is gone", seed, c.Name)
		require.Equal(t, c.TerminationMessagePath, got.TerminationMessagePath)
		requireWithin(t, c.VolumeMounts, got.VolumeMounts)
		for _, v := range c.Env {
			require.Contains(t, got.Env, v, "seed %d: %s", seed, c.Name)
		}
		for name, q := range c.Resources.Limits {
			have := got.Resources.Limits[name]
			require.True(t, q.Equal(have), "seed %d: %s %s", seed, c.Name, name)
		}
	}
	requireWithin(t, theirs.Spec.Volumes[:1], second.Spec.Volumes)
}

// TestAddedContainerIsCovered is the second pass over a container that came after the first.
func TestAddedContainerIsCovered(t *testing.T) {
	set := newSet(t)
	pod := annotate(podOf(t, webPod), map[string]string{"timezone": "Europe/Berlin", "log.paths": "/var/log/app/*.log"})
	out, _, err := set.Apply(pod, sidecar.Namespace{})
	require.NoError(t, err)
	always := corev1.ContainerRestartPolicyAlways
	out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Name: "late", Image: "late:1"})
	out.Spec.InitContainers = append(out.Spec.InitContainers, corev1.Container{Name: "mesh", Image: "mesh:1", RestartPolicy: &always})
	out, _, err = set.Apply(out, sidecar.Namespace{})
	require.NoError(t, err)
	require.Equal(t, []corev1.EnvVar{{Name: "TZ", Value: "Europe/Berlin"}}, out.Spec.Containers[2].Env)
	require.Equal(t, []string{"mesh", "log-shipper"}, names(out.Spec.InitContainers), "the mesh outlives the log shipper")
}
