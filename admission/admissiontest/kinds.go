package admissiontest

import (
	"context"
	"maps"
	"net/http"
	"reflect"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Handler is what the harness tests: an [github.com/kubewright/kubewright/admission.Handler], or something around one.
//
// A handler that also has the method
//
//	Kinds() map[schema.GroupVersionKind]reflect.Type
//
// tells the Go types of custom resources, so that they are decoded strictly and get unknown members everywhere, and
// spares the harness from finding out by trying which workloads are served.
type Handler interface {
	http.Handler
	Review(ctx context.Context, req *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error)
}

// kinds knows the Go types of objects.
type kinds struct {
	builtin *runtime.Scheme
	own     map[schema.GroupVersionKind]reflect.Type // of the handler, nil if it does not tell
}

func kindsOf(h Handler) kinds {
	k := kinds{builtin: builtinScheme()}
	if teller, ok := h.(interface {
		Kinds() map[schema.GroupVersionKind]reflect.Type
	}); ok {
		k.own = maps.Clone(teller.Kinds())
	}
	return k
}

// builtinScheme has what is served by every cluster.
func builtinScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme, appsv1.AddToScheme, autoscalingv1.AddToScheme, autoscalingv2.AddToScheme,
		batchv1.AddToScheme, certificatesv1.AddToScheme, coordinationv1.AddToScheme, corev1.AddToScheme,
		discoveryv1.AddToScheme, eventsv1.AddToScheme, flowcontrolv1.AddToScheme, networkingv1.AddToScheme,
		nodev1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme,
	} {
		_ = add(s) // fails if one kind has two types, which these packages have not
	}
	return s
}

// typeOf is the Go type of a kind's objects, or nil. The built-in type comes first: it is what the API server decodes
// into, while a handler may work on a part of the object.
func (k kinds) typeOf(gvk schema.GroupVersionKind, given any) reflect.Type {
	if obj, err := k.builtin.New(gvk); err == nil {
		return reflect.TypeOf(obj).Elem()
	}
	candidates := []reflect.Type{k.own[gvk]}
	if given != nil {
		candidates = append(candidates, reflect.TypeOf(given))
	}
	for _, t := range candidates {
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t != nil && t.Kind() == reflect.Struct && t != reflect.TypeFor[unstructured.Unstructured]() {
			return t
		}
	}
	return nil
}

// kindOf is the kind of a Go value, if only one has its type.
func (k kinds) kindOf(v any) (schema.GroupVersionKind, bool) {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var found []schema.GroupVersionKind
	for gvk, own := range k.own {
		if own == t {
			found = append(found, gvk)
		}
	}
	for gvk, builtin := range k.builtin.AllKnownTypes() {
		if _, ok := k.own[gvk]; !ok && builtin == t {
			found = append(found, gvk)
		}
	}
	if len(found) != 1 {
		return schema.GroupVersionKind{}, false
	}
	return found[0], true
}
