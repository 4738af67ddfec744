package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/eventsink"
)

func scrape(t *testing.T, m *metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	return w.Body.String()
}

// served are the names of all metrics, of a collector that has done everything once.
func served(t *testing.T) map[string]bool {
	t.Helper()
	m := newMetrics()
	p, err := newPipeline(eventsink.FlowOptions{}, time.Now)
	require.NoError(t, err)
	m.registry.MustRegister(newFlowMetrics(p, "elastic"))
	r := eventsink.Record{UID: "u", Type: "Warning", Reason: "BackOff", Occurrences: 1, Last: time.Now(), Created: time.Now().Add(-time.Second), First: time.Now()}
	require.NoError(t, p.admit(&r, true))
	m.observeSkew(&r)
	w, err := newPodWatcher(nil, time.Time{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	m.registry.MustRegister(w)
	for n := range 80 {
		w.observe(startedPod(n))
	}
	b := p.flow.Next(time.Now(), true)
	m.observeBulk("elastic", "200", b, time.Second)
	for _, v := range []interface{ Inc() }{m.retries.WithLabelValues("elastic"), m.frames.WithLabelValues("added"), m.restarts.WithLabelValues("timeout"), m.checkpoints.WithLabelValues("stored")} {
		v.Inc()
	}
	m.lag.WithLabelValues("elastic").Observe(1)
	m.held.note("elastic", 1, errTest)
	names := map[string]bool{}
	for line := range strings.Lines(scrape(t, m)) {
		if name := regexp.MustCompile(`^[a-z_]+`).FindString(line); name != "" {
			names[name] = true
		}
	}
	return names
}

var errTest = errors.New("read-only")

func startedPod(n int) *corev1.Pod {
	began := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	condition := func(kind corev1.PodConditionType, at time.Time) corev1.PodCondition {
		return corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)}
	}
	took := 5 * time.Second
	if n > 74 {
		took = time.Minute
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: testUID(n), CreationTimestamp: metav1.NewTime(began)},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			condition(corev1.PodScheduled, began), condition(corev1.PodReady, began.Add(took)),
		}},
	}
}

var metricName = regexp.MustCompile(`\b(eventsink|kube_event|kube_pod_start|process)_[a-z_]+`)

// TestAlertsAndDashboardNameMetricsThatExist: a misspelt name is an alert that never fires.
func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	names := served(t)
	require.Contains(t, names, "kube_pod_start_shift")
	var expressions []string
	var rules struct {
		Groups []struct {
			Rules []struct{ Expr, Alert string }
		}
	}
	require.NoError(t, yaml.UnmarshalStrict([]byte(withoutText(read(t, "prometheus/rules.yaml"))), &rules, yaml.DisallowUnknownFields))
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
		}
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
			GridPos struct{ H, W, X, Y int }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, "grafana/dashboard.json")), &dashboard))
	for _, p := range dashboard.Panels {
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24)
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	require.Greater(t, len(expressions), 30)
	for _, e := range expressions {
		found := metricName.FindAllString(e, -1)
		require.NotEmpty(t, found, e)
		for _, name := range found {
			require.True(t, names[name], "%s, in %s", name, e)
		}
	}
}

// withoutText leaves of the rules what the test looks at.
func withoutText(rules string) string {
	var all map[string]any
	_ = yaml.Unmarshal([]byte(rules), &all)
	for _, g := range all["groups"].([]any) {
		g := g.(map[string]any)
		delete(g, "name")
		for _, r := range g["rules"].([]any) {
			for _, key := range []string{"labels", "annotations", "for", "record"} {
				delete(r.(map[string]any), key)
			}
		}
	}
	text, _ := yaml.Marshal(all)
	return string(text)
}

// TestTheReadmeListsFlagsThatExist: documentation that lies is worse than none.
func TestTheReadmeListsFlagsThatExist(t *testing.T) {
	_, help, _ := runIt(t, "", "-h")
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	found := regexp.MustCompile("`-([a-z][a-z-]+)").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(found), 20)
	for _, f := range found {
		require.Regexp(t, `(?m)^  -`+f[1]+`( |$)`, help)
	}
}

func TestSkewIsAMaximumOfTheLastMinutes(t *testing.T) {
	var w skewWindow
	at := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	w.observe(at, time.Minute)
	w.observe(at, time.Second)
	require.Equal(t, time.Minute, w.most(at.Add(9*time.Minute)))
	require.Zero(t, w.most(at.Add(19*time.Minute)))
}
