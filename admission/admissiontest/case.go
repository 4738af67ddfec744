package admissiontest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission/internal/plural"
)

// Case is one request and what is wanted of its review. Without Want, only the laws are checked. The members with a JSON
// name are what request.yaml of an archive can have.
type Case struct {
	// Name is the subtest's name. A case without a name runs in the test itself.
	Name string `json:"-"`
	// Object is the object under review: YAML or JSON text as string, []byte or json.RawMessage, or a Go value, which
	// is marshalled. JSON text reaches the handler as it is. Go values of k8s.io/api need no TypeMeta.
	Object any `json:"-"`
	// Old is the old object, of UPDATE and DELETE. On DELETE, Object is taken for it.
	Old any `json:"-"`
	// Operation is CREATE if empty.
	Operation admissionv1.Operation `json:"operation,omitempty"`
	// Resource is the lower-case plural of the object's kind if empty. It may hold the subresource: "pods/exec".
	Resource string `json:"resource,omitempty"`
	// Subresource such as "ephemeralcontainers"; none if empty.
	Subresource string `json:"subresource,omitempty"`
	// Namespace of the request; that of the object if empty.
	Namespace string `json:"namespace,omitempty"`
	// User is "admissiontest" if empty, and Groups is system:authenticated if nil.
	User   string   `json:"user,omitempty"`
	Groups []string `json:"groups,omitempty"`
	DryRun bool     `json:"dryRun,omitempty"`
	// Options of the operation, as text or Go value like Object. The operation's empty options if nil.
	Options any `json:"options,omitempty"`
	// TemplatesDiffer has, by rule, the reason why workloads need not get this Pod's findings of that rule: the Pods of
	// Jobs end, say, or only Pods are mutated before the rule sees them.
	TemplatesDiffer map[string]string `json:"templatesDiffer,omitempty"`
	// Want is what the review should say.
	Want Want `json:"-"`
}

// requestUID is the same in all requests, so that responses can be compared as bytes.
const requestUID = "5a70c9f2-0c52-4d9a-9d3c-6f0f3c5b7a10"

// request makes the request that an API server would send.
func (c Case) request(k kinds) (*admissionv1.AdmissionRequest, error) {
	if err := c.checkReasons(); err != nil {
		return nil, err
	}
	object, old, err := c.objects(k)
	if err != nil {
		return nil, err
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	about := object
	if object.raw == nil {
		about = old
	}
	resource, subresource := c.resource(about.gvk)
	req := &admissionv1.AdmissionRequest{
		UID:         requestUID,
		Kind:        metav1.GroupVersionKind(about.gvk),
		Resource:    metav1.GroupVersionResource(about.gvk.GroupVersion().WithResource(resource)),
		SubResource: subresource,
		Name:        about.name,
		Namespace:   orDefault(c.Namespace, about.namespace),
		Operation:   c.operation(),
		UserInfo:    c.user(),
		Object:      runtime.RawExtension{Raw: object.raw},
		OldObject:   runtime.RawExtension{Raw: old.raw},
		DryRun:      &c.DryRun,
		Options:     runtime.RawExtension{Raw: options},
	}
	req.RequestKind, req.RequestResource, req.RequestSubResource = &req.Kind, &req.Resource, req.SubResource
	return req.DeepCopy(), nil // the caller's Groups and our own Kind have one owner each
}

func (c Case) checkReasons() error {
	for _, rule := range sortedKeys(c.TemplatesDiffer) {
		if strings.TrimSpace(c.TemplatesDiffer[rule]) == "" {
			return fmt.Errorf("case has no reason why templates differ by %s: write one", rule)
		}
	}
	return nil
}

func (c Case) user() authenticationv1.UserInfo {
	groups := c.Groups
	if groups == nil {
		groups = []string{"system:authenticated"}
	}
	return authenticationv1.UserInfo{Username: orDefault(c.User, "admissiontest"), Groups: groups}
}

func (c Case) operation() admissionv1.Operation { return orDefault(c.Operation, admissionv1.Create) }

// objects reads the objects and puts each where its operation has it.
func (c Case) objects(k kinds) (object, old input, err error) {
	switch c.operation() {
	case admissionv1.Create, admissionv1.Connect:
		if c.Old != nil {
			return object, old, fmt.Errorf("case has an old object, which %s does not have: drop it, or set Operation", c.operation())
		}
	case admissionv1.Update:
		if c.Old == nil {
			return object, old, errors.New("case has no old object, which UPDATE needs: set Old, or old.yaml in an archive")
		}
	case admissionv1.Delete:
		if c.Old != nil && c.Object != nil {
			return object, old, errors.New("case has two objects, DELETE has one: set either Object or Old")
		}
		if c.Old == nil {
			c.Old, c.Object = c.Object, nil
		}
	default:
		return object, old, fmt.Errorf("case has operation %q: write one of CREATE, UPDATE, DELETE, CONNECT", c.Operation)
	}
	if c.Object == nil && c.Old == nil {
		return object, old, errors.New("case has no object: set Object to YAML, JSON or a Go value")
	}
	if object, err = k.read("object", c.Object); err != nil {
		return object, old, err
	}
	old, err = k.read("old object", c.Old)
	return object, old, err
}

// resource also takes "pods/exec" apart, which is how registrations of handlers write it.
func (c Case) resource(gvk schema.GroupVersionKind) (resource, subresource string) {
	resource, subresource, _ = strings.Cut(orDefault(c.Resource, plural.Of(gvk.Kind)), "/")
	return resource, orDefault(c.Subresource, subresource)
}

func (c Case) options() ([]byte, error) {
	if c.Options != nil {
		text, err := objectText(c.Options)
		if err != nil {
			return nil, fmt.Errorf("options: %w", err)
		}
		return text, nil
	}
	name := map[admissionv1.Operation]string{
		admissionv1.Create: "CreateOptions",
		admissionv1.Update: "UpdateOptions",
		admissionv1.Delete: "DeleteOptions",
	}[c.operation()]
	if name == "" {
		return nil, nil
	}
	options := metav1.CreateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: name}}
	if c.DryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return json.Marshal(options) // dryRun stands in the options of all three operations
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
