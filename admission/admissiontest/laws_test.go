package admissiontest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubewright/kubewright/admission"
)

func TestLawProtocol(t *testing.T) {
	h := &tampered{Handler: newHandler(t), review: func(_ *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
		resp.UID, resp.PatchType = "other", nil
	}}
	requireFailure(t, h, Case{Object: podYAML}, "law broken: the response keeps the protocol:\nuid is \"other\"", "patchType is missing")
}

func TestLawDecodes(t *testing.T) {
	for _, tc := range []struct{ name, ops, message string }{
		{"no JSON", `{`, "the patch does not decode: "},
		{"missing parent", `[{"op":"add","path":"/metadata/annotations/a","value":"b"}]`, "the patch does not apply: "},
		{"wrong type", `[{"op":"add","path":"/metadata/labels","value":{"a":1}}]`, "the patched object does not decode: json: cannot unmarshal number"},
		{"bad quantity", `[{"op":"add","path":"/spec/containers/0/resources/limits/cpu","value":"many"}]`, "the patched object does not decode: quantities must match"},
		{"unknown field", `[{"op":"add","path":"/spec/NodeName","value":"a"}]`, "the patched object does not decode strictly:\n+ unknown field \"spec.NodeName\"\nby the patch\n{\"op\":\"add\""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requireFailure(t, &tampered{Handler: newHandler(t), review: patchWith(tc.ops)}, Case{Object: podYAML},
				"law broken: the patch applies and its result decodes strictly:\n"+tc.message)
		})
	}
}

// What was unknown before is not the patch's fault, also on an element that moves.
func TestLawDecodesForgivesTheInput(t *testing.T) {
	object := strings.ReplaceAll(podYAML, "image: nginx:1.29", "image: nginx:1.29\n    future: {x: 1}")
	Run(t, newHandler(t), Case{Object: object, Want: Allowed()})
}

func TestLawDecodesWithoutType(t *testing.T) {
	h := &tampered{Handler: widgetHandler(t, nil), review: patchWith(`[{"op":"add","path":"/spec/size","value":"huge"}]`)}
	require.NotContains(t, failures(t, h, Case{Object: widgetYAML}), "decodes strictly")
	requireFailure(t, kindTeller{h}, Case{Object: widgetYAML}, "the patched object does not decode: json: cannot unmarshal string")
	requireFailure(t, h, Case{Object: &widget{TypeMeta: metav1.TypeMeta{APIVersion: "example.com/v1", Kind: "Widget"}}},
		"the patched object does not decode: json: cannot unmarshal string")
}

func TestLawSettles(t *testing.T) {
	again := func(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
		p.Spec.NodeSelector = map[string]string{"n": p.Spec.NodeSelector["n"] + "x"}
		return nil
	}
	requireFailure(t, build(t, pods().Mutate("again", again)), Case{Object: podYAML},
		"law broken: a second review changes nothing:\nthe patched object is patched again:\n{\"op\":\"add\",\"path\":\"/spec/nodeSelector/n\",\"value\":\"xx\"}")
}

// A validator that finds something only in the patched object shows that it is not the mutated one.
func TestLawSettlesFindings(t *testing.T) {
	h := &tampered{Handler: newHandler(t), review: func(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
		if strings.Contains(string(req.Object.Raw), "sidecar") {
			resp.Warnings = append(resp.Warnings, "spec.containers[sidecar]: unexpected (surprise)")
		}
	}}
	requireFailure(t, h, Case{Object: podYAML}, "law broken: a second review changes nothing:",
		"a finding that the first review did not have:\n+ warn surprise spec.containers[sidecar]: unexpected")
	failing := &failingLater{Handler: newHandler(t)}
	requireFailure(t, failing, Case{Object: podYAML}, "the patched object can't be reviewed: no sidecars, please")
}

func TestLawUnknownFields(t *testing.T) {
	// The patch is computed without what Go does not know, and moves the containers' members from one to the next.
	pod := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "a:1"}, {Name: "log", Image: "b:1"}}}}
	requireFailure(t, &tampered{Handler: &positional{Handler: newHandler(t), ofWhole: true}}, Case{Object: pod},
		"law broken: unknown fields survive:\nunknown members (- as planted, + after the patch):\n",
		"- spec.containers[app].unknownToGo3: [\"kept 3\",null]\n+ spec.containers[sidecar].unknownToGo3: [\"kept 3\",null]\n",
		"- spec.containers[log].unknownToGo")
	// The patch removes what Go does not know.
	requireFailure(t, &tampered{Handler: &positional{Handler: newHandler(t)}}, Case{Object: podYAML},
		"- unknownToGo0: \"kept 0\"\n", "- metadata.unknownToGo1: 1\n", "- spec.tolerations[{\"key\":\"a\",\"operator\":\"Exists\"}].unknownToGo")
}

func TestLawUnknownFieldsChangeNothing(t *testing.T) {
	unknown := func(fn func(*admissionv1.AdmissionResponse)) Handler {
		return &tampered{
			Handler: build(t, pods()),
			review: func(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
				if strings.Contains(string(req.Object.Raw), unknownName) {
					fn(resp)
				}
			},
		}
	}
	patched := unknown(func(resp *admissionv1.AdmissionResponse) {
		patchWith(`[{"op":"remove","path":"/unknownToGo0"}]`)(&admissionv1.AdmissionRequest{Operation: "CREATE"}, resp)
	})
	requireFailure(t, patched, Case{Object: podYAML},
		"without unknown members there is no patch, with them there is:\n{\"op\":\"remove\",\"path\":\"/unknownToGo0\"}")
	denied := unknown(func(resp *admissionv1.AdmissionResponse) {
		resp.Allowed, resp.Result = false, &metav1.Status{Code: 403, Message: "what is this?"}
	})
	requireFailure(t, denied, Case{Object: podYAML}, "with unknown members, the object is denied:\n  deny -: what is this?")
	broken := &tampered{Handler: newHandler(t), review: func(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
		if strings.Contains(string(req.Object.Raw), unknownName) {
			resp.Patch = []byte(`[{"op":"remove","path":"/nowhere"}]`)
		}
	}}
	requireFailure(t, broken, Case{Object: podYAML}, "unknown fields survive:\nwith unknown members: the patch does not apply: ")
}

// Mutators may remove, rename and replace, and what is unknown goes with it.
func TestLawUnknownFieldsAllowsRemoval(t *testing.T) {
	change := func(_ context.Context, _ *admissionv1.AdmissionRequest, p *corev1.Pod) error {
		if len(p.Spec.Containers) < 2 {
			return nil
		}
		p.Spec.Containers = p.Spec.Containers[1:]
		p.Spec.Containers[0].Name = "renamed"
		p.Spec.Tolerations = append([]corev1.Toleration{{Key: "c"}}, p.Spec.Tolerations[1:]...)
		return nil
	}
	Run(t, build(t, pods().Mutate("change", change)), Case{Object: podYAML, Want: Allowed()})
}

func TestLawRepeats(t *testing.T) {
	calls := 0
	h := &tampered{Handler: newHandler(t), review: func(_ *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
		calls++
		resp.Warnings = []string{fmt.Sprintf("call %d", calls)}
	}}
	requireFailure(t, h, Case{Object: podYAML}, "law broken: the same request gets the same bytes:\nresponses (- first, + second):",
		"- - call 1\n+ - call")
}

func TestLawRequest(t *testing.T) {
	h := &tampered{Handler: newHandler(t), review: func(req *admissionv1.AdmissionRequest, _ *admissionv1.AdmissionResponse) {
		if len(req.Object.Raw) > 0 {
			req.Object.Raw[0], req.Name = ' ', "renamed"
		}
	}}
	requireFailure(t, h, Case{Object: podYAML}, "law broken: the request is not changed:\nrequest (- before, + after the review):", "- name: web\n+ name: renamed\n", "- object: {\"apiVersion\"", "+ object:  \"apiVersion\"")
}

func TestLawDelete(t *testing.T) {
	h := &tampered{Handler: newHandler(t), review: func(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse) {
		if req.Operation == admissionv1.Delete {
			resp.Patch, resp.PatchType = []byte(`[{"op":"remove","path":"/spec"}]`), new(admissionv1.PatchTypeJSONPatch)
		}
	}}
	requireFailure(t, h, Case{Object: podYAML}, "law broken: there is no patch on DELETE:\npatch comes on DELETE")
	requireFailure(t, h, Case{Object: podYAML, Operation: "DELETE"}, "law broken: the response keeps the protocol:\npatch comes on DELETE")
	careless := func(_ context.Context, _ *admissionv1.AdmissionRequest, obj, _ *corev1.Pod) []admission.Finding {
		return []admission.Finding{{Message: obj.Name}}
	}
	panics := build(t, pods().Validate("careless", careless, admission.On(admissionv1.Create, admissionv1.Delete)))
	requireFailure(t, panics, Case{Object: podYAML}, "the DELETE of this object can't be reviewed: validator careless panicked")
}

func TestLawTemplates(t *testing.T) {
	onlyPods := func(_ context.Context, _ *admissionv1.AdmissionRequest, _, _ *corev1.Pod) []admission.Finding {
		return []admission.Finding{{Field: "spec", Message: "no"}}
	}
	h := build(t, pods().Validate("only-pods", onlyPods))
	requireFailure(t, h, Case{Object: latestYAML}, "law broken: a template gets the verdict of its Pods:",
		"findings (- of the Pod, + of its Deployment, CronJob):\n", "- deny only-pods spec\n",
		"  deny no-latest spec.containers[app].image", "say in Case.TemplatesDiffer")
	require.NotContains(t, failures(t, h, Case{Object: latestYAML}), "StatefulSet")
	require.Empty(t, failures(t, h, Case{Object: latestYAML, TemplatesDiffer: map[string]string{"only-pods": "only Pods have a spec"}}))
	requireFailure(t, h, Case{Object: latestYAML, TemplatesDiffer: map[string]string{"owner": "another rule"}}, "- deny only-pods spec\n")
	require.Empty(t, failures(t, h, Case{Object: latestYAML, Operation: "UPDATE", Old: podYAML}))
	fails := &failingKind{newHandler(t), "CronJob"}
	requireFailure(t, fails, Case{Object: podYAML}, "the CronJob of this Pod can't be reviewed: CronJob failed")
}

func TestLawTemplatesAsksForKnownKindsOnly(t *testing.T) {
	require.Empty(t, failures(t, kindTeller{&failingKind{newHandler(t), "CronJob"}}, Case{Object: podYAML}))
	require.NotEmpty(t, failures(t, kindTeller{&failingKind{newHandler(t), "Deployment"}}, Case{Object: podYAML}))
}

func TestLawHTTP(t *testing.T) {
	answer := func(code int, contentType, body string) Handler {
		return &tampered{Handler: newHandler(t), serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}}
	}
	const fine = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"` + requestUID + `","allowed":true}}`
	for _, tc := range []struct {
		name  string
		h     Handler
		texts []string
	}{
		{"status", answer(500, "text/plain", "no"), []string{"admission.k8s.io/v1: status 500: no\nadmission.k8s.io/v1beta1: status 500: no"}},
		{"content type", answer(200, "text/plain", fine), []string{"the answer's content type is \"text/plain\""}},
		{"no JSON", answer(200, "application/json", "hello"), []string{"the answer is no AdmissionReview: "}},
		{"kind", answer(200, "application/json", `{"kind":"Pod"}`), []string{"the answer has kind \"Pod\""}},
		{"no response", answer(200, "application/json", `{"kind":"AdmissionReview"}`), []string{"the answer has no response"}},
		{"version and response", answer(200, "application/json", fine), []string{
			"admission.k8s.io/v1beta1: the answer has apiVersion \"admission.k8s.io/v1\"",
			"admission.k8s.io/v1: responses (- Review, + HTTP):", "- patch:\n- - '{\"op\":\"add\"",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requireFailure(t, tc.h, Case{Object: podYAML}, append(tc.texts, "law broken: HTTP gives the same answer:")...)
		})
	}
}

func TestInternalErrors(t *testing.T) {
	boom := func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error { return errors.New("boom") }
	h := build(t, pods().Mutate("boom", boom))
	Run(t, h, Case{Object: podYAML, Want: Fails("boom")})
	requireFailure(t, h, Case{Object: podYAML, Want: Fails("bang")}, `review failed as wanted, but not with "bang": mutator boom: boom`)
	requireFailure(t, h, Case{Object: podYAML}, "review failed, which over HTTP is no response but an error status: mutator boom: boom")
	panics := func(context.Context, *admissionv1.AdmissionRequest, *corev1.Pod) error { panic("argh") }
	requireFailure(t, build(t, pods().Mutate("p", panics)), Case{Object: podYAML}, "mutator p panicked: argh\ngoroutine")
	allows := &tampered{Handler: &failingKind{h, "Pod"}, serve: func(http.ResponseWriter, *http.Request) {}}
	requireFailure(t, allows, Case{Object: podYAML, Want: Fails("failed")}, "the review fails, but the status is 200, which keeps the failurePolicy out")
	requireFailure(t, nothing{h}, Case{Object: podYAML}, "the handler returned neither a response nor an error")
}

// Reviews that fail the second time only.
func TestLawsReportFailures(t *testing.T) {
	calls := 0
	h := &flaky{newHandler(t), &calls}
	requireFailure(t, h, Case{Object: podYAML}, "the second time, the review failed: call")
}
