package policy

import "testing"

func TestCapabilities(t *testing.T) {
	const (
		app   = "spec.containers[app].securityContext.capabilities."
		drop  = `capabilities are kept: write drop: ["ALL"]`
		among = " may not be added: remove it, or use one of "
	)
	restricted := Capabilities{Restricted: true}
	runCases(t, []specCase{
		{"none", Capabilities{}, `{containers: [{name: a}, {name: b, securityContext: {}}, {name: c, securityContext: {capabilities: {}}}]}`, nil},
		{
			"the default set",
			Capabilities{},
			`{containers: [{name: app, securityContext: {capabilities: {add: [AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, SETFCAP, SETGID, SETPCAP, SETUID, SYS_CHROOT]}}}]}`, nil,
		},
		{
			"others, and spellings that the API takes literally",
			Capabilities{},
			`{containers: [{name: app, securityContext: {capabilities: {add: [NET_ADMIN, CHOWN, CAP_CHOWN, chown, ALL, NET_RAW]}}}]}`,
			[]string{
				app + `add[0]: capability "NET_ADMIN"` + among + "the runtime's default set",
				app + `add[2]: capability "CAP_CHOWN"` + among + "the runtime's default set",
				app + `add[3]: capability "chown"` + among + "the runtime's default set",
				app + `add[4]: capability "ALL"` + among + "the runtime's default set",
				app + `add[5]: capability "NET_RAW"` + among + "the runtime's default set",
			},
		},
		{
			"allowed",
			Capabilities{Allow: []string{"NET_ADMIN"}},
			`{containers: [{name: app, securityContext: {capabilities: {add: [NET_ADMIN, SYS_TIME]}}}]}`,
			[]string{app + `add[1]: capability "SYS_TIME"` + among + "NET_ADMIN, the runtime's default set"},
		},
		{"ALL allows all", Capabilities{Allow: []string{"ALL"}}, `{containers: [{name: app, securityContext: {capabilities: {add: [NET_ADMIN, ALL]}}}]}`, nil},
		{
			"restricted", restricted,
			`{initContainers: [{name: init}], containers: [{name: app, securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE, CHOWN]}}}],
			  ephemeralContainers: [{name: debug, securityContext: {capabilities: {drop: [CHOWN, all]}}}]}`,
			[]string{
				"spec.initContainers[init].securityContext.capabilities.drop: " + drop,
				app + `add[1]: capability "CHOWN"` + among + "NET_BIND_SERVICE",
				"spec.ephemeralContainers[debug].securityContext.capabilities.drop: " + drop,
			},
		},
		{
			"restricted, with allowed ones",
			Capabilities{Restricted: true, Allow: []string{"SYS_TIME"}},
			`{containers: [{name: app, securityContext: {capabilities: {drop: [ALL], add: [SYS_TIME]}}}]}`, nil,
		},
		{"restricted on Windows", restricted, `{os: {name: windows}, containers: [{name: app}]}`, nil},
		{"restricted on Linux", restricted, `{os: {name: linux}, containers: [{name: app}]}`, []string{app + "drop: " + drop}},
	})
}

func TestCapabilitiesFields(t *testing.T) {
	requireFields(t, Capabilities{Restricted: true}, `{containers: [{name: app, securityContext: {capabilities: {add: [KILL]}}}]}`,
		"containers[app].securityContext.capabilities.drop", "containers[app].securityContext.capabilities.add[0]")
}

func TestCapabilitiesOptions(t *testing.T) {
	requireProblems(t, Capabilities{Allow: []string{"CAP_NET_ADMIN", "KILL", "", "net_admin"}},
		`capabilities: allow[0] "CAP_NET_ADMIN"`, `allow[2] ""`, `allow[3] "net_admin"`)
}
