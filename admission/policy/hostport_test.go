package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHostPort(t *testing.T) {
	some := HostPort{Allow: []string{"8080", "30000-32767"}}
	const advice = ": remove it and expose the port with a Service"
	const use = " is not one of 8080, 30000-32767: use one of these, or remove it and expose the port with a Service"
	useNetwork := strings.Replace(use, "remove it", "remove hostNetwork", 1)
	runCases(t, []specCase{
		{"no ports", HostPort{}, `{containers: [{name: app}]}`, nil},
		{"a container port is no host port", HostPort{}, `{containers: [{name: app, ports: [{containerPort: 80}]}]}`, nil},
		{
			"all kinds of containers",
			HostPort{},
			`{initContainers: [{name: a, ports: [{containerPort: 1, hostPort: 1}]}, {name: b, restartPolicy: Always, ports: [{containerPort: 2, hostPort: 2}]}],
			  containers: [{name: c, ports: [{containerPort: 80}, {containerPort: 3, hostPort: 3}]}],
			  ephemeralContainers: [{name: d, ports: [{containerPort: 4, hostPort: 4}]}]}`,
			[]string{
				"spec.initContainers[a].ports[0].hostPort: hostPort 1 is not allowed" + advice,
				"spec.initContainers[b].ports[0].hostPort: hostPort 2 is not allowed" + advice,
				"spec.containers[c].ports[1].hostPort: hostPort 3 is not allowed" + advice,
				"spec.ephemeralContainers[d].ports[0].hostPort: hostPort 4 is not allowed" + advice,
			},
		},
		{
			"allowed ports and the ends of ranges", some,
			`{containers: [{name: app, ports: [{containerPort: 1, hostPort: 8080}, {containerPort: 1, hostPort: 30000}, {containerPort: 1, hostPort: 32767}]}]}`, nil,
		},
		{
			"beside allowed ports and ranges", some,
			`{containers: [{name: app, ports: [{containerPort: 1, hostPort: 8081}, {containerPort: 1, hostPort: 29999}, {containerPort: 1, hostPort: 32768}]}]}`,
			[]string{
				"spec.containers[app].ports[0].hostPort: hostPort 8081" + use,
				"spec.containers[app].ports[1].hostPort: hostPort 29999" + use,
				"spec.containers[app].ports[2].hostPort: hostPort 32768" + use,
			},
		},
		{
			"hostNetwork makes container ports host ports", some,
			`{hostNetwork: true, initContainers: [{name: init, ports: [{containerPort: 22}]}], containers: [{name: app, ports: [{containerPort: 8080}, {containerPort: 80}]}]}`,
			[]string{
				"spec.initContainers[init].ports[0].containerPort: containerPort 22 is a host port because of hostNetwork, and" + useNetwork,
				"spec.containers[app].ports[1].containerPort: containerPort 80 is a host port because of hostNetwork, and" + useNetwork,
			},
		},
		{
			"hostNetwork, defaulted by the API server",
			HostPort{},
			`{hostNetwork: true, containers: [{name: app, ports: [{containerPort: 80, hostPort: 80}]}]}`,
			[]string{"spec.containers[app].ports[0].hostPort: hostPort 80 is not allowed" + advice},
		},
		{
			"hostNetwork leaves ephemeral containers alone",
			HostPort{},
			`{hostNetwork: true, ephemeralContainers: [{name: debug, ports: [{containerPort: 80}]}]}`, nil,
		},
		{
			"a port out of range is not allowed",
			HostPort{Allow: []string{"1-65535"}},
			`{containers: [{ports: [{containerPort: 1, hostPort: -1}, {containerPort: 1, hostPort: 65536}, {containerPort: 1, hostPort: 65535}]}]}`,
			[]string{
				"spec.containers[0].ports[0].hostPort: hostPort -1 is not one of 1-65535: use one of these, or remove it and expose the port with a Service",
				"spec.containers[0].ports[1].hostPort: hostPort 65536 is not one of 1-65535: use one of these, or remove it and expose the port with a Service",
			},
		},
	})
}

func TestHostPortFields(t *testing.T) {
	requireFields(t, HostPort{},
		`{hostNetwork: true, containers: [{name: app, ports: [{containerPort: 80}, {containerPort: 81, hostPort: 81}]}]}`,
		"containers[app].ports[0].containerPort", "containers[app].ports[1].hostPort")
}

func TestHostPortOptions(t *testing.T) {
	for _, text := range []string{"", "0", "65536", "80-", "-80", "90-80", "http", "1-2-3", " 80", "+80", "0-10"} {
		requireProblems(t, HostPort{Allow: []string{"80", text}}, "host-port: allow[1]", quote(text))
	}
	requireProblems(t, HostPort{Allow: []string{"a", "80", "b"}}, `allow[0] "a"`, `allow[2] "b"`)

	allow := []string{"80"}
	c := mustCheck(t, HostPort{Allow: allow})
	allow[0] = "90"
	spec := parsePod(t, `{containers: [{ports: [{containerPort: 1, hostPort: 80}]}]}`)
	require.Empty(t, c.Evaluate(podSubject(spec)), "the check has its options to itself")
}
