package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubewright/kubewright/admission/patch"
)

// manyRules is a role whose rules have no key, are too many to be compared each with each, and hold what no type knows.
func manyRules(n int) string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"verbs":["get"],"resources":["r%d"],"future":"f%d"}`, i, i)
	}
	return `{"rules":[` + strings.Join(rules, ",") + `]}`
}

func TestLongListsWithoutKeys(t *testing.T) {
	doc := manyRules(1000)
	require.Equal(t, `{"op":"add","path":"/rules/1000","value":{"verbs":["get"],"resources":["new"]}}`,
		diff(t, doc, func(r *rbacv1.ClusterRole) {
			r.Rules = append(r.Rules, rbacv1.PolicyRule{Verbs: []string{"get"}, Resources: []string{"new"}})
		}))
	require.Equal(t, `{"op":"move","from":"/rules/999","path":"/rules/0"}`,
		diff(t, doc, func(r *rbacv1.ClusterRole) {
			r.Rules = append([]rbacv1.PolicyRule{r.Rules[999]}, r.Rules[:999]...)
		}))
	reversed := diff(t, doc, func(r *rbacv1.ClusterRole) { slices.Reverse(r.Rules) })
	require.Equal(t, 999, strings.Count(reversed, `"op":"move"`))
	require.NotContains(t, reversed, `"op":"add"`)
	// As many as before, and none known again: changed in place, as in a short list.
	changed := diff(t, doc, func(r *rbacv1.ClusterRole) {
		for i := range r.Rules {
			r.Rules[i].Verbs = []string{"list"}
		}
	})
	require.Equal(t, 1000, strings.Count(changed, "\n")+1)
	require.Equal(t, 1000, strings.Count(changed, `{"op":"replace","path":"/rules/`))
	// One came and all others changed: they kept their distance to the end.
	require.Equal(t, 1000, strings.Count(diff(t, doc, func(r *rbacv1.ClusterRole) {
		for i := range r.Rules {
			r.Rules[i].Verbs = []string{"list"}
		}
		r.Rules = append([]rbacv1.PolicyRule{{Verbs: []string{"watch"}}}, r.Rules...)
	}), `{"op":"replace","path":"/rules/`))
	// Fewer, and none known again: written anew rather than given to the wrong ones.
	require.Contains(t, diff(t, doc, func(r *rbacv1.ClusterRole) {
		r.Rules = r.Rules[1:]
		for i := range r.Rules {
			r.Rules[i] = rbacv1.PolicyRule{Verbs: []string{"list"}, Resources: []string{"other"}}
		}
	}), `{"op":"add","path":"/rules","value":[`)
}

// A list in which the operations would shift too many elements is written whole, and its elements keep what no type
// knows all the same.
func TestLongListsAreRewritten(t *testing.T) {
	const n = 5000
	thinned := func(r *rbacv1.ClusterRole) {
		r.Rules = slices.DeleteFunc(r.Rules, func(rule rbacv1.PolicyRule) bool {
			return strings.HasSuffix(rule.Resources[0], "3") || strings.HasSuffix(rule.Resources[0], "7")
		})
		r.Rules = append(r.Rules, rbacv1.PolicyRule{Verbs: []string{"watch"}, Resources: []string{"new"}})
	}
	for name, change := range map[string]func(r *rbacv1.ClusterRole){
		"reversed":      func(r *rbacv1.ClusterRole) { slices.Reverse(r.Rules) },
		"some for some": thinned,
		"every second": func(r *rbacv1.ClusterRole) {
			r.Rules = slices.DeleteFunc(r.Rules, func(rule rbacv1.PolicyRule) bool { return rule.Resources[0][1]%2 == 0 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := diff(t, manyRules(n), change)
			require.Equal(t, 0, strings.Count(got, "\n"), "one operation")
			var op patch.Operation
			require.NoError(t, json.Unmarshal([]byte(got), &op))
			require.Equal(t, "/rules", op.Path)
			var rules []map[string]any
			require.NoError(t, json.Unmarshal(op.Value, &rules))
			for _, r := range rules {
				if resource := r["resources"].([]any)[0].(string); resource != "new" {
					require.Equal(t, "f"+resource[1:], r["future"])
				}
			}
		})
	}
	p := patch.Patch{{Op: patch.Add, Path: "/rules", Value: json.RawMessage(`[{"verbs":["get"],"resources":["r1"],"future":"f2"}]`)}}
	parsed, err := patch.Parse([]byte(manyRules(n)))
	require.NoError(t, err)
	require.ErrorContains(t, patch.For[rbacv1.ClusterRole]().Check(parsed, p), "future", "no element of the document")
}

func TestManagedFieldsAreNotTouched(t *testing.T) {
	doc := `{"kind":"Pod","apiVersion":"v1","metadata":{"managedFields":[{"manager":"kubectl"}]}}`
	require.Empty(t, diff(t, doc, func(p *corev1.Pod) {
		p.ManagedFields = append(p.ManagedFields, metav1.ManagedFieldsEntry{Manager: "me"})
	}))
	require.Empty(t, diff(t, doc, func(u *unstructured.Unstructured) { u.SetManagedFields(nil) }))
	d := patch.For[corev1.Pod]()
	parsed, err := patch.Parse([]byte(doc))
	require.NoError(t, err)
	for _, path := range []string{"/metadata/managedFields", "/metadata/managedFields/0"} {
		p := patch.Patch{{Op: patch.Remove, Path: path}}
		require.ErrorContains(t, d.Check(parsed, p), "managedFields are the API server's")
		require.ErrorContains(t, d.Verify(parsed, p, &corev1.Pod{}), "managedFields are the API server's")
	}
}

type inner struct {
	X int `json:"x"`
}

type color string

func (c *color) UnmarshalText(text []byte) error {
	if string(text) != "red" {
		return errors.New("not red")
	}
	*c = color(text)
	return nil
}

type odd struct {
	inner  `json:"inner"` // a member for encoding/json, though it is not exported
	Number json.Number    `json:"number,omitempty"`
	Color  color          `json:"color,omitempty"`
	Quoted int            `json:"quoted,omitempty,string"`
}

func TestOddTypes(t *testing.T) {
	require.Equal(t, `{"op":"add","path":"/inner/x","value":42}`, diff(t, `{"inner":{"x":1}}`, func(o *odd) { o.X = 42 }))
	require.Equal(t, `{"op":"add","path":"/number","value":7}`, diff(t, `{"number":1}`, func(o *odd) { o.Number = "7" }))
	d := patch.For[odd]()
	doc, err := patch.Parse([]byte(`{"number":"abc"}`))
	require.NoError(t, err)
	_, err = d.Decode(doc)
	require.ErrorContains(t, err, "invalid number literal")
	for _, p := range []patch.Patch{
		{{Op: patch.Add, Path: "/color", Value: []byte(`"blue"`)}},
		{{Op: patch.Add, Path: "/quoted", Value: []byte(`"abc"`)}},
		{{Op: patch.Add, Path: "/quoted", Value: []byte(`1`)}},
	} {
		require.Error(t, d.Check(doc, p), "%v", p)
	}
}

// The library that decodes strictly tells of a hundred problems and keeps the rest to itself.
func TestMoreUnknownMembersThanTheLibraryTells(t *testing.T) {
	containers := make([]string, 120)
	for i := range containers {
		containers[i] = fmt.Sprintf(`{"name":"c%d","future%d":1}`, i, i)
	}
	require.Equal(t, `{"op":"move","from":"/spec/containers/119","path":"/spec/containers/0"}`,
		diff(t, `{"spec":{"containers":[`+strings.Join(containers, ",")+`]}}`, func(p *corev1.Pod) {
			cs := p.Spec.Containers
			p.Spec.Containers = append([]corev1.Container{cs[119]}, cs[:119]...)
		}))
}

// Objects of many members and elements, of which each is looked up.
func TestLargeObjects(t *testing.T) {
	annotations := make([]string, 5000)
	containers := make([]string, 5000)
	for i := range annotations {
		annotations[i] = fmt.Sprintf(`"k%d":"v"`, i)
		containers[i] = fmt.Sprintf(`{"name":"c%d"}`, i)
	}
	doc := `{"metadata":{"annotations":{` + strings.Join(annotations, ",") + `}},"spec":{"containers":[` + strings.Join(containers, ",") + `]}}`
	p := diff(t, doc, func(p *corev1.Pod) {
		for i := range 4999 {
			delete(p.Annotations, fmt.Sprint("k", i))
		}
		p.Annotations["new"] = "x"
		for i := range p.Spec.Containers {
			p.Spec.Containers[i].Resources.Claims = []corev1.ResourceClaim{{Name: "c"}}
		}
	})
	require.Equal(t, 4999, strings.Count(p, `"op":"remove"`))
	require.Equal(t, 5001, strings.Count(p, `"op":"add"`))
}

// What a RawExtension holds keeps its escapes, and the API server's library writes others.
func TestEscapesInRawExtensions(t *testing.T) {
	for _, raw := range []string{`{"run":"a && b <c>"}`, `{"run":"a \u0026\u0026 b"}`, `{"p\/q":"\u2028","é":"\u00e9"}`} {
		doc := `{"metadata":{"name":"r"},"data":` + raw + `}`
		require.Equal(t, `{"op":"add","path":"/metadata/labels","value":{"a":"b"}}`,
			diff(t, doc, func(r *appsv1.ControllerRevision) { r.Labels = map[string]string{"a": "b"} }))
	}
	require.Equal(t, `{"op":"add","path":"/data","value":{"a":"\u0041"}}`,
		diff(t, `{"data":{"a":"\u0042"}}`, func(r *appsv1.ControllerRevision) { r.Data.Raw = []byte(`{"a":"\u0041"}`) }))
	require.Empty(t, diff(t, `{"data":{"a":"\u0042","n":1}}`, func(r *appsv1.ControllerRevision) { r.Data.Raw = []byte(`{"n":1,"a":"B"}`) }))
	require.Empty(t, diff(t, `{"data":{"a":1,"b":2}}`, func(r *appsv1.ControllerRevision) { r.Data.Raw = []byte(`{"b":2,"a":1}`) }))
}

func TestRootListIsNoTarget(t *testing.T) {
	doc, err := patch.Parse([]byte(`[{"name":"a","future":1}]`))
	require.NoError(t, err)
	p := patch.Patch{{Op: patch.Add, Path: "", Value: json.RawMessage(`[{"name":"a","future":1}]`)}}
	require.ErrorContains(t, patch.For[[]corev1.Container]().Check(doc, p), "the whole document is no target")
}

func TestNoObject(t *testing.T) {
	p := patch.Patch{{Op: patch.Add, Path: "/a", Value: json.RawMessage("1")}}
	for _, doc := range []string{"", " ", "null", "1", `"a"`} {
		_, err := p.Apply([]byte(doc))
		require.ErrorContains(t, err, "is no JSON object or array", doc)
	}
	null, err := patch.Parse([]byte("null"))
	require.NoError(t, err)
	require.Error(t, patch.For[corev1.Pod]().Check(null, p))
	require.Error(t, patch.For[corev1.Pod]().Verify(null, p, &corev1.Pod{}))
}

// managedFields in a form that no API server sends are not the patch's fault.
func TestOddManagedFields(t *testing.T) {
	for _, fields := range []string{`[1]`, `"a"`, `{"":1}`} {
		require.NotEmpty(t, diff(t, `{"metadata":{"managedFields":`+fields+`}}`, func(p *corev1.Pod) { p.Spec.NodeName = "n" }))
	}
}

// The same below elements that move, and in decoded JSON.
func TestLongListsAreRewrittenBelowMoves(t *testing.T) {
	env := make([]string, 5000)
	for i := range env {
		env[i] = fmt.Sprintf(`{"name":"E%d","future":"f%d"}`, i, i)
	}
	doc := `{"spec":{"containers":[{"name":"a","env":[` + strings.Join(env, ",") + `]},{"name":"b"}]}}`
	last := `,{"name":"E0","future":"f0"}]}`
	got := strings.Split(diff(t, doc, func(p *corev1.Pod) {
		slices.Reverse(p.Spec.Containers)
		slices.Reverse(p.Spec.Containers[1].Env)
		p.Spec.Containers[1].Env[0].Value = "changed"
	}), "\n")
	require.Len(t, got, 3)
	require.Equal(t, `{"op":"move","from":"/spec/containers/1","path":"/spec/containers/0"}`, got[0])
	require.True(t, strings.HasPrefix(got[1], `{"op":"add","path":"/spec/containers/1/env","value":[{"name":"E4999","future":"f4999"},`))
	require.True(t, strings.HasSuffix(got[1], last))
	require.Equal(t, `{"op":"add","path":"/spec/containers/1/env/0/value","value":"changed"}`, got[2])

	got = strings.Split(diff(t, `{"apiVersion":"v1","kind":"X","lists":[[`+strings.Join(env, ",")+`]]}`, func(u *unstructured.Unstructured) {
		slices.Reverse(u.Object["lists"].([]any)[0].([]any))
	}), "\n")
	require.Len(t, got, 1)
	require.True(t, strings.HasPrefix(got[0], `{"op":"replace","path":"/lists/0","value":[`))
	require.True(t, strings.HasSuffix(got[0], last))
}
