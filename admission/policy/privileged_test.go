package policy

import "testing"

func TestPrivileged(t *testing.T) {
	const (
		remove = "privileged true gives the container the whole node: remove it, and add the capabilities it needs"
		unmask = `procMount "Unmasked" shows what the runtime hides in /proc: remove it, or set hostUsers: false`
		unset  = "allowPrivilegeEscalation is unset, which means true: write allowPrivilegeEscalation: false"
	)
	strict := Privileged{RequireNoEscalation: true}
	runCases(t, []specCase{
		{"no security context", Privileged{}, `{containers: [{name: app}]}`, nil},
		{
			"harmless values",
			Privileged{},
			`{hostUsers: true, securityContext: {windowsOptions: {hostProcess: false}},
			  containers: [{name: app, securityContext: {privileged: false, procMount: Default, allowPrivilegeEscalation: true, windowsOptions: {}}}]}`, nil,
		},
		{
			"all kinds of containers",
			Privileged{},
			`{initContainers: [{name: a, securityContext: {privileged: true}}, {name: b, restartPolicy: Always, securityContext: {privileged: true}}],
			  containers: [{name: c, securityContext: {privileged: true}}], ephemeralContainers: [{name: d, securityContext: {privileged: true}}]}`,
			[]string{
				"spec.initContainers[a].securityContext.privileged: " + remove,
				"spec.initContainers[b].securityContext.privileged: " + remove,
				"spec.containers[c].securityContext.privileged: " + remove,
				"spec.ephemeralContainers[d].securityContext.privileged: " + remove,
			},
		},
		{
			"procMount",
			Privileged{},
			`{containers: [{name: app, securityContext: {procMount: Unmasked}}]}`,
			[]string{"spec.containers[app].securityContext.procMount: " + unmask},
		},
		{"procMount in a user namespace", Privileged{}, `{hostUsers: false, containers: [{name: app, securityContext: {procMount: Unmasked}}]}`, nil},
		{
			"hostProcess",
			Privileged{},
			`{securityContext: {windowsOptions: {hostProcess: true}}, containers: [{name: app, securityContext: {windowsOptions: {hostProcess: true}}}]}`,
			[]string{
				"spec.securityContext.windowsOptions.hostProcess: " + hostProcessMessage,
				"spec.containers[app].securityContext.windowsOptions.hostProcess: " + hostProcessMessage,
			},
		},
		{
			"escalation", strict,
			`{containers: [{name: a}, {name: b, securityContext: {}}, {name: c, securityContext: {allowPrivilegeEscalation: true}}, {name: d, securityContext: {allowPrivilegeEscalation: false}}]}`,
			[]string{
				"spec.containers[a].securityContext.allowPrivilegeEscalation: " + unset,
				"spec.containers[b].securityContext.allowPrivilegeEscalation: " + unset,
				"spec.containers[c].securityContext.allowPrivilegeEscalation: allowPrivilegeEscalation is true: write allowPrivilegeEscalation: false",
			},
		},
		{"escalation on Windows", strict, `{os: {name: windows}, containers: [{name: app}]}`, nil},
		{
			"privileged on Windows", strict, `{os: {name: windows}, containers: [{name: app, securityContext: {privileged: true}}]}`,
			[]string{"spec.containers[app].securityContext.privileged: " + remove},
		},
	})
}

func TestPrivilegedFields(t *testing.T) {
	requireFields(t, Privileged{RequireNoEscalation: true},
		`{securityContext: {windowsOptions: {hostProcess: true}}, containers: [{name: app, securityContext: {privileged: true, procMount: Unmasked}}]}`,
		"securityContext.windowsOptions.hostProcess", "containers[app].securityContext.privileged",
		"containers[app].securityContext.procMount", "containers[app].securityContext.allowPrivilegeEscalation")
}
