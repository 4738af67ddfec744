package eventsink

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/internal/e2e/events"
)

const example = "../../../examples/collector"

// TestPromtoolAcceptsTheRules checks the alert rules that are shipped, and runs their unit tests.
func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool := components.Program(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "rules", filepath.Join(example, "prometheus", "rules.yaml")},
		{"test", "rules", filepath.Join(example, "prometheus", "rules_test.yaml")},
	} {
		out, err := exec.Command(promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		t.Logf("%s", out)
	}
}

// TestPrometheusScrapes has a real Prometheus with the rules scrape the collector, and asks it.
func TestPrometheusScrapes(t *testing.T) {
	prometheus := components.Program(t, "prometheus", "prometheus")
	promtool := components.Program(t, "promtool", "prometheus")
	c := shared.Get(t)
	client := events.Client(t, c)
	r := startCollector(t, c, "-sink="+filepath.Join(t.TempDir(), "events.ndjson"), "-pods")
	cluster.Eventually(t, 3*time.Minute, r.ready)
	f := &flood{client: client, namespace: c.Namespace(t), workers: 4, most: 500}
	require.NoError(t, f.run(t.Context()))

	text, err := r.Page("/metrics")
	require.NoError(t, err)
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	out, err := check.CombinedOutput()
	require.NoError(t, err, "promtool check metrics: %s", out)

	p := startPrometheus(t, c, prometheus, r.Address)
	cluster.Eventually(t, 3*time.Minute, func() error {
		return p.expect(`sum(kube_event_occurrences_total{namespace="`+f.namespace+`"})`, "500")
	})
	require.NoError(t, p.expect(`sum(eventsink_received_total) - sum(eventsink_documents_total) - sum(eventsink_dropped_total) - sum(eventsink_in_flight) - sum(eventsink_spooled)`, "0"))
	require.NoError(t, p.expect(`eventsink_leader`, "1"))

	var exemplars struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	p.get(t, "/api/v1/query_exemplars?query=kube_event_occurrences_total&start="+fmt.Sprint(time.Now().Add(-time.Hour).Unix())+"&end="+fmt.Sprint(time.Now().Unix()), &exemplars)
	require.NotEmpty(t, exemplars.Data)
	require.Len(t, exemplars.Data[0].Exemplars[0].Labels["event_uid"], 36)

	p.asks(t)
}

// asks runs every expression of the dashboard: a name or a label that is not there would be an empty panel.
func (p *promServer) asks(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(example, "grafana", "dashboard.json"))
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	n := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			n++
			expr := strings.NewReplacer("$__rate_interval", "1m", "$cluster", ".*", "$namespace", ".*").Replace(target.Expr)
			var answer struct{ Status string }
			p.get(t, "/api/v1/query?query="+url.QueryEscape(expr), &answer)
			require.Equal(t, "success", answer.Status, "%s: %s", panel.Title, expr)
		}
	}
	require.Greater(t, n, 10)
}

type promServer struct{ url string }

// startPrometheus runs Prometheus on loopback. It can't share a port that is kept for it, so that the port is a free one.
func startPrometheus(t *testing.T, c *cluster.Cluster, path, target string) *promServer {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(filepath.Join(example, "prometheus", "rules.yaml"))
	require.NoError(t, err)
	config := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: collector, static_configs: [{targets: [%q]}]}]
`, rules, target), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	p := &promServer{url: "http://" + address}
	args := []string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
		"--enable-feature=exemplar-storage,native-histograms", "--log.level=warn",
	}
	c.Program(t, "prometheus", path, args, func(ctx context.Context, _ *cluster.Component) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/-/ready", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer resp.Body.Close() //nolint:errcheck // only its status counts
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	})
	return p
}

func (p *promServer) get(t *testing.T, path string, answer any) {
	t.Helper()
	resp, err := http.Get(p.url + path)
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, answer), "%s", text)
}

// expect is an error unless a query gives one value.
func (p *promServer) expect(query, want string) error {
	resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if len(answer.Data.Result) != 1 || answer.Data.Result[0].Value[1] != want {
		return fmt.Errorf("%s is %v, want %s", query, answer.Data.Result, want)
	}
	return nil
}
