package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission/patch"
	"github.com/kubewright/kubewright/internal/e2e/oracle"
)

// TestCheckAcceptsNothingThatIsRefused spoils good patches in the ways in which patches are wrong. Whatever of that the
// cheap check lets pass, the API server has to take: a patch that it refuses fails the request even where failures are
// to be ignored.
func TestCheckAcceptsNothingThatIsRefused(t *testing.T) {
	s := &spoiler{differ: patch.For[corev1.Pod]()}
	plugin := oracle.New(t, s, oracle.Options{})
	accepted, refused := 0, 0
	for seed := range uint64(2 * patchesPerKind) {
		pod := pods.newObject(seed)
		pod.Name, pod.Kind, pod.APIVersion = strconv.FormatUint(seed, 10), "Pod", "v1"
		_, err := oracle.Mutate(t, plugin, pod)
		spoiled, objection := s.last()
		if objection == nil {
			require.NoError(t, err, "seed %d: the check accepts\n%v", seed, spoiled)
			accepted++
		} else if err != nil {
			refused++
		}
	}
	t.Logf("of %d spoiled patches, the check accepts %d; the API server refuses %d", 2*patchesPerKind, accepted, refused)
	require.Greater(t, accepted, 100)
	require.Greater(t, refused, 100)
}

// spoiler is a webhook that answers with a spoiled patch and remembers what the check said of it.
type spoiler struct {
	differ *patch.Differ[corev1.Pod]

	mu        sync.Mutex
	patch     patch.Patch
	objection error
}

func (s *spoiler) last() (patch.Patch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.patch, s.objection
}

// ServeHTTP answers a review.
func (s *spoiler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	err := json.NewDecoder(r.Body).Decode(&review)
	if err == nil {
		err = s.answer(&review)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(review)
}

func (s *spoiler) answer(review *admissionv1.AdmissionReview) error {
	seed, err := strconv.ParseUint(review.Request.Name, 10, 64)
	if err != nil {
		return err
	}
	doc, err := patch.Parse(review.Request.Object.Raw)
	if err != nil {
		return err
	}
	before, err := s.differ.Decode(doc)
	if err != nil {
		return err
	}
	after := before.DeepCopy()
	pods.changed(seed, after)
	good, err := s.differ.Diff(doc, before, after)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patch = spoil(rand.New(rand.NewPCG(seed, 3)), good)
	s.objection = s.differ.Check(doc, s.patch)
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if len(s.patch) > 0 {
		review.Response.PatchType = new(admissionv1.PatchTypeJSONPatch)
		review.Response.Patch = s.patch.AppendJSON(nil)
	}
	review.Request = nil
	return nil
}

// spoil does to a patch what mistakes in making one do.
func spoil(r *rand.Rand, p patch.Patch) patch.Patch {
	p = slices.Clone(p)
	if len(p) == 0 {
		return p
	}
	i, j := r.IntN(len(p)), r.IntN(len(p))
	switch o := &p[i]; r.IntN(7) {
	case 0:
		return slices.Delete(p, i, i+1)
	case 1:
		p[i], p[j] = p[j], p[i]
	case 2:
		return slices.Insert(p, j, p[i])
	case 3:
		o.Op = pick(r, patch.Add, patch.Remove, patch.Replace)
		if o.Op != patch.Remove && o.Value == nil {
			o.Value = anyValue(r)
		}
	case 4:
		o.Path = otherPath(r, o.Path)
	case 5:
		list, _ := path.Split(o.Path)
		o.Op, o.From, o.Path, o.Value = patch.Move, list+pick(r, "0", "1", "9", "-", "01"), list+pick(r, "0", "2", "-"), nil
	default:
		if o.Value != nil {
			o.Value = anyValue(r)
		}
	}
	return p
}

func anyValue(r *rand.Rand) json.RawMessage {
	return json.RawMessage(pick(r, "1", "-1.5", `"text"`, "true", "null", "{}", "[]", "[null]", `{"name":"x"}`, `[{"name":"x"}]`, `{"unknown":1}`))
}

// otherPath changes one token of a JSON Pointer.
func otherPath(r *rand.Rand, pointer string) string {
	tokens := strings.Split(pointer, "/")
	if len(tokens) > 1 {
		at := 1 + r.IntN(len(tokens)-1)
		tokens[at] = pick(r, "0", "1", "2", "9", "-", "-1", "01", "", "spec", "name", "unknown", "Name")
	}
	return strings.Join(tokens, "/")
}
