package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

func testUID(n int) types.UID { return types.UID(strings.Repeat("u", n+1)) }

// shipped returns the objects of manifests/kustomization.yaml, decoded as strictly as kubectl asks the API server to.
func shipped(t *testing.T) []runtime.Object {
	t.Helper()
	var k struct{ Resources []string }
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "manifests/kustomization.yaml")), &k))
	files, err := filepath.Glob("manifests/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, len(k.Resources)+1)
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for _, name := range k.Resources {
		text, err := os.ReadFile(filepath.Join("manifests", name))
		require.NoError(t, err)
		for documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			o, _, err := strict.Decode(document, nil, nil)
			require.NoError(t, err, "%s", document)
			objects = append(objects, o)
		}
	}
	return objects
}

func one[T runtime.Object](t *testing.T) (found T) {
	t.Helper()
	n := 0
	for _, o := range shipped(t) {
		if o, ok := o.(T); ok {
			found = o
			n++
		}
	}
	require.Equal(t, 1, n)
	return found
}

// TestTheDeploymentsFlagsAreUnderstood parses them as the program does.
func TestTheDeploymentsFlagsAreUnderstood(t *testing.T) {
	d := one[*appsv1.Deployment](t)
	c := d.Spec.Template.Spec.Containers[0]
	o := &options{}
	flags := newFlags("collect", streams{Out: io.Discard, Err: io.Discard}, "")
	o.addClusterFlags(flags)
	flags.StringVar(&o.listen, "listen", "", "")
	o.addSinkFlags(flags)
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		for _, e := range c.Env {
			a = strings.ReplaceAll(a, "$("+e.Name+")", e.Value)
		}
		require.NotContains(t, a, "$(", a)
		args[i] = a
	}
	require.NoError(t, flags.ParseOnly(args))
	require.NoError(t, o.check())
	require.Less(t, o.memoryLimit, c.Resources.Limits.Memory().Value())
	require.Less(t, o.drainTimeout.Seconds(), float64(*d.Spec.Template.Spec.TerminationGracePeriodSeconds))
	require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	require.True(t, *d.Spec.Template.Spec.SecurityContext.RunAsNonRoot)
	require.Equal(t, "kubewright-collector/collector", o.lease)
}

// TestTheRolesAreSmall: reading Events and Pods everywhere, and one name each of what is written.
func TestTheRolesAreSmall(t *testing.T) {
	for _, rule := range one[*rbacv1.ClusterRole](t).Rules {
		require.Equal(t, []string{"list", "watch"}, rule.Verbs)
		require.Len(t, rule.Resources, 1)
		require.Contains(t, []string{"events", "pods"}, rule.Resources[0])
	}
	for _, rule := range one[*rbacv1.Role](t).Rules {
		if len(rule.ResourceNames) == 0 {
			require.Equal(t, []string{"create"}, rule.Verbs)
		}
	}
}
