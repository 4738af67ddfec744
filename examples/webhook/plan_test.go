package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

// TestPlan compares what is printed with testdata/golden.
func TestPlan(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"redis":                 {[]string{"-rows", "-f", "testdata/plan/redis.yaml"}, cli.ExitOK},
		"conflict":              {[]string{"-f", "testdata/plan/conflict.yaml"}, cli.ExitFailed},
		"directory":             {[]string{"-o", "json", "-rows", "testdata/plan"}, cli.ExitFailed},
		"reservations-calico":   {[]string{"-reservations", "calico", "testdata/plan/redis.yaml"}, cli.ExitOK},
		"reservations-kube-ovn": {[]string{"-reservations", "kube-ovn", "testdata/plan/redis.yaml"}, cli.ExitOK},
		"reservations-cilium":   {[]string{"-reservations", "cilium", "testdata/plan/redis.yaml"}, cli.ExitOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, "", append([]string{"plan"}, c.args...)...)
			require.Equal(t, c.code, r.code, r.err)
			require.Empty(t, r.err)
			golden(t, "plan-"+name+".txt", r.out)
		})
	}
}

// TestPlanHelp keeps the worked example of -h true.
func TestPlanHelp(t *testing.T) {
	shown := invoke(t, "", "plan", "-rows", "-f", "testdata/plan/redis.yaml").out
	help := invoke(t, "", "plan", "-h").out
	for line := range strings.Lines(shown) {
		require.Contains(t, help, strings.TrimRight("  "+line, " \n")+"\n")
	}
}

func TestPlanDoesNotDependOnTheOrder(t *testing.T) {
	forth := invoke(t, "", "plan", "-rows", "testdata/plan/redis.yaml", "testdata/plan/conflict.yaml")
	back := invoke(t, "", "plan", "-rows", "testdata/plan/conflict.yaml", "testdata/plan/redis.yaml")
	require.Equal(t, forth, back)
}

// TestPlanReservationsTellOfProblems where they do not get into what is applied.
func TestPlanReservationsTellOfProblems(t *testing.T) {
	r := invoke(t, "", "plan", "-reservations", "cidr", "testdata/plan/conflict.yaml")
	require.Equal(t, cli.ExitFailed, r.code)
	require.Contains(t, r.err, "error   Conflict: StatefulSet shop/")
	require.NotContains(t, r.out, "error")
	require.Contains(t, r.out, "172.16.0.1/32\n")
}

const planSetOf = `
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s, annotations: {staticip.kubewright.io/pool: "10.0.0.1-10.0.0.9"}}
spec: {replicas: 1}
`

// TestPlanReads is what else than StatefulSets and IPPools has a say.
func TestPlanReads(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
		code int
	}{
		"the set alone": {"", []string{"default/s    0         0      9     0     8", "0 errors, 0 warnings"}, cli.ExitOK},
		"strict affinity": {
			"{apiVersion: projectcalico.org/v3, kind: IPAMConfiguration, metadata: {name: default}, spec: {strictAffinity: true}}",
			[]string{"warning StrictAffinity: ", "0 errors, 1 warning\n"},
			cli.ExitOK,
		},
		"Subnet": {
			"{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: ovn}, spec: {cidrBlock: '10.0.0.0/24,fd00::/64', gateway: '10.0.0.1,fd00::1'}}",
			[]string{"error   Reserved: ", "gateway of Subnet ovn"},
			cli.ExitFailed,
		},
		"ServiceCIDR": {
			"{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: kubernetes}, spec: {cidrs: [10.0.0.0/28]}}",
			[]string{"error   Reserved: ", "ServiceCIDR kubernetes 10.0.0.0/28"},
			cli.ExitFailed,
		},
		"headless Service": {"{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: None, clusterIPs: [None]}}", []string{"0 errors"}, cli.ExitOK},
		"Pod of the set":   {"{apiVersion: v1, kind: Pod, metadata: {name: s-0}, status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}}", []string{"0 errors"}, cli.ExitOK},
		"another's Pod":    {"{apiVersion: v1, kind: Pod, metadata: {name: t-0}, status: {podIP: 10.0.0.1}}", []string{"is in use by Pod default/t-0"}, cli.ExitFailed},
		"a Pod that waits": {`{apiVersion: v1, kind: Pod, metadata: {name: t-0, annotations: {cni.projectcalico.org/ipAddrs: '["10.0.0.1"]'}}}`, []string{"10.0.0.1 (ordinal 0) is in use by Pod default/t-0"}, cli.ExitFailed},
		"a Pod that waits for one that has it": {
			`{apiVersion: v1, kind: Pod, metadata: {name: r-0, annotations: {cni.projectcalico.org/ipAddrs: '["10.0.0.1"]'}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: t-0}, status: {podIP: 10.0.0.1}}`,
			[]string{"10.0.0.1 (ordinal 0) is in use by Pod default/t-0"},
			cli.ExitFailed,
		},
		"two say they have it": {
			`{apiVersion: v1, kind: Pod, metadata: {name: t-0}, status: {podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: r-0}, status: {podIP: 10.0.0.1}}`,
			[]string{"10.0.0.1 (ordinal 0) is in use by Pod default/r-0"},
			cli.ExitFailed,
		},
		"host network": {"{apiVersion: v1, kind: Pod, metadata: {name: t-0}, spec: {hostNetwork: true}, status: {podIP: 10.0.0.1}}", []string{"0 errors"}, cli.ExitOK},
		"manual block": {"{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.0.0.0/24, assignmentMode: Manual}}", []string{"0 errors"}, cli.ExitOK},
		"IPPool on its way out": {
			"{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: p, deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: {cidr: 10.0.0.0/24}}",
			[]string{"is in IPPool p 10.0.0.0/24, which is disabled"},
			cli.ExitFailed,
		},
		"one pool, two groups": {
			`{apiVersion: crd.projectcalico.org/v1, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.1.0.0/24}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.1.0.0/24}}`,
			[]string{"write addresses of IPPool p 10.1.0.0/24\n"},
			cli.ExitFailed,
		},
		"not its own kind": {"{apiVersion: apps.kruise.io/v1beta1, kind: StatefulSet, metadata: {name: k}}", []string{"1 StatefulSet, 1 with a pool"}, cli.ExitOK},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, c.text+planSetOf, "plan", "-f", "-")
			for _, want := range c.want {
				require.Contains(t, r.out, want)
			}
			require.Empty(t, r.err)
			require.Equal(t, c.code, r.code)
		})
	}
}

// TestPlanWithConfig uses the section staticIP, which need not be enabled.
func TestPlanWithConfig(t *testing.T) {
	config := writeFile(t, "c.yaml", minimal+`staticIP:
  prefix: ip.example.org
  masks: {ipv4: 24}
  ownerKinds: [apps.kruise.io/v1beta1/StatefulSet]
  network: {reserved: [{name: router, cidr: 10.0.0.3}]}
`)
	kruise := `{"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet","metadata":{"name":"k","annotations":{"ip.example.org/pool":"10.0.0.1-10.0.0.9"}},
		"spec":{"replicas":2,"reserveOrdinals":[0,"2-3"]}}`
	r := invoke(t, kruise, "plan", "-config", config, "-namespace", "shop", "-rows", "-f", "-")
	require.Zero(t, r.code, r.out)
	require.Contains(t, r.out, "shop/k-1  10.0.0.2/24  -\n")
	require.Contains(t, r.out, "shop/k-4  10.0.0.5/24  -\n")
	require.Contains(t, r.out, "warning Reserved: StatefulSet.apps.kruise.io shop/k: ")
	require.Contains(t, r.out, "is reserved: router 10.0.0.3/32")

	r = invoke(t, strings.Replace(kruise, "2-3", "3-2", 1), "plan", "-config", config, "-f", "-")
	require.Zero(t, r.code, r.out)
	require.Contains(t, r.err, `note: StatefulSet.apps.kruise.io default/k: spec.reserveOrdinals: "3-2" is no range such as "3-5"`)
	require.Contains(t, r.out, "default/k    0-1 ", "OpenKruise reserves none then")
}

// TestPlanOfASetListedTwice does not let it conflict with itself.
func TestPlanOfASetListedTwice(t *testing.T) {
	r := invoke(t, planSetOf+strings.Replace(planSetOf, "name: s,", "name: s, namespace: default, uid: u,", 1), "plan", "-f", "-")
	require.Zero(t, r.code, r.out+r.err)
	require.Contains(t, r.out, "1 StatefulSet, 1 with a pool: 0 errors, 0 warnings")

	r = invoke(t, planSetOf+strings.Replace(planSetOf, "replicas: 1", "replicas: 2", 1), "plan", "-f", "-")
	require.Equal(t, cli.ExitUsage, r.code)
	require.Contains(t, r.err, "StatefulSet default/s is listed twice, and not the same; only the first is planned for")
	require.Contains(t, r.out, "1 StatefulSet, 1 with a pool: 0 errors, 0 warnings")
}

// TestPlanProblemsAreCounted where one object has too many to print.
func TestPlanProblemsAreCounted(t *testing.T) {
	wrong := but(planSetOf, "10.0.0.1-10.0.0.9", strings.Repeat("10.0.0.256,", 1000)) + but(planSetOf, "name: s", "name: t")
	r := invoke(t, wrong, "plan", "-f", "-")
	require.Equal(t, cli.ExitFailed, r.code)
	require.Equal(t, 20, strings.Count(r.out, "error   BadAddress: StatefulSet default/s: "))
	require.Contains(t, r.out, "\n... and of StatefulSet default/s 980 errors and 0 warnings more: -o json has all\n")
	require.Contains(t, r.out, "2 StatefulSets, 1 with a pool: 1000 errors, 0 warnings\n")
	require.Contains(t, invoke(t, wrong, "plan", "-reservations", "cidr", "-f", "-").err, "... and of StatefulSet default/s 980 errors")
	var printed planReport
	require.NoError(t, json.Unmarshal([]byte(invoke(t, wrong, "plan", "-o", "json", "-f", "-").out), &printed))
	require.Len(t, printed.Problems, 1000)
}

// TestPlanIsBounded by what can be printed, not by the replicas of a StatefulSet.
func TestPlanIsBounded(t *testing.T) {
	huge := but(planSetOf, "10.0.0.1-10.0.0.9", "fd00::/64", "replicas: 1", "replicas: 2147483647")
	for _, args := range [][]string{{"-rows"}, {"-rows", "-o", "json"}, {"-reservations", "cilium"}, {"-reservations", "spiderpool"}} {
		r := invoke(t, huge, append([]string{"plan", "-f", "-"}, args...)...)
		require.Equal(t, cli.ExitUsage, r.code)
		require.Empty(t, r.out)
		require.Contains(t, r.err, args[0])
		require.Contains(t, r.err, "there are more than 100000 ")
	}
	for _, args := range [][]string{{}, {"-reservations", "calico"}} {
		require.Zero(t, invoke(t, huge, append([]string{"plan", "-f", "-"}, args...)...).code)
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no StatefulSet":   {"{apiVersion: v1, kind: Namespace, metadata: {name: shop}}", "there is no StatefulSet in the input"},
		"no YAML":          {"a: [\n", "standard input: yaml: line 1"},
		"wrong type":       {"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}, spec: {replicas: three}}", "standard input: StatefulSet s: not a StatefulSet: json: "},
		"a block is none":  {"{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: p}, spec: {cidr: 10.0.0}}", `IPPool p: "10.0.0" is neither an address nor a block`},
		"a Subnet is none": {"{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: p}, spec: {cidrBlock: x}}", `Subnet p: "x" is neither`},
	} {
		t.Run(name, func(t *testing.T) {
			r := invoke(t, c.text, "plan", "-f", "-")
			require.Contains(t, r.err, c.want)
			require.Equal(t, cli.ExitUsage, r.code)
		})
	}
	r := invoke(t, "", "plan", "-o", "json", "/does/not/exist", "testdata/plan/redis.yaml")
	require.Equal(t, cli.ExitUsage, r.code)
	require.Contains(t, r.err, "/does/not/exist")
	var printed planReport
	require.NoError(t, json.Unmarshal([]byte(r.out), &printed), "what could be read")
	require.Equal(t, 1, printed.Summary.WithPool)
}
