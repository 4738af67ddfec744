package images

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// workload is what a Deployment and a DaemonSet have in common.
type workload struct {
	Kind string
	Spec struct{ Template corev1.PodTemplateSpec }
}

// rootful runs as root, with a reason in its manifest; all others as the user of their image.
const rootful = "nodeagent"

// requireManifests starts the image as its user, and as each container of the manifests beside it would.
func (r recipe) requireManifests(t *testing.T, tree, name, image string) {
	t.Helper()
	user, group, _ := strings.Cut(r.user, ":")
	require.Equal(t, user, group)
	require.NotEqual(t, "0", user)
	require.Contains(t, r.starts(t, image, user, "-h"), "Usage: "+name)

	containers := 0
	files, err := filepath.Glob(filepath.Join(tree, "examples", name, "manifests", "*.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		for _, pod := range pods(t, file) {
			for _, c := range pod.Containers {
				if repositoryOf(c.Image) == repositoryOf(r.tag) {
					containers++
					r.requireContainer(t, name, image, pod, c)
				}
			}
		}
	}
	if len(files) > 0 {
		require.NotZero(t, containers, "no container has the image")
		requireKustomized(t, filepath.Join(tree, "examples", name, "manifests", "kustomization.yaml"), r.tag)
	}
}

func (r recipe) requireContainer(t *testing.T, name, image string, pod corev1.PodSpec, c corev1.Container) {
	t.Helper()
	require.Equal(t, r.tag, c.Image)
	require.Empty(t, c.Command, "the entry point is the image's")
	require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	user, _, _ := strings.Cut(r.user, ":")
	if name == rootful {
		user = "0"
		require.Zero(t, *c.SecurityContext.RunAsUser)
	} else {
		require.True(t, *pod.SecurityContext.RunAsNonRoot)
		require.Equal(t, user, strconv.FormatInt(*pod.SecurityContext.RunAsUser, 10))
		require.Equal(t, user, strconv.FormatInt(*pod.SecurityContext.RunAsGroup, 10))
	}
	for _, p := range c.Ports {
		require.GreaterOrEqual(t, p.ContainerPort, int32(1024), "no capability is needed to listen")
	}
	// Flags before -h are parsed, so that one that is unknown fails.
	require.Contains(t, r.starts(t, image, user, append(c.Args, "-h")...), "Usage: "+name)
}

// pods are the templates of Pods in a file.
func pods(t *testing.T, file string) (specs []corev1.PodSpec) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var w workload
		require.NoError(t, yaml.Unmarshal(document, &w), file)
		if w.Kind == "Deployment" || w.Kind == "DaemonSet" || w.Kind == "StatefulSet" {
			specs = append(specs, w.Spec.Template.Spec)
		}
	}
	return specs
}

// requireKustomized wants the image of the kustomization, which replaces that of the manifests, to be the one that was
// built.
func requireKustomized(t *testing.T, file, tag string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var k struct {
		Images []struct{ Name, NewName, NewTag string }
	}
	require.NoError(t, yaml.Unmarshal(text, &k))
	require.Len(t, k.Images, 1)
	i := k.Images[0]
	require.Equal(t, repositoryOf(tag), i.Name)
	if i.NewName != "" {
		require.Equal(t, i.Name, i.NewName)
	}
	require.Equal(t, tag, i.Name+":"+i.NewTag)
}

// repositoryOf is an image without its tag.
func repositoryOf(image string) string { return image[:strings.LastIndexByte(image, ':')] }
