package policy

import "testing"

func TestProbeHost(t *testing.T) {
	const advice = "makes the kubelet ask another address: remove it, the default is the Pod's own"
	runCases(t, []specCase{
		{
			"unset",
			ProbeHost{},
			`{containers: [{name: app, livenessProbe: {httpGet: {port: 80}}, readinessProbe: {tcpSocket: {port: 80}}, startupProbe: {exec: {}}, lifecycle: {postStart: {httpGet: {port: 80, host: ""}}, preStop: {sleep: {seconds: 1}}}}]}`, nil,
		},
		{
			"in every probe and hook",
			ProbeHost{},
			`{initContainers: [{name: init, readinessProbe: {tcpSocket: {port: 80, host: a}}}],
			  containers: [{name: app, livenessProbe: {httpGet: {port: 80, host: b}, tcpSocket: {port: 80, host: c}}, startupProbe: {httpGet: {port: 80, host: d}},
			    lifecycle: {postStart: {tcpSocket: {port: 80, host: e}}, preStop: {httpGet: {port: 80, host: f}}}}],
			  ephemeralContainers: [{name: debug, livenessProbe: {httpGet: {port: 80, host: g}}}]}`,
			[]string{
				`spec.initContainers[init].readinessProbe.tcpSocket.host: host "a" ` + advice,
				`spec.containers[app].livenessProbe.httpGet.host: host "b" ` + advice,
				`spec.containers[app].livenessProbe.tcpSocket.host: host "c" ` + advice,
				`spec.containers[app].startupProbe.httpGet.host: host "d" ` + advice,
				`spec.containers[app].lifecycle.postStart.tcpSocket.host: host "e" ` + advice,
				`spec.containers[app].lifecycle.preStop.httpGet.host: host "f" ` + advice,
				`spec.ephemeralContainers[debug].livenessProbe.httpGet.host: host "g" ` + advice,
			},
		},
		{
			"allowed",
			ProbeHost{Allow: []string{"127.0.0.1"}},
			`{containers: [{name: app, livenessProbe: {httpGet: {port: 80, host: 127.0.0.1}}, readinessProbe: {httpGet: {port: 80, host: localhost}}}]}`,
			[]string{`spec.containers[app].readinessProbe.httpGet.host: host "localhost" ` + advice + ", or use one of 127.0.0.1"},
		},
	})
}

func TestProbeHostFields(t *testing.T) {
	requireFields(t, ProbeHost{}, `{containers: [{name: app, livenessProbe: {httpGet: {port: 80, host: a}}, lifecycle: {preStop: {tcpSocket: {port: 80, host: b}}}}]}`,
		"containers[app].livenessProbe.httpGet.host", "containers[app].lifecycle.preStop.tcpSocket.host")
}

func TestProbeHostOptions(t *testing.T) {
	requireProblems(t, ProbeHost{Allow: []string{"a", ""}}, `probe-host: allow[1] ""`)
}
