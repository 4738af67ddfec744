package admissiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func (tr *trial) keepsProtocol() error { return VerifyResponse(tr.req, tr.resp, true) }

// settles reviews the patched object. Findings may go, since a mutator need not say again what it did, but not come:
// validators saw the mutated object the first time already.
func (tr *trial) settles() error {
	if !tr.resp.Allowed || tr.patchErr != nil || len(tr.req.Object.Raw) == 0 {
		return nil
	}
	again := tr.req.DeepCopy()
	if tr.patched != nil {
		again.Object.Raw = tr.patched
	}
	resp, err := tr.review(again)
	if err != nil {
		return fmt.Errorf("the patched object can't be reviewed: %w", err)
	}
	var errs []error
	if len(resp.Patch) > 0 {
		errs = append(errs, fmt.Errorf("the patched object is patched again:\n%s", patchLines(resp.Patch)))
	}
	first := lines(tr.findings)
	for _, line := range lines(findingsOf(resp)) {
		if !slices.Contains(first, line) {
			errs = append(errs, fmt.Errorf("the patched object has a finding that the first review did not have:\n+ %s", line))
		}
	}
	return errors.Join(errs...)
}

func (tr *trial) repeats() error {
	resp, err := tr.review(tr.req)
	if err != nil {
		return fmt.Errorf("the second time, the review failed: %w", err)
	}
	return sameBytes("first", "second", tr.resp, resp)
}

// sameBytes compares responses as what goes over the wire, and shows the difference in a readable form.
func sameBytes(one, other string, a, b *admissionv1.AdmissionResponse) error {
	textA, errA := json.Marshal(a)
	textB, errB := json.Marshal(b)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if string(textA) == string(textB) {
		return nil
	}
	return fmt.Errorf("responses (- %s, + %s):\n%s", one, other, diff(readable(textA, a.Patch), readable(textB, b.Patch)))
}

// readable is a response as YAML, with its patch as lines.
func readable(response, patch []byte) string {
	var members map[string]any
	_ = json.Unmarshal(response, &members) // was marshalled just now
	if len(patch) > 0 {
		members["patch"] = strings.Split(patchLines(patch), "\n")
	}
	return string(toYAML(encodeTree(members)))
}

// keepsRequest shows the handler a copy and looks whether it still is one.
func (tr *trial) keepsRequest() error {
	shown := tr.req.DeepCopy()
	if _, err := tr.Review(tr.t.Context(), shown); err != nil {
		return err
	}
	if reflect.DeepEqual(tr.req, shown) {
		return nil
	}
	return fmt.Errorf("request (- before, + after the review):\n%s", diff(requestText(tr.req), requestText(shown)))
}

// requestText is a request as YAML. Its raw objects stand behind it as they are, since they need be no JSON any more.
func requestText(req *admissionv1.AdmissionRequest) string {
	rest := req.DeepCopy()
	rest.Object, rest.OldObject, rest.Options = runtime.RawExtension{}, runtime.RawExtension{}, runtime.RawExtension{}
	text, _ := json.Marshal(rest) // the rest of a request are strings
	return fmt.Sprintf("%sobject: %s\noldObject: %s\noptions: %s", toYAML(text), req.Object.Raw, req.OldObject.Raw, req.Options.Raw)
}

// deletes deletes the object that is created.
func (tr *trial) deletes() error {
	if tr.req.Operation != admissionv1.Create || tr.req.SubResource != "" {
		return nil // a DELETE of its own keeps the law as part of the protocol
	}
	req := tr.req.DeepCopy()
	req.Operation = admissionv1.Delete
	req.OldObject, req.Object = req.Object, runtime.RawExtension{}
	options := metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "DeleteOptions"}}
	req.Options.Raw, _ = json.Marshal(options) // two strings
	resp, err := tr.review(req)
	if err != nil {
		return fmt.Errorf("the DELETE of this object can't be reviewed: %w", err)
	}
	return VerifyResponse(req, resp, true)
}
