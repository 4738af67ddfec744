package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	names := Names()
	require.NotEmpty(t, names)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names), "names are unique")
	names[0] = "changed"
	require.NotEqual(t, names, Names(), "the caller's copy is its own")
}

func TestNewDefaults(t *testing.T) {
	for _, name := range Names() {
		for _, options := range []string{"", "null", "{}", " \n", "# none\n"} {
			c, err := New(name, []byte(options))
			require.NoError(t, err, "%s %q", name, options)
			require.Equal(t, name, c.Name)
			require.NotNil(t, c.Evaluate)
		}
	}
}

func TestNewOptions(t *testing.T) {
	const spec = `{hostNetwork: true, hostPID: true, terminationGracePeriodSeconds: 10,
	  volumes: [{name: logs, hostPath: {path: /var/log}}],
	  containers: [{name: app, image: quay.io/app:1, ports: [{containerPort: 8080}, {containerPort: 80}], volumeMounts: [{name: logs, mountPath: /logs}],
	    securityContext: {capabilities: {add: [NET_ADMIN, CHOWN]}},
	    livenessProbe: {exec: {}, periodSeconds: 5}, readinessProbe: {httpGet: {port: 1, host: a}, tcpSocket: {port: 1, host: b}}}]}`
	for name, tc := range map[string]struct {
		options string
		want    []string
	}{
		"host-port":         {`{"allow": [8080, "30000-32767"]}`, []string{"containers[app].ports[1].containerPort"}},
		"host-path":         {"allow:\n- {pathPrefix: /var, readOnly: true}", []string{"containers[app].volumeMounts[/logs].readOnly"}},
		"host-namespaces":   {`{"allowHostNetwork": true}`, []string{"hostPID"}},
		"privileged":        {`{"requireNoEscalation": true}`, []string{"containers[app].securityContext.allowPrivilegeEscalation"}},
		"capabilities":      {`{"restricted": true, "allow": ["NET_ADMIN"]}`, []string{"containers[app].securityContext.capabilities.drop", "containers[app].securityContext.capabilities.add[1]"}},
		"probe-required":    {`{"require": ["startup"]}`, []string{"containers[app].startupProbe"}},
		"probe-handler":     {`{"allow": ["exec", "httpGet", "tcpSocket"]}`, []string{"containers[app].readinessProbe"}},
		"probe-timing":      {`{"minPeriodSeconds": 6}`, []string{"containers[app].livenessProbe.periodSeconds"}},
		"probe-host":        {`{"allow": ["a"]}`, []string{"containers[app].readinessProbe.tcpSocket.host"}},
		"image":             {`{"allow": ["docker.io"]}`, []string{"containers[app].image"}},
		"resources":         {`{"requests": [], "limits": ["cpu"]}`, []string{"containers[app].resources.limits[cpu]"}},
		"termination-grace": {`{"minSeconds": 11}`, []string{"terminationGracePeriodSeconds"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := New(name, []byte(tc.options))
			require.NoError(t, err)
			var want []string
			for _, w := range tc.want {
				want = append(want, "spec."+w)
			}
			require.Equal(t, want, fields(c.Evaluate(podSubject(parsePod(t, spec)))))
		})
	}
}

func TestNewErrors(t *testing.T) {
	_, err := New("hostPort", nil)
	require.EqualError(t, err, `no check is named "hostPort": write one of `+strings.Join(Names(), ", "))

	for options, message := range map[string]string{
		`{"alow": []}`:          `host-port: options: unknown field "alow"`,
		`{"allow": 80}`:         `host-port: options: allow: write a list instead of this number`,
		`{"allow": [[]]}`:       `host-port: options: allow: write text in quotes instead of this array`,
		"allow: []\nallow: []":  `host-port: options: `,
		`[]`:                    `host-port: options: write keys with values instead of this array`,
		`{`:                     `host-port: options: `,
		`{"allow": ["x", "0"]}`: `host-port: allow[0] "x"`,
	} {
		c, err := New("host-port", []byte(options))
		require.ErrorContains(t, err, message, options)
		require.Nil(t, c.Evaluate)
	}
}

func TestNewIsIndependent(t *testing.T) {
	first, err := New("host-namespaces", []byte(`{"allowHostPID": true}`))
	require.NoError(t, err)
	second, err := New("host-namespaces", nil)
	require.NoError(t, err)
	s := podSubject(parsePod(t, `{hostPID: true}`))
	require.Empty(t, first.Evaluate(s))
	require.Len(t, second.Evaluate(s), 1)
}
