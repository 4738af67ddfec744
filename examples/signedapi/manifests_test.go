package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/ipwhitelist"
)

// objects decodes every manifest strictly, so that a mistyped field fails.
func objects(t *testing.T) []any {
	t.Helper()
	kinds := map[string]func() any{
		"Namespace": func() any { return &corev1.Namespace{} }, "ServiceAccount": func() any { return &corev1.ServiceAccount{} },
		"ConfigMap": func() any { return &corev1.ConfigMap{} }, "Deployment": func() any { return &appsv1.Deployment{} },
		"Service": func() any { return &corev1.Service{} }, "NetworkPolicy": func() any { return &networkingv1.NetworkPolicy{} },
		"PodDisruptionBudget": func() any { return &policyv1.PodDisruptionBudget{} },
	}
	files, err := filepath.Glob("manifests/*.yaml")
	require.NoError(t, err)
	kustomization, err := os.ReadFile("manifests/kustomization.yaml")
	require.NoError(t, err)
	var out []any
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		require.Contains(t, string(kustomization), "- "+filepath.Base(file)+"\n")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for doc := range bytes.SplitSeq(text, []byte("\n---\n")) {
			var meta metav1.TypeMeta
			require.NoError(t, yaml.Unmarshal(doc, &meta))
			require.Contains(t, kinds, meta.Kind, file)
			object := kinds[meta.Kind]()
			require.NoError(t, yaml.UnmarshalStrict(doc, object), file)
			out = append(out, object)
		}
	}
	require.Len(t, out, 10)
	return out
}

func TestManifests(t *testing.T) {
	for _, o := range objects(t) {
		switch o := o.(type) {
		case *appsv1.Deployment:
			checkPod(t, &o.Spec.Template.Spec)
			require.Equal(t, o.Spec.Selector.MatchLabels, o.Spec.Template.Labels)
			if o.Name == "orders" {
				c := o.Spec.Template.Spec.Containers[0]
				require.Equal(t, "serve", c.Args[0])
				_, err := parseServe(c.Args[1:], streams{})
				require.NoError(t, err)
				checkSecretEntries(t, &o.Spec.Template.Spec)
			}
		case *corev1.ConfigMap:
			config, err := ipwhitelist.ParseConfig([]byte(o.Data["config.json"]))
			require.NoError(t, err)
			config.Callers = []ipwhitelist.Caller{{Name: "billing", Mode: ipwhitelist.ModeIP}} // from its Secret
			_, err = ipwhitelist.New(config, ipwhitelist.Options{})
			require.NoError(t, err)
		}
	}
}

// checkPod is what Pod Security's restricted asks for, and a little more.
func checkPod(t *testing.T, p *corev1.PodSpec) {
	t.Helper()
	require.False(t, *p.AutomountServiceAccountToken)
	require.True(t, *p.SecurityContext.RunAsNonRoot)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, p.SecurityContext.SeccompProfile.Type)
	for _, c := range p.Containers {
		require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
		require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
		require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop)
		require.NotNil(t, c.ReadinessProbe)
		require.Contains(t, c.Resources.Limits, corev1.ResourceMemory)
	}
}

// checkSecretEntries: whatever a caller's Secret may hold is mounted, and what it does not hold is no error: else the
// keys of a rotation would not reach the provider.
func checkSecretEntries(t *testing.T, p *corev1.PodSpec) {
	t.Helper()
	var entries []string
	for _, v := range p.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			require.True(t, *s.Secret.Optional)
			for _, item := range s.Secret.Items {
				require.Equal(t, "billing/"+item.Key, item.Path)
				entries = append(entries, item.Key)
			}
		}
	}
	slices.Sort(entries)
	require.Equal(t, []string{"active", "allow-api-key", "api-keys", "disabled", "mode", "next", "retiring"}, entries)
}

// Every metric and every flag that README.md names is there.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	m := newMetrics()
	m.decision(ipwhitelist.Decision{Reason: ipwhitelist.ReasonMAC, Shadow: "billing"})
	m.decision(ipwhitelist.Decision{Reason: ipwhitelist.ReasonReplayed, Identity: ipwhitelist.Identity{Via: ipwhitelist.ViaIP}})
	m.decision(ipwhitelist.Decision{Reason: ipwhitelist.ReasonUnavailable, Err: ipwhitelist.ErrReplayFull})
	m.watchNonces(&ipwhitelist.MemoryReplay{})
	guard, err := ipwhitelist.New(ipwhitelist.Config{
		Version: 1, Callers: []ipwhitelist.Caller{{Name: "billing", Mode: ipwhitelist.ModeIP, APIKeys: []ipwhitelist.APIKey{{ID: "k", SHA256: strings.Repeat("ab", 32), State: ipwhitelist.Active}}}},
		Rules: []ipwhitelist.Rule{{Name: "r", Prefixes: []string{"192.0.2.1"}, Callers: []string{"billing"}}},
	}, ipwhitelist.Options{})
	require.NoError(t, err)
	m.watch(func() ipwhitelist.Report {
		r := guard.Report()
		r.Rules[0].IPOnly.Count = 1
		return r
	})
	families, err := m.registry.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		if name, ok := strings.CutPrefix(f.GetName(), "ipwhitelist_"); ok {
			names = append(names, name)
			require.Contains(t, string(text), "`"+name+"`")
		}
	}
	require.True(t, slices.Contains(names, "ip_only_last_seen_timestamp_seconds"))
	require.Len(t, names, 20)
	start := strings.Index(string(text), `{"version": 1,`)
	require.Positive(t, start)
	sample, _, _ := strings.Cut(string(text)[start:], "\n\n")
	require.True(t, json.Valid([]byte(strings.Replace(sample, "HERE", "{}", 1))))
}
