package admissiontest

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
)

func FuzzGoodHandler(f *testing.F) {
	Fuzz(f, newHandler(f),
		Case{Object: podYAML},
		Case{Object: latestYAML, User: "alice"},
		Case{Object: podYAML, Old: latestYAML, Operation: "UPDATE"},
		Case{Object: podYAML, Operation: "DELETE"},
		Case{Object: deploymentYAML},
	)
}

const deploymentYAML = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {template: {spec: {containers: [{name: a, image: b}]}}}}`

// fuzzFailures tries some programs on a handler.
func fuzzFailures(t *testing.T, h Handler, c Case, programs ...string) string {
	t.Helper()
	raw, err := objectText(podYAML)
	require.NoError(t, err)
	r := &recorder{TB: t}
	b := newBench(h)
	for _, p := range programs {
		b.fuzz(r, c, raw, []byte(p))
	}
	return r.text()
}

func TestFuzzReportsPanics(t *testing.T) {
	careless := func(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
		p.Spec.NodeName = p.Spec.Containers[0].Name
		return nil
	}
	h := build(t, pods().Mutate("careless", careless))
	require.Empty(t, fuzzFailures(t, h, Case{Object: podYAML}, ""))
	containers := "\x00" + changeAt(t, podYAML, "containers", 4, 3)
	require.Contains(t, fuzzFailures(t, h, Case{Object: podYAML}, containers), "panic: mutator careless panicked: runtime error: index out of range")
}

// changeAt is the change of the member with a name.
func changeAt(t *testing.T, object, name string, how, with byte) string {
	t.Helper()
	raw, err := objectText(object)
	require.NoError(t, err)
	n := countValues(decodeTree(raw))
	for at := 1; at < n; at++ {
		tree := decodeTree(raw)
		position := at
		var hit any
		rewrite(tree, &position, func(v any) (any, bool) { hit = v; return "HERE", true })
		if strings.Contains(string(encodeTree(tree)), `"`+name+`":"HERE"`) {
			require.NotNil(t, hit)
			return string([]byte{0, byte(at - 1), how, with})
		}
	}
	t.Fatalf("no member %s", name)
	return ""
}

func TestFuzzReportsLaws(t *testing.T) {
	h := &tampered{Handler: newHandler(t), review: func(_ *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) { resp.UID = "" }}
	for _, shape := range []string{"\x00", "\x05", "\x06"} {
		require.Contains(t, fuzzFailures(t, h, Case{Object: podYAML}, shape), "law broken: the response keeps the protocol")
	}
	require.Contains(t, fuzzFailures(t, h, Case{Old: podYAML, Operation: "DELETE"}, "\x00"), "law broken: the response keeps the protocol")
}

func TestFuzzReportsBrokenReviews(t *testing.T) {
	serve := func(code int, body string) Handler {
		return &tampered{Handler: newHandler(t), serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}}
	}
	c := Case{Object: podYAML}
	require.Contains(t, fuzzFailures(t, serve(302, ""), c, "\x07"), "answer to a broken review: status 302 is neither an answer nor an error")
	require.Contains(t, fuzzFailures(t, serve(500, "mutator x panicked: y"), c, "\x07"), "answer to a broken review: panic: mutator x panicked: y")
	require.Contains(t, fuzzFailures(t, serve(200, "{}"), c, "\x07"), `answer to a broken review: the answer has kind ""`)
	require.Contains(t, fuzzFailures(t, serve(200, `{"kind":"AdmissionReview","response":{}}`), c, "\x07"), "uid is empty")
	require.Empty(t, fuzzFailures(t, newHandler(t), c, "\x07\x00\x10\x00\x00", "\x07\x00\x10\x01\x00", "\x07\x00\x10\x02{", "\x07\x00\x10\x03{", "\x07\x00\x00\x00\x00\x00\x00\x00\x00"))
	require.Contains(t, fuzzFailures(t, newHandler(t), Case{}, "", ""), "seed: case has no object")
}

// Objects that are no JSON are sent as they are.
func TestFuzzTakesAnyBytes(t *testing.T) {
	b := newBench(newHandler(t))
	for _, object := range []string{"", "{", "[]", "null", "{} {}", "{}"} {
		b.fuzz(t, Case{Object: podYAML}, []byte(object), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8})
	}
}

// Whatever the program, there is an object in the end, and the same one each time.
func FuzzEdits(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x01\x01\x05\x13"))
	f.Fuzz(func(t *testing.T, program []byte) {
		raw, err := objectText(podYAML)
		require.NoError(t, err)
		var results [2]string
		for i := range results {
			tree := decodeTree(raw).(map[string]any)
			e := newEdits(program)
			for n := 0; n < maxEdits && e.more(); n++ {
				e.change(tree)
			}
			results[i] = string(encodeTree(tree))
		}
		require.Equal(t, results[0], results[1])
		require.NotEmpty(t, results[0])
	})
}
