package admissiontest

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestRunPassesGoodHandlers(t *testing.T) {
	h := newHandler(t)
	Run(t, h,
		Case{Name: "YAML", Object: podYAML, Want: Allowed().Patched("testdata/sidecar.golden.yaml")},
		Case{Name: "JSON", Object: []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"owner":"a"}},"spec":{"containers":[]}}`), Want: Allowed()},
		Case{Name: "Go value", Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"owner": "a"}}}, Want: Allowed()},
		Case{Name: "denied", Object: latestYAML, Want: Denied("no-latest").Warns("no-exec-probe").Audits("owner").Unpatched()},
		Case{Name: "denied, in full", Object: latestYAML, Want: Denied(`no-latest spec.containers[app].image: image "nginx" moves: write a version`).
			Warns("no-exec-probe spec.containers[log].livenessProbe.exec").Audits("owner metadata.labels[owner]: nobody owns it")},
		Case{Name: "denied for any reason", Object: latestYAML, Want: Denied().AndMore()},
		Case{Name: "update", Operation: "UPDATE", Object: podYAML, Old: latestYAML, Want: Allowed().Unpatched()},
		Case{Name: "delete", Operation: "DELETE", Object: podYAML, Want: Allowed().Unpatched()},
		Case{Name: "delete with old", Operation: "DELETE", Old: podYAML, Want: Allowed().Unpatched()},
		Case{Name: "subresource", Operation: "UPDATE", Subresource: "status", Object: latestYAML, Old: podYAML, Want: Allowed().Unpatched()},
		Case{Name: "only the laws", Object: latestYAML},
	)
}

func TestWant(t *testing.T) {
	h := newHandler(t)
	for _, tc := range []struct {
		name   string
		object string
		want   Want
		texts  []string
	}{
		{"denied, want allowed", latestYAML, Allowed(), []string{
			"verdict: want allowed, got denied\n",
			"findings (- wanted, + found):\n+ deny no-latest spec.containers[app].image",
			"+ warn no-exec-probe", "+ audit owner",
		}},
		{"allowed, want denied", podYAML, Denied("no-latest"), []string{
			"verdict: want denied, got allowed", "findings (- wanted, + found):\n- deny no-latest",
		}},
		{"another rule", latestYAML, Denied("no-tag").Warns("no-exec-probe").Audits("owner"), []string{
			"findings (- wanted, + found):\n+ deny no-latest spec.containers[app].image",
			"\n  warn no-exec-probe", "\n  audit owner", "\n- deny no-tag",
		}},
		{"another field", latestYAML, Denied("no-latest spec.containers[log].image").AndMore(), []string{
			"  deny no-latest spec.containers[app].image", "- deny no-latest spec.containers[log].image",
		}},
		{"a rule is no prefix", latestYAML, Denied("no-late").AndMore(), []string{"- deny no-late"}},
		{"another action", latestYAML, Denied("no-latest").Warns("owner").AndMore(), []string{"- warn owner"}},
		{"want no patch", podYAML, Allowed().Unpatched(), []string{`patch: want none, got` + "\n" + `{"op":"add"`}},
		{"want a patch", latestYAML, Denied().AndMore().Patched("x.yaml"), []string{"patch: want one that makes x.yaml, got none: the request is denied"}},
		{"denied, want allowed and more", latestYAML, Allowed().AndMore(), []string{"verdict: want allowed, got denied\n  deny no-latest spec.containers[app].image: image"}},
		{"want a failure", podYAML, Fails("boom"), []string{"verdict: want failed, got allowed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requireFailure(t, h, Case{Object: tc.object, Want: tc.want}, tc.texts...)
		})
	}
}

// A Want is a value: adding to one does not change those that were made from it before.
func TestWantIsAValue(t *testing.T) {
	base := Denied("a").Warns("b")
	one, other := base.Warns("one"), base.Audits("other")
	require.Equal(t, []string{"deny a", "warn b"}, base.findings)
	require.Equal(t, []string{"deny a", "warn b", "warn one"}, one.findings)
	require.Equal(t, []string{"deny a", "warn b", "audit other"}, other.findings)
}

func TestRunWithoutCases(t *testing.T) {
	r := &recorder{TB: t}
	Run(r, newHandler(t))
	require.Equal(t, "admissiontest.Run has no case: it would test nothing", r.text())
}
