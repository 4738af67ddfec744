package eventsink

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// collector is one process of examples/collector.
type collector struct {
	*cluster.Component
	addr string // of /metrics
}

// startCollector runs the collector on a free port, as administrator, and returns when it serves. Its log is kept with
// the cluster's.
func startCollector(t *testing.T, c *cluster.Cluster, flags ...string) *collector {
	t.Helper()
	flags = append([]string{"-listen=127.0.0.1:0", "-log-format=json", "-log-level=debug", "-kubeconfig=" + c.Kubeconfig}, flags...)
	r, starts := &collector{}, 0
	r.Component = c.Program(t, "collector-"+rand.Text()[:6], build(t), flags, func(_ context.Context, program *cluster.Component) error {
		serving := logged(program, "serving")
		if len(serving) == starts {
			return errors.New("it does not say that it serves")
		}
		starts = len(serving)
		r.addr, _ = serving[starts-1]["address"].(string)
		return nil
	})
	return r
}

// logged returns the lines with a message that a program has logged as JSON.
func logged(program *cluster.Component, message string) []map[string]any {
	data, err := os.ReadFile(program.LogFile)
	if err != nil {
		return nil // it has not started
	}
	var found []map[string]any
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

func (c *collector) get(path string) (int, string, error) {
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + c.addr + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// samples are the metrics of one scrape: the sum of all series of each name, and each series by its text.
type samples struct {
	sum, series map[string]float64
}

func (c *collector) scrape() (samples, error) {
	status, text, err := c.get("/metrics")
	if err != nil {
		return samples{}, err
	}
	if status != http.StatusOK {
		return samples{}, fmt.Errorf("status %d: %s", status, text)
	}
	s := samples{map[string]float64{}, map[string]float64{}}
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(strings.TrimSpace(line), ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			return s, fmt.Errorf("%q: %w", line, err)
		}
		name, _, _ := strings.Cut(line[:at], "{")
		s.sum[name] += value
		s.series[line[:at]] = value
	}
	return s, nil
}

// balanced is the conservation law, read from one scrape.
func (s samples) balanced() error {
	received := s.sum["eventsink_received_total"]
	rest := s.sum["eventsink_documents_total"] + s.sum["eventsink_dropped_total"] + s.sum["eventsink_in_flight"] + s.sum["eventsink_spooled"]
	if received != rest {
		return fmt.Errorf("%v were received, but %v are accounted for", received, rest)
	}
	return nil
}

// settled is an error until everything that was received is settled. Each scrape on the way there has to be balanced.
func (c *collector) settled(t *testing.T) func() error {
	return func() error {
		s, err := c.scrape()
		if err != nil {
			return err
		}
		require.NoError(t, s.balanced())
		if n := s.sum["eventsink_in_flight"] + s.sum["eventsink_spooled"]; n > 0 {
			return fmt.Errorf("%v documents are in flight", n)
		}
		return nil
	}
}

func (c *collector) mustScrape(t *testing.T) samples {
	t.Helper()
	s, err := c.scrape()
	require.NoError(t, err)
	return s
}

// ready is an error until /readyz is 200.
func (c *collector) ready() error {
	status, text, err := c.get("/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d: %s", status, text)
	}
	return err
}
