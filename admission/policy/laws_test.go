package policy

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/admission"
)

// clean is a Pod with nothing to find, whatever the options of strictest.
const clean = `{terminationGracePeriodSeconds: 30, volumes: [{name: tmp, emptyDir: {}}], containers: [
  {name: app, image: "registry.example.com/team/app:1.2.3@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
   ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}],
   resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 128Mi}},
   securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}, volumeMounts: [{name: tmp, mountPath: /tmp}],
   livenessProbe: {httpGet: {port: 8080, path: /live}}, readinessProbe: {httpGet: {port: 8080, path: /ready}}},
  {name: proxy, image: "registry.example.com/team/proxy@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
   ports: [{containerPort: 8443}],
   resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 32Mi}},
   securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}, volumeMounts: [{name: tmp, mountPath: /tmp}],
   livenessProbe: {grpc: {port: 8443}}, readinessProbe: {grpc: {port: 8443}, periodSeconds: 5}}]}`

// corpus has at least one finding for every check and kind of container.
func corpus() []string {
	return []string{
		`{}`, clean, legacy,
		`{containers: [{}, {name: app}], initContainers: [{}, {restartPolicy: Always}], ephemeralContainers: [{}]}`,
		`{hostNetwork: true, hostPID: true, hostIPC: true, hostUsers: false, terminationGracePeriodSeconds: 0, securityContext: {windowsOptions: {hostProcess: true}},
		  volumes: [{name: a, hostPath: {path: /var/log/../..}}, {name: b, hostPath: {path: x}}, {name: c, hostPath: {path: /var/log}}, {hostPath: {path: /}}, {name: img, image: {reference: nginx}}],
		  initContainers: [{name: i, image: nginx, ports: [{containerPort: 22}], volumeMounts: [{name: c, mountPath: /c}]}],
		  containers: [{name: app, image: "nginx:latest", ports: [{containerPort: 80}, {containerPort: 81, hostPort: 81}], volumeMounts: [{name: c, mountPath: /c, subPath: ../x}, {name: a}],
		    securityContext: {privileged: true, procMount: Unmasked, windowsOptions: {hostProcess: true}, capabilities: {add: [SYS_ADMIN]}},
		    livenessProbe: {exec: {command: [cat, /x]}, periodSeconds: 1, timeoutSeconds: 9, terminationGracePeriodSeconds: 0},
		    readinessProbe: {httpGet: {port: 80, host: 10.0.0.1}, tcpSocket: {port: 1, host: h}}, startupProbe: {failureThreshold: 100000},
		    lifecycle: {postStart: {httpGet: {port: 80, host: h}}, preStop: {tcpSocket: {port: 80, host: h}}}}],
		  ephemeralContainers: [{name: debug, image: "aä/-_.:@", securityContext: {privileged: true}}]}`,
		`{os: {name: windows}, restartPolicy: Always, resources: {limits: {cpu: 1}}, containers: [{name: app, image: "a.b:1/c:d", resources: {requests: {cpu: 0}, limits: {memory: 0}}}]}`,
	}
}

// variants returns every check with no options and with options that take other ways through it.
func variants(t testing.TB) []Check {
	t.Helper()
	all := append([]checker{
		HostPort{Allow: []string{"81", "8000-9000"}},
		HostPath{Allow: []AllowedHostPath{{PathPrefix: "/var/log", ReadOnly: true}, {PathPrefix: "/data"}}},
		HostNamespaces{AllowHostIPC: true},
		ProbeRequired{Require: []string{"startup"}},
		ProbeHandler{Allow: []string{handlerExec}},
		ProbeTiming{MinRestartSeconds: 60},
		ProbeHost{Allow: []string{"10.0.0.1"}},
		Resources{Requests: []corev1.ResourceName{}, Limits: []corev1.ResourceName{"cpu"}},
		TerminationGrace{MinSeconds: 31},
	}, strictest()...)
	checks := make([]Check, len(all))
	for i, o := range all {
		checks[i] = mustCheck(t, o)
	}
	for _, name := range Names() {
		c, err := New(name, nil)
		require.NoError(t, err)
		checks = append(checks, c)
	}
	return checks
}

func strictest() []checker {
	return []checker{
		HostPort{},
		HostPath{},
		HostNamespaces{},
		Privileged{RequireNoEscalation: true},
		Capabilities{Restricted: true},
		ProbeRequired{},
		ProbeHandler{},
		ProbeTiming{},
		ProbeHost{},
		Image{Allow: []string{"registry.example.com/team"}, RequireDigest: true},
		Resources{},
		TerminationGrace{},
	}
}

func TestCorpusReachesEveryCheck(t *testing.T) {
	reached := map[string]bool{}
	for _, text := range corpus() {
		for _, c := range variants(t) {
			if len(c.Evaluate(podSubject(parsePod(t, text)))) > 0 {
				reached[c.Name] = true
			}
		}
	}
	for _, name := range Names() {
		require.True(t, reached[name], name)
	}
}

// Law: a template gets the verdict that its Pods will get. The one exception is documented: the Pods of Jobs need no
// probes.
func TestLawTemplatesAsPods(t *testing.T) {
	for _, text := range corpus() {
		spec := parseSpec(t, text)
		for _, c := range variants(t) {
			want := relative(c.Evaluate(podSubject(&corev1.Pod{Spec: spec})), "spec")
			for _, obj := range carriers(spec) {
				s, ok := SubjectOf(obj)
				require.True(t, ok)
				got := relative(c.Evaluate(s), s.Path)
				if c.Name == nameProbeRequired && !s.LongRunning {
					require.Empty(t, got, s.Kind)
					continue
				}
				require.Equal(t, want, got, "%s of %s", c.Name, s.Kind)
			}
		}
	}
}

// relative cuts the path of the spec off the fields.
func relative(found []admission.Finding, path string) []admission.Finding {
	var out []admission.Finding
	for _, f := range found {
		f.Field = strings.TrimPrefix(f.Field, path+".")
		out = append(out, f)
	}
	return out
}

// Law: what the API server's defaulting adds to a Pod does not change a verdict on its template.
func TestLawDefaulting(t *testing.T) {
	template := parseSpec(t, `{hostNetwork: true, containers: [{name: app, ports: [{containerPort: 80}], resources: {limits: {cpu: 1, memory: 1Gi}},
	  livenessProbe: {grpc: {port: 1}, timeoutSeconds: 11}, readinessProbe: {grpc: {port: 1}}}]}`)
	pod := parseSpec(t, `{hostNetwork: true, restartPolicy: Always, terminationGracePeriodSeconds: 30,
	  containers: [{name: app, ports: [{containerPort: 80, hostPort: 80, protocol: TCP}], resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}},
	  livenessProbe: {grpc: {port: 1}, timeoutSeconds: 11, periodSeconds: 10, failureThreshold: 3, successThreshold: 1},
	  readinessProbe: {grpc: {port: 1}, timeoutSeconds: 1, periodSeconds: 10, failureThreshold: 3, successThreshold: 1}}]}`)
	for _, c := range variants(t) {
		before, after := c.Evaluate(podSubject(&corev1.Pod{Spec: template})), c.Evaluate(podSubject(&corev1.Pod{Spec: pod}))
		require.Len(t, after, len(before), c.Name)
	}
}

// Laws: nothing is changed, and the same subject gives the same findings in the same order.
func requirePure(t *testing.T, c Check, spec *corev1.PodSpec) []admission.Finding {
	t.Helper()
	pod := &corev1.Pod{Spec: *spec}
	before := pod.DeepCopy()
	found := c.Evaluate(podSubject(pod))
	require.Equal(t, before, pod, "%s changed its input", c.Name)
	require.Equal(t, found, c.Evaluate(podSubject(before)), "%s is not deterministic", c.Name)
	return found
}

// requireWellFormed requires what the handler and the API server expect of a finding.
func requireWellFormed(t *testing.T, c Check, found []admission.Finding) {
	t.Helper()
	for _, f := range found {
		require.Equal(t, c.Name, f.Rule)
		require.Empty(t, f.Action, "the action is the configuration's to choose")
		require.True(t, strings.HasPrefix(f.Field, "spec."), f.Field)
		require.NotEmpty(t, f.Message)
		require.Equal(t, -1, strings.IndexFunc(f.Message, unicode.IsControl), "%q has control characters", f.Message)
		require.LessOrEqual(t, len(f.Message), 1024)
	}
}

func TestLawPure(t *testing.T) {
	for _, text := range corpus() {
		spec := parseSpec(t, text)
		for _, c := range variants(t) {
			requireWellFormed(t, c, requirePure(t, c, &spec))
		}
	}
}

// FuzzChecks runs every check on whatever decodes into a Pod's spec.
func FuzzChecks(f *testing.F) {
	require.NotEmpty(f, corpus())
	for _, text := range corpus() {
		data, err := json.Marshal(parseSpec(f, text))
		require.NoError(f, err)
		f.Add(data)
	}
	checks := variants(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var spec corev1.PodSpec
		decoder := json.NewDecoder(bytes.NewReader(data))
		if decoder.Decode(&spec) != nil {
			return
		}
		for _, c := range checks {
			requireWellFormed(t, c, requirePure(t, c, &spec))
		}
	})
}

func TestNoAllocationsWhenNothingIsFound(t *testing.T) {
	s := podSubject(parsePod(t, clean))
	for _, o := range strictest() {
		c := mustCheck(t, o)
		require.Empty(t, c.Evaluate(s), c.Name)
		require.Zero(t, testing.AllocsPerRun(100, func() { c.Evaluate(s) }), c.Name)
	}
}

func BenchmarkChecks(b *testing.B) {
	s := podSubject(parsePod(b, clean))
	for _, o := range strictest() {
		c := mustCheck(b, o)
		b.Run(c.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Evaluate(s)
			}
		})
	}
	few := []Check{mustCheck(b, HostPort{}), mustCheck(b, HostPath{}), mustCheck(b, ProbeHandler{}), mustCheck(b, ProbeRequired{})}
	b.Run("hostPort+hostPath+probes", func(b *testing.B) { benchmark(b, few, s) })
	all := make([]Check, 0, len(strictest()))
	for _, o := range strictest() {
		all = append(all, mustCheck(b, o))
	}
	b.Run("all", func(b *testing.B) { benchmark(b, all, s) })
	b.Run("all, with findings", func(b *testing.B) { benchmark(b, all, podSubject(parsePod(b, corpus()[4]))) })
}

func benchmark(b *testing.B, checks []Check, s Subject) {
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range checks {
			c.Evaluate(s)
		}
	}
}
