package e2e

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/oracle"
)

// TestGeneratedPatchesOfUnstructured is for mutators of objects that have no Go type at all: nothing is known of them,
// so nothing may be different.
func TestGeneratedPatchesOfUnstructured(t *testing.T) {
	widget := schema.GroupVersionKind{Group: "e2e.kubewright.example", Version: "v1", Kind: "Widget"}
	mutate := func(_ context.Context, req *admissionv1.AdmissionRequest, u *unstructured.Unstructured) error {
		seed, err := strconv.ParseUint(req.Name, 10, 64)
		u.Object["spec"] = changeJSON(changeOf(seed), u.Object["spec"])
		return err
	}
	handler, err := admission.NewHandler(admission.Options{},
		admission.For[unstructured.Unstructured](widget).Mutate("random", mutate))
	require.NoError(t, err)
	plugin := oracle.New(t, handler.Mutating(), oracle.Options{})
	patched := 0
	for seed := range uint64(patchesPerKind) {
		sent := &unstructured.Unstructured{Object: map[string]any{"spec": newJSON(rand.New(rand.NewPCG(seed, 1)), 0)}}
		sent.SetGroupVersionKind(widget)
		sent.SetName(strconv.FormatUint(seed, 10))
		want := sent.DeepCopy()
		want.Object["spec"] = changeJSON(changeOf(seed), want.Object["spec"])

		result, err := plugin.Admit(t.Context(), oracle.Request{Object: sent})
		require.NoError(t, err, "seed %d", seed)
		got := result.Object.(*unstructured.Unstructured)
		require.Empty(t, cmp.Diff(want.Object, got.Object), "seed %d: - mutated, + stored; patch %s", seed, result.Patch)
		if result.Patch != nil {
			patched++
		}
	}
	require.Greater(t, patched, patchesPerKind/2)
}

// newJSON is any JSON value as unstructured objects hold them.
func newJSON(r *rand.Rand, depth int) any {
	switch what := r.IntN(8); {
	case what < 3 && depth < 4:
		object := map[string]any{}
		for range r.IntN(4) {
			object[oddText(r)] = newJSON(r, depth+1)
		}
		return object
	case what < 5 && depth < 4:
		list := []any{}
		for range r.IntN(4) {
			list = append(list, newJSON(r, depth+1))
		}
		return list
	}
	return pick[any](r, nil, true, int64(7), int64(1<<53+1), 2.5, oddText(r))
}

// changeJSON changes something in a value and returns it.
func changeJSON(r *rand.Rand, value any) any {
	switch v := value.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		switch {
		case len(keys) == 0 || r.IntN(4) == 0:
			v[oddText(r)] = newJSON(r, 2)
		case r.IntN(4) == 0:
			delete(v, keys[r.IntN(len(keys))])
		default:
			key := keys[r.IntN(len(keys))]
			v[key] = changeJSON(r, v[key])
		}
		return v
	case []any:
		if len(v) == 0 || r.IntN(2) == 0 {
			v = changeList(r, v, func(r *rand.Rand) any { return newJSON(r, 2) })
			return append([]any{}, v...) // a nil list would be null
		}
		at := r.IntN(len(v))
		v[at] = changeJSON(r, v[at])
		return v
	}
	return newJSON(r, 2)
}
