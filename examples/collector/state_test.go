package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/internal/bulkmodel"

	"github.com/kubewright/kubewright/examples/internal/cli"
)

var positions = []eventsink.Checkpoint{
	{ResourceVersion: "100", Time: time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC), Holder: "a"},
	{ResourceVersion: "110", Time: time.Date(2026, 11, 20, 22, 1, 0, 0, time.UTC), Holder: "b"},
}

func TestPositionsAreKept(t *testing.T) {
	client := fake.NewClientset()
	for _, text := range []string{"file:" + filepath.Join(t.TempDir(), "position"), "configmap:ns/name"} {
		t.Run(text[:4], func(t *testing.T) {
			s, err := newStore(text, "", client)
			require.NoError(t, err)
			c, err := s.load(t.Context())
			require.NoError(t, err)
			require.Zero(t, c, "there is none at first")
			for _, p := range positions {
				require.NoError(t, s.save(t.Context(), p))
				c, err = s.load(t.Context())
				require.NoError(t, err)
				require.Equal(t, p, c)
			}
			require.ErrorContains(t, s.save(t.Context(), positions[0]), "the lease was lost", "a reader that was replaced does not put the position back")
		})
	}
	none, err := newStore("none", "", nil)
	require.NoError(t, err)
	require.NoError(t, none.save(t.Context(), positions[0]))
	require.Equal(t, "checkpoint-0-of-4", checkpointKey("0/4"))
}

func TestSpoiledPositionsAreNamed(t *testing.T) {
	path := put(t, "position", `{"resourceVersion":"1"}`)
	_, err := fileStore(path).load(t.Context())
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, fileStore(path).save(t.Context(), positions[0]), "remove it to start from a list")
	require.Error(t, fileStore("/nosuch/dir/position").save(t.Context(), positions[0]))
	client := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "name"}, Data: map[string]string{"checkpoint": "x"}})
	s, err := newStore("configmap:ns/name", "", client)
	require.NoError(t, err)
	require.ErrorContains(t, s.save(t.Context(), positions[0]), "ConfigMap ns/name, key checkpoint")
}

// TestAWriteInBetweenIsSeen loses a race for the ConfigMap.
func TestAWriteInBetweenIsSeen(t *testing.T) {
	client := fake.NewClientset(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "name"}})
	client.PrependReactor("update", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, "name", errors.New("changed"))
	})
	s, err := newStore("configmap:ns/name", "", client)
	require.NoError(t, err)
	require.True(t, apierrors.IsConflict(s.save(t.Context(), positions[0])))
}

func TestATornLineIsCutOff(t *testing.T) {
	whole := strings.Repeat("{\"n\":1}\n", 20_000) // more than one chunk
	path := put(t, "out.ndjson", whole+`{"n":`)
	code, _, errs := runIt(t, "", "replay", "-sink="+path, sample)
	require.Equal(t, cli.ExitOK, code, errs)
	text := read(t, path)
	require.True(t, strings.HasPrefix(text, whole+`{"message"`))
	require.Equal(t, 20_031, strings.Count(text, "\n"))
	onlyTorn := put(t, "torn.ndjson", strings.Repeat("x", 200_000))
	code, _, errs = runIt(t, "", "replay", "-sink="+onlyTorn, sample)
	require.Equal(t, cli.ExitOK, code, errs)
	require.Equal(t, 31, strings.Count(read(t, onlyTorn), "\n"))
}

// TestTheSpoolBridgesAnOutage has the sink refuse everything until documents are on disk, has the process end, and
// delivers them in the next one.
func TestTheSpoolBridgesAnOutage(t *testing.T) {
	m := bulkmodel.New(bulkmodel.Options{})
	var up atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		m.ServeHTTP(w, r)
	}))
	defer server.Close()
	url, dir := server.URL, t.TempDir()
	flags := []string{"-from=" + sample, "-listen=", "-sink=" + url, "-spool=" + dir, "-spool-after=20ms", "-drain-timeout=1ms", "-batch-age=1ms"}
	_, errs, stop := started(t, nil, flags...)
	eventually(t, func() bool { return strings.Contains(errs.String(), "documents go to disk") }, "spooled")
	_, documents, _ := runIt(t, "", "replay", sample)
	eventually(t, func() bool { return size(t, dir) > len(documents) }, "all of them")
	stop()
	require.Zero(t, m.Count())
	up.Store(true)
	_, errs, stop = started(t, strings.NewReader(""), "-from=-", "-listen=", "-sink="+url, "-spool="+dir, "-spool-after=20ms")
	eventually(t, func() bool { return m.Count() == 30 }, "delivered")
	require.Equal(t, cli.ExitOK, stop())
	require.Contains(t, errs.String(), "left on disk by an earlier process")
}

func size(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		if info, err := f.Info(); err == nil { // it may have gone meanwhile
			n += int(info.Size())
		}
	}
	return n
}

// TestTheSpoolKeepsTheAccounts goes through an outage within one process.
func TestTheSpoolKeepsTheAccounts(t *testing.T) {
	m, url := model(t, bulkmodel.Options{})
	for range 6 {
		m.Script(bulkmodel.Fault{Status: 503})
	}
	o := &options{sink: url, workers: 1, batchBytes: 3000, bufferBytes: 1 << 20, batchAge: time.Millisecond, series: 100, drainTimeout: time.Minute, spool: t.TempDir(), spoolAfter: 10 * time.Millisecond}
	e := &environment{log: slog.New(slog.DiscardHandler), metrics: newMetrics()}
	s, err := e.startFile(t.Context(), o)
	require.NoError(t, err)
	bad, err := s.readFiles(t.Context(), []string{sample}, nil, (*session).admitAll)
	require.NoError(t, err)
	require.Zero(t, bad)
	eventually(t, func() bool { return m.Count() == 30 }, "delivered")
	eventually(t, func() bool {
		var l eventsink.Ledger
		s.with(func(_ time.Time, f *eventsink.Flow) { l = f.Ledger() })
		require.True(t, l.Balanced(), "%+v", l)
		return l.InFlight+l.Spooled == 0
	}, "settled")
	require.True(t, s.finish())
	require.NoError(t, s.failure())
}

// TestWhatIsSilentForADayIsForgotten frees the series of namespaces that have gone.
func TestWhatIsSilentForADayIsForgotten(t *testing.T) {
	p, err := newPipeline(eventsink.FlowOptions{}, time.Now)
	require.NoError(t, err)
	pods, err := newPodWatcher(nil, time.Time{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	pods.observe(startedPod(1))
	require.NoError(t, p.admit(&eventsink.Record{UID: "u", Occurrences: 1, Last: time.Now()}, true))
	c := &collector{pods: pods}
	c.expire(&session{pipeline: p}, time.Now().Add(-time.Hour))
	require.Equal(t, 1, p.flow.Aggregator().Len())
	c.expire(&session{pipeline: p}, time.Now().Add(time.Hour))
	require.Zero(t, p.flow.Aggregator().Len())
}

func TestPausesEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	require.True(t, sleep(ctx, 0))
	require.True(t, pause(ctx, 0))
	cancel()
	require.False(t, sleep(ctx, 0))
	require.False(t, sleep(ctx, time.Hour))
	require.False(t, pause(ctx, 1000))
}
