package sidecar

import (
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"

	"github.com/kubewright/kubewright/internal/e2e/podsecurity"
	"github.com/kubewright/kubewright/internal/podgen"
	"github.com/kubewright/kubewright/sidecar"
)

// levelOf is the strictest level that admits a Pod, by Kubernetes' own evaluator.
func levelOf(e *podsecurity.Evaluator, pod *corev1.Pod) sidecar.Level {
	for _, level := range []api.Level{api.LevelRestricted, api.LevelBaseline} {
		if podsecurity.Allowed(e.Evaluate(level, api.LatestVersion(), &pod.ObjectMeta, &pod.Spec)) {
			return sidecar.Level(level)
		}
	}
	return sidecar.LevelPrivileged
}

// TestPodSecurityLevelStays injects everything that a namespace's level allows into the Pods that the authors of the
// standards test them with, and into made-up ones.
func TestPodSecurityLevelStays(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator()
	require.NoError(t, err)
	set := newSet(t, shipper())
	wishes := map[string]string{
		"log.paths": "/srv/log/*.log", "lxcfs": "true", "faketime": "+1d", "faketime.libc": "glibc", "cpus": "2", "cpus.shim": "musl",
		"timezone": "UTC", "timezone.data": "true", "hosts": "10.0.0.1=a.corp", "debug": "hold", "sidecar.agent": "true",
	}
	injected := map[sidecar.Level]int{}
	check := func(name string, pod *corev1.Pod) {
		level := levelOf(evaluator, pod)
		out, outcome, err := set.Apply(pod, sidecar.Namespace{Level: level})
		if err != nil || len(outcome.Applied) == 0 {
			return
		}
		if level == sidecar.LevelPrivileged {
			return // nothing to lose
		}
		require.True(t, contains(outcome.Skipped, "lxcfs"), name)
		injected[level]++
		require.Equal(t, level, levelOf(evaluator, out), "%s: %v", name, encode(t, out))
	}
	corpus := podsecurity.Corpus(t)
	for _, c := range corpus {
		check(c.Name, annotate(c.Pod, wishes))
	}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 8))
		pod, more := podgen.New(r), podgen.Annotations(r)
		maps.Copy(more, map[string]string{"lxcfs": "true"})
		check("generated", annotate(pod, more))
	}
	t.Log(injected)
	require.Greater(t, injected[sidecar.LevelRestricted], 300)
	require.Greater(t, injected[sidecar.LevelBaseline], 300)
}

func contains(skips []sidecar.Skip, injector string) bool {
	for _, s := range skips {
		if s.Injector == injector {
			return true
		}
	}
	return false
}
