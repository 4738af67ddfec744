package plural_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubewright/kubewright/admission/internal/plural"
)

func TestOf(t *testing.T) {
	for kind, want := range map[string]string{
		"Pod":           "pods",
		"Endpoints":     "endpoints",
		"NetworkPolicy": "networkpolicies",
		"Ingress":       "ingresses",
		"Gateway":       "gateways",
		"DNSKey":        "dnskeys",
		"Deploy":        "deploys",
		"ServiceMesh":   "servicemeshes",
		"Batch":         "batches",
		"Box":           "boxes",
		"y":             "ies",
		"":              "",
	} {
		require.Equal(t, want, plural.Of(kind), kind)
	}
}

// Kinds of Kubernetes itself have the resources that Kubernetes' own guess has always been right about.
func TestBuiltinKinds(t *testing.T) {
	s := runtime.NewScheme()
	n := 0
	for gv, add := range map[schema.GroupVersion]func(*runtime.Scheme) error{
		appsv1.SchemeGroupVersion: appsv1.AddToScheme, batchv1.SchemeGroupVersion: batchv1.AddToScheme, corev1.SchemeGroupVersion: corev1.AddToScheme,
		networkingv1.SchemeGroupVersion: networkingv1.AddToScheme, storagev1.SchemeGroupVersion: storagev1.AddToScheme,
	} {
		require.NoError(t, add(s))
		for kind := range s.KnownTypes(gv) {
			want, _ := meta.UnsafeGuessKindToResource(gv.WithKind(kind))
			require.Equal(t, want.Resource, plural.Of(kind))
			n++
		}
	}
	require.Greater(t, n, 50)
}
