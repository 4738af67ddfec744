package admissiontest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestVerifyResponse(t *testing.T) {
	denied := func(status metav1.Status) *admissionv1.AdmissionResponse {
		return &admissionv1.AdmissionResponse{UID: "u", Result: &status}
	}
	patched := func(ops string) *admissionv1.AdmissionResponse {
		return &admissionv1.AdmissionResponse{UID: "u", Allowed: true, Patch: []byte(ops), PatchType: new(admissionv1.PatchTypeJSONPatch)}
	}
	allowed := func(change func(*admissionv1.AdmissionResponse)) *admissionv1.AdmissionResponse {
		resp := &admissionv1.AdmissionResponse{UID: "u", Allowed: true}
		change(resp)
		return resp
	}
	warns := func(warnings ...string) *admissionv1.AdmissionResponse {
		return allowed(func(r *admissionv1.AdmissionResponse) { r.Warnings = warnings })
	}
	audits := func(key, value string) *admissionv1.AdmissionResponse {
		return allowed(func(r *admissionv1.AdmissionResponse) { r.AuditAnnotations = map[string]string{key: value} })
	}
	const op = `[{"op":"remove","path":"/a"}]`
	long := strings.Repeat("ä", 256)
	var many []string
	for i := range 17 {
		many = append(many, long[:len(long)-2]+string(rune('a'+i)))
	}
	for _, tc := range []struct {
		name string
		resp *admissionv1.AdmissionResponse
		want string // empty: fine
	}{
		{"allowed", warns(), ""},
		{"allowed with status", allowed(func(r *admissionv1.AdmissionResponse) { r.Result = &metav1.Status{Code: 200} }), ""},
		{"denied", denied(metav1.Status{Status: "Failure", Code: 403, Message: "no\nno"}), ""},
		{"patched", patched(`[{"op":"add","path":"/a","value":null},{"op":"move","from":"/a","path":"/b"}]`), ""},
		{"warned", warns("one", long), ""},
		{"audited", audits("host-port", "x"), ""},

		{"nil", nil, "response: there must be one to each request"},
		{"no uid", allowed(func(r *admissionv1.AdmissionResponse) { r.UID = "" }), `uid is empty: it must be that of the request, "u"`},
		{"other uid", allowed(func(r *admissionv1.AdmissionResponse) { r.UID = "x" }), `uid is "x": it must be that of the request, "u"`},
		{"allowed with code", allowed(func(r *admissionv1.AdmissionResponse) { r.Result = &metav1.Status{Code: 403} }), "status.code is that of an error, but the request is allowed"},
		{"allowed with failure", allowed(func(r *admissionv1.AdmissionResponse) { r.Result = &metav1.Status{Status: "Failure"} }), "status.status is Failure, but the request is allowed"},
		{"denied without status", &admissionv1.AdmissionResponse{UID: "u"}, "status is missing: a denial must have a code and a message"},
		{"denied without code", denied(metav1.Status{Message: "no"}), "status.code is 0: that of a denial must be an HTTP error"},
		{"denied with 200", denied(metav1.Status{Message: "no", Code: 200}), "status.code is 200: "},
		{"denied with 1000", denied(metav1.Status{Message: "no", Code: 1000}), "status.code is 1000: "},
		{"denied without message", denied(metav1.Status{Message: " ", Code: 403}), "status.message is empty: a denial must say why"},
		{"denied in no UTF-8", denied(metav1.Status{Message: "\xff", Code: 403}), `status.message "\xff" is not UTF-8`},
		{"denied with success", denied(metav1.Status{Message: "no", Code: 403, Status: "Success"}), `status.status is "Success": that of a denial must be Failure`},

		{"patch without type", allowed(func(r *admissionv1.AdmissionResponse) { r.Patch = []byte(op) }), "patchType is missing: a patch must have one"},
		{"type without patch", patched(""), "patch is missing: a patchType must have one"},
		{"other type", allowed(func(r *admissionv1.AdmissionResponse) {
			r.Patch, r.PatchType = []byte(op), new(admissionv1.PatchType("Merge"))
		}), "patchType is not JSONPatch"},
		{"patch without operations", patched("[]"), "patch is []: without a change it must be absent"},
		{"no patch", patched("{}"), "patch is no JSON Patch: json: cannot unmarshal object"},
		{"operation is a list", patched("[[]]"), "patch is no JSON Patch: json: cannot unmarshal array"},
		{"unknown op", patched(`[{"op":"put","path":"/a"}]`), `patch[0]: op "put" is none of add, remove`},
		{"test", patched(`[{"op":"test","path":"/a","value":1}]`), "patch[0]: op test, whose failure the API server takes for an error"},
		{"no path", patched(`[{"op":"remove"}]`), "patch[0]: path must be a JSON Pointer"},
		{"path without slash", patched(op[:len(op)-1] + `,{"op":"remove","path":"a"}]`), "patch[1]: path must be a JSON Pointer"},
		{"no from", patched(`[{"op":"move","path":"/a"}]`), "patch[0]: from must be a JSON Pointer"},
		{"no value", patched(`[{"op":"add","path":"/a"}]`), "patch[0]: value is missing"},

		{"warning with newline", warns("a\nb"), `warnings[0] "a\nb" would be dropped: it must be one line of printable UTF-8`},
		{"warning in no UTF-8", warns("ok", "\xff"), `warnings[1] "\xff" would be dropped`},
		{"empty warning", warns(""), "warnings[0] is empty"},
		{"long warning", warns(long + "x"), "warnings[0] has 257 characters: more than 256 may be cut"},
		{"many warnings", warns(many...), "warnings have 4352 characters together: more than 4096 may be cut"},
		{"the same warning", warns("a", "b", "a"), `warnings[2] "a" stands there twice`},

		{"audit key with slash", audits("a/b", "x"), `audit annotation "a/b" would be dropped`},
		{"long audit key", audits(strings.Repeat("a", 64), "x"), "would be dropped: behind the webhook's name and a slash it must be a qualified name of at most 63 characters"},
		{"empty audit key", audits("", "x"), `audit annotation "" would be dropped`},
		{"audit value in no UTF-8", audits("a", "\xff"), `audit annotation "a": value "\xff" is not UTF-8`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := VerifyResponse(&admissionv1.AdmissionRequest{UID: "u", Operation: "CREATE"}, tc.resp, true)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			require.Len(t, strings.Split(err.Error(), "\n"), 1, "one rule is broken: %v", err)
		})
	}
	require.ErrorContains(t, VerifyResponse(&admissionv1.AdmissionRequest{UID: "u"}, patched(op), false), "patch comes from a validating webhook")
	require.ErrorContains(t, VerifyResponse(&admissionv1.AdmissionRequest{UID: "u", Operation: "DELETE"}, patched(op), true), "patch comes on DELETE")
	refused := patched(op)
	refused.Allowed, refused.Result = false, &metav1.Status{Code: 403, Message: "no"}
	require.ErrorContains(t, VerifyResponse(&admissionv1.AdmissionRequest{UID: "u"}, refused, true), "patch comes with a denial")
	require.Error(t, VerifyResponse(nil, refused, true))
}
