package admission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

const (
	versionV1      = "admission.k8s.io/v1"
	versionV1beta1 = "admission.k8s.io/v1beta1"
)

// review is what a webhook is sent: an AdmissionReview of admission.k8s.io/v1 or v1beta1, whose requests have the same
// form.
type review struct {
	apiVersion  string
	request     *admissionv1.AdmissionRequest
	object, old rawjson.Value // of the request, looked through
}

// decodeReview reads the envelope and leaves request.object, oldObject and options, which are most of the body, as the
// texts that they are. They alias the body.
func decodeReview(body []byte) (review, error) {
	if len(body) == 0 {
		return review{}, errors.New("the body is empty, it should be an AdmissionReview")
	}
	root, err := rawjson.Parse(body)
	if err != nil {
		return review{}, fmt.Errorf("the body is no AdmissionReview: %w", err)
	}
	if err := checkMembers(root); err != nil {
		return review{}, fmt.Errorf("the body is no AdmissionReview: %w", err)
	}
	apiVersion, kind := stringOf(root.Member("apiVersion")), stringOf(root.Member("kind"))
	if kind != "AdmissionReview" || apiVersion != versionV1 && apiVersion != versionV1beta1 {
		return review{}, fmt.Errorf("the body has apiVersion %q and kind %q, it should be an AdmissionReview of %s or %s",
			apiVersion, kind, versionV1, versionV1beta1)
	}
	request := root.Member("request")
	if request.IsNull() {
		return review{}, errors.New("the AdmissionReview has no request")
	}
	req, err := decodeRequest(request)
	if err != nil {
		return review{}, fmt.Errorf("the AdmissionReview's request: %w", err)
	}
	return review{apiVersion, req, request.Member("object"), request.Member("oldObject")}, nil
}

// maxMembers is several times what a request has. It bounds the search for members that stand twice.
const maxMembers = 64

// checkMembers refuses what has no one meaning: an object in which a member stands twice.
func checkMembers(v rawjson.Value) error {
	if v.Kind() != '{' {
		return fmt.Errorf("%.20q is no JSON object", v.Text())
	}
	if v.Len() > maxMembers {
		return fmt.Errorf("it has %d members", v.Len())
	}
	seen := make([][]byte, 0, maxMembers)
	for name := range v.Members() {
		if slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, name) }) {
			return fmt.Errorf("member %q stands twice", name)
		}
		seen = append(seen, name)
	}
	return nil
}

func stringOf(v rawjson.Value) string {
	var s string
	if v.Kind() != '"' || json.Unmarshal(v.Text(), &s) != nil {
		return ""
	}
	return s
}

// decodeRequest decodes a copy of the request from which the objects are cut out.
func decodeRequest(v rawjson.Value) (*admissionv1.AdmissionRequest, error) {
	if err := checkMembers(v); err != nil {
		return nil, err
	}
	start, text := v.Offset(), v.Text()
	small, from := make([]byte, 0, 1536), 0
	for name, value := range v.Members() {
		switch string(name) {
		case "object", "oldObject", "options":
			at := value.Offset() - start
			small = append(append(small, text[from:at]...), "null"...)
			from = at + len(value.Text())
		}
	}
	small = append(small, text[from:]...)
	req := &admissionv1.AdmissionRequest{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(small, req); err != nil {
		return nil, err
	}
	req.Object.Raw, req.OldObject.Raw, req.Options.Raw = textOf(v.Member("object")), textOf(v.Member("oldObject")), textOf(v.Member("options"))
	switch {
	case req.UID == "":
		return nil, errors.New("uid is empty")
	case req.Kind.Kind == "":
		return nil, errors.New("kind is empty")
	case req.Operation == "":
		return nil, errors.New("operation is empty")
	}
	return req, nil
}

func textOf(v rawjson.Value) []byte {
	if v.IsNull() {
		return nil
	}
	return v.Text()
}

// encodeReview is the AdmissionReview that answers a request: the response alone, without the request.
func encodeReview(apiVersion string, uid types.UID, resp *admissionv1.AdmissionResponse) ([]byte, error) {
	answer := *resp
	answer.UID = uid
	var out bytes.Buffer
	err := json.NewEncoder(&out).Encode(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{Kind: "AdmissionReview", APIVersion: apiVersion},
		Response: &answer,
	})
	return out.Bytes(), err
}
