package admission

import (
	"context"
	"errors"
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
	arrives() (at []resource, scope string)
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

func (k *Kind[T]) arrives() ([]resource, string) { return k.resources, k.scope }

func (k *Kind[T]) merge(other kindHandler) kindHandler {
	o := other.(*Kind[T]) // NewHandler has compared the types
	both := *k
	for _, at := range o.resources {
		if !slices.Contains(both.resources, at) {
			both.resources = append(slices.Clip(both.resources), at)
		}
	}
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
	var old decoded[T]
	if c.phase.validates() {
		if old, err = k.decode("oldObject", c.req.OldObject.Raw, c.old); err != nil {
			return result{}, err
		}
	}
	deleting := object.deleting() || c.req.Operation == admissionv1.Delete && old.deleting()
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
	if deleting && !r.whileDeleting || !slices.Contains(r.operations, req.Operation) || !slices.Contains(r.subresources, req.SubResource) {
		return false
	}
	return !k.explicit || slices.ContainsFunc(k.resources, func(at resource) bool {
		return at.Group == req.Resource.Group && at.plural() == req.Resource.Resource
	})
}

// decoded is an object of the request: its text and what T knows of it. Both are nil where the request has none.
type decoded[T any] struct {
	doc   *patch.Document
	value *T
}

func (k *Kind[T]) decode(member string, raw []byte, parsed rawjson.Value) (decoded[T], error) {
	if len(raw) == 0 {
		return decoded[T]{}, nil
	}
	doc := patch.DocumentOf(parsed)
	if !parsed.Exists() {
		var err error
		if doc, err = patch.Parse(raw); err != nil {
			return decoded[T]{}, fmt.Errorf("request.%s: %w", member, err)
		}
	}
	value, err := k.differ.Decode(doc)
	if err != nil {
		return decoded[T]{}, fmt.Errorf("request.%s is no %s: %w", member, k.gvk.Kind, err)
	}
	return decoded[T]{doc, value}, nil
}

func (d decoded[T]) deleting() bool {
	return d.doc != nil && d.doc.Has("metadata", "deletionTimestamp")
}

// mirror reports whether the object is the API server's picture of a static Pod. The kubelet replaces one that is
// changed, so mutating it never ends.
func (k *Kind[T]) mirror(d decoded[T]) bool {
	return k.gvk.Group == "" && k.gvk.Kind == "Pod" && d.doc.Has("metadata", "annotations", corev1.MirrorPodAnnotationKey)
}

// mutate runs the mutators and proves their patch. When a mutator that may fail open fails, all others run again from
// the start: they are pure, and failing is rare.
func (k *Kind[T]) mutate(ctx context.Context, c *call, object decoded[T], deleting bool) (*T, result, error) {
	var chain []*mutator[T]
	for i := range k.mutators {
		if m := &k.mutators[i]; k.matches(&m.rule, c.req, deleting) {
			chain = append(chain, m)
		}
	}
	if len(chain) == 0 {
		return object.value, result{}, nil
	}
	var dropped []error
	for {
		after, res, failed, err := k.attempt(ctx, c, object, chain)
		if err == nil {
			res.dropped = dropped
			return after, res, nil
		}
		if failed < 0 || !chain[failed].failOpen || ctx.Err() != nil {
			return nil, result{}, err
		}
		dropped = append(dropped, err)
		chain = slices.Delete(slices.Clone(chain), failed, failed+1)
	}
}

// attempt runs a chain of mutators on a copy of the object. On an error it tells which of them is at fault, or -1.
func (k *Kind[T]) attempt(ctx context.Context, c *call, object decoded[T], chain []*mutator[T]) (*T, result, int, error) {
	after := new(T)
	k.deepCopy(object.value, after)
	var res result
	for i, m := range chain {
		findings, err := k.runMutator(ctx, c, m, after)
		if err != nil {
			return nil, result{}, i, err
		}
		res.findings = append(res.findings, findings...)
	}
	var err error
	if res.patch, err = k.provenPatch(object, after, c.full); err != nil {
		i, err := k.blame(ctx, c, object, chain, err)
		return nil, result{}, i, err
	}
	return after, res, -1, nil
}

func (k *Kind[T]) runMutator(ctx context.Context, c *call, m *mutator[T], obj *T) ([]Finding, error) {
	err := c.guard(ctx, "mutator", m.name, func() error { return m.fn(ctx, c.req, obj) })
	if err == nil {
		return nil, nil
	}
	if refused, ok := errors.AsType[*DenyError](err); ok && failure(refused.Findings) == nil {
		return named(m.name, refused.Findings), nil
	}
	return nil, err
}

// provenPatch is the patch to a value, and the proof that it is one.
func (k *Kind[T]) provenPatch(object decoded[T], after *T, full bool) (patch.Patch, error) {
	p, err := k.differ.Diff(object.doc, object.value, after)
	if err != nil || len(p) == 0 {
		return nil, err
	}
	if !full && k.differ.Check(object.doc, p) == nil {
		return p, nil
	}
	if err := k.differ.Verify(object.doc, p, after); err != nil {
		return nil, err
	}
	return p, nil
}

// blame finds the first mutator of a chain whose work can't be put into a patch.
func (k *Kind[T]) blame(ctx context.Context, c *call, object decoded[T], chain []*mutator[T], cause error) (int, error) {
	after := new(T)
	k.deepCopy(object.value, after)
	for i, m := range chain {
		if _, err := k.runMutator(ctx, c, m, after); err != nil {
			return i, err
		}
		if _, err := k.provenPatch(object, after, true); err != nil {
			return i, fmt.Errorf("mutator %q makes no valid patch: %w", m.name, err)
		}
	}
	return -1, fmt.Errorf("the mutators together make no valid patch: %w", cause)
}

func (k *Kind[T]) validate(ctx context.Context, c *call, obj, old *T, deleting bool, res *result) error {
	for i := range k.validators {
		v := &k.validators[i]
		if !k.matches(&v.rule, c.req, deleting) {
			continue
		}
		var findings []Finding
		err := c.guard(ctx, "validator", v.name, func() error {
			if c.full {
				defer k.mustNotChange(obj, old)()
			}
			findings = v.fn(ctx, c.req, obj, old)
			return failure(findings)
		})
		switch {
		case err == nil:
			res.findings = append(res.findings, named(v.name, findings)...)
		case v.failOpen && ctx.Err() == nil:
			res.dropped = append(res.dropped, err)
		default:
			return err
		}
	}
	return nil
}

// failure is what kept a validator from judging.
func failure(findings []Finding) error {
	for _, f := range findings {
		if f.Err != nil {
			return f.Err
		}
	}
	return nil
}

// mustNotChange returns a function that panics if the objects have changed since. Only tests can afford it.
func (k *Kind[T]) mustNotChange(objects ...*T) func() {
	copies := make([]*T, len(objects))
	for i, obj := range objects {
		if obj != nil {
			copies[i] = new(T)
			k.deepCopy(obj, copies[i])
		}
	}
	return func() {
		for i, obj := range objects {
			if obj != nil && !reflect.DeepEqual(obj, copies[i]) {
				panic("it changed the object, which validators must not")
			}
		}
	}
}

// named fills in the rules that findings leave empty, in a copy: a function may return the same slice each time.
func named(rule string, findings []Finding) []Finding {
	findings = slices.Clone(findings)
	for i := range findings {
		if findings[i].Rule == "" {
			findings[i].Rule = rule
		}
	}
	return findings
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
