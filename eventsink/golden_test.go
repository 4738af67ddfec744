package eventsink_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/eventsink"
)

var update = flag.Bool("update", false, "rewrite testdata")

// The documents of both schemas, indented, and their action lines.
func TestGolden(t *testing.T) {
	full := backOffRecord()
	full.Action, full.Combined, full.Labels = "Restarting", true, map[string]string{"app": "web", "app.kubernetes.io/name": "web"}
	full.Annotations = map[string]string{"note": "a \"quoted\"\nline \x7f \xff ü"}
	full.Related = corev1.ObjectReference{Kind: "Node", Name: "node-17"}
	full.Last = full.Last.Add(1500 * time.Microsecond)
	bare := eventsink.Record{UID: "u", Occurrences: 1}
	for name, f := range map[string]eventsink.Format{
		"ecs":     {Cluster: "blue", MaxMessage: 20},
		"raw":     {Schema: eventsink.Raw, Cluster: "blue", MaxMessage: 20, Mode: eventsink.History},
		"monthly": {Monthly: true, Index: "events", Schema: eventsink.Raw},
		"stream":  {DataStream: true, Mode: eventsink.History, Schema: eventsink.Raw},
	} {
		t.Run(name, func(t *testing.T) {
			renderer, err := eventsink.NewRenderer(f)
			require.NoError(t, err)
			var got bytes.Buffer
			for _, r := range []*eventsink.Record{&full, &bare} {
				action := renderer.AppendAction(nil, r)
				got.Write(action)
				source := renderer.AppendSource(nil, r)
				require.NoError(t, json.Indent(&got, source, "", "  "))
				got.WriteByte('\n')
				require.Equal(t, string(action)+string(source)+"\n", string(renderer.AppendBulk(nil, r)))
				var head map[string]map[string]any
				require.NoError(t, json.Unmarshal(action, &head))
				for _, h := range head {
					require.Equal(t, h["_id"], string(renderer.AppendID(nil, r)))
					require.Equal(t, h["_index"], string(renderer.AppendIndex(nil, r)))
				}
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}
