// Package oracle asks the API server's own code what a webhook's answer does to an object. It runs the
// MutatingAdmissionWebhook plugin in process, with one webhook: the handler under test, behind real
// TLS. There is no etcd and no API server, so that thousands of patches take seconds.
//
// What the plugin does is what a cluster does: it builds the review, calls the handler, checks the
// response, applies the patch, decodes the result, and lets failurePolicy decide about failures.
// What a cluster does before and after is missing: defaults, validation, reinvocation and storage.
package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	webhooktesting "k8s.io/apiserver/pkg/admission/plugin/webhook/testing"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes/scheme"
)

// Options configures the webhook that the plugin calls. The zero value is a webhook for everything
// whose failure refuses the object.
type Options struct {
	Path           string                                    // of the handler, default "/"
	FailurePolicy  admissionregistrationv1.FailurePolicyType // default Fail
	TimeoutSeconds int32                                     // default 10
}

// Plugin is the API server's plugin with one webhook. It is safe for concurrent use.
type Plugin struct {
	plugin  *mutating.Plugin
	objects admission.ObjectInterfaces
}

// New starts a TLS server for handler and a plugin that calls it. Making one takes a tenth of a
// second, so make it once and use it for many objects. Both end with the test.
func New(t testing.TB, handler http.Handler, o Options) *Plugin {
	t.Helper()
	server := webhooktesting.NewTestServerWithHandler(t, handler.ServeHTTP)
	server.StartTLS()
	t.Cleanup(server.Close)

	plugin, err := mutating.NewMutatingWebhook(nil)
	require.NoError(t, err)
	plugin.SetServiceResolver(webhooktesting.NewServiceResolver(serverURL(t, server.URL)))
	// The resolver brings the client certificate that the test server asks for.
	resolver := webhooktesting.NewAuthenticationInfoResolver(new(int32))
	plugin.SetAuthenticationInfoResolverWrapper(webhooktesting.Wrapper(resolver))
	connect(t, plugin, []admissionregistrationv1.MutatingWebhook{o.webhook(server.URL)})
	require.NoError(t, plugin.ValidateInitialization())
	require.True(t, plugin.WaitForReady())

	// The scheme of client-go knows all built-in types and, unlike the API server's, no defaults.
	return &Plugin{plugin: plugin, objects: admission.NewObjectInterfacesFromScheme(scheme.Scheme)}
}

// Request is what a client sends to the API server.
type Request struct {
	Operation   admission.Operation // default Create
	Object      runtime.Object      // nil for Delete
	OldObject   runtime.Object      // for Update and Delete
	Subresource string
	DryRun      bool
	User        user.Info // default "oracle"
}

// Result is what the API server makes of the webhook's answer.
type Result struct {
	Object      runtime.Object    // patched; never the one of the request
	Patch       json.RawMessage   // as applied; nil if there was none
	Warnings    []string          // for the client
	Annotations map[string]string // for the audit log
}

// Mutate creates an object and returns what the API server would store, or why it would refuse. The
// object may be of any built-in type, or unstructured; it is not changed.
func Mutate[T runtime.Object](t testing.TB, p *Plugin, object T) (T, error) {
	t.Helper()
	result, err := p.Admit(t.Context(), Request{Object: object})
	if err != nil {
		var none T
		return none, err
	}
	return result.Object.(T), nil
}

// Admit is Mutate for every operation and with all that comes out. A refusal, by the webhook or
// because of a failure, is an error of type *errors.StatusError, as a client would see it.
func (p *Plugin) Admit(ctx context.Context, r Request) (Result, error) {
	attributes, err := r.attributes()
	if err != nil {
		return Result{}, err
	}
	warnings := &recorder{}
	if err := p.plugin.Admit(warnings.in(ctx), attributes, p.objects); err != nil {
		return Result{}, err
	}
	result := Result{
		Object:      withKindOf(r.Object, attributes.GetObject()),
		Warnings:    warnings.texts,
		Annotations: attributes.annotations(),
	}
	result.Patch, err = appliedPatch(result.Annotations)
	return result, err
}

// attributes describes the request as the API server's handlers would.
func (r Request) attributes() (*attributes, error) {
	subject := r.Object
	if subject == nil {
		subject = r.OldObject
	}
	kind, err := kindOf(subject)
	if err != nil {
		return nil, err
	}
	object, err := meta.Accessor(subject)
	if err != nil {
		return nil, err
	}
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	if r.Operation == "" {
		r.Operation = admission.Create
	}
	if r.User == nil {
		r.User = &user.DefaultInfo{Name: "oracle"}
	}
	return newAttributes(admission.NewAttributesRecord(
		copyOf(r.Object), copyOf(r.OldObject), kind, object.GetNamespace(), object.GetName(),
		resource, r.Subresource, r.Operation, optionsFor(r.Operation), r.DryRun, r.User,
	)), nil
}

func kindOf(object runtime.Object) (schema.GroupVersionKind, error) {
	if object == nil {
		return schema.GroupVersionKind{}, fmt.Errorf("a request needs an object or an old object")
	}
	kinds, _, err := scheme.Scheme.ObjectKinds(object)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	return kinds[0], nil
}

// withKindOf gives a patched object the apiVersion and kind of the one sent. The API server's
// conversion clears them in typed objects.
func withKindOf(sent, patched runtime.Object) runtime.Object {
	if patched != nil {
		patched.GetObjectKind().SetGroupVersionKind(sent.GetObjectKind().GroupVersionKind())
	}
	return patched
}

// copyOf protects the caller's object: the plugin writes the patched one over the one it was given.
func copyOf(object runtime.Object) runtime.Object {
	if object == nil {
		return nil
	}
	return object.DeepCopyObject()
}
