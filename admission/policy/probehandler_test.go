package policy

import "testing"

func TestProbeHandler(t *testing.T) {
	const (
		app = "spec.containers[app]."
		use = ": write one of httpGet, grpc, tcpSocket"
	)
	runCases(t, []specCase{
		{"no probes", ProbeHandler{}, `{containers: [{name: app, lifecycle: {preStop: {exec: {command: [sleep]}}}}]}`, nil},
		{
			"over the network",
			ProbeHandler{},
			`{containers: [{name: app, livenessProbe: {httpGet: {port: 80}}, readinessProbe: {grpc: {port: 80}}, startupProbe: {tcpSocket: {port: 80}}}]}`, nil,
		},
		{
			"exec, without the arguments",
			ProbeHandler{},
			`{initContainers: [{name: sidecar, restartPolicy: Always, startupProbe: {exec: {command: [redis-cli, -a, secret, ping]}}}],
			  containers: [{name: app, livenessProbe: {exec: {}}, readinessProbe: {exec: {command: ["a\nb"]}}}]}`,
			[]string{
				`spec.initContainers[sidecar].startupProbe.exec: exec "redis-cli" starts a process in the container for every probe` + use,
				app + `livenessProbe.exec: exec "" starts a process in the container for every probe` + use,
				app + `readinessProbe.exec: exec "a\nb" starts a process in the container for every probe` + use,
			},
		},
		{"exec allowed", ProbeHandler{Allow: []string{"exec"}}, `{containers: [{name: app, livenessProbe: {exec: {command: ["true"]}}}]}`, nil},
		{
			"others not allowed",
			ProbeHandler{Allow: []string{"grpc", "httpGet"}},
			`{containers: [{name: app, livenessProbe: {tcpSocket: {port: 80}}}]}`,
			[]string{app + "livenessProbe.tcpSocket: tcpSocket is not allowed in probes: write one of grpc, httpGet"},
		},
		{
			"no known handler",
			ProbeHandler{},
			`{containers: [{name: app, livenessProbe: {periodSeconds: 5}}]}`,
			[]string{app + "livenessProbe: the probe has no handler that is known here" + use},
		},
		{
			"several handlers",
			ProbeHandler{},
			`{containers: [{name: app, livenessProbe: {httpGet: {port: 80}, exec: {command: ["true"]}}}]}`,
			[]string{
				app + `livenessProbe.exec: exec "true" starts a process in the container for every probe` + use,
				app + "livenessProbe: the probe has 2 handlers (exec, httpGet): keep one",
			},
		},
		{
			"what needs no probe is judged too",
			ProbeHandler{},
			`{restartPolicy: Never, initContainers: [{name: init, livenessProbe: {}}], ephemeralContainers: [{name: debug, startupProbe: {}}]}`,
			[]string{
				"spec.initContainers[init].livenessProbe: the probe has no handler that is known here" + use,
				"spec.ephemeralContainers[debug].startupProbe: the probe has no handler that is known here" + use,
			},
		},
	})
}

func TestProbeHandlerFields(t *testing.T) {
	requireFields(t, ProbeHandler{}, `{containers: [{name: app, livenessProbe: {exec: {}}, readinessProbe: {}}]}`,
		"containers[app].livenessProbe.exec", "containers[app].readinessProbe")
}

func TestProbeHandlerOptions(t *testing.T) {
	requireProblems(t, ProbeHandler{Allow: []string{"http", "exec", ""}},
		`probe-handler: allow[0] "http": write one of exec, grpc, httpGet, tcpSocket`, `allow[2] ""`)
}
