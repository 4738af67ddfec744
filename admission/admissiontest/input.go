package admissiontest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// input is an object of a case, as the API server would send it.
type input struct {
	raw       []byte
	gvk       schema.GroupVersionKind
	name      string
	namespace string
}

// read takes an object in any form that a Case allows. what names it in errors.
func (k kinds) read(what string, v any) (input, error) {
	if v == nil {
		return input{}, nil
	}
	raw, err := objectText(v)
	if err != nil {
		return input{}, fmt.Errorf("%s: %w", what, err)
	}
	var head struct {
		metav1.TypeMeta
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return input{}, fmt.Errorf("%s is no Kubernetes object: %w", what, err)
	}
	in := input{raw, head.GroupVersionKind(), head.Metadata.Name, head.Metadata.Namespace}
	if in.gvk.Version != "" && in.gvk.Kind != "" {
		return in, nil
	}
	gvk, ok := k.kindOf(v)
	if !ok {
		return input{}, fmt.Errorf("%s %s", what, withoutKind(v))
	}
	in.gvk, in.raw = gvk, withKind(raw, gvk)
	return in, nil
}

// withoutKind says what to write for an object whose kind nothing tells.
func withoutKind(v any) string {
	isMap := reflect.TypeOf(v).Kind() == reflect.Map
	switch v.(type) {
	case *unstructured.Unstructured, unstructured.Unstructured:
		isMap = true
	case string, []byte, json.RawMessage:
		return "has no apiVersion and kind: write them, such as \"apiVersion: v1\" and \"kind: Pod\""
	}
	if isMap {
		return fmt.Sprintf("of type %T has no apiVersion and kind: write them, such as \"apiVersion\": \"v1\" and \"kind\": \"Pod\"", v)
	}
	return fmt.Sprintf("of type %T has no apiVersion and kind: set TypeMeta: metav1.TypeMeta{APIVersion: \"GROUP/VERSION\", Kind: \"KIND\"}", v)
}

// withKind puts apiVersion and kind in front of an object's members.
func withKind(raw []byte, gvk schema.GroupVersionKind) []byte {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // read has decoded it
	delete(members, "apiVersion")
	delete(members, "kind")
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	head, _ := json.Marshal(metav1.TypeMeta{APIVersion: apiVersion, Kind: kind}) // two strings
	rest, _ := json.Marshal(members)                                             // was JSON before
	if len(members) == 0 {
		return head
	}
	return append(append(head[:len(head)-1], ','), rest[1:]...)
}

// objectText is the JSON text of an object in any form that a Case allows. It aliases nothing of the caller's.
func objectText(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return textToJSON([]byte(v))
	case []byte:
		return textToJSON(v)
	case json.RawMessage:
		return textToJSON(v)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return mustBeObject(text)
}

// textToJSON keeps JSON as it is, since spaces and the order of members may be what a test is about.
func textToJSON(text []byte) ([]byte, error) {
	if json.Valid(text) {
		return mustBeObject(bytes.Clone(text))
	}
	doc, err := onlyDocument(text)
	if err != nil {
		return nil, err
	}
	out, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return nil, err
	}
	return mustBeObject(out)
}

func mustBeObject(text []byte) ([]byte, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("%.40q is no object", text)
	}
	return text, nil
}

var (
	documentStart = regexp.MustCompile(`(?m)^---(?:\s|$)`)
	comment       = regexp.MustCompile(`(?m)^\s*#.*$`)
)

// onlyDocument is the one document of a YAML text. The decoder would take the first of several and be silent about
// the others.
func onlyDocument(text []byte) ([]byte, error) {
	var docs [][]byte
	for _, doc := range documentStart.Split(string(text), -1) {
		if len(bytes.TrimSpace(comment.ReplaceAll([]byte(doc), nil))) > 0 {
			docs = append(docs, []byte(doc))
		}
	}
	switch len(docs) {
	case 0:
		return nil, errors.New("is empty: write one object")
	case 1:
		return docs[0], nil
	}
	return nil, fmt.Errorf("holds %d documents: write one object a case", len(docs))
}
