package sidecar_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/sidecar"
)

// corpus is every Pod and Pod template in the test data of k8s.io/api, where every field has a value.
func corpus(t testing.TB) map[string]*corev1.Pod {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "testdata", "HEAD", "*.json"))
	require.NoError(t, err)
	pods := map[string]*corev1.Pod{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var o any
		require.NoError(t, json.Unmarshal(text, &o))
		if pod := findPod(o); pod != nil {
			pods[filepath.Base(file)] = pod
		}
	}
	require.Greater(t, len(pods), 10, "the corpus has moved")
	return pods
}

// findPod is what has a spec with containers, at any depth.
func findPod(o any) *corev1.Pod {
	m, ok := o.(map[string]any)
	if !ok {
		return nil
	}
	if spec, ok := m["spec"].(map[string]any); ok && spec["containers"] != nil {
		text, err := json.Marshal(map[string]any{"metadata": m["metadata"], "spec": spec})
		pod := &corev1.Pod{}
		if err == nil && json.Unmarshal(text, pod) == nil {
			return pod
		}
	}
	for _, v := range m {
		if pod := findPod(v); pod != nil {
			return pod
		}
	}
	return nil
}

// TestLawsOnTheCorpus is every law, with each annotation alone and with many together.
func TestLawsOnTheCorpus(t *testing.T) {
	set := newSet(t)
	wishes := []map[string]string{
		nil,
		{"log.paths": "/var/log/app/*.log"},
		{"lxcfs": "true"},
		{"faketime": "+15d", "faketime.libc": "musl"},
		{"cpus": "2", "cpus.java": "true"},
		{"timezone": "Europe/Berlin", "timezone.data": "true"},
		{"hosts": "10.0.0.1=a.corp"},
		{"debug": "hold"},
		{"sidecar.agent": "true"},
	}
	together := map[string]string{}
	for _, w := range wishes {
		maps.Copy(together, w)
	}
	done := 0
	for name, pod := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			// A Pod in which every field is set is for Windows too, which would end the test early.
			linux := pod.DeepCopy()
			linux.Spec.OS, linux.Spec.SecurityContext = nil, nil
			if len(linux.Spec.InitContainers) > 0 {
				linux.Spec.InitContainers[0].Name = "init"
			}
			for _, p := range []*corev1.Pod{pod, linux} {
				for _, w := range append(wishes, together) {
					if requireLaws(t, set, annotate(p, w), sidecar.Namespace{}) != nil {
						done++
					}
				}
			}
		})
	}
	require.Greater(t, done, 100)
}
