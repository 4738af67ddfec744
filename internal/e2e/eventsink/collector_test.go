package eventsink

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/cluster"
)

// collector is one process of examples/collector.
type collector struct{ *cluster.Server }

// startCollector runs the collector on a free port, as administrator, and returns when it serves. Its log is kept with
// the cluster's.
func startCollector(t *testing.T, c *cluster.Cluster, flags ...string) *collector {
	t.Helper()
	flags = append([]string{"-listen=127.0.0.1:0", "-log-format=json", "-log-level=debug", "-kubeconfig=" + c.Kubeconfig}, flags...)
	return &collector{c.Server(t, "collector-"+rand.Text()[:6], build(t), flags)}
}

// samples are the metrics of one scrape: the sum of all series of each name, and each series by its text.
type samples struct {
	sum, series map[string]float64
}

func (c *collector) scrape() (samples, error) {
	text, err := c.Page("/metrics")
	if err != nil {
		return samples{}, err
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
	_, err := c.Page("/readyz")
	return err
}
