package cluster

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// AuditEvents returns the logged events that keep accepts, oldest first. An event is written when
// its request is answered, so a test that looks for one polls.
func (c *Cluster) AuditEvents(t testing.TB, keep func(auditv1.Event) bool) []auditv1.Event {
	t.Helper()
	data, err := os.ReadFile(c.AuditLog)
	require.NoError(t, err)
	data = data[:bytes.LastIndexByte(data, '\n')+1] // a line that is being written is not there yet
	var events []auditv1.Event
	for line := range bytes.Lines(data) {
		var event auditv1.Event
		require.NoError(t, json.Unmarshal(line, &event))
		if keep(event) {
			events = append(events, event)
		}
	}
	return events
}
