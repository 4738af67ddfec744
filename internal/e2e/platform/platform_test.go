package platform

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
	"github.com/kubewright/kubewright/internal/e2e/components"
	"github.com/kubewright/kubewright/internal/e2e/opensearch"
	"github.com/kubewright/kubewright/internal/e2e/service"
)

const examples = "../../../examples/"

// platform is the cluster and what runs beside it.
type platform struct {
	*cluster.Cluster
	dir       string           // of the programs
	node      *opensearch.Node // nil if OpenSearch can't be downloaded
	collector *cluster.Server  // the same
	deleted   string           // what kubectl printed of the ConfigMap before it was deleted
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{Cluster: shared.Get(t), dir: t.TempDir()}
	for _, name := range []string{"webhook", "collector", "etcddecode", "signedapi"} {
		_, err := components.BuildExample(p.dir, name)
		require.NoError(t, err)
	}
	return p
}

func (p *platform) program(name string) string { return filepath.Join(p.dir, name) }

// installWebhook has examples/webhook install itself, with the rights of its manifests and no others, and returns when
// the API server asks it.
func (p *platform) installWebhook(t *testing.T) {
	t.Helper()
	front, err := service.Start(service.Options{Lag: time.Millisecond, FailureThreshold: 100}) // the machine may be busy
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, front.Close()) })
	config, err := filepath.Abs("testdata/webhook.yaml")
	require.NoError(t, err)
	webhook := p.Server(t, "webhook", p.program("webhook"), []string{
		"-config=" + config, "-url=https://" + front.Addr(), "-kubeconfig=" + p.serviceAccount(t, "webhook"),
		"-listen=127.0.0.1:0", "-metrics-listen=", "-log-format=json", "-drain-delay=0",
	})
	front.Add(webhook.Address)
	probe := []string{"run", "probe", "--image=registry.example.com/probe:1", "--dry-run=server", "--output=yaml"}
	p.await(t, "Pods are mutated", func() error {
		out, _, err := p.Kubectl(t, probe...)
		if err == nil && !strings.Contains(out, `policies.example.com/reviewed: "true"`) {
			err = errors.New("not mutated")
		}
		return err
	})
	p.await(t, "Pods are judged", func() error {
		_, stderr, _ := p.Kubectl(t, append(probe, "--privileged")...)
		if !strings.Contains(stderr, "securityContext.privileged") {
			return errors.New("not judged: " + stderr)
		}
		return nil
	})
	p.kubectl(t, "get", "mutatingwebhookconfigurations,validatingwebhookconfigurations")
}

// startCollector ships Events to a node of its own, unless OpenSearch can't be downloaded.
func (p *platform) startCollector(t *testing.T) {
	t.Helper()
	there := false
	t.Run("OpenSearch", func(t *testing.T) {
		opensearch.Require(t)
		there = true
	})
	if !there {
		t.Log("the story goes on without OpenSearch")
		return
	}
	p.node = opensearch.Start(t)
	t.Log(p.node.Version(t))
	p.collector = p.Server(t, "collector", p.program("collector"), []string{
		"-sink=" + p.node.URL, "-setup", "-retention=-1", "-replicas=-1", "-cluster=production-1", "-checkpoint=configmap:kubewright-collector/collector",
		"-kubeconfig=" + p.serviceAccount(t, "collector"), "-listen=127.0.0.1:0", "-log-format=json",
	})
	p.await(t, "the collector has read what there is", func() error {
		_, err := p.collector.Page("/readyz")
		return err
	})
}

// serviceAccount applies the roles of an example's manifests, and returns a kubeconfig file of its service account.
func (p *platform) serviceAccount(t *testing.T, example string) string {
	t.Helper()
	manifests := examples + example + "/manifests/"
	p.kubectl(t, "apply", "-f", manifests+"namespace.yaml", "-f", manifests+"rbac.yaml")
	namespace := "kubewright-" + example
	return p.WithToken(t, example, p.ServiceAccountToken(t, namespace, example)).Kubeconfig
}

// kubectl tells what is typed and what comes back.
func (p *platform) kubectl(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	return p.kubectlWith(t, "", args...)
}

func (p *platform) kubectlWith(t *testing.T, stdin string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, err := p.WithStdin(stdin).Kubectl(t, args...)
	p.tell(t, "kubectl", args, stderr+stdout)
	require.NoError(t, err)
	return stdout
}

// refused is kubectl for what has to fail. It returns the complaint.
func (p *platform) refused(t *testing.T, args ...string) (stderr string) {
	t.Helper()
	_, stderr, err := p.Kubectl(t, args...)
	p.tell(t, "kubectl", args, stderr)
	require.Error(t, err)
	return stderr
}

// run runs one of the programs.
func (p *platform) run(t *testing.T, program string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, err := p.try(t, program, args...)
	p.tell(t, program, args, stderr+stdout)
	require.NoError(t, err, "%s", stderr)
	return stdout
}

func (p *platform) try(t *testing.T, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.program(program), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// tell leaves out the directories, which are others each time.
func (p *platform) tell(t *testing.T, program string, args []string, output string) {
	t.Helper()
	shown := strings.NewReplacer(p.dir+"/", "", p.Dir+"/", "", "../../../", "")
	t.Logf("$ %s %s\n%s", program, shown.Replace(strings.Join(args, " ")), shown.Replace(output))
}

// await polls until ok is no error.
func (p *platform) await(t *testing.T, what string, ok func() error) {
	t.Helper()
	began := time.Now()
	cluster.Eventually(t, patience, func() error {
		if err := ok(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
	t.Logf("… %s, after %s", what, time.Since(began).Round(100*time.Millisecond))
}

// metric is an error until the collector has counted something in a series.
func (p *platform) metric(t *testing.T, series string) error {
	text, err := p.collector.Page("/metrics")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, series); ok && strings.TrimSpace(value) != "0" {
			t.Log(strings.TrimSpace(line))
			return nil
		}
	}
	return fmt.Errorf("no %s", series)
}

// search asks OpenSearch for Events with a phrase in their message, and returns the messages.
func (p *platform) search(t *testing.T, phrase string) (messages string) {
	t.Helper()
	query := fmt.Sprintf(`{"query": {"match_phrase": {"message": %q}}}`, phrase)
	var found struct {
		Hits struct {
			Hits []struct {
				Source struct{ Message string } `json:"_source"`
			}
		}
	}
	require.NoError(t, json.Unmarshal(p.node.MustDo(t, http.MethodPost, "/k8s-events*/_search", query), &found))
	for _, hit := range found.Hits.Hits {
		messages += hit.Source.Message + "\n"
	}
	t.Logf("$ curl -d '%s' SINK/k8s-events*/_search\n%s", query, messages)
	return messages
}

// cells are the words of each line.
func cells(table string) (rows [][]string) {
	for line := range strings.Lines(table) {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
