package admissiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Limits of what the API server shows of warnings (k8s.io/apiserver/pkg/endpoints/filters/warning.go).
const (
	maxWarning  = 256
	maxWarnings = 4096
)

// VerifyResponse checks a response against all that the API server asks of one, and what it would drop, cut or rewrite
// without a word. mutating says whether a mutating webhook was asked. The error joins everything that is wrong, one
// sentence each, and is nil if nothing is.
//
// The rules are those of k8s.io/apiserver/pkg/admission/plugin/webhook (request/admissionreview.go, errors/statuserror.go
// and both dispatchers), of its warning recorder and of its audit annotations.
func VerifyResponse(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse, mutating bool) error {
	if req == nil || resp == nil {
		return errors.New("response: there must be one to each request, one of the two is nil")
	}
	var v violations
	v.unless(resp.UID != "", "uid is empty: it must be that of the request, %q", req.UID)
	v.unless(resp.UID == "" || resp.UID == req.UID, "uid is %q: it must be that of the request, %q", resp.UID, req.UID)
	v.verdict(resp)
	v.patchPlace(req, resp, mutating)
	v.operations(resp.Patch)
	v.warnings(resp.Warnings)
	v.auditAnnotations(resp.AuditAnnotations)
	return errors.Join(v...)
}

type violations []error

func (v *violations) unless(ok bool, format string, args ...any) {
	if !ok {
		*v = append(*v, fmt.Errorf(format, args...))
	}
}

// verdict: a denial explains itself, and an admission says nothing that looks like one.
func (v *violations) verdict(resp *admissionv1.AdmissionResponse) {
	status := resp.Result
	if resp.Allowed {
		v.unless(status == nil || status.Code < 400, "status.code is that of an error, but the request is allowed")
		v.unless(status == nil || status.Status != metav1.StatusFailure, "status.status is Failure, but the request is allowed")
		return
	}
	if status == nil {
		v.unless(false, "status is missing: a denial must have a code and a message")
		return
	}
	v.unless(status.Code >= 400 && status.Code < 600, "status.code is %d: that of a denial must be an HTTP error, the API server makes 400 of others", status.Code)
	v.unless(strings.TrimSpace(status.Message) != "", "status.message is empty: a denial must say why")
	v.unless(utf8.ValidString(status.Message), "status.message %q is not UTF-8", status.Message)
	v.unless(status.Status == "" || status.Status == metav1.StatusFailure, "status.status is %q: that of a denial must be Failure", status.Status)
}

// patchPlace: patch and patchType come together, and only where there is something to patch.
func (v *violations) patchPlace(req *admissionv1.AdmissionRequest, resp *admissionv1.AdmissionResponse, mutating bool) {
	has := len(resp.Patch) > 0
	v.unless(!has || resp.PatchType != nil, "patchType is missing: a patch must have one")
	v.unless(has || resp.PatchType == nil, "patch is missing: a patchType must have one")
	v.unless(resp.PatchType == nil || *resp.PatchType == admissionv1.PatchTypeJSONPatch, "patchType is not JSONPatch, which is the only one there is")
	v.unless(!has || resp.Allowed, "patch comes with a denial, which changes nothing")
	v.unless(!has || mutating, "patch comes from a validating webhook, which changes nothing")
	v.unless(!has || req.Operation != admissionv1.Delete, "patch comes on DELETE, where there is nothing to change: the API server refuses the deletion")
}

// operation is one of RFC 6902, with what tells a missing value from null.
type operation struct {
	Op    string           `json:"op"`
	Path  *string          `json:"path"`
	From  *string          `json:"from"`
	Value *json.RawMessage `json:"value"`
}

// UnmarshalJSON keeps a null value, which encoding/json takes for none.
func (o *operation) UnmarshalJSON(text []byte) error {
	type plain operation
	if err := json.Unmarshal(text, (*plain)(o)); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	if value, ok := members["value"]; ok {
		o.Value = &value
	}
	return nil
}

func (v *violations) operations(patch []byte) {
	if len(patch) == 0 {
		return
	}
	var ops []operation
	if err := json.Unmarshal(patch, &ops); err != nil {
		v.unless(false, "patch is no JSON Patch: %w", err)
		return
	}
	v.unless(len(ops) > 0, "patch is %s: without a change it must be absent", patch)
	for i, o := range ops {
		v.operation(fmt.Sprintf("patch[%d]", i), o)
	}
}

func (v *violations) operation(at string, o operation) {
	known := []string{"add", "remove", "replace", "move", "copy", "test"}
	v.unless(slices.Contains(known, o.Op), "%s: op %q is none of %s", at, o.Op, strings.Join(known, ", "))
	v.unless(o.Op != "test", "%s: op test, whose failure the API server takes for an error of its own, whatever the failurePolicy", at)
	v.unless(isPointer(o.Path), "%s: path must be a JSON Pointer, which starts with a slash", at)
	if o.Op == "move" || o.Op == "copy" {
		v.unless(isPointer(o.From), "%s: from must be a JSON Pointer, which starts with a slash", at)
	}
	if o.Op == "add" || o.Op == "replace" {
		v.unless(o.Value != nil, "%s: value is missing", at)
	}
}

// isPointer allows no empty pointer: the API server's library can't write the root.
func isPointer(p *string) bool { return p != nil && strings.HasPrefix(*p, "/") }

// warnings: each is fit for an HTTP header, in which control characters and bad UTF-8 make the API server drop it.
func (v *violations) warnings(warnings []string) {
	total := 0
	for i, w := range warnings {
		n := utf8.RuneCountInString(w)
		total += n
		_, err := utilnet.NewWarningHeader(299, "-", w)
		v.unless(err == nil, "warnings[%d] %.80q would be dropped: it must be one line of printable UTF-8", i, w)
		v.unless(strings.TrimSpace(w) != "", "warnings[%d] is empty", i)
		v.unless(n <= maxWarning, "warnings[%d] has %d characters: more than %d may be cut", i, n, maxWarning)
		v.unless(!slices.Contains(warnings[:i], w), "warnings[%d] %.80q stands there twice", i, w)
	}
	v.unless(total <= maxWarnings, "warnings have %d characters together: more than %d may be cut", total, maxWarnings)
}

// auditAnnotations: behind the webhook's name and a slash, each key is a qualified name.
func (v *violations) auditAnnotations(annotations map[string]string) {
	for _, key := range sortedKeys(annotations) {
		problems := validation.IsQualifiedName("webhook.example.com/" + key)
		v.unless(len(problems) == 0, "audit annotation %q would be dropped: behind the webhook's name and a slash it must be a qualified name of at most 63 characters, without a slash of its own", key)
		v.unless(utf8.ValidString(annotations[key]), "audit annotation %q: value %q is not UTF-8", key, annotations[key])
	}
}
