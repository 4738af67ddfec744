package patch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"gomodules.xyz/jsonpatch/v2"
	jsonpatchv4 "gopkg.in/evanphx/json-patch.v4"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
)

// corpus returns one document, with every field set, of each kind that k8s.io/api ships.
func corpus(t testing.TB) map[schema.GroupVersionKind][]byte {
	t.Helper()
	corpusOnce.Do(func() { corpusDocs = readCorpus(t) })
	return corpusDocs
}

var (
	corpusOnce sync.Once
	corpusDocs map[schema.GroupVersionKind][]byte
)

func readCorpus(t testing.TB) map[schema.GroupVersionKind][]byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "HEAD", "*.json"))
	require.NoError(t, err)
	docs := map[schema.GroupVersionKind][]byte{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		var tm runtime.TypeMeta
		require.NoError(t, json.Unmarshal(raw, &tm))
		gvk := schema.FromAPIVersionAndKind(tm.APIVersion, tm.Kind)
		if scheme.Scheme.Recognizes(gvk) {
			docs[gvk] = raw
		}
	}
	require.Greater(t, len(docs), 150, "the corpus is not there")
	return docs
}

func coreFor(t testing.TB, gvk schema.GroupVersionKind) *core {
	obj, err := scheme.Scheme.New(gvk)
	require.NoError(t, err)
	return newCore(reflect.TypeOf(obj).Elem())
}

// prove asserts the laws for one pair of values.
func prove(t testing.TB, c *core, raw []byte, before, after any) Patch {
	t.Helper()
	p, err := c.diff(parsed(t, raw), before, after)
	require.NoError(t, err)
	again, err := c.diff(parsed(t, raw), before, after)
	require.NoError(t, err)
	require.Equal(t, p.String(), again.String(), "not deterministic")
	if err := c.verify(parsed(t, raw), p, after); err != nil {
		t.Fatalf("%v\nbefore: %s\nafter: %s\npatch:\n%v", err, toJSON(before), toJSON(after), p)
	}
	// an oracle that shares nothing with the differ
	patched, err := p.Apply(raw)
	require.NoError(t, err)
	got, err := c.decode(parsed(t, patched))
	require.NoError(t, err)
	if !equality.Semantic.DeepEqual(normal(t, c, got), normal(t, c, after)) {
		t.Fatalf("the patched object is another one: %s\npatch:\n%v", cmp.Diff(toJSON(got), toJSON(after)), p)
	}
	if err := c.check(parsed(t, raw), p); err != nil && !strings.Contains(err.Error(), "whole document") {
		t.Fatalf("cheap check refuses what Diff made: %v\n%v", err, p)
	}
	return p
}

// normal takes a value through JSON, which drops the differences that JSON can't express.
func normal(t testing.TB, c *core, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	out, err := c.decode(parsed(t, text))
	require.NoError(t, err)
	return out
}

func parsed(t testing.TB, text []byte) *Document {
	t.Helper()
	doc, err := Parse(text)
	require.NoError(t, err)
	return doc
}

func toJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// rounds makes short runs, which are those under the race detector, a tenth as long.
func rounds(n int) int {
	if testing.Short() {
		return max(n/10, 1)
	}
	return n
}

func TestEveryKindRandomMutations(t *testing.T) {
	for gvk, raw := range corpus(t) {
		t.Run(gvk.String(), func(t *testing.T) {
			c := coreFor(t, gvk)
			for seed := range rounds(12) {
				m := newMutator(uint64(seed))
				before, err := c.decode(parsed(t, raw))
				require.NoError(t, err)
				after, err := c.decode(parsed(t, raw))
				require.NoError(t, err)
				require.Empty(t, prove(t, c, raw, before, after), "nothing changed")
				for range 1 + seed%6 {
					m.mutate(reflect.ValueOf(after).Elem(), 0)
				}
				prove(t, c, raw, before, after)
			}
		})
	}
}

// The library and ours turn one document into the same other one.
func TestAgreesWithGomodules(t *testing.T) {
	for gvk, raw := range corpus(t) {
		c := coreFor(t, gvk)
		for seed := range rounds(10) {
			before, err := c.decode(parsed(t, raw))
			require.NoError(t, err)
			after, err := c.decode(parsed(t, raw))
			require.NoError(t, err)
			m := newMutator(uint64(seed))
			for range 3 {
				m.mutate(reflect.ValueOf(after).Elem(), 0)
			}
			doc := []byte(toJSON(before))
			theirs, err := jsonpatch.CreatePatch(doc, []byte(toJSON(after)))
			require.NoError(t, err)
			patch, err := jsonpatchv4.DecodePatch([]byte(toJSON(theirs)))
			require.NoError(t, err)
			want, err := patch.Apply(doc)
			require.NoError(t, err)
			p, err := c.diff(parsed(t, doc), before, after)
			require.NoError(t, err)
			got, err := p.Apply(doc)
			require.NoError(t, err)
			gotObj, err := c.decode(parsed(t, got))
			require.NoError(t, err)
			wantObj, err := c.decode(parsed(t, want))
			require.NoError(t, err)
			if !equality.Semantic.DeepEqual(gotObj, wantObj) {
				t.Fatalf("%s: %s", gvk, cmp.Diff(string(want), string(got)))
			}
			ops, err := p.Operations(doc)
			require.NoError(t, err)
			patch, err = jsonpatchv4.DecodePatch([]byte(toJSON(ops)))
			require.NoError(t, err)
			converted, err := patch.Apply(doc)
			require.NoError(t, err)
			require.JSONEq(t, string(got), string(converted), "converted operations say something else")
		}
	}
}

// Unknown members survive, on the element of the same name, whatever happens to the lists.
func TestUnknownMembersStay(t *testing.T) {
	for gvk, object := range map[schema.GroupVersionKind]string{
		corev1.SchemeGroupVersion.WithKind("Pod"):         "spec",
		appsv1.SchemeGroupVersion.WithKind("StatefulSet"): "spec.template.spec",
	} {
		c := coreFor(t, gvk)
		raw := marked(t, corpus(t)[gvk], object)
		for seed := range rounds(100) {
			before, err := c.decode(parsed(t, raw))
			require.NoError(t, err)
			after, err := c.decode(parsed(t, raw))
			require.NoError(t, err)
			spec := podSpec(after)
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			for range 1 + r.IntN(4) {
				shuffle(r, spec)
			}
			p := prove(t, c, raw, before, after)
			patched, err := p.Apply(raw)
			require.NoError(t, err)
			checkMarks(t, raw, patched, object, p)
		}
	}
}

func podSpec(v any) *corev1.PodSpec {
	switch o := v.(type) {
	case *corev1.Pod:
		return &o.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.Spec
	}
	panic(fmt.Sprintf("no pod spec in %T", v))
}

// marked gives the pod spec three named containers and volumes, each with a member that no version knows.
func marked(t testing.TB, raw []byte, object string) []byte {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal(raw, &doc))
	spec := dig(doc, object)
	for _, list := range []string{"containers", "initContainers", "volumes", "ephemeralContainers"} {
		first := spec[list].([]any)[0].(map[string]any)
		var out []any
		for _, name := range []string{"a", "b", "c"} {
			e := clone(t, first)
			e["name"] = list + "-" + name
			e["xUnknown"] = map[string]any{"of": list + "-" + name}
			if env, ok := e["env"].([]any); ok {
				one := env[0].(map[string]any)
				one["xUnknown"] = "env of " + name
				two := clone(t, one)
				two["name"] = "SECOND"
				e["env"] = append(env, two)
			}
			out = append(out, e)
		}
		spec[list] = out
	}
	spec["xUnknown"] = []any{map[string]any{"spec": true}}
	var tolerations []any
	for _, key := range []string{"x", "y", "z"} {
		tolerations = append(tolerations, map[string]any{"key": key, "operator": "Exists", "xUnknown": key})
	}
	spec["tolerations"] = tolerations
	text, err := json.Marshal(doc)
	require.NoError(t, err)
	return text
}

func dig(doc map[string]any, path string) map[string]any {
	for name := range strings.SplitSeq(path, ".") {
		doc = doc[name].(map[string]any)
	}
	return doc
}

func clone(t testing.TB, m map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(m)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

// shuffle is what mutators do to Pods: prepend, append, remove, move, rename, change a field.
func shuffle(r *rand.Rand, spec *corev1.PodSpec) {
	cs := &spec.Containers
	switch i := r.IntN(max(1, len(*cs))); r.IntN(9) {
	case 0:
		*cs = append([]corev1.Container{{Name: fmt.Sprint("new", r.IntN(1000)), Image: "side"}}, *cs...)
	case 1:
		*cs = append(*cs, corev1.Container{Name: fmt.Sprint("new", r.IntN(1000)), Image: "side"})
	case 2:
		if len(*cs) > 0 {
			*cs = append((*cs)[:i:i], (*cs)[i+1:]...)
		}
	case 3:
		r.Shuffle(len(*cs), func(a, b int) { (*cs)[a], (*cs)[b] = (*cs)[b], (*cs)[a] })
	case 4:
		if len(*cs) > 0 {
			(*cs)[i].Env = append([]corev1.EnvVar{{Name: "ZERO", Value: "0"}}, (*cs)[i].Env...)
		}
	case 5:
		if len(*cs) > 0 {
			(*cs)[i].Image += ":changed"
		}
	case 6:
		r.Shuffle(len(spec.Tolerations), func(a, b int) {
			spec.Tolerations[a], spec.Tolerations[b] = spec.Tolerations[b], spec.Tolerations[a]
		})
	case 7:
		spec.Volumes = append([]corev1.Volume{{Name: fmt.Sprint("vol", r.IntN(1000))}}, spec.Volumes...)
		r.Shuffle(len(spec.InitContainers), func(a, b int) {
			spec.InitContainers[a], spec.InitContainers[b] = spec.InitContainers[b], spec.InitContainers[a]
		})
	case 8:
		if len(*cs) > 0 {
			r.Shuffle(len((*cs)[i].Env), func(a, b int) {
				(*cs)[i].Env[a], (*cs)[i].Env[b] = (*cs)[i].Env[b], (*cs)[i].Env[a]
			})
		}
	}
}

func checkMarks(t *testing.T, raw, patched []byte, object string, p Patch) {
	t.Helper()
	var before, after map[string]any
	require.NoError(t, json.Unmarshal(raw, &before))
	require.NoError(t, json.Unmarshal(patched, &after))
	require.Equal(t, dig(before, object)["xUnknown"], dig(after, object)["xUnknown"])
	for _, list := range []string{"containers", "initContainers", "volumes", "ephemeralContainers"} {
		marks := map[string]any{}
		for _, e := range dig(before, object)[list].([]any) {
			marks[e.(map[string]any)["name"].(string)] = e.(map[string]any)["xUnknown"]
		}
		elements, _ := dig(after, object)[list].([]any)
		for _, e := range elements {
			name := e.(map[string]any)["name"].(string)
			require.Equal(t, marks[name], e.(map[string]any)["xUnknown"], "%s %s\n%v", list, name, p)
			env, _ := e.(map[string]any)["env"].([]any)
			for _, v := range env {
				if v.(map[string]any)["name"] != "ZERO" {
					require.Equal(t, "env of "+name[len(name)-1:], v.(map[string]any)["xUnknown"], "%v", p)
				}
			}
		}
	}
	for _, e := range dig(after, object)["tolerations"].([]any) {
		require.Equal(t, e.(map[string]any)["key"], e.(map[string]any)["xUnknown"], "%v", p)
	}
}

// What the cheap check accepts, the whole proof does not refuse for not applying or not decoding, also when the patch
// is none that Diff would make.
func TestCheckNeverAcceptsWhatVerifyRefuses(t *testing.T) {
	accepted, refused := 0, 0
	for _, gvk := range []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("Pod"),
		corev1.SchemeGroupVersion.WithKind("Service"),
		appsv1.SchemeGroupVersion.WithKind("Deployment"),
	} {
		c := coreFor(t, gvk)
		raw := corpus(t)[gvk]
		for seed := range rounds(300) {
			before, _ := c.decode(parsed(t, raw))
			after, _ := c.decode(parsed(t, raw))
			m := newMutator(uint64(seed))
			for range 3 {
				m.mutate(reflect.ValueOf(after).Elem(), 0)
			}
			p, err := c.diff(parsed(t, raw), before, after)
			require.NoError(t, err)
			p = corrupt(m.r, p)
			if c.check(parsed(t, raw), p) != nil {
				refused++
				continue
			}
			accepted++
			checkIsRight(t, c, raw, p)
		}
	}
	require.Greater(t, accepted, rounds(100))
	require.Greater(t, refused, rounds(100))
}

// checkIsRight asserts what Check promises of a patch that it accepted.
func checkIsRight(t *testing.T, c *core, raw []byte, p Patch) {
	t.Helper()
	patched, err := p.Apply(raw)
	require.NoError(t, err, "%v", p)
	require.NoError(t, c.strict(parsed(t, raw), p, parsed(t, patched)), "%v", p)
}

// corrupt damages a patch in one of the ways in which patches of hand-written webhooks are wrong.
func corrupt(r *rand.Rand, p Patch) Patch {
	if len(p) == 0 {
		return Patch{{Op: Add, Path: "/spec/NodeName", Value: json.RawMessage(`"x"`)}}
	}
	p = append(Patch(nil), p...)
	i := r.IntN(len(p))
	o := &p[i]
	switch r.IntN(9) {
	case 0:
		p = append(p[:i], p[i+1:]...)
	case 1:
		o.Path = strings.Replace(o.Path, "/0", "/7", 1)
	case 2:
		o.Path = strings.Replace(o.Path, "/0", "/00", 1)
	case 3:
		o.Path += "/unknown"
	case 4:
		if o.Value != nil {
			o.Value = json.RawMessage([]string{`{"a":1}`, `1`, `"s"`, `null`, `[1]`, `{"name":{}}`, `true`}[r.IntN(7)])
		}
	case 5:
		o.Path = strings.ToUpper(o.Path)
	case 6:
		j := r.IntN(len(p))
		p[i], p[j] = p[j], p[i]
	case 7:
		o.Op = []string{Add, Remove, Replace}[r.IntN(3)]
		if o.Op == Remove {
			o.Value = nil
		} else if o.Value == nil {
			o.Value = json.RawMessage(`"x"`)
		}
	case 8:
		tokens := strings.Split(o.Path, "/")
		o.Path = strings.Join(tokens[:len(tokens)-1], "/")
	}
	return p
}

// The fast decoder and the library agree on every kind.
func TestDecodesAsTheLibrary(t *testing.T) {
	for gvk, raw := range corpus(t) {
		c := coreFor(t, gvk)
		doc := parsed(t, raw)
		fast := c.new()
		d := decoder{skip: doc.root.Member("metadata").Member("managedFields")}
		require.True(t, d.value(c.plan, reflect.ValueOf(fast).Elem(), doc.root), "%s is left to the library", gvk)
		want := c.new()
		require.NoError(t, kjson.UnmarshalCaseSensitivePreserveInts(doc.withoutManagedFields(), want))
		require.Equal(t, want, fast, gvk)
	}
}
