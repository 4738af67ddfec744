package admission

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"sync/atomic"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
	"github.com/kubewright/kubewright/admission/patch"
)

// PanicError is the panic of a registered function, as an internal error.
type PanicError struct {
	Function string // the kind and name of the function: mutator "cost-center"
	Value    any    // what it panicked with
	Stack    []byte
}

// Error names the function and the panic's value; the stack is for the log.
func (e *PanicError) Error() string { return fmt.Sprintf("%s panicked: %v", e.Function, e.Value) }

// kindHandler is a Kind without its type parameter.
type kindHandler interface {
	kind() schema.GroupVersionKind
	goType() reflect.Type
	// merge returns a handler with the functions of both.
	merge(other kindHandler) kindHandler
	// rules lists what is registered, mutators first.
	rules(phase phase) []*rule
	scopeName() string
	review(ctx context.Context, c *call) (result, error)
}

// call is one review on its way through the functions.
type call struct {
	req     *admissionv1.AdmissionRequest
	phase   phase
	full    bool          // verify patches in full
	object  rawjson.Value // request.object and oldObject, where they have been looked through
	old     rawjson.Value
	current atomic.Pointer[string] // the function at work, for the message when the deadline passes
	claimed atomic.Bool            // by who answers: the review, or the deadline
}

// result is what the functions had to say.
type result struct {
	findings []Finding
	patch    patch.Patch
	dropped  []error // failures of functions that fail open
}

func (k *Kind[T]) kind() schema.GroupVersionKind { return k.gvk }

func (k *Kind[T]) goType() reflect.Type { return reflect.TypeFor[T]() }

func (k *Kind[T]) scopeName() string { return k.scope }

func (k *Kind[T]) merge(other kindHandler) kindHandler {
	o := other.(*Kind[T]) // NewHandler has compared the types
	both := *k
	both.mutators = slices.Concat(k.mutators, o.mutators)
	both.validators = slices.Concat(k.validators, o.validators)
	return &both
}

func (k *Kind[T]) rules(p phase) []*rule {
	var out []*rule
	if p.mutates() {
		for i := range k.mutators {
			out = append(out, &k.mutators[i].rule)
		}
	}
	if p.validates() {
		for i := range k.validators {
			out = append(out, &k.validators[i].rule)
		}
	}
	return out
}

func (k *Kind[T]) review(ctx context.Context, c *call) (result, error) {
	if !k.anyMatch(c) {
		return result{}, nil
	}
	object, err := k.decode("object", c.req.Object.Raw, c.object)
	if err != nil {
		return result{}, err
	}
	if object.doc == nil && (c.req.Operation == admissionv1.Create || c.req.Operation == admissionv1.Update) {
		return result{}, fmt.Errorf("request.object is missing, which every %s has", c.req.Operation)
	}
	var old decoded[T]
	if c.phase.validates() {
		old, err = k.decode("oldObject", c.req.OldObject.Raw, c.old)
	} else {
		old.doc, err = document("oldObject", c.req.OldObject.Raw, c.old)
	}
	if err != nil {
		return result{}, err
	}
	deleting := old.deleting() // a new object may say so too: server-side apply creates it with what its author wrote
	var res result
	obj := object.value
	if c.phase.mutates() && obj != nil && !k.mirror(object) {
		if obj, res, err = k.mutate(ctx, c, object, deleting); err != nil {
			return result{}, err
		}
	}
	if c.phase.validates() {
		if err := k.validate(ctx, c, obj, old.value, deleting, &res); err != nil {
			return result{}, err
		}
	}
	return res, nil
}

// anyMatch keeps requests that no function is interested in from being decoded.
func (k *Kind[T]) anyMatch(c *call) bool {
	return slices.ContainsFunc(k.rules(c.phase), func(r *rule) bool { return k.matches(r, c.req, false) })
}

func (k *Kind[T]) matches(r *rule, req *admissionv1.AdmissionRequest, deleting bool) bool {
	if deleting && !r.whileDeleting || !slices.Contains(r.operations, req.Operation) {
		return false
	}
	return slices.ContainsFunc(r.at, func(at resource) bool {
		return at.sub == req.SubResource && (at.guessed || at.Group == req.Resource.Group && at.plural == req.Resource.Resource)
	})
}

// decoded is an object of the request: its text and what T knows of it. Both are nil where the request has none.
type decoded[T any] struct {
	doc   *patch.Document
	value *T
}

func (k *Kind[T]) decode(member string, raw []byte, parsed rawjson.Value) (decoded[T], error) {
	doc, err := document(member, raw, parsed)
	if doc == nil || err != nil {
		return decoded[T]{}, err
	}
	value, err := k.differ.Decode(doc)
	if err != nil {
		return decoded[T]{}, fmt.Errorf("request.%s is no %s: %w", member, k.gvk.Kind, err)
	}
	return decoded[T]{doc, value}, nil
}

// document looks through an object of the request, unless that has been done. It is nil where there is none.
func document(member string, raw []byte, parsed rawjson.Value) (*patch.Document, error) {
	switch {
	case len(raw) == 0:
		return nil, nil
	case parsed.Exists():
		return patch.DocumentOf(parsed), nil
	}
	doc, err := patch.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("request.%s: %w", member, err)
	}
	if !doc.Has() { // null
		return nil, nil
	}
	return doc, nil
}

func (d decoded[T]) deleting() bool {
	return d.doc != nil && d.doc.Has("metadata", "deletionTimestamp")
}

// mirror reports whether the object is the API server's picture of a static Pod. The kubelet replaces one that is
// changed, so mutating it never ends.
func (k *Kind[T]) mirror(d decoded[T]) bool {
	return k.gvk.Group == "" && k.gvk.Kind == "Pod" && d.doc.Has("metadata", "annotations", corev1.MirrorPodAnnotationKey)
}

// guard runs one registered function: not after the deadline, and turning a panic into an error.
func (c *call) guard(ctx context.Context, what, name string, fn func() error) (err error) {
	function := what + " " + name
	c.current.Store(&function)
	defer recovered(function, &err)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("before %s: %w", function, err)
	}
	if err := fn(); err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	return nil
}

// recovered, deferred, turns a panic into an error.
func recovered(function string, err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Function: function, Value: v, Stack: debug.Stack()}
	}
}
