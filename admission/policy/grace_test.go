package policy

import "testing"

func TestTerminationGrace(t *testing.T) {
	const (
		pod   = "spec.terminationGracePeriodSeconds: terminationGracePeriodSeconds "
		probe = "spec.containers[app].livenessProbe.terminationGracePeriodSeconds: terminationGracePeriodSeconds "
	)
	runCases(t, []specCase{
		{"unset", TerminationGrace{}, `{containers: [{name: app, livenessProbe: {}}]}`, nil},
		{"at the lower bound", TerminationGrace{}, `{terminationGracePeriodSeconds: 1}`, nil},
		{"at the upper bound", TerminationGrace{}, `{terminationGracePeriodSeconds: 600}`, nil},
		{"zero", TerminationGrace{}, `{terminationGracePeriodSeconds: 0}`, []string{pod + "0 is out of bounds: write 1 to 600"}},
		{"negative", TerminationGrace{}, `{terminationGracePeriodSeconds: -1}`, []string{pod + "-1 is out of bounds: write 1 to 600"}},
		{"too long", TerminationGrace{}, `{terminationGracePeriodSeconds: 601}`, []string{pod + "601 is out of bounds: write 1 to 600"}},
		{"unset and too short", TerminationGrace{MinSeconds: 60}, `{}`, []string{pod + "30 (unset) is out of bounds: write 60 to 600"}},
		{"unset and too long", TerminationGrace{MaxSeconds: 20}, `{}`, []string{pod + "30 (unset) is out of bounds: write 1 to 20"}},
		{
			"of probes",
			TerminationGrace{MinSeconds: 5, MaxSeconds: 60},
			`{initContainers: [{name: sidecar, restartPolicy: Always, startupProbe: {terminationGracePeriodSeconds: 1}}], containers: [{name: app, livenessProbe: {terminationGracePeriodSeconds: 61}, startupProbe: {terminationGracePeriodSeconds: 5}}]}`,
			[]string{
				"spec.initContainers[sidecar].startupProbe.terminationGracePeriodSeconds: terminationGracePeriodSeconds 1 is out of bounds: write 5 to 60",
				probe + "61 is out of bounds: write 5 to 60",
			},
		},
	})
}

func TestTerminationGraceFields(t *testing.T) {
	requireFields(t, TerminationGrace{}, `{terminationGracePeriodSeconds: 0, containers: [{name: app, livenessProbe: {terminationGracePeriodSeconds: 0}}]}`,
		"terminationGracePeriodSeconds", "containers[app].livenessProbe.terminationGracePeriodSeconds")
}

func TestTerminationGraceOptions(t *testing.T) {
	requireProblems(t, TerminationGrace{MinSeconds: -1, MaxSeconds: -1}, "termination-grace: minSeconds -1", "maxSeconds -1")
	requireProblems(t, TerminationGrace{MinSeconds: 601}, "minSeconds 601 is more than maxSeconds 600")
}
