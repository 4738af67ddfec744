package e2e

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/oracle"
)

// patchesPerKind is how many objects of each kind are mutated in each test. A millisecond each.
const patchesPerKind = 1500

// carrier is a kind whose objects are generated: a Pod, or something with a Pod template.
type carrier[T any] struct {
	kind     schema.GroupVersionKind
	seeds    uint64 // where its seeds begin, so that no two kinds get the same changes
	template func(*T) (*metav1.ObjectMeta, *corev1.PodSpec)
	own      func(*rand.Rand, *T) // changes what only this kind has
}

var (
	pods = carrier[corev1.Pod]{
		kind:     corev1.SchemeGroupVersion.WithKind("Pod"),
		template: func(p *corev1.Pod) (*metav1.ObjectMeta, *corev1.PodSpec) { return &p.ObjectMeta, &p.Spec },
		own: func(r *rand.Rand, p *corev1.Pod) {
			p.Status.Conditions = changeList(r, p.Status.Conditions, func(r *rand.Rand) corev1.PodCondition {
				return corev1.PodCondition{Type: corev1.PodConditionType(name(r)), LastProbeTime: metav1.Unix(r.Int64N(2e9), 0)}
			})
		},
	}
	deployments = carrier[appsv1.Deployment]{
		kind:  appsv1.SchemeGroupVersion.WithKind("Deployment"),
		seeds: 10_000,
		template: func(d *appsv1.Deployment) (*metav1.ObjectMeta, *corev1.PodSpec) {
			return &d.Spec.Template.ObjectMeta, &d.Spec.Template.Spec
		},
		own: func(r *rand.Rand, d *appsv1.Deployment) {
			d.Spec.Replicas = maybe[int32](r, 0, 3)
			d.Spec.Strategy.RollingUpdate = maybe(r, appsv1.RollingUpdateDeployment{}, appsv1.RollingUpdateDeployment{
				MaxSurge: maybe(r, intstr.FromInt32(0), intstr.FromString("25%")),
			})
		},
	}
	statefulSets = carrier[appsv1.StatefulSet]{
		kind:  appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		seeds: 20_000,
		template: func(s *appsv1.StatefulSet) (*metav1.ObjectMeta, *corev1.PodSpec) {
			return &s.Spec.Template.ObjectMeta, &s.Spec.Template.Spec
		},
		own: func(r *rand.Rand, s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = maybe(r, appsv1.RollingUpdateStatefulSetStrategy{Partition: maybe[int32](r, 0, 1)})
			s.Spec.VolumeClaimTemplates = changeList(r, s.Spec.VolumeClaimTemplates, func(r *rand.Rand) corev1.PersistentVolumeClaim {
				return corev1.PersistentVolumeClaim{
					ObjectMeta: metav1.ObjectMeta{Name: name(r), Annotations: changeMap(r, nil)},
					Spec:       corev1.PersistentVolumeClaimSpec{StorageClassName: maybe(r, "", "fast")},
				}
			})
		},
	}
)

// change is the mutator under test and, with the same seed, what the test does to know the outcome.
func (c carrier[T]) change(r *rand.Rand, object *T) {
	meta, spec := c.template(object)
	changePod(r, meta, spec)
	if r.IntN(6) == 0 {
		c.own(r, object)
	}
}

// newObject is made by changes too, so that whatever a mutator can make, a mutator can also meet.
func (c carrier[T]) newObject(seed uint64) *T {
	object := new(T)
	r := rand.New(rand.NewPCG(seed, 1))
	_, spec := c.template(object)
	spec.Containers = []corev1.Container{{Name: "app", Image: "registry.example/app:1"}, newContainer(r)}
	for range r.IntN(30) {
		c.change(r, object)
	}
	return object
}

func changeOf(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 2)) }

func (c carrier[T]) changed(seed uint64, object *T) { c.change(changeOf(seed), object) }

// TestGeneratedPatches has the API server's plugin apply what the handler answers to thousands of random mutations. The
// handler proves its patches by the cheap check, as it does in production; each must be applied, and must make exactly
// the object that the mutator made.
func TestGeneratedPatches(t *testing.T) {
	t.Run("Pod", func(t *testing.T) { testPatches(t, pods) })
	t.Run("Deployment", func(t *testing.T) { testPatches(t, deployments) })
	t.Run("StatefulSet", func(t *testing.T) { testPatches(t, statefulSets) })
}

// kubernetesObject is a pointer to a type of k8s.io/api.
type kubernetesObject[T any] interface {
	admission.Object[T]
	runtime.Object
	metav1.Object
}

func testPatches[T any, P kubernetesObject[T]](t *testing.T, c carrier[T]) {
	plugin := newOracle[T, P](t, c)
	ops := operations{}
	for seed := c.seeds; seed < c.seeds+patchesPerKind; seed++ {
		sent, want := generated[T, P](c, seed)

		got, err := plugin.Admit(t.Context(), oracle.Request{Object: sent})
		require.NoError(t, err, "seed %d", seed)
		if !equality.Semantic.DeepEqual(runtime.Object(want), got.Object) {
			require.Fail(t, "not the mutated object", "seed %d: - mutated, + stored:\n%s\npatch %s", seed, cmp.Diff(runtime.Object(want), got.Object), got.Patch)
		}
		ops.count(t, got.Patch)
	}
	ops.requireAllKinds(t)
}

// generated is an object, with the seed as its name, and what the mutator should make of it.
func generated[T any, P kubernetesObject[T]](c carrier[T], seed uint64) (before, after P) {
	before, after = P(c.newObject(seed)), P(new(T))
	before.SetName(strconv.FormatUint(seed, 10))
	before.GetObjectKind().SetGroupVersionKind(c.kind)
	before.DeepCopyInto(after)
	c.changed(seed, after)
	return before, after
}

// newOracle is the plugin in front of a handler whose one mutator takes the seed from the object's name.
func newOracle[T any, P kubernetesObject[T]](t *testing.T, c carrier[T]) *oracle.Plugin {
	mutate := func(_ context.Context, req *admissionv1.AdmissionRequest, object *T) error {
		seed, err := strconv.ParseUint(req.Name, 10, 64)
		c.changed(seed, object)
		return err
	}
	handler, err := admission.NewHandler(admission.Options{}, admission.For[T, P](c.kind).Mutate("random", mutate))
	require.NoError(t, err)
	return oracle.New(t, handler.Mutating(), oracle.Options{})
}

// operations counts what patches consist of: a test of patches that are all alike would prove little.
type operations map[string]int

func (o operations) count(t *testing.T, patch []byte) {
	if patch == nil {
		o["none"]++
		return
	}
	var ops []struct{ Op string }
	require.NoError(t, json.Unmarshal(patch, &ops))
	for _, op := range ops {
		o[op.Op]++
	}
}

func (o operations) requireAllKinds(t *testing.T) {
	t.Helper()
	t.Logf("operations in %d patches: %v", patchesPerKind, o)
	for _, kind := range []string{"add", "remove", "replace", "move"} {
		require.Greater(t, o[kind], 10, kind)
	}
	require.Less(t, o["none"], patchesPerKind/4, "few mutations change nothing")
}

// TestUnknownFieldsSurviveGeneratedPatches sends what a newer API server would: every object within the object has a
// member that our Go types lack. It reaches the handler as it is, since the plugin passes unstructured objects on whole.
// What the mutator leaves in place keeps its member, on the element of the same name.
func TestUnknownFieldsSurviveGeneratedPatches(t *testing.T) {
	t.Run("Pod", func(t *testing.T) { testUnknown(t, pods) })
	t.Run("Deployment", func(t *testing.T) { testUnknown(t, deployments) })
	t.Run("StatefulSet", func(t *testing.T) { testUnknown(t, statefulSets) })
}

func testUnknown[T any, P kubernetesObject[T]](t *testing.T, c carrier[T]) {
	plugin := newOracle[T, P](t, c)
	kept := 0
	for seed := c.seeds; seed < c.seeds+patchesPerKind; seed++ {
		before, want := generated[T, P](c, seed)

		sent := toUnstructured(t, before)
		plantMarks(sent)
		got, err := plugin.Admit(t.Context(), oracle.Request{Object: sent})
		require.NoError(t, err, "seed %d", seed)
		stored := got.Object.(*unstructured.Unstructured)
		lost, n := lostMarks(toUnstructured(t, before).Object, toUnstructured(t, want).Object, stored.Object)
		require.Empty(t, lost, "seed %d: patch %s", seed, got.Patch)
		kept += n

		known := new(T)
		require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(stored.Object, known), "seed %d", seed)
		if !equality.Semantic.DeepEqual(want, P(known)) {
			require.Fail(t, "not the mutated object", "seed %d: - mutated, + stored:\n%s\npatch %s", seed, cmp.Diff(want, P(known)), got.Patch)
		}
	}
	t.Logf("under %d patches, %d unknown fields stayed in place", patchesPerKind, kept)
	require.Greater(t, kept, 20*patchesPerKind)
}

func toUnstructured(t *testing.T, object runtime.Object) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	require.NoError(t, err)
	return &unstructured.Unstructured{Object: content}
}
