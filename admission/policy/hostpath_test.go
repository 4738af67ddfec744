package policy

import "testing"

func TestHostPath(t *testing.T) {
	logs := HostPath{Allow: []AllowedHostPath{{PathPrefix: "/var/log", ReadOnly: true}, {PathPrefix: "/data/"}}}
	const advice = ": use an emptyDir, a ConfigMap or a PersistentVolumeClaim"
	const under = advice + ", or a path under /var/log (read-only), /data"
	const ro = "write readOnly: true"
	runCases(t, []specCase{
		{"other volumes", HostPath{}, `{volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: c}}]}`, nil},
		{
			"none allowed",
			HostPath{},
			`{volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /etc}}, {name: c, hostPath: {path: /var/log}}]}`,
			[]string{
				`spec.volumes[b].hostPath.path: hostPath "/etc" is not allowed` + advice,
				`spec.volumes[c].hostPath.path: hostPath "/var/log" is not allowed` + advice,
			},
		},
		{
			"allowed, mounted read-only", logs,
			`{volumes: [{name: a, hostPath: {path: /var/log}}, {name: b, hostPath: {path: /var/log/pods/}}],
			  containers: [{name: app, volumeMounts: [{name: a, mountPath: /a, readOnly: true}, {name: b, mountPath: /b, readOnly: true}]}]}`, nil,
		},
		{
			"allowed for writing", logs,
			`{volumes: [{name: a, hostPath: {path: /data/x}}], containers: [{name: app, volumeMounts: [{name: a, mountPath: /a}]}]}`, nil,
		},
		{
			"every mount in every container must be read-only", logs,
			`{volumes: [{name: a, hostPath: {path: /var/log}}, {name: other, emptyDir: {}}],
			  initContainers: [{name: init, volumeMounts: [{name: a, mountPath: /i}]}],
			  containers: [{name: app, volumeMounts: [{name: other, mountPath: /o}, {name: a, mountPath: /ok, readOnly: true}, {name: a, mountPath: /rw}]}],
			  ephemeralContainers: [{name: debug, volumeMounts: [{name: a, mountPath: /d}]}]}`,
			[]string{
				`spec.initContainers[init].volumeMounts[/i].readOnly: hostPath "/var/log" may only be read: ` + ro,
				`spec.containers[app].volumeMounts[/rw].readOnly: hostPath "/var/log" may only be read: ` + ro,
				`spec.ephemeralContainers[debug].volumeMounts[/d].readOnly: hostPath "/var/log" may only be read: ` + ro,
			},
		},
		{
			"paths are cleaned", logs, `{volumes: [{name: a, hostPath: {path: /var/log/../../etc}}, {name: b, hostPath: {path: //var/./log//pods}}, {name: c, hostPath: {path: /var/log/..}}]}`,
			[]string{
				`spec.volumes[a].hostPath.path: hostPath "/var/log/../../etc", which is "/etc", is not allowed` + under,
				`spec.volumes[c].hostPath.path: hostPath "/var/log/..", which is "/var", is not allowed` + under,
			},
		},
		{
			"backslashes are slashes on Windows nodes", logs,
			`{volumes: [{name: a, hostPath: {path: '/var/log/a\..\..\..\Windows'}}, {name: b, hostPath: {path: '/data/by-id\x2d1'}}, {name: c, hostPath: {path: '\data'}}, {name: d, hostPath: {path: /data}}],
			  containers: [{name: app, volumeMounts: [{name: b, mountPath: /b}, {name: d, mountPath: /d, subPath: 'x\..\..\etc'}]}]}`,
			[]string{
				`spec.volumes[a].hostPath.path: hostPath "/var/log/a\\..\\..\\..\\Windows", which is "/Windows", is not allowed` + under,
				`spec.volumes[c].hostPath.path: hostPath "\\data" is not absolute` + under,
				`spec.containers[app].volumeMounts[/d].subPath: subPath "x\\..\\..\\etc" leads to "/etc", which is not allowed` + under,
			},
		},
		{
			"prefixes end at segments", logs, `{volumes: [{name: a, hostPath: {path: /var/logs}}, {name: b, hostPath: {path: /database}}, {name: c, hostPath: {path: /}}]}`,
			[]string{
				`spec.volumes[a].hostPath.path: hostPath "/var/logs" is not allowed` + under,
				`spec.volumes[b].hostPath.path: hostPath "/database" is not allowed` + under,
				`spec.volumes[c].hostPath.path: hostPath "/" is not allowed` + under,
			},
		},
		{
			"relative paths",
			HostPath{Allow: []AllowedHostPath{{PathPrefix: "/"}}},
			`{volumes: [{name: a, hostPath: {path: var/log}}, {name: b, hostPath: {path: ""}}, {name: c, hostPath: {path: 'C:\logs'}}, {name: d, hostPath: {path: /x}}]}`,
			[]string{
				`spec.volumes[a].hostPath.path: hostPath "var/log" is not absolute` + advice + `, or a path under /`,
				`spec.volumes[b].hostPath.path: hostPath "" is not absolute` + advice + `, or a path under /`,
				`spec.volumes[c].hostPath.path: hostPath "C:\\logs" is not absolute` + advice + `, or a path under /`,
			},
		},
		{
			"a subPath does not spare readOnly", logs,
			`{volumes: [{name: a, hostPath: {path: /var/log}}], containers: [{name: app, volumeMounts: [{name: a, mountPath: /a, subPath: pods}]}]}`,
			[]string{`spec.containers[app].volumeMounts[/a].readOnly: hostPath "/var/log/pods" may only be read: ` + ro},
		},
		{
			"a subPath out of the volume", logs,
			`{volumes: [{name: a, hostPath: {path: /data}}], containers: [{name: app, volumeMounts: [{name: a, mountPath: /a, subPath: ../etc}]}]}`,
			[]string{`spec.containers[app].volumeMounts[/a].subPath: subPath "../etc" leads to "/etc", which is not allowed` + under},
		},
		{
			"a subPath into a directory that may be written",
			HostPath{Allow: []AllowedHostPath{{PathPrefix: "/srv", ReadOnly: true}, {PathPrefix: "/srv/rw"}}},
			`{volumes: [{name: a, hostPath: {path: /srv}}],
			  containers: [{name: app, volumeMounts: [{name: a, mountPath: /a, subPath: rw/x}, {name: a, mountPath: /b, subPathExpr: $(POD_NAME)}]}]}`,
			[]string{`spec.containers[app].volumeMounts[/b].readOnly: hostPath "/srv" may only be read: ` + ro},
		},
		{
			"the most generous rule counts",
			HostPath{Allow: []AllowedHostPath{{PathPrefix: "/srv"}, {PathPrefix: "/srv/ro", ReadOnly: true}}},
			`{volumes: [{name: a, hostPath: {path: /srv/ro}}], containers: [{name: app, volumeMounts: [{name: a, mountPath: /a}]}]}`, nil,
		},
		{
			"nameless volumes and mounts", logs,
			`{volumes: [{name: "", hostPath: {path: /var/log}}, {name: "", hostPath: {path: /etc}}], containers: [{name: "", volumeMounts: [{name: "", mountPath: ""}]}]}`,
			[]string{
				`spec.containers[0].volumeMounts[0].readOnly: hostPath "/var/log" may only be read: ` + ro,
				`spec.volumes[1].hostPath.path: hostPath "/etc" is not allowed` + under,
			},
		},
	})
}

func TestHostPathFields(t *testing.T) {
	requireFields(t, HostPath{Allow: []AllowedHostPath{{PathPrefix: "/var/log", ReadOnly: true}}},
		`{volumes: [{name: etc, hostPath: {path: /etc}}, {name: log, hostPath: {path: /var/log}}],
		  containers: [{name: app, volumeMounts: [{name: log, mountPath: /log}, {name: log, mountPath: /out, subPath: ../lib}]}]}`,
		"volumes[etc].hostPath.path", "containers[app].volumeMounts[/log].readOnly", "containers[app].volumeMounts[/out].subPath")
}

func TestHostPathOptions(t *testing.T) {
	requireProblems(t, HostPath{Allow: []AllowedHostPath{{}, {PathPrefix: "/ok"}, {PathPrefix: "var"}, {PathPrefix: "/a/../b"}}},
		`host-path: allow[0].pathPrefix ""`, `allow[2].pathPrefix "var"`, `allow[3].pathPrefix "/a/../b"`)
}
