package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubewright/kubewright/admission"
	"github.com/kubewright/kubewright/admission/policy"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// minimal is the least that a configuration can be.
const minimal = "name: policies.example.org\npolicies: {host-port: {action: deny}}\n"

func TestPrintConfig(t *testing.T) {
	r := invoke(t, "", "-print-config")
	require.Equal(t, result{0, string(defaultConfig), ""}, r)
	require.Equal(t, result{0, minimal, ""}, invoke(t, "", "-print-config", "-config", writeFile(t, "c.yaml", minimal)))
}

func TestDefaultConfigKnowsAllPolicies(t *testing.T) {
	c, err := parseConfig(defaultConfig)
	require.NoError(t, err)
	for _, name := range policy.Names() {
		require.Contains(t, c.Policies, name)
	}
}

func TestMinimalConfig(t *testing.T) {
	c, err := parseConfig([]byte(minimal))
	require.NoError(t, err)
	require.True(t, c.excludes("kube-system"), "by default")
	require.False(t, c.excludes("default"))
	m, err := c.manifests(admission.ManifestOptions{URL: "https://localhost"})
	require.NoError(t, err)
	require.Nil(t, m.Mutating, "nothing mutates")
	require.EqualValues(t, "Fail", *m.Validating.Webhooks[0].FailurePolicy)
	require.EqualValues(t, 5, *m.Validating.Webhooks[0].TimeoutSeconds)
	c, err = parseConfig([]byte(minimal + "excludeNamespaces: []\n"))
	require.NoError(t, err)
	require.False(t, c.excludes("kube-system"), "if one says so")
}

// TestExceptNamespaces lets one namespace do what others may not.
func TestExceptNamespaces(t *testing.T) {
	c, err := parseConfig([]byte("{name: a.b, policies: {host-namespaces: {action: deny, exceptNamespaces: [monitoring]}}}"))
	require.NoError(t, err)
	h, err := c.handler(admission.Options{})
	require.NoError(t, err)
	for namespace, allowed := range map[string]bool{"monitoring": true, "shop": false} {
		resp, err := h.Review(t.Context(), &admissionv1.AdmissionRequest{
			Operation: admissionv1.Create, Namespace: namespace, Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Object: runtime.RawExtension{Raw: []byte(`{"spec":{"hostPID":true}}`)},
		})
		require.NoError(t, err)
		require.Equal(t, allowed, resp.Allowed, namespace)
	}
}

func TestOffIsOff(t *testing.T) {
	for _, off := range []string{"'off'", "off"} { // without quotes, it is YAML's false
		c, err := parseConfig([]byte("---\n# to be tried\nname: x.y\npolicies: {host-port: {action: " + off + "}}\npodDefaults: {labels: {a: b}}\n---\n"))
		require.NoError(t, err)
		m, err := c.manifests(admission.ManifestOptions{URL: "https://localhost"})
		require.NoError(t, err)
		require.Nil(t, m.Validating, "API servers need not ask")
		require.NotNil(t, m.Mutating)
	}
}

func TestConfigRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no YAML":                {"name: [", []string{"yaml: line 1"}},
		"a list":                 {"- name", []string{"write keys with values instead of this array"}},
		"two documents":          {minimal + "---\n" + minimal, []string{"it holds more than one YAML document"}},
		"wrong type":             {minimal + "invalid: 5\n", []string{"invalid: write true or false instead of this number"}},
		"policies as a list":     {"name: x.y\npolicies: [host-port]\n", []string{"policies: write keys with values instead of this array"}},
		"policy as an action":    {"name: x.y\npolicies: {host-port: deny}\n", []string{"policies.host-port: write keys with values instead of this string"}},
		"action of another type": {"name: x.y\npolicies: {host-port: {action: 5}}\n", []string{"policies.host-port: action 5: write one of deny, warn, audit, off"}},
		"options of other types": {"name: x.y\npolicies: {host-port: {action: deny, options: {allow: 80}}}\n", []string{"policies.host-port: options: allow: write a list instead of this number"}},
		"pattern of namespaces":  {"name: x.y\npolicies: {host-port: {action: deny, exceptNamespaces: [a-*]}}\n", []string{`policies.host-port.exceptNamespaces "a-*": write the name of a namespace`}},
		"excluded namespaces":    {minimal + "excludeNamespaces: [A_B]\n", []string{`ExcludeNamespaces "A_B": write the name of a namespace`}},
		"duplicate key":          {minimal + "name: x.y\n", []string{`key "name" already set`}},
		"unknown key":            {minimal + "polices: {}\n", []string{`unknown field "polices"`}},
		"unknown key of policy":  {"name: x.y\npolicies: {host-port: {actoin: deny}}\n", []string{`policies.host-port: unknown field "actoin"`}},
		"wrong case":             {minimal + "FailurePolicy: Fail\n", []string{`unknown field "FailurePolicy"`}},
		"unknown policy":         {"name: x.y\npolicies: {host-prot: {action: deny}}\n", []string{"policies.host-prot: no policy has that name: write one of host-port, "}},
		"unknown action":         {"name: x.y\npolicies: {host-port: {action: forbid}}\n", []string{`policies.host-port: action "forbid": write one of deny, warn, audit, off`}},
		"no action":              {"name: x.y\npolicies: {host-port: {}}\n", []string{"policies.host-port.action is missing: write one of deny"}},
		"unknown option":         {"name: x.y\npolicies: {host-port: {action: deny, options: {alow: []}}}\n", []string{"policies.host-port: ", `"alow"`}},
		"wrong option":           {"name: x.y\npolicies: {host-port: {action: deny, options: {allow: [http]}}}\n", []string{"policies.host-port: ", `"http"`}},
		"wrong option, but off":  {minimal[:len(minimal)-2] + ", host-path: {action: 'off', options: {allow: [{pathPrefix: x}]}}}\n", []string{"policies.host-path: ", `"x"`}},
		"nothing to do":          {"name: x.y\n", []string{"there is nothing to do"}},
		"everything off":         {"name: x.y\npolicies: {host-port: {action: 'off'}}\n", []string{"there is nothing to do"}},
		"no name":                {"policies: {host-port: {action: deny}}\n", []string{`name "": write a domain name`}},
		"name without a dot":     {"name: x\npolicies: {host-port: {action: deny}}\n", []string{`name "x": write a domain name`}},
		"failure policy":         {minimal + "failurePolicy: Maybe\n", []string{`FailurePolicy "Maybe": write Fail or Ignore`}},
		"timeout":                {minimal + "timeoutSeconds: 31\n", []string{"TimeoutSeconds 31: write 1 to 30"}},
		"in flight":              {minimal + "maxInFlight: -1\n", []string{"MaxInFlight"}},
		"client CA without file": {minimal + "clientCA: {names: [x]}\n", []string{"clientCA.file is missing"}},
		"label key":              {minimal + "podDefaults: {labels: {'a b': c}}\n", []string{"podDefaults.labels", `"a b"`}},
		"label value":            {minimal + "podDefaults: {labels: {a: 'b c'}}\n", []string{"podDefaults.labels", `"b c"`}},
		"annotation key":         {minimal + "podDefaults: {annotations: {'/x': c}}\n", []string{"podDefaults.annotations"}},
		"mirror annotation":      {minimal + "podDefaults: {annotations: {kubernetes.io/config.mirror: x}}\n", []string{"every Pod a mirror Pod"}},
		"unknown sidecar":        {minimal + "sidecars: {lxc: {}}\n", []string{`unknown field "sidecars.lxc"`}},
		"no image":               {minimal + "sidecars: {log: {output: {logstash: {hosts: [h]}}}}\n", []string{"sidecars: sidecar: log: output: host \"h\": write host:port", "log: image is missing"}},
		"opt-in of nothing":      {minimal + "sidecars: {optIn: [log], debug: {}}\n", []string{`sidecars: optIn: "log" is not configured: write some of debug`}},
		"opt-in by no label":     {minimal + "sidecars: {optIn: [debug], debug: {}}\n", []string{"sidecars: optIn: these would be off everywhere; write readNamespaces: true"}},
		"Pod Security":           {minimal + "sidecars: {podSecurity: Baseline, debug: {}}\n", []string{`sidecars: podSecurity "Baseline": write privileged, baseline or restricted`}},
		"unknown renderer":       {minimal + "staticIP: {renderer: flannel}\n", []string{`staticIP: renderer "flannel" is none: write one of antrea, calico, `}},
		"renderer's options":     {minimal + "staticIP: {renderer: calico, rendererOptions: {noIpam: true}}\n", []string{`staticIP: rendererOptions: unknown field "noIpam"`}},
		"multus without network": {minimal + "staticIP: {renderer: multus}\n", []string{"staticIP: options: "}},
		"prefix":                 {minimal + "staticIP: {prefix: a/b}\n", []string{`staticIP: options: prefix "a/b" is not a DNS name`}},
		"mask":                   {minimal + "staticIP: {masks: {ipv4: 33}}\n", []string{"IPv4 mask is 33"}},
		"owner kind":             {minimal + "staticIP: {ownerKinds: [apps.kruise.io/StatefulSet]}\n", []string{`ownerKinds: "apps.kruise.io/StatefulSet" is not group/version/Kind`}},
		"no block":               {minimal + "staticIP: {network: {blocks: [{cidr: ten}]}}\n", []string{`"ten" is neither an address nor a block such as 10.0.0.0/16`}},
		"block without prefix":   {minimal + "staticIP: {network: {blocks: [{name: b}]}}\n", []string{`block "b" has no valid prefix`}},
		"unknown key of network": {minimal + "staticIP: {network: {block: []}}\n", []string{`unknown field "staticIP.network.block"`}},
		"staticIP that ignores":  {minimal + "failurePolicy: Ignore\nstaticIP: {enabled: true}\n", []string{"staticIP with failurePolicy Ignore"}},
		"all at once":            {"name: x\nclientCA: {}\npolicies: {host-prot: {action: deny}}\n", []string{"host-prot", "clientCA.file", `name "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, "config.yaml", c.text)
			r := invoke(t, "", "-config", file)
			require.Equal(t, cli.ExitUsage, r.code)
			require.Empty(t, r.out)
			for _, want := range append(c.want, "configuration "+file+": ") {
				require.Contains(t, r.err, want)
			}
		})
	}
}
