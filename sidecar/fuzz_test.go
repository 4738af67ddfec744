package sidecar_test

import (
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

// FuzzRecord is a record by somebody else on a Pod of a seed, which was injected: nothing panics, and what comes of it is
// stable. The Pod is no text of the fuzzer's: hardly a mutation of one would be a Pod.
func FuzzRecord(f *testing.F) {
	set := newSet(f)
	injected := func(seed uint64) *corev1.Pod {
		r := rand.New(rand.NewPCG(seed, 2))
		pod := annotate(podgen.New(r), podgen.Annotations(r))
		out, _, err := set.Apply(pod, sidecar.Namespace{})
		if err != nil {
			return pod
		}
		return out
	}
	smallest := map[int]uint64{} // of the seeds that make records of one length: long ones make a slow corpus
	for seed := range uint64(200) {
		rec, ok := injected(seed).Annotations[prefix+"injected"]
		if size := len(rec) / 64; ok && size < 16 && smallest[size] == 0 {
			smallest[size] = seed
			f.Add(rec, seed)
		}
	}
	require.Greater(f, len(smallest), 4, "there are records to start from")
	f.Add(`{"in":{"app":null}}`, uint64(1))
	f.Fuzz(func(t *testing.T, rec string, seed uint64) {
		pod := annotate(injected(seed), map[string]string{"injected": rec, "timezone": "UTC", "hosts": "10.0.0.1=a.corp"})
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
