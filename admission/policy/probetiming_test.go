package policy

import "testing"

func TestProbeTiming(t *testing.T) {
	const app = "spec.containers[app]."
	runCases(t, []specCase{
		{"the API's defaults", ProbeTiming{}, `{containers: [{name: app, livenessProbe: {}, readinessProbe: {}, startupProbe: {}}]}`, nil},
		{"at the bounds", ProbeTiming{}, `{containers: [{name: app, livenessProbe: {periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 5}, readinessProbe: {periodSeconds: 300}, startupProbe: {periodSeconds: 1, failureThreshold: 3600}}]}`, nil},
		{
			"timeouts longer than the period",
			ProbeTiming{},
			`{containers: [{name: app, livenessProbe: {timeoutSeconds: 11}, readinessProbe: {periodSeconds: 5, timeoutSeconds: 6}}]}`,
			[]string{
				app + "livenessProbe.timeoutSeconds: timeoutSeconds 11 is more than periodSeconds 10: write 10 or less",
				app + "readinessProbe.timeoutSeconds: timeoutSeconds 6 is more than periodSeconds 5: write 5 or less",
			},
		},
		{
			"periods",
			ProbeTiming{},
			`{containers: [{name: app, livenessProbe: {periodSeconds: 1, failureThreshold: 30}, readinessProbe: {periodSeconds: 1}, startupProbe: {periodSeconds: 1, failureThreshold: 30}}],
			  initContainers: [{name: sidecar, restartPolicy: Always, readinessProbe: {periodSeconds: 10000}}]}`,
			[]string{
				"spec.initContainers[sidecar].readinessProbe.periodSeconds: periodSeconds 10000 probes too rarely: write 300 or less",
				app + "livenessProbe.periodSeconds: periodSeconds 1 probes too often: write 2 or more",
				app + "readinessProbe.periodSeconds: periodSeconds 1 probes too often: write 2 or more",
			},
		},
		{
			"restarts after a hiccup",
			ProbeTiming{},
			`{containers: [{name: app, livenessProbe: {periodSeconds: 3}, readinessProbe: {periodSeconds: 3, failureThreshold: 1}, startupProbe: {periodSeconds: 3, failureThreshold: 2}}]}`,
			[]string{
				app + "livenessProbe.failureThreshold: failureThreshold 3 × periodSeconds 3 restarts the container after 9 s: allow it 10 s or more",
				app + "startupProbe.failureThreshold: failureThreshold 2 × periodSeconds 3 restarts the container after 6 s: allow it 10 s or more",
			},
		},
		{"the initial delay counts at start only", ProbeTiming{}, `{containers: [{name: app, startupProbe: {initialDelaySeconds: 7, periodSeconds: 1}, livenessProbe: {initialDelaySeconds: 100, periodSeconds: 3}}]}`, []string{
			app + "livenessProbe.failureThreshold: failureThreshold 3 × periodSeconds 3 restarts the container after 9 s: allow it 10 s or more",
		}},
		{
			"hangs at start",
			ProbeTiming{},
			`{containers: [{name: app, startupProbe: {initialDelaySeconds: 1, failureThreshold: 360}}]}`,
			[]string{app + "startupProbe.failureThreshold: failureThreshold 360 × periodSeconds 10 lets the container hang for 3601 s at start: allow it 3600 s or less"},
		},
		{
			"no overflow",
			ProbeTiming{},
			`{containers: [{name: app, startupProbe: {failureThreshold: 2147483647, periodSeconds: 300}}]}`,
			[]string{app + "startupProbe.failureThreshold: failureThreshold 2147483647 × periodSeconds 300 lets the container hang for 644245094100 s at start: allow it 3600 s or less"},
		},
		{
			"own bounds",
			ProbeTiming{MinPeriodSeconds: 5, MaxPeriodSeconds: 20, MinRestartSeconds: 60, MaxStartupSeconds: 90},
			`{containers: [{name: app, livenessProbe: {periodSeconds: 4, failureThreshold: 15}, readinessProbe: {periodSeconds: 21}, startupProbe: {failureThreshold: 5}}]}`,
			[]string{
				app + "livenessProbe.periodSeconds: periodSeconds 4 probes too often: write 5 or more",
				app + "readinessProbe.periodSeconds: periodSeconds 21 probes too rarely: write 20 or less",
				app + "startupProbe.failureThreshold: failureThreshold 5 × periodSeconds 10 restarts the container after 50 s: allow it 60 s or more",
			},
		},
	})
}

func TestProbeTimingFields(t *testing.T) {
	requireFields(t, ProbeTiming{}, `{containers: [{name: app, livenessProbe: {periodSeconds: 1, timeoutSeconds: 5}}]}`,
		"containers[app].livenessProbe.timeoutSeconds", "containers[app].livenessProbe.periodSeconds", "containers[app].livenessProbe.failureThreshold")
}

func TestProbeTimingOptions(t *testing.T) {
	requireProblems(t, ProbeTiming{MinPeriodSeconds: -1, MaxPeriodSeconds: -2, MinRestartSeconds: -3, MaxStartupSeconds: -4},
		"probe-timing: minPeriodSeconds -1", "maxPeriodSeconds -2", "minRestartSeconds -3", "maxStartupSeconds -4")
	requireProblems(t, ProbeTiming{MinPeriodSeconds: 301, MinRestartSeconds: 4000},
		"minPeriodSeconds 301 is more than maxPeriodSeconds 300", "minRestartSeconds 4000 is more than maxStartupSeconds 3600")
}
