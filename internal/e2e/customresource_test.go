package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// machines is a kind in a newer version than the webhook was built for: it has members that machine lacks, some with a
// schema and some that even the API server knows nothing of.
const machines = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: machines.e2e.kubewright.example}
spec:
  group: e2e.kubewright.example
  names: {kind: Machine, plural: machines, singular: machine}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              owner: {type: string}
              parts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string}
                    size: {x-kubernetes-int-or-string: true}
                    colour: {type: string}
                    settings: {type: object, x-kubernetes-preserve-unknown-fields: true}
                  x-kubernetes-preserve-unknown-fields: true
`

// machine is what the webhook knows of it.
type machine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitzero"`

	Spec struct {
		Parts []part `json:"parts,omitempty" patchStrategy:"merge" patchMergeKey:"name"`
	} `json:"spec"`
}

type part struct {
	Name string            `json:"name"`
	Size resource.Quantity `json:"size"`
}

// DeepCopyInto is what controller-gen would write.
func (m *machine) DeepCopyInto(out *machine) {
	*out = *m
	m.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Parts = slices.Clone(m.Spec.Parts)
	for i := range out.Spec.Parts {
		out.Spec.Parts[i].Size = m.Spec.Parts[i].Size.DeepCopy()
	}
}

const sentMachine = `
apiVersion: e2e.kubewright.example/v1
kind: Machine
metadata: {name: mill}
spec:
  owner: "known to the schema"
  parts:
  - {name: left, size: "1000m", colour: red, settings: {speed: 3, "a/b~c": [1, {deep: true}]}, grease: unheard-of}
  - {name: middle, size: "0.5", colour: green}
  - {name: right, size: 2, colour: blue, settings: {speed: 7}, teeth: [11, 13]}
  - {name: spare, size: "1", colour: grey}
`

// storedMachine has a guard in front, left and right in each other's place, middle of another size, and no spare. All
// else is as it was written, also what would be a quantity of another form.
const storedMachine = `
owner: "known to the schema"
parts:
- {name: guard, size: "3"}
- {name: right, size: 2, colour: blue, settings: {speed: 7}, teeth: [11, 13]}
- {name: middle, size: "750m", colour: green}
- {name: left, size: "1000m", colour: red, settings: {speed: 3, "a/b~c": [1, {deep: true}]}, grease: unheard-of}
`

// TestUnknownFieldsOfCustomResources has a webhook rearrange elements of which it knows but a part.
func TestUnknownFieldsOfCustomResources(t *testing.T) {
	c := shared.Get(t)
	namespace := c.Namespace(t)
	in := "--namespace=" + namespace
	c.Apply(t, machines)
	t.Cleanup(func() { c.MustKubectl(t, "delete", "crd", "machines.e2e.kubewright.example", "--wait=false") })
	c.MustKubectl(t, "wait", "crd/machines.e2e.kubewright.example", "--for=condition=Established", "--timeout=30s")

	seen := &reviews{}
	kind := schema.GroupVersionKind{Group: "e2e.kubewright.example", Version: "v1", Kind: "Machine"}
	h, err := admission.NewHandler(seen.options(), admission.For[machine](kind).Mutate("rearrange", rearrange))
	require.NoError(t, err)
	register(t, c, h, namespace, admission.ManifestOptions{Name: "machines.e2e.example", URL: serve(t, c, h.Routes())})
	client := c.WithStdin(sentMachine)
	cluster.Eventually(t, 30*time.Second, func() error {
		_, _, err := client.Kubectl(t, "create", "-f", "-", "--dry-run=server", in)
		if len(seen.of(namespace, "mill")) == 0 {
			return errors.Join(errors.New("the webhook is not asked"), err)
		}
		return nil
	})

	client.MustKubectl(t, "create", "-f", "-", in)
	var stored struct{ Spec json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(c.MustKubectl(t, "get", "machine", "mill", "--output=json", in)), &stored))
	want, err := yaml.YAMLToJSON([]byte(storedMachine))
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(stored.Spec))
}

func rearrange(_ context.Context, _ *admissionv1.AdmissionRequest, m *machine) error {
	at := func(name string) int {
		return slices.IndexFunc(m.Spec.Parts, func(p part) bool { return p.Name == name })
	}
	left, right, middle, spare := at("left"), at("right"), at("middle"), at("spare")
	if min(left, right, middle, spare) < 0 {
		return fmt.Errorf("not the machine of this test: %v", m.Spec.Parts)
	}
	parts := m.Spec.Parts
	parts[left], parts[right] = parts[right], parts[left]
	parts[middle].Size = resource.MustParse("0.75")
	parts = slices.Delete(parts, spare, spare+1)
	m.Spec.Parts = slices.Insert(parts, 0, part{Name: "guard", Size: resource.MustParse("3")})
	return nil
}
