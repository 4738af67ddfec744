package elastic_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

var update = flag.Bool("update", false, "rewrite testdata")

var (
	elasticsearch = elastic.Server{Distribution: "elasticsearch", Version: "9.1.2"}
	opensearch    = elastic.Server{Distribution: "opensearch", Version: "2.19.1"}
	stream        = eventsink.Format{Mode: eventsink.History, DataStream: true}
)

func TestSetups(t *testing.T) {
	for name, o := range map[string]elastic.TemplateOptions{
		"elasticsearch-latest": {Server: elasticsearch},
		"elasticsearch-stream": {Server: elasticsearch, Format: stream, FailureStore: true, RetentionDays: 7, Shards: 2, Replicas: -1},
		"opensearch-latest":    {Server: opensearch, Format: eventsink.Format{Schema: eventsink.Raw, Index: "events"}},
		"opensearch-stream":    {Server: opensearch, Format: stream},
		"forever":              {Server: elasticsearch, RetentionDays: -1, Format: eventsink.Format{Schema: eventsink.Raw}},
	} {
		t.Run(name, func(t *testing.T) {
			setups, err := elastic.Setups(o)
			require.NoError(t, err)
			var got bytes.Buffer
			for _, s := range setups {
				require.True(t, json.Valid(s.Body))
				fmt.Fprintf(&got, "PUT %s\n%s\n", s.Path, s.Body)
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

func TestTemplateOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]elastic.TemplateOptions{
		`distribution ""; write elasticsearch or opensearch`: {},
		"flat_object needs 2.7":                              {Server: elastic.Server{Distribution: "opensearch", Version: "2.6.0"}},
		"the templates are for 8 and 9":                      {Server: elastic.Server{Distribution: "elasticsearch", Version: "7.17.0"}},
		"FailureStore needs a data stream":                   {Server: elasticsearch, FailureStore: true},
		"Shards -1, RolloverGB 0; write none below 0":        {Server: elasticsearch, Shards: -1},
		"Format.DataStream needs Mode History":               {Server: elasticsearch, Format: eventsink.Format{DataStream: true}},
	} {
		_, err := elastic.Setups(o)
		require.ErrorContains(t, err, want)
	}
}

// Every field that a document may have is in the mapping, so that none is kept without being found.
func TestMappingsKnowEveryField(t *testing.T) {
	r := eventsink.Record{
		UID: "u", Namespace: "n", Name: "n", ResourceVersion: "1", Type: "Warning", Reason: "r", Action: "a", Message: "message",
		Component: "c", Instance: "i", Host: "h", First: t0, Last: t0, Created: t0.Add(1e9), Occurrences: 2, Combined: true,
		Labels: map[string]string{"a.b": "c"}, Annotations: map[string]string{"a": "b"},
	}
	r.Regarding = corev1.ObjectReference{Kind: "k", Namespace: "n", Name: "n", UID: "u", APIVersion: "v", ResourceVersion: "1", FieldPath: "f"}
	r.Related = r.Regarding
	for _, schema := range []eventsink.Schema{eventsink.ECS, eventsink.Raw} {
		f := eventsink.Format{Schema: schema, Cluster: "blue", MaxMessage: 3}
		renderer, err := eventsink.NewRenderer(f)
		require.NoError(t, err)
		var doc map[string]any
		require.NoError(t, json.Unmarshal(renderer.AppendSource(nil, &r), &doc))
		setups, err := elastic.Setups(elastic.TemplateOptions{Server: elasticsearch, Format: f})
		require.NoError(t, err)
		var template struct {
			Template struct {
				Mappings map[string]any `json:"mappings"`
			} `json:"template"`
		}
		require.NoError(t, json.Unmarshal(setups[1].Body, &template))
		require.Equal(t, false, template.Template.Mappings["dynamic"])
		requireMapped(t, "", doc, template.Template.Mappings)
	}
}

func requireMapped(t *testing.T, path string, doc, mapping map[string]any) {
	t.Helper()
	properties, ok := mapping["properties"].(map[string]any)
	require.True(t, ok, path)
	for key, value := range doc {
		field, ok := properties[key].(map[string]any)
		require.True(t, ok, "%s.%s is not mapped", path, key)
		if inner, ok := value.(map[string]any); ok && field["type"] == nil {
			requireMapped(t, strings.TrimPrefix(path+"."+key, "."), inner, field)
		}
	}
}
