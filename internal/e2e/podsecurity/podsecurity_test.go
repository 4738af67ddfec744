package podsecurity

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	psatest "k8s.io/pod-security-admission/test"
)

// TestEvaluatorAgreesWithTheCorpus shows that the wrapper changes no verdict and names the right check.
func TestEvaluatorAgreesWithTheCorpus(t *testing.T) {
	e, err := NewEvaluator()
	require.NoError(t, err)
	for _, c := range Corpus(t) {
		verdicts := e.Evaluate(c.Level, c.Version, &c.Pod.ObjectMeta, &c.Pod.Spec)
		require.Equal(t, c.Pass, Allowed(verdicts), "%s: %v", c.Name, verdicts)
		if c.Pass || c.Level != api.LevelBaseline {
			continue // on the restricted level, a stricter check may have replaced the one of the file
		}
		named := func(id policy.CheckID) bool { return strings.EqualFold(string(id), c.Check) }
		require.True(t, slices.ContainsFunc(objections(verdicts), named), "%s: %v", c.Name, verdicts)
	}
}

func objections(verdicts map[policy.CheckID]Verdict) []policy.CheckID {
	var ids []policy.CheckID
	for id, v := range verdicts {
		if !v.Allowed {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestEvaluateNamesEveryCheck(t *testing.T) {
	e, err := NewEvaluator()
	require.NoError(t, err)
	pod, err := psatest.GetMinimalValidPod(api.LevelRestricted, api.MajorMinorVersion(1, 36))
	require.NoError(t, err)
	pod.Spec.HostNetwork = true
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: 8080}}

	restricted := e.Evaluate(api.LevelRestricted, api.LatestVersion(), &pod.ObjectMeta, &pod.Spec)
	require.Equal(t, Verdict{Reason: "hostPort", Detail: `container "container1" uses hostPort 8080`}, restricted["hostPorts"])
	require.Equal(t, Verdict{Reason: "host namespaces", Detail: "hostNetwork=true"}, restricted["hostNamespaces"])
	require.Len(t, objections(restricted), 2)
	require.NotContains(t, restricted, policy.CheckID("capabilities_baseline"), "replaced by the stricter one")

	baseline := e.Evaluate(api.LevelBaseline, api.LatestVersion(), &pod.ObjectMeta, &pod.Spec)
	require.Contains(t, baseline, policy.CheckID("capabilities_baseline"))
	require.Less(t, len(baseline), len(restricted))
	for id := range restricted {
		require.NotContains(t, id, signature)
	}
	require.Empty(t, e.Evaluate(api.LevelPrivileged, api.LatestVersion(), &pod.ObjectMeta, &pod.Spec))
}

func TestCorpusSpansLevelsAndVersions(t *testing.T) {
	type group struct {
		level api.Level
		pass  bool
	}
	found := map[group]int{}
	versions := map[api.Version]bool{}
	for _, c := range Corpus(t) {
		found[group{c.Level, c.Pass}]++
		versions[c.Version] = true
		require.NotEmpty(t, c.Pod.Spec.Containers, c.Name)
	}
	require.Len(t, found, 4, "two levels, passing and failing")
	for g, n := range found {
		require.Greater(t, n, 100, "%v", g)
	}
	require.Greater(t, len(versions), 30)
}

func TestReadCorpusRefusesWhatItDoesNotUnderstand(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\n"
	cases := []struct{ name, file, content, want string }{
		{"level", "d/strict/v1.2/pass/base.yaml", pod, "strict"},
		{"version", "d/baseline/1.2/pass/base.yaml", pod, "1.2"},
		{"verdict", "d/baseline/v1.2/maybe/base.yaml", pod, `"maybe" is neither`},
		{"field", "d/baseline/v1.2/pass/base.yaml", pod + "sepc: {}\n", "sepc"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := readCorpus(fstest.MapFS{c.file: {Data: []byte(c.content)}}, "d")
			require.ErrorContains(t, err, c.want)
		})
	}
	none, err := readCorpus(fstest.MapFS{}, "d")
	require.NoError(t, err)
	require.Empty(t, none)
}
