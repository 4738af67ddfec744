package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/bulkmodel"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

func TestReplayPrintsDocuments(t *testing.T) {
	code, out, errs := runIt(t, "", "replay", "-cluster=test", sample)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Equal(t, 31, strings.Count(out, "\n"))
	for line := range strings.Lines(out) {
		var d map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &d), line)
		require.Contains(t, d, "@timestamp")
	}
	require.Contains(t, errs, "31 Events: 31 delivered, 0 duplicates")
	_, again, _ := runIt(t, "", "replay", "-cluster=test", sample)
	require.Equal(t, out, again, "same input, same bytes")
}

// TestReplayReadsWhatKubectlPrints takes a List over several lines, and the frames of a watch.
func TestReplayReadsWhatKubectlPrints(t *testing.T) {
	lines := strings.SplitAfter(read(t, sample), "\n")
	list := "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [" + lines[0] + "," + lines[1] + "]\n}\n"
	code, out, errs := runIt(t, list, "replay", "-")
	require.Equal(t, cli.ExitOK, code, errs)
	require.Equal(t, 2, strings.Count(out, "\n"))
	frames := `{"type":"ADDED","object":` + strings.TrimSpace(lines[0]) + "}\n" + `{"type":"DELETED","object":` + strings.TrimSpace(lines[0]) + "}\n"
	code, out, errs = runIt(t, frames, "replay", "-")
	require.Equal(t, cli.ExitOK, code, errs)
	require.Equal(t, 1, strings.Count(out, "\n"))
}

func TestReplaySaysWhatItDrops(t *testing.T) {
	code, out, errs := runIt(t, `{"metadata":{"namespace":"shop","name":"e"}}`, "replay", "-")
	require.Equal(t, cli.ExitFailed, code)
	require.Empty(t, out)
	require.Contains(t, errs, "Event shop/e: metadata.uid")
	require.Contains(t, errs, "1 dropped")
}

func TestReplayGoesOnBehindABadLine(t *testing.T) {
	lines := strings.SplitAfter(read(t, sample), "\n")
	code, out, errs := runIt(t, lines[0]+"{\"kind\":\n"+lines[1]+"[1]\n", "replay", "-")
	require.Equal(t, cli.ExitFailed, code)
	require.Equal(t, 2, strings.Count(out, "\n"))
	require.Contains(t, errs, "line 2")
	require.Contains(t, errs, "2 lines were not understood")
}

// TestFaultsLeaveEachDocumentOnce is the sink against everything that a server can do wrong, and back.
func TestFaultsLeaveEachDocumentOnce(t *testing.T) {
	faults := map[string][]bulkmodel.Fault{
		"requests refused":      {{Status: 503}, {Status: 429, RetryAfter: "0"}, {Status: 500}, {Status: 502}, {Status: 504}},
		"items refused":         {{Items: map[int]int{0: 429, 3: 503, 7: 429}}, {EveryItem: 429}, {Items: map[int]int{0: 503}}},
		"replies lost":          {{CutAfter: true}, {CutAfter: true}, {CutBefore: true}},
		"answers that are none": {{Body: "<html>busy</html>"}, {Body: `{"took":1,"errors":false,"items":[]}`}, {Body: `{"took":1,"errors":false,"items":[{"index":{"status":201}}`}, {Body: ""}},
		"too large":             {{Status: 413}, {Status: 413}},
		"held":                  {{Status: 403}, {Status: 401}},
	}
	for name, script := range faults {
		for _, mode := range []string{"latest", "history"} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				m, url := model(t, bulkmodel.Options{})
				m.Script(script...)
				code, _, errs := runIt(t, "", "replay", "-sink="+url, "-mode="+mode, "-workers=1", "-log-level=error", sample)
				require.Equal(t, cli.ExitOK, code, errs)
				want := 30 // one Event is there in two states
				if mode == "history" {
					want = 31
				}
				require.Equal(t, want, m.Count())
				require.Zero(t, m.Pending())
				n := regexp.MustCompile(`31 Events: (\d+) delivered, (\d+) duplicates, 0 redirected, 0 dead letters, 0 dropped, 0 in flight`).FindStringSubmatch(errs)
				require.NotNil(t, n, errs)
			})
		}
	}
}

// TestDeadLettersCanBeSentAgain refuses two documents as a mapping would, and takes them later.
func TestDeadLettersCanBeSentAgain(t *testing.T) {
	m, url := model(t, bulkmodel.Options{})
	m.Script(bulkmodel.Fault{Items: map[int]int{2: 400, 5: 400}})
	dead := t.TempDir() + "/dead.ndjson"
	code, _, errs := runIt(t, "", "replay", "-sink="+url, "-dead-letters="+dead, "-workers=1", sample)
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errs, "2 dead letters")
	require.Equal(t, 2, strings.Count(read(t, dead), "mapper_parsing_exception"))
	require.Equal(t, 28, m.Count())
	code, _, errs = runIt(t, "", "resend", "-sink="+url, dead)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Contains(t, errs, "2 Events: 2 delivered")
	require.Equal(t, 30, m.Count())

	m.Script(bulkmodel.Fault{EveryItem: 400})
	code, _, errs = runIt(t, "", "resend", "-sink="+url, dead)
	require.Equal(t, cli.ExitFailed, code, "without -dead-letters, it is dropped, and said")
	require.Contains(t, errs, "2 dropped")
	code, _, errs = runIt(t, "nonsense\n", "resend", "-sink="+url, "-")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errs, "1 lines were not understood")
}

func TestCredentialsAndSetup(t *testing.T) {
	m, url := model(t, bulkmodel.Options{Flavor: bulkmodel.Elasticsearch, Authorization: "Basic ZWxhc3RpYzpzM2NyZXQ=", DataStreams: []string{"k8s-events"}})
	password := put(t, "password", "s3cret\n")
	code, _, errs := runIt(t, "", "replay", "-sink="+url, "-user=elastic", "-password-file="+password, "-setup", "-mode=history", "-data-stream", "-require-data-stream", "-gzip", sample)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Len(t, m.Documents("k8s-events"), 31)
	require.NotContains(t, errs, "s3cret")

	m, url = model(t, bulkmodel.Options{Authorization: "ApiKey aWQ6a2V5"})
	code, _, errs = runIt(t, "", "replay", "-sink="+url, "-api-key-file="+put(t, "key", "id:key"), sample)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Equal(t, 30, m.Count())
}

// TestFromServesMetrics is the README's command.
func TestFromServesMetrics(t *testing.T) {
	out, errs, stop := started(t, nil, "-from="+sample, "-listen=127.0.0.1:0")
	address := regexp.MustCompile(`msg=serving address=(\S+)`)
	eventually(t, func() bool { return strings.Contains(errs.String(), "the file is shipped") }, "shipped")
	require.Equal(t, 31, strings.Count(out.String(), "\n"))
	url := "http://" + address.FindStringSubmatch(errs.String())[1]
	text := get(t, url+"/metrics")
	require.Contains(t, text, `eventsink_documents_total{outcome="delivered",sink="stdout"} 31`)
	require.Contains(t, text, `kube_event_occurrences_total{component="kubelet",kind="Pod",namespace="shop",reason="BackOff",type="Warning"} 23`)
	require.Contains(t, text, "eventsink_delivery_lag_seconds_bucket")
	require.Equal(t, "ok\n", get(t, url+"/readyz"))
	require.Equal(t, "ok\n", get(t, url+"/healthz"))
	require.Equal(t, cli.ExitOK, stop())
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", text)
	return string(text)
}

// closed is a standard output whose reader has gone.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, fmt.Errorf("broken pipe") }

func TestAReaderThatHasGoneEndsIt(t *testing.T) {
	var errs buffer
	require.Equal(t, cli.ExitFailed, run(t.Context(), []string{"replay", sample}, nil, closed{}, &errs))
	require.Contains(t, errs.String(), "standard output: broken pipe")
	require.Equal(t, cli.ExitFailed, run(t.Context(), []string{"-from", sample, "-listen="}, nil, closed{}, &errs))
}

// TestAReplayAcrossARollover leaves each document once in a data stream, unless it is told not to look.
func TestAReplayAcrossARollover(t *testing.T) {
	m, url := model(t, bulkmodel.Options{DataStreams: []string{"k8s-events"}})
	flags := []string{"replay", "-sink=" + url, "-mode=history", "-data-stream"}
	for _, c := range []struct {
		flag, want string
		documents  int
	}{
		{"-workers=2", "31 Events: 31 delivered, 0 duplicates", 31},
		{"-workers=1", "31 Events: 0 delivered, 31 duplicates", 31},
		{"-data-stream-search=false", "31 Events: 31 delivered, 0 duplicates", 62},
	} {
		code, _, errs := runIt(t, "", append(flags, c.flag, sample)...)
		require.Equal(t, cli.ExitOK, code, errs)
		require.Contains(t, errs, c.want)
		require.Equal(t, c.documents, m.Count())
		m.Rollover("k8s-events")
	}

	m, url = model(t, bulkmodel.Options{DataStreams: []string{"k8s-events"}})
	m.Script(bulkmodel.Fault{CutAfter: true})
	flags[1] = "-sink=" + url
	code, _, errs := runIt(t, "", append(flags, "-workers=1", sample)...)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Contains(t, errs, "31 Events: 0 delivered, 31 duplicates", "the answer was lost, and the search finds them")
	require.Equal(t, 31, m.Count())
}
