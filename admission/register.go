package admission

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubewright/kubewright/admission/internal/plural"
	"github.com/kubewright/kubewright/admission/patch"
)

// Object ties a Go type to its pointer, so that the compiler and not reflection makes and copies objects. Every type
// with generated deep-copy functions satisfies it: those of k8s.io/api, the types of custom resources, and
// [k8s.io/apimachinery/pkg/apis/meta/v1/unstructured.Unstructured].
type Object[T any] interface {
	*T
	DeepCopyInto(*T)
}

// MutateFunc changes obj in place. It must be a pure function of its arguments, and idempotent: the API server may
// call it again with its own result (reinvocation). obj belongs to the call; req must not be changed.
//
// An error is an internal error (HTTP 500, so that the webhook's failurePolicy decides), unless it is one of [Refuse].
type MutateFunc[T any] func(ctx context.Context, req *admissionv1.AdmissionRequest, obj *T) error

// ValidateFunc judges an object and returns all it finds. obj is nil on DELETE, old is nil on CREATE and CONNECT.
// Neither may be changed. One that can't judge returns a [Finding] with Err.
type ValidateFunc[T any] func(ctx context.Context, req *admissionv1.AdmissionRequest, obj, old *T) []Finding

// Registration is a set of functions for one kind, as made by [For]. It is what [NewHandler] takes.
type Registration interface {
	registered() kindHandler
}

// Kind collects the functions for one kind of object. Make it with [For]; its methods return it for chaining. It is
// read once, by [NewHandler], and not safe for concurrent use before that.
type Kind[T any] struct {
	gvk        schema.GroupVersionKind
	resources  []resource
	scope      string // "Namespaced", "Cluster" or "*"
	deepCopy   func(in, out *T)
	differ     *patch.Differ[T]
	mutators   []mutator[T]
	validators []validator[T]
}

// For starts the registration of functions for one kind of object:
//
//	admission.For[corev1.Pod](corev1.SchemeGroupVersion.WithKind("Pod")).
//		Mutate("cost-center", addCostCenter).
//		Validate("no-latest", noLatest)
//
// No Scheme is needed: the compiler knows the type, and the kind is checked against each request. A kind may be
// registered several times with the same type; the functions run in the order of registration.
//
// Its objects are taken to arrive through the resource that is the lower-case English plural of the kind: pods,
// networkpolicies, gateways. Where a custom resource has another one, name it with [Kind.Resource]: an API server sends
// nothing, and does not complain, when [Handler.Manifests] asks for a resource that does not exist.
func For[T any, P Object[T]](gvk schema.GroupVersionKind) *Kind[T] {
	return &Kind[T]{
		gvk:       gvk,
		resources: []resource{{GroupVersion: gvk.GroupVersion(), plural: plural.Of(gvk.Kind), guessed: true}},
		scope:     "*",
		deepCopy:  func(in, out *T) { P(in).DeepCopyInto(out) },
	}
}

// Resource names the resources through which the kind arrives, where they are not the kind's lower-case plural in the
// kind's own group: Resource(appsv1.SchemeGroupVersion, "statefulsets/scale") for an autoscaling/v1 Scale, "pods/exec" for
// PodExecOptions, "indices" for Index. Functions then run for these resources only. Several calls add up.
func (k *Kind[T]) Resource(gv schema.GroupVersion, names ...string) *Kind[T] {
	if len(k.resources) > 0 && k.resources[0].guessed {
		k.resources = nil
	}
	for _, name := range names {
		plural, sub, _ := strings.Cut(name, "/")
		k.resources = append(k.resources, resource{GroupVersion: gv, plural: plural, sub: sub})
	}
	return k
}

// Namespaced says that the kind lives in namespaces, which lets [Handler.Manifests] restrict the rule's scope.
func (k *Kind[T]) Namespaced() *Kind[T] {
	k.scope = "Namespaced"
	return k
}

// Mutate registers a mutator under a name that is unique for the kind. It runs on CREATE of the object itself unless
// options say otherwise: changing objects on UPDATE makes existing ones, whose fields are often immutable, impossible
// to update.
func (k *Kind[T]) Mutate(name string, fn MutateFunc[T], options ...Option) *Kind[T] {
	k.mutators = append(k.mutators, mutator[T]{newRule(name, []admissionv1.Operation{admissionv1.Create}, options), fn})
	return k
}

// Validate registers a validator under a name that is unique for the kind. It runs on CREATE and UPDATE of the
// object itself unless options say otherwise, and not for objects that are being deleted: refusing the removal of
// their finalizers would leave them Terminating forever.
func (k *Kind[T]) Validate(name string, fn ValidateFunc[T], options ...Option) *Kind[T] {
	ops := []admissionv1.Operation{admissionv1.Create, admissionv1.Update}
	k.validators = append(k.validators, validator[T]{newRule(name, ops, options), fn})
	return k
}

// registered is a copy, so that what is registered later does not change a handler.
func (k *Kind[T]) registered() kindHandler {
	own := *k
	own.differ = patch.For[T]()
	own.mutators, own.validators = slices.Clone(k.mutators), slices.Clone(k.validators)
	for i := range own.mutators {
		own.mutators[i].resolve(k.resources)
	}
	for i := range own.validators {
		own.validators[i].resolve(k.resources)
	}
	return &own
}

type mutator[T any] struct {
	rule
	fn MutateFunc[T]
}

type validator[T any] struct {
	rule
	fn ValidateFunc[T]
}

// rule says when a function runs.
type rule struct {
	name          string
	operations    []admissionv1.Operation
	subresources  []string // nil: those of the kind's resources
	at            []resource
	failOpen      bool
	whileDeleting bool
}

func newRule(name string, operations []admissionv1.Operation, options []Option) rule {
	r := rule{name: name, operations: operations}
	for _, o := range options {
		o(&r)
	}
	return r
}

// Option changes when a registered function runs, or what its failure means.
type Option func(*rule)

// On replaces the operations on which the function runs.
func On(operations ...admissionv1.Operation) Option {
	return func(r *rule) { r.operations = slices.Clone(operations) }
}

// Subresources replaces the subresources for which the function runs, where they carry the same kind: a Pod check
// that must see every way a container gets in says Subresources("", "ephemeralcontainers", "resize"). The empty name
// is the object itself.
func Subresources(names ...string) Option {
	return func(r *rule) { r.subresources = slices.Clone(names) }
}

// WhileDeleting makes a function run for objects that have a deletionTimestamp too.
func WhileDeleting() Option {
	return func(r *rule) { r.whileDeleting = true }
}

// FailOpen makes an internal failure of a mutator (an error, a panic, a change that cannot be expressed as a valid
// patch) drop that mutator's own changes, with a warning and an audit annotation, instead of failing the review. On a
// validator it turns a panic or a Finding.Err into a warning.
func FailOpen() Option {
	return func(r *rule) { r.failOpen = true }
}

// resolve decides for which resources the function runs: those of its kind, or their subresources that an option named.
func (r *rule) resolve(resources []resource) {
	r.at = resources
	if r.subresources == nil {
		return
	}
	r.at = nil
	for _, at := range resources {
		for _, at.sub = range r.subresources {
			if !slices.Contains(r.at, at) {
				r.at = append(r.at, at)
			}
		}
	}
}

// resource is where a kind arrives: pods, or statefulsets/scale, of a group and version.
type resource struct {
	schema.GroupVersion
	plural, sub string
	guessed     bool // from the kind: good enough for a manifest, not to turn requests away
}

// name is "pods" or "statefulsets/scale".
func (r resource) name() string {
	if r.sub == "" {
		return r.plural
	}
	return r.plural + "/" + r.sub
}
