package sidecar_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/internal/podgen"
	"github.com/kubewright/kubewright/sidecar"
)

// FuzzAnnotation is one annotation on a Pod of a seed: it is refused, or the laws hold.
func FuzzAnnotation(f *testing.F) {
	files, err := filepath.Glob("testdata/pods/*.yaml")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for i, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		for key, value := range podOf(f, string(text)).Annotations {
			f.Add(strings.TrimPrefix(key, prefix), value, uint64(i))
		}
	}
	set := newSet(f)
	f.Fuzz(func(t *testing.T, key, value string, seed uint64) {
		pod := annotate(podgen.New(rand.New(rand.NewPCG(seed, 1))), map[string]string{
			"log.paths": "/srv/log/*.log", "lxcfs": "true", "faketime": "+1d", "faketime.libc": "glibc", "cpus": "2", "timezone": "UTC",
		})
		pod = annotate(pod, map[string]string{key: value})
		if key == "injected" {
			return // FuzzRecord
		}
		out := requireLaws(t, set, pod, sidecar.Namespace{})
		if out == nil {
			return
		}
		if config, ok := out.Annotations[prefix+"log.config"]; ok {
			var parsed map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(config), &parsed))
			require.Len(t, parsed["output.kafka"], 8, "no value breaks out of its place")
		}
	})
}

// FuzzRecord is a record by somebody else: nothing panics, and what comes of it is stable.
func FuzzRecord(f *testing.F) {
	set := newSet(f)
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		out, _, err := set.Apply(annotate(podgen.New(r), podgen.Annotations(r)), sidecar.Namespace{})
		if err == nil {
			f.Add(out.Annotations[prefix+"injected"], encode(f, out))
		}
	}
	f.Add(`{"in":{"app":null}}`, `{}`)
	f.Fuzz(func(t *testing.T, rec, text string) {
		pod := &corev1.Pod{}
		if json.Unmarshal([]byte(text), pod) != nil {
			return
		}
		pod = annotate(pod, map[string]string{"injected": rec, "timezone": "UTC", "hosts": "10.0.0.1=a.corp"})
		out, _, err := set.Apply(pod, sidecar.Namespace{})
		if err != nil {
			return
		}
		again, _, err := set.Apply(out, sidecar.Namespace{})
		require.NoError(t, err)
		require.Equal(t, encode(t, out), encode(t, again))
		_, err = set.Eject(out)
		require.NoError(t, err)
	})
}
