package patch_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubewright/kubewright/admission/patch"
)

// diff decodes a document, changes the value and returns the patch, proven in full.
func diff[T any](t *testing.T, doc string, change func(*T)) string {
	t.Helper()
	d := patch.For[T]()
	parsed, err := patch.Parse([]byte(doc))
	require.NoError(t, err)
	before, err := d.Decode(parsed)
	require.NoError(t, err)
	after, err := d.Decode(parsed)
	require.NoError(t, err)
	change(after)
	p, err := d.Diff(parsed, before, after)
	require.NoError(t, err)
	require.NoError(t, d.Verify(parsed, p, after), "%v", p)
	if len(p) == 0 || p[0].Path != "" {
		require.NoError(t, d.Check(parsed, p), "%v", p)
	}
	return p.String()
}

const smallPod = `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"app","image":"a","futureField":{"x":1}},{"name":"b"}],"future":true}}`

func TestPodPatches(t *testing.T) {
	for name, c := range map[string]struct {
		doc    string
		change func(*corev1.Pod)
		want   string
	}{
		"nothing": {smallPod, func(*corev1.Pod) {}, ``},
		"first annotation": {
			smallPod, func(p *corev1.Pod) { p.Annotations = map[string]string{"a/b": "<&>"} },
			`{"op":"add","path":"/metadata/annotations","value":{"a/b":"<&>"}}`,
		},
		"null annotations": {
			`{"metadata":{"annotations":null}}`, func(p *corev1.Pod) { p.Annotations = map[string]string{"a": "b"} },
			`{"op":"add","path":"/metadata/annotations","value":{"a":"b"}}`,
		},
		"no metadata": {
			`{}`, func(p *corev1.Pod) { p.Labels = map[string]string{"a": "b"} },
			`{"op":"add","path":"/metadata","value":{"labels":{"a":"b"}}}`,
		},
		"keys are escaped and sorted": {
			`{"metadata":{"labels":{"z":"1","x/y~z":"1"}}}`, func(p *corev1.Pod) { p.Labels = map[string]string{"z": "2", "b": "1", "x/y~z": "2"} },
			`{"op":"add","path":"/metadata/labels/b","value":"1"}
{"op":"add","path":"/metadata/labels/x~1y~0z","value":"2"}
{"op":"add","path":"/metadata/labels/z","value":"2"}`,
		},
		"last label": {
			`{"metadata":{"labels":{"z":"1"}}}`, func(p *corev1.Pod) { delete(p.Labels, "z") },
			`{"op":"remove","path":"/metadata/labels"}`,
		},
		"prepend a sidecar": {
			smallPod, func(p *corev1.Pod) {
				p.Spec.Containers = append([]corev1.Container{{Name: "sidecar", Image: "s"}}, p.Spec.Containers...)
			},
			`{"op":"add","path":"/spec/containers/0","value":{"name":"sidecar","image":"s","resources":{}}}`,
		},
		"prepend and change": {
			smallPod, func(p *corev1.Pod) {
				p.Spec.Containers = append([]corev1.Container{{Name: "sidecar"}}, p.Spec.Containers...)
				p.Spec.Containers[1].Image = "other"
			},
			`{"op":"add","path":"/spec/containers/0","value":{"name":"sidecar","resources":{}}}
{"op":"add","path":"/spec/containers/1/image","value":"other"}`,
		},
		"swap": {
			smallPod, func(p *corev1.Pod) {
				p.Spec.Containers[0], p.Spec.Containers[1] = p.Spec.Containers[1], p.Spec.Containers[0]
			},
			`{"op":"move","from":"/spec/containers/1","path":"/spec/containers/0"}`,
		},
		"rename keeps what is unknown": {
			smallPod, func(p *corev1.Pod) { p.Spec.Containers[0].Name = "renamed" },
			`{"op":"add","path":"/spec/containers/0/name","value":"renamed"}`,
		},
		"remove": {
			smallPod, func(p *corev1.Pod) { p.Spec.Containers = p.Spec.Containers[1:] },
			`{"op":"remove","path":"/spec/containers/0"}`,
		},
		"replace all": {
			smallPod, func(p *corev1.Pod) { p.Spec.Containers = []corev1.Container{{Name: "c", Image: "c"}} },
			`{"op":"add","path":"/spec/containers","value":[{"name":"c","image":"c","resources":{}}]}`,
		},
		"resources of which only the unknown was there": {
			`{"spec":{"containers":[{"name":"a","resources":{"futureThing":1}}]}}`,
			func(p *corev1.Pod) {
				p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1")}
			},
			`{"op":"add","path":"/spec/containers/0/resources/limits","value":{"cpu":"1"}}`,
		},
		"resources that were not there": {
			`{"spec":{"containers":[{"name":"a"}]}}`,
			func(p *corev1.Pod) {
				p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1")}
			},
			`{"op":"add","path":"/spec/containers/0/resources","value":{"limits":{"cpu":"1"}}}`,
		},
		"a quantity in another form is the same": {
			`{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1000m","memory":"1024Mi"}}}]}}`,
			func(p *corev1.Pod) {
				p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}
			}, ``,
		},
		"nil and empty are the same": {
			`{"metadata":{"labels":{}},"spec":{"volumes":[],"containers":null}}`,
			func(p *corev1.Pod) { p.Labels, p.Spec.Volumes, p.Spec.Containers = nil, nil, []corev1.Container{} }, ``,
		},
		"a pointer to nothing": {
			smallPod, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, ``,
		},
		"pointers come and go": {
			`{"spec":{"containers":null,"priority":1,"securityContext":{"runAsUser":1,"future":2},"affinity":{}}}`,
			func(p *corev1.Pod) {
				p.Spec.Priority, p.Spec.SecurityContext = nil, nil
				p.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
				p.Spec.HostUsers = new(bool)
			},
			`{"op":"remove","path":"/spec/securityContext"}
{"op":"add","path":"/spec/affinity/nodeAffinity","value":{}}
{"op":"remove","path":"/spec/priority"}
{"op":"add","path":"/spec/hostUsers","value":false}`,
		},
		"ports of one number and two protocols": {
			`{"spec":{"containers":[{"name":"a","ports":[{"containerPort":53,"protocol":"TCP","u":"t"},{"containerPort":53,"protocol":"UDP","u":"u"}]}]}}`,
			func(p *corev1.Pod) {
				ports := p.Spec.Containers[0].Ports
				p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80}, ports[1], ports[0]}
				p.Spec.Containers[0].Ports[1].Name = "udp"
			},
			`{"op":"add","path":"/spec/containers/0/ports/0","value":{"containerPort":80}}
{"op":"move","from":"/spec/containers/0/ports/2","path":"/spec/containers/0/ports/1"}
{"op":"add","path":"/spec/containers/0/ports/1/name","value":"udp"}`,
		},
		"a value built anew": {
			`{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"}}`,
			func(p *corev1.Pod) { *p = corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "q"}} },
			`{"op":"add","path":"/metadata/name","value":"q"}`,
		},
		"a type for a document without": {
			`{"metadata":{"name":"p"}}`, func(p *corev1.Pod) { p.Kind = "Pod" }, `{"op":"add","path":"/kind","value":"Pod"}`,
		},
		"words": {
			`{"spec":{"containers":[{"name":"a","args":["x","y","y"]}]}}`,
			func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{"x", "z", "y", "new"} },
			`{"op":"add","path":"/spec/containers/0/args/1","value":"z"}
{"op":"replace","path":"/spec/containers/0/args/3","value":"new"}`,
		},
		"null elements": {
			`{"spec":{"containers":[null,{"name":"a"}]}}`, func(p *corev1.Pod) { p.Spec.Containers[0].Name = "b" },
			`{"op":"replace","path":"/spec/containers/0","value":{"name":"b","resources":{}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, diff(t, c.doc, c.change)) })
	}
}

// Selectors are a type in which nil and empty mean different things, behind pointers.
func TestNilAndEmptySelectors(t *testing.T) {
	doc := `{"spec":{"podSelector":{},"ingress":[{"from":[{"podSelector":{}}]}]}}`
	require.Equal(t, `{"op":"remove","path":"/spec/ingress/0/from/0/podSelector"}
{"op":"add","path":"/spec/ingress/0/from/0/namespaceSelector","value":{}}`,
		diff(t, doc, func(p *networkingv1.NetworkPolicy) {
			peer := &p.Spec.Ingress[0].From[0]
			peer.PodSelector, peer.NamespaceSelector = nil, &metav1.LabelSelector{}
		}))
}

type base struct {
	Kept   string `json:"kept,omitempty"`
	Hidden string `json:"hidden,omitempty"`
}

type Embedded struct {
	Deep string `json:"deep,omitempty"`
}

type custom struct {
	base      `json:",inline"`
	*Embedded `json:",inline"`
	Named     Embedded             `json:"named"`
	Hidden    string               `json:"hidden,omitempty"` // hides base's
	Quoted    int64                `json:"quoted,string"`
	QuotedStr string               `json:"quotedStr,omitempty,string"`
	Port      intstr.IntOrString   `json:"port"`
	When      metav1.Time          `json:"when"`
	WhenZero  metav1.Time          `json:"whenZero,omitzero"`
	Raw       runtime.RawExtension `json:"raw"`
	Data      []byte               `json:"data,omitempty"`
	ByName    map[string]Embedded  `json:"byName,omitempty"`
	ByNumber  map[int]string       `json:"byNumber,omitempty"`
	Any       any                  `json:"any,omitempty"`
	Pointers  []*Embedded          `json:"pointers,omitempty" patchMergeKey:"deep"`
	Array     [2]string            `json:"array"`
	Lists     [][]int              `json:"lists,omitempty"`
	Ratio     float64              `json:"ratio"`
	Count     uint                 `json:"count,omitempty"`
	Ignored   string               `json:"-"`
	Untagged  string
	private   string
	Self      *custom `json:"self,omitempty"`
	OmitZero  struct {
		A string `json:"a,omitempty"`
	} `json:"omitZero,omitzero"`
}

func TestCustomTypes(t *testing.T) {
	full := `{"kept":"k","deep":"d","named":{"deep":"n","x":1},"quoted":"5","port":80,"when":"2026-01-01T00:00:00Z","raw":{"a":1},
		"data":"aGk=","byName":{"a":{"deep":"1","x":2},"b":{}},"byNumber":{"10":"x","9":"y"},"any":{"l":[1,"x",{"name":"e"}],"n":1},"pointers":[{"deep":"p","x":3},{"deep":"q"}],
		"array":["a","b"],"lists":[[1],[2]],"ratio":0.5,"count":3,"Untagged":"u","omitZero":{"a":"x","future":1}}`
	for name, c := range map[string]struct {
		change func(*custom)
		want   string
	}{
		"embedded":         {func(v *custom) { v.Kept, v.Deep = "", "e" }, `{"op":"remove","path":"/kept"}` + "\n" + `{"op":"add","path":"/deep","value":"e"}`},
		"embedded pointer": {func(v *custom) { v.Embedded = nil }, `{"op":"remove","path":"/deep"}`},
		"hidden":           {func(v *custom) { v.base.Hidden, v.Ignored, v.private = "no", "no", "no" }, ``},
		"hiding":           {func(v *custom) { v.Hidden = "yes" }, `{"op":"add","path":"/hidden","value":"yes"}`},
		"named":            {func(v *custom) { v.Named.Deep = "" }, `{"op":"remove","path":"/named/deep"}`},
		"quoted":           {func(v *custom) { v.Quoted, v.QuotedStr = 6, `a"` }, `{"op":"add","path":"/quoted","value":"6"}` + "\n" + `{"op":"add","path":"/quotedStr","value":"\"a\\\"\""}`},
		"int or string":    {func(v *custom) { v.Port = intstr.FromString("http") }, `{"op":"add","path":"/port","value":"http"}`},
		"time":             {func(v *custom) { v.When = metav1.Unix(0, 5) }, `{"op":"add","path":"/when","value":"1970-01-01T00:00:00Z"}`},
		"time to zero":     {func(v *custom) { v.When = metav1.Time{} }, `{"op":"remove","path":"/when"}`},
		"omitzero":         {func(v *custom) { v.WhenZero = metav1.Unix(0, 0) }, `{"op":"add","path":"/whenZero","value":"1970-01-01T00:00:00Z"}`},
		"raw":              {func(v *custom) { v.Raw.Raw = []byte(`{"a":2}`) }, `{"op":"add","path":"/raw","value":{"a":2}}`},
		"bytes":            {func(v *custom) { v.Data = []byte("ho") }, `{"op":"add","path":"/data","value":"aG8="}`},
		"map of structs":   {func(v *custom) { v.ByName["a"] = Embedded{"2"}; v.ByName["c"] = Embedded{} }, `{"op":"add","path":"/byName/a/deep","value":"2"}` + "\n" + `{"op":"add","path":"/byName/c","value":{}}`},
		"map by number":    {func(v *custom) { v.ByNumber = map[int]string{9: "z", 100: "n"} }, `{"op":"remove","path":"/byNumber/10"}` + "\n" + `{"op":"add","path":"/byNumber/100","value":"n"}` + "\n" + `{"op":"add","path":"/byNumber/9","value":"z"}`},
		"any": {func(v *custom) {
			v.Any.(map[string]any)["l"].([]any)[2].(map[string]any)["v"] = 1
			v.Any.(map[string]any)["n"] = int32(1)
		}, `{"op":"add","path":"/any/l/2/v","value":1}`},
		"any other":      {func(v *custom) { v.Any = []any{"x"} }, `{"op":"add","path":"/any","value":["x"]}`},
		"any none":       {func(v *custom) { v.Any = nil }, `{"op":"remove","path":"/any"}`},
		"pointers":       {func(v *custom) { v.Pointers = []*Embedded{{"new"}, v.Pointers[1], v.Pointers[0]} }, `{"op":"add","path":"/pointers/0","value":{"deep":"new"}}` + "\n" + `{"op":"move","from":"/pointers/2","path":"/pointers/1"}`},
		"array":          {func(v *custom) { v.Array[1] = "c" }, `{"op":"add","path":"/array","value":["a","c"]}`},
		"lists":          {func(v *custom) { v.Lists[1] = append(v.Lists[1], 3) }, `{"op":"add","path":"/lists/1/1","value":3}`},
		"numbers":        {func(v *custom) { v.Ratio, v.Count = 0, 0 }, `{"op":"add","path":"/ratio","value":0}` + "\n" + `{"op":"remove","path":"/count"}`},
		"untagged":       {func(v *custom) { v.Untagged = "" }, `{"op":"add","path":"/Untagged","value":""}`},
		"recursive":      {func(v *custom) { v.Self = &custom{} }, ""},
		"struct to zero": {func(v *custom) { v.OmitZero.A = "" }, `{"op":"remove","path":"/omitZero/a"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := diff(t, full, c.change)
			if name == "recursive" {
				require.Contains(t, got, `{"op":"add","path":"/self","value":{`)
				return
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestUnstructured(t *testing.T) {
	doc := `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"w"},"spec":{"size":1.0,"parts":[{"name":"a","n":1},{"name":"b"}]}}`
	require.Equal(t, `{"op":"add","path":"/metadata/labels","value":{"x":"y"}}
{"op":"add","path":"/spec/parts/0","value":{"name":"new"}}
{"op":"add","path":"/spec/parts/1/n","value":2}`,
		diff(t, doc, func(u *unstructured.Unstructured) {
			delete(u.Object, "kind")
			u.SetLabels(map[string]string{"x": "y"})
			parts, _, _ := unstructured.NestedSlice(u.Object, "spec", "parts")
			parts[0].(map[string]any)["n"] = int64(2)
			parts = append([]any{map[string]any{"name": "new"}}, parts...)
			_ = unstructured.SetNestedSlice(u.Object, parts, "spec", "parts")
		}))
}

// A type that encodes itself is a value that is written whole.
func TestSelfEncodingRoot(t *testing.T) {
	require.Equal(t, `{"op":"replace","path":"","value":{"b":2}}`,
		diff(t, `{"a":1}`, func(r *runtime.RawExtension) { r.Raw = []byte(`{"b":2}`) }))
}

func TestManagedFieldsStay(t *testing.T) {
	doc := `{"metadata":{"managedFields":[{"manager":"kubectl"}],"name":"p"}}`
	require.Equal(t, `{"op":"add","path":"/metadata/name","value":"q"}`,
		diff(t, doc, func(p *corev1.Pod) {
			require.Empty(t, p.ManagedFields)
			p.Name = "q"
		}))
}

func TestNoJSONForm(t *testing.T) {
	type odd struct {
		C chan int `json:"c"`
	}
	d := patch.For[odd]()
	doc, err := patch.Parse([]byte(`{}`))
	require.NoError(t, err)
	_, err = d.Diff(doc, &odd{}, &odd{C: make(chan int)})
	require.ErrorContains(t, err, "/c: json: unsupported type")

	type keyed struct {
		M map[struct{ A int }]int `json:"m"`
	}
	_, err = patch.For[keyed]().Diff(doc, &keyed{map[struct{ A int }]int{{1}: 1}}, &keyed{map[struct{ A int }]int{{2}: 1}})
	require.ErrorContains(t, err, "has no JSON form")
}

func TestVerifyAndCheckRefuse(t *testing.T) {
	d := patch.For[corev1.Pod]()
	doc, err := patch.Parse([]byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","unknown":1},"spec":{"containers":[{"name":"a"}]},"dup":1,"dup":2}`))
	require.NoError(t, err)
	want, err := d.Decode(doc)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		ops   string
		full  string
		cheap string
	}{
		"missing parent":       {`[{"op":"add","path":"/metadata/labels/a","value":"b"}]`, "patch does not apply", `no member "labels"`},
		"wrong type":           {`[{"op":"add","path":"/metadata/labels","value":{"a":1}}]`, "does not decode", "cannot unmarshal number"},
		"bad quantity":         {`[{"op":"add","path":"/spec/overhead","value":{"cpu":"x"}}]`, "does not decode", "quantities must match"},
		"unknown member":       {`[{"op":"add","path":"/spec/NodeName","value":"n"}]`, `unknown field "spec.NodeName"`, `has no member "NodeName"`},
		"unknown in value":     {`[{"op":"add","path":"/spec/containers/1","value":{"Name":"n"}}]`, `unknown field "spec.containers[1].Name"`, "unknown field"},
		"not the mutated one":  {`[{"op":"add","path":"/spec/nodeName","value":"n"}]`, `is not the mutated one: {"op":"remove","path":"/spec/nodeName"} is missing`, ""},
		"index out of range":   {`[{"op":"replace","path":"/spec/containers/1","value":{"name":"n"}}]`, "patch does not apply", "index 1 is out of range"},
		"index of odd form":    {`[{"op":"remove","path":"/spec/containers/00"}]`, "", "not an array index"},
		"into a scalar":        {`[{"op":"add","path":"/metadata/name/x","value":"n"}]`, "patch does not apply", "is one value"},
		"remove what is not":   {`[{"op":"remove","path":"/spec/priority"}]`, "patch does not apply", `no member "priority"`},
		"replace what is not":  {`[{"op":"replace","path":"/spec/nodeName","value":"x"}]`, "", `no member "nodeName" to replace`},
		"move between lists":   {`[{"op":"move","from":"/spec/containers/0","path":"/spec/initContainers/0"}]`, "patch does not apply", "moves a value to another list"},
		"move in an object":    {`[{"op":"move","from":"/spec/nodeName","path":"/spec/priority"}]`, "patch does not apply", "no element of a list"},
		"move in nothing":      {`[{"op":"move","from":"/x/0","path":"/x/1"}]`, "patch does not apply", "has no member"},
		"text that is no text": {`[{"op":"add","path":"/spec/nodeName","value":"\ufffd"}]`, "", "not UTF-8"},
		"move of nothing":      {`[{"op":"move","from":"/spec/containers/3","path":"/spec/containers/0"}]`, "patch does not apply", "out of range"},
		"path without slash":   {`[{"op":"add","path":"spec","value":1}]`, "", "does not start with a slash"},
		"source without slash": {`[{"op":"move","from":"spec","path":"/spec"}]`, "", "does not start with a slash"},
		"the whole":            {`[{"op":"remove","path":""}]`, "", "whole document"},
		"duplicate members":    {`[{"op":"remove","path":"/dup"}]`, "", "two members"},
		"another kind":         {`[{"op":"add","path":"/apiVersion","value":"v2"}]`, "an object can't become one of another kind", "an object can't become one of another kind"},
		"no kind":              {`[{"op":"remove","path":"/kind"}]`, "an object can't become", "an object can't become"},
		"value is not JSON":    {`[{"op":"add","path":"/spec/nodeName","value":"x"}]`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var p patch.Patch
			require.NoError(t, json.Unmarshal([]byte(c.ops), &p))
			if c.full != "" {
				require.ErrorContains(t, d.Verify(doc, p, want), c.full)
			}
			if c.cheap == "" {
				require.NoError(t, d.Check(doc, p))
			} else {
				require.ErrorContains(t, d.Check(doc, p), c.cheap)
			}
		})
	}
	_, err = patch.Patch{{Op: "add", Path: "/a", Value: []byte(`{`)}}.Apply([]byte(`{}`))
	require.ErrorContains(t, err, "patch does not decode")
}

func TestOperationsRefuseWhatIsNotThere(t *testing.T) {
	for _, from := range []string{"/a/7", "/a/x", "/b", "a"} {
		_, err := patch.Patch{{Op: patch.Move, From: from, Path: "/a/0"}}.Operations([]byte(`{"a":[1]}`))
		require.Error(t, err, from)
	}
	_, err := patch.Patch{{Op: patch.Remove, Path: "/b"}, {Op: patch.Move, From: "/a/0", Path: "/a/0"}}.Operations([]byte(`{"a":[1]}`))
	require.Error(t, err)
}

func TestPatchIsJSON(t *testing.T) {
	p := patch.Patch{{Op: patch.Add, Path: "/é\"", Value: []byte(`1`)}, {Op: patch.Move, From: "/a", Path: "/b"}, {Op: patch.Remove, Path: "/c"}}
	text, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, `[{"op":"add","path":"/é\"","value":1},{"op":"move","from":"/a","path":"/b"},{"op":"remove","path":"/c"}]`, string(text))
	var back patch.Patch
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, p, back)
}
