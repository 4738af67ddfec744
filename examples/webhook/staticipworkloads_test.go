package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/admission"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// TestStatefulSets is what is said of StatefulSets, of both groups.
func TestStatefulSets(t *testing.T) {
	inTemplate := `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: redis}, spec: {replicas: 4, template: {metadata: {annotations: {staticip.kubewright.io/pool: "10.0.0.10-10.0.0.12"}}}}}`
	for name, c := range map[string]struct {
		set, old string
		refused  string
		warned   string
	}{
		"good":               {redis, "", "", ""},
		"no pool":            {`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: plain}, spec: {replicas: 9}}`, "", "", ""},
		"too many replicas":  {but(redis, "replicas: 3", "replicas: 4"), "", "metadata.annotations[staticip.kubewright.io/pool]: ordinal 3: no address", ""},
		"replicas default":   {but(redis, "{replicas: 3}", "{}"), "", "", ""},
		"in the template":    {inTemplate, "", "spec.template.metadata.annotations[staticip.kubewright.io/pool]: ordinal 3: no address", ""},
		"not a pool":         {but(redis, "10.0.0.10-10.0.0.12", "10.0.0.10-12"), "", "write 10.0.0.10-10.0.0.12 (staticip.Shorthand)", ""},
		"outside":            {but(redis, "10.0.0.10-10.0.0.12", "10.1.0.10-10.1.0.12"), "", "write addresses of default 10.0.0.0/16 (staticip.OutsideCNI)", ""},
		"reserved":           {but(redis, "10.0.0.10-10.0.0.12", "10.0.0.1-10.0.0.3"), "", "is reserved: router 10.0.0.1/32", ""},
		"host network":       {but(redis, "replicas: 3", "replicas: 3, template: {spec: {hostNetwork: true}}"), "", "the template uses hostNetwork", ""},
		"from ordinal 2":     {but(redis, "replicas: 3", "replicas: 2, ordinals: {start: 2}"), "", "ordinal 3: no address", ""},
		"unknown annotation": {but(redis, "/pool", "/pol"), "", "staticip.kubewright.io/pol", ""},
		"appended":           {but(redis, "10.0.0.12", "10.0.0.15", "replicas: 3", "replicas: 6"), redis, "", ""},
		"shifted":            {but(redis, "10.0.0.10-", "10.0.0.9-"), redis, "(staticip.Moves)", ""},
		"trouble before":     {but(redis, "replicas: 3", "replicas: 4"), but(redis, "replicas: 3", "replicas: 5"), "", "ordinal 3: no address"},
	} {
		for group, change := range map[string]func(string) string{
			"apps":           func(s string) string { return s },
			"apps.kruise.io": func(s string) string { return strings.Replace(s, "apps/v1", "apps.kruise.io/v1beta1", 1) },
		} {
			t.Run(group+"/"+name, func(t *testing.T) {
				allowed, text, _ := newFixed(t).said(t, request(t, change(c.set), change(c.old)))
				require.Equal(t, c.refused == "", allowed, text)
				require.Contains(t, text, c.refused)
				require.Contains(t, text, c.warned)
				if c.refused+c.warned == "" {
					require.Empty(t, text)
				}
			})
		}
	}
}

// TestUnreadableAdvancedStatefulSet is of a kind that nothing else has checked.
func TestUnreadableAdvancedStatefulSet(t *testing.T) {
	kruise := strings.Replace(redis, "apps/v1", "apps.kruise.io/v1beta1", 1)
	wrong := but(kruise, "replicas: 3", "replicas: many")
	allowed, text, _ := newFixed(t).said(t, request(t, wrong, ""))
	require.False(t, allowed)
	require.Contains(t, text, "not a StatefulSet: json: ")
	allowed, text, _ = newFixed(t).said(t, request(t, kruise, wrong))
	require.True(t, allowed, text)
	allowed, text, _ = newFixed(t).said(t, request(t, wrong, wrong))
	require.True(t, allowed, "it may be on its way out")
	require.Contains(t, text, "not a StatefulSet: json: ")
	allowed, text, _ = newFixed(t).said(t, request(t, but(wrong, "staticip.kubewright.io", "example.com"), ""))
	require.True(t, allowed, "it asks for nothing")
	require.Empty(t, text)
}

// TestReserveOrdinals are read as OpenKruise reads them.
func TestReserveOrdinals(t *testing.T) {
	with := func(list string) string {
		return but(strings.Replace(redis, "apps/v1", "apps.kruise.io/v1beta1", 1), "replicas: 3", "replicas: 2, reserveOrdinals: "+list)
	}
	for list, want := range map[string]string{
		`[1]`:        "",
		`["1-1"]`:    "",
		`[1, "0-0"]`: "ordinal 3: no address",
		`["0-1"]`:    "ordinal 3: no address",
		`["1"]`:      `spec.reserveOrdinals: "1" is no range`,
		`[0, "1"]`:   "no ordinal is reserved",
		`["5-3"]`:    `"5-3" is no range`,
		`["x"]`:      `"x" is no range`,
	} {
		t.Run(list, func(t *testing.T) {
			allowed, text, _ := newFixed(t).said(t, request(t, with(list), ""))
			require.Equal(t, !strings.HasPrefix(want, "ordinal"), allowed, text)
			require.Contains(t, text, want)
			allowed, text, _ = newFixed(t).said(t, request(t, but(with(list), "staticip.kubewright.io", "example.com"), ""))
			require.True(t, allowed, "it asks for nothing")
			require.Empty(t, text)
		})
	}
}

// TestOthersAreRefused is every workload without ordinals, with the annotation where people write it.
func TestOthersAreRefused(t *testing.T) {
	const inTemplate = `{apiVersion: %v, kind: %k, metadata: {name: web}, spec: {template: {metadata: {annotations: {staticip.kubewright.io/pool: 10.0.0.1}}}}}`
	of := func(text, version, kind string) string { return but(text, "%v", version, "%k", kind) }
	inMetadata := `{apiVersion: %v, kind: %k, metadata: {name: web, annotations: {staticip.kubewright.io/pool: 10.0.0.1}}, spec: {}}`
	for name, c := range map[string]struct{ text, want string }{
		"Deployment":            {of(inTemplate, "apps/v1", "Deployment"), `staticip.kubewright.io/pool: "10.0.0.1": is a Deployment, whose Pods have random names`},
		"Deployment's metadata": {of(inMetadata, "apps/v1", "Deployment"), `metadata.annotations[staticip.kubewright.io/pool]: "10.0.0.1": is a Deployment`},
		"DaemonSet":             {of(inTemplate, "apps/v1", "DaemonSet"), "is a DaemonSet, whose Pods have random names, one for each node"},
		"ReplicaSet":            {of(inTemplate, "apps/v1", "ReplicaSet"), "is a ReplicaSet"},
		"ReplicationController": {of(inTemplate, "v1", "ReplicationController"), "is a ReplicationController"},
		"without template":      {of(inMetadata, "v1", "ReplicationController"), "is a ReplicationController"},
		"Job":                   {of(inTemplate, "batch/v1", "Job"), "is a Job"},
		"CronJob":               {but(of(inTemplate, "batch/v1", "CronJob"), "spec: {template: {", "spec: {jobTemplate: {spec: {template: {", "}}}}}", "}}}}}}}"), "is a CronJob"},
		"CloneSet":              {of(inTemplate, "apps.kruise.io/v1alpha1", "CloneSet"), "is a CloneSet, whose Pods have random names"},
		"CloneSet's metadata":   {of(inMetadata, "apps.kruise.io/v1alpha1", "CloneSet"), "is a CloneSet, whose Pods have random names"},
		"Advanced DaemonSet":    {of(inTemplate, "apps.kruise.io/v1alpha1", "DaemonSet"), "is a DaemonSet, of API version apps.kruise.io/v1alpha1, which is not known to give its Pods ordinals here"},
		"BroadcastJob":          {of(inTemplate, "apps.kruise.io/v1alpha1", "BroadcastJob"), "is a BroadcastJob, of API version"},
		"CronJob's Jobs":        {but(of(inTemplate, "batch/v1", "CronJob"), "template:", "jobTemplate:"), "is a CronJob"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixed(t)
			allowed, text, _ := f.said(t, request(t, c.text, ""))
			require.False(t, allowed)
			require.Contains(t, text, c.want)
			without := but(c.text, "staticip.kubewright.io/pool", "example.com/pool")
			allowed, _, _ = f.said(t, request(t, c.text, without))
			require.False(t, allowed, "added later")
			allowed, text, _ = f.said(t, request(t, c.text, c.text))
			require.True(t, allowed, "it was there before")
			require.Contains(t, text, c.want)
			allowed, text, _ = f.said(t, request(t, but(c.text, "10.0.0.1", "none"), ""))
			require.True(t, allowed, text)
			allowed, text, _ = f.said(t, request(t, without, c.text))
			require.True(t, allowed)
			require.Empty(t, text)
		})
	}
}

// TestOldDeploymentsRollOut: the Deployment controller copies annotations to ReplicaSets, but not to Pods.
func TestOldDeploymentsRollOut(t *testing.T) {
	const owner = `metadata: {ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true}], `
	replicaSet := withPool(`{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1}, spec: {}}`)
	allowed, text, _ := newFixed(t).said(t, request(t, but(replicaSet, "metadata: {", owner), ""))
	require.True(t, allowed, text)
	require.Contains(t, text, "is a ReplicaSet")
	allowed, _, _ = newFixed(t).said(t, request(t, replicaSet, ""))
	require.False(t, allowed, "nobody's")
	inTemplate := but(withPool(`{apiVersion: apps/v1, kind: ReplicaSet, spec: {template: {metadata: {}}}}`), "kind: ReplicaSet, ", "kind: ReplicaSet, metaData: {name: web-1}, ")
	inTemplate = but(inTemplate, "metaData: {", owner)
	allowed, _, _ = newFixed(t).said(t, request(t, inTemplate, ""))
	require.False(t, allowed, "its Pods would be refused")
}

// TestReviewOfFixedAddresses judges without a cluster: the input is all there is.
func TestReviewOfFixedAddresses(t *testing.T) {
	config := writeFile(t, "c.yaml", staticIPConfig)
	pod := but(owned, "name: redis-1", "name: redis-1, namespace: shop")
	r := invoke(t, pod+"\n---\n"+but(redis, "uid: uid-1, ", "")+"\n", "review", "-config", config, "-f", "-")
	require.Zero(t, r.code, r.out+r.err)
	require.Contains(t, r.out, `+    cni.projectcalico.org/ipAddrs: '["10.0.0.11"]'`, "the StatefulSet may come later")

	r = invoke(t, pod, "review", "-config", config, "-f", "-")
	require.Zero(t, r.code, r.err)
	require.Contains(t, r.out, "  warn  staticip: StatefulSet shop/redis is not in the input, so it is not known which address the Pod gets, if any\n")

	r = invoke(t, but(redis, "replicas: 3", "replicas: 7"), "review", "-config", config, "-f", "-")
	require.Equal(t, cli.ExitFailed, r.code)
	require.Contains(t, r.out, "  deny  staticip.BeyondPool: metadata.annotations[staticip.kubewright.io/pool]: ")
}

func TestStaticIPConfig(t *testing.T) {
	const on = "name: x.y\nstaticIP: {enabled: true, "
	for name, text := range map[string]string{
		"calico":     on + "renderer: calico, rendererOptions: {noIPAM: true}}\n",
		"kube-ovn":   on + "renderer: kube-ovn, rendererOptions: {provider: a.b.ovn, subnet: s, interface: net1}}\n",
		"antrea":     on + "renderer: antrea, rendererOptions: {pools: [a, b]}}\n",
		"multus":     on + "renderer: multus, masks: {ipv4: 24, ipv6: 64}, rendererOptions: {network: nad, namespace: infra, attachment: true, interface: eth1}}\n",
		"spiderpool": on + "renderer: spiderpool, rendererOptions: {interface: eth0}}\n",
		"cilium":     on + "renderer: cilium}\n",
		"template":   on + "renderer: template, rendererOptions: {example.com/ip: $(v4)}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseConfig([]byte(text))
			require.NoError(t, err)
			m, err := c.manifests(admission.ManifestOptions{URL: "https://localhost"})
			require.NoError(t, err)
			require.NotNil(t, m.Mutating)
		})
	}
	c, err := parseConfig([]byte(minimal + "staticIP: {enabled: false}\n"))
	require.NoError(t, err)
	m, err := c.manifests(admission.ManifestOptions{URL: "https://localhost"})
	require.NoError(t, err)
	require.Nil(t, m.Mutating, "off is off")
}
