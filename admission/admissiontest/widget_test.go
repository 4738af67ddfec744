package admissiontest

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission"
)

// widget is a custom resource.
type widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Size  int    `json:"size"`
		Parts []part `json:"parts,omitempty" patchMergeKey:"name" patchStrategy:"merge"`
	} `json:"spec"`
}

type part struct {
	Name  string            `json:"name"`
	Extra map[string]string `json:"extra,omitempty"`
	Color string            `json:"color,omitempty"`
}

func (w *widget) DeepCopyInto(out *widget) {
	*out = *w
	w.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Spec.Parts = append([]part(nil), w.Spec.Parts...)
}

const widgetYAML = `{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {size: 1, parts: [{name: a, extra: {k: v}}, {name: b}]}}`

var widgetKind = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}

func widgetHandler(t *testing.T, mutate admission.MutateFunc[widget]) *admission.Handler {
	t.Helper()
	k := admission.For[widget](widgetKind)
	if mutate != nil {
		k.Mutate("mutate", mutate)
	}
	h, err := admission.NewHandler(admission.Options{FullVerification: true}, k)
	require.NoError(t, err)
	return h
}

func TestCustomResource(t *testing.T) {
	paint := func(_ context.Context, _ *admissionv1.AdmissionRequest, w *widget) error {
		if w.Spec.Parts[0].Name != "z" {
			w.Spec.Parts = append([]part{{Name: "z"}}, w.Spec.Parts...)
		}
		return nil
	}
	h := widgetHandler(t, paint)
	Run(t, h, Case{Object: widgetYAML, Want: Allowed()})
	var w widget
	w.Spec.Parts = []part{{Name: "z"}}
	Run(t, h, Case{Object: &w, Want: Allowed().Unpatched()})
	requireFailure(t, untold{h}, Case{Object: &w}, "object of type *admissiontest.widget has no apiVersion and kind: set TypeMeta: metav1.TypeMeta{")
}

// Without a type, the root, the metadata and the spec are looked after.
func TestPlantWithoutType(t *testing.T) {
	raw, members := plant([]byte(`{"metadata":{"labels":{}},"spec":{"a":{}},"status":{}}`), nil)
	require.JSONEq(t, `{"unknownToGo0":"kept 0","metadata":{"unknownToGo1":1,"labels":{}},"spec":{"unknownToGo2":{"inside":"kept 2"},"a":{}},"status":{}}`, string(raw))
	require.Len(t, members, 3)
}

func TestUnstructured(t *testing.T) {
	label := func(_ context.Context, _ *admissionv1.AdmissionRequest, u *unstructured.Unstructured) error {
		u.SetLabels(map[string]string{"a": "b"})
		return nil
	}
	pod := schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	h, err := admission.NewHandler(admission.Options{FullVerification: true},
		admission.For[unstructured.Unstructured](widgetKind).Mutate("label", label),
		admission.For[unstructured.Unstructured](pod).Mutate("label", label))
	require.NoError(t, err)
	Run(t, h, Case{Object: widgetYAML, Want: Allowed()}, Case{Object: podYAML, Want: Allowed()})
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Widget"}}
	Run(t, h, Case{Object: u, Want: Allowed()})
}

func TestRequest(t *testing.T) {
	k := kindsOf(newHandler(t))
	req, err := Case{Object: podYAML}.request(k)
	require.NoError(t, err)
	require.Equal(t, admissionv1.Create, req.Operation)
	require.Equal(t, "web", req.Name)
	require.Equal(t, "shop", req.Namespace)
	require.Equal(t, metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, req.Resource)
	require.Equal(t, "admissiontest", req.UserInfo.Username)
	require.Equal(t, []string{"system:authenticated"}, req.UserInfo.Groups)
	require.JSONEq(t, `{"apiVersion":"meta.k8s.io/v1","kind":"CreateOptions"}`, string(req.Options.Raw))

	req, err = Case{
		Object: podYAML, Old: []byte(podYAML), Operation: "UPDATE", Resource: "pods/resize", Namespace: "other",
		User: "alice", Groups: []string{}, DryRun: true,
	}.request(k)
	require.NoError(t, err)
	require.Equal(t, "resize", req.SubResource)
	require.Equal(t, "resize", req.RequestSubResource)
	require.Equal(t, "other", req.Namespace)
	require.Equal(t, "alice", req.UserInfo.Username)
	require.Empty(t, req.UserInfo.Groups)
	require.True(t, *req.DryRun)
	require.JSONEq(t, `{"apiVersion":"meta.k8s.io/v1","kind":"UpdateOptions","dryRun":["All"]}`, string(req.Options.Raw))
	require.JSONEq(t, string(req.Object.Raw), string(req.OldObject.Raw))

	req, err = Case{
		Operation: "CONNECT", Resource: "pods", Subresource: "exec",
		Object: `{apiVersion: v1, kind: PodExecOptions, command: [sh]}`, Options: "a: 1",
	}.request(k)
	require.NoError(t, err)
	require.Equal(t, "exec", req.SubResource)
	require.JSONEq(t, `{"a":1}`, string(req.Options.Raw))
	req, err = Case{Operation: "CONNECT", Object: `{apiVersion: v1, kind: PodExecOptions}`}.request(k)
	require.NoError(t, err)
	require.Empty(t, req.Options.Raw)
}

func TestBadCases(t *testing.T) {
	h := newHandler(t)
	for _, tc := range []struct {
		name string
		c    Case
		text string
	}{
		{"no object", Case{}, "case has no object: set Object to YAML, JSON or a Go value"},
		{"old on CREATE", Case{Object: podYAML, Old: podYAML}, "case has an old object, which CREATE does not have"},
		{"no old on UPDATE", Case{Object: podYAML, Operation: "UPDATE"}, "case has no old object, which UPDATE needs"},
		{"two on DELETE", Case{Object: podYAML, Old: podYAML, Operation: "DELETE"}, "case has two objects, DELETE has one"},
		{"operation", Case{Object: podYAML, Operation: "PATCH"}, `case has operation "PATCH": write one of CREATE`},
		{"no kind in a map", Case{Object: map[string]any{"spec": nil}}, `has no apiVersion and kind: write them, such as "apiVersion": "v1" and "kind": "Pod"`},
		{"no kind", Case{Object: "spec: {}"}, `object has no apiVersion and kind: write them, such as "apiVersion: v1" and "kind: Pod"`},
		{"two documents", Case{Object: podYAML + "\n---\n" + podYAML}, "object: holds 2 documents: write one object a case"},
		{"no document", Case{Object: "# nothing\n---\n"}, "object: is empty: write one object"},
		{"no YAML", Case{Object: "a: [}"}, "object: "},
		{"duplicate member", Case{Object: "a: 1\na: 2"}, "already set in map"},
		{"no map", Case{Object: "[1]"}, `object: "[1]" is no object`},
		{"no JSON object", Case{Object: []byte(`"x"`)}, `is no object`},
		{"no metadata", Case{Object: "metadata: 1"}, "object is no Kubernetes object: "},
		{"no JSON form", Case{Object: make(chan int)}, "object: json: unsupported type"},
		{"old", Case{Object: podYAML, Old: "[]", Operation: "UPDATE"}, `old object: "[]" is no object`},
		{"options", Case{Object: podYAML, Options: "[]"}, `options: "[]" is no object`},
		{"no reason", Case{Object: podYAML, TemplatesDiffer: map[string]string{"owner": " "}}, "case has no reason why templates differ by owner: write one"},
		{"kind that is not served", Case{Object: "{apiVersion: v1, kind: Secret}"}, "review failed, which over HTTP is no response but an error status: request is not for this webhook"},
	} {
		t.Run(tc.name, func(t *testing.T) { requireFailure(t, h, tc.c, tc.text) })
	}
}

// A document marker, comments and the order of members are no matter.
func TestInputText(t *testing.T) {
	Run(t, newHandler(t),
		Case{Object: "# a Pod\n---\n" + strings.TrimSpace(podYAML) + "\n---\n# that was it\n", Want: Allowed()},
		Case{Object: rawPod(t), Want: Allowed()})
}

func rawPod(t *testing.T) any {
	t.Helper()
	text, err := objectText(podYAML)
	require.NoError(t, err)
	return map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"labels": map[string]string{"owner": "x"}}, "spec": nestedSpec(text)}
}

func nestedSpec(text []byte) any {
	return decodeTree(text).(map[string]any)["spec"]
}
