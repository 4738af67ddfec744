package bulkmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/elastic/go-elasticsearch/v8/typedapi/ilm/putlifecycle"
	"github.com/elastic/go-elasticsearch/v8/typedapi/indices/putindextemplate"
	"github.com/opensearch-project/opensearch-go/v4/plugins/ism"
	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink"
	"github.com/kubewright/kubewright/eventsink/elastic"
)

// TestPoliciesFitTheVendorsTypes reads every template and policy with the types of the vendors' own clients, Elastic's of
// which are generated from the specification of its API, and writes it again: a field that they do not know, or that is
// in the wrong place, is missing then. ILM is not in any artefact that a test can run, and ISM is a plugin that is not on
// Maven Central (org.opensearch.plugin:opensearch-index-management, asked for as 2.19.1.0): whether the servers carry
// them out is not shown. Templates are installed in a real OpenSearch by the tests of the collector.
func TestPoliciesFitTheVendorsTypes(t *testing.T) {
	stream := eventsink.Format{Mode: eventsink.History, DataStream: true}
	n := 0
	for _, o := range []elastic.TemplateOptions{
		{Server: elastic.Server{Distribution: "elasticsearch", Version: "8.19.7"}},
		{Server: elastic.Server{Distribution: "elasticsearch", Version: "9.1.0"}, Format: stream, FailureStore: true},
		{Server: elastic.Server{Distribution: "elasticsearch", Version: "8.19.7"}, Format: eventsink.Format{Schema: eventsink.Raw}, Replicas: -1, RetentionDays: -1},
		{Server: elastic.Server{Distribution: "opensearch", Version: "2.19.1"}},
		{Server: elastic.Server{Distribution: "opensearch", Version: "3.1.0"}, Format: stream},
	} {
		setups, err := elastic.Setups(o)
		require.NoError(t, err)
		for _, s := range setups {
			t.Run(fmt.Sprint(n, s.Path), func(t *testing.T) {
				again, err := reread(s)
				require.NoError(t, err, "%s", s.Body)
				var want, got any
				require.NoError(t, json.Unmarshal(s.Body, &want))
				require.NoError(t, json.Unmarshal(again, &got))
				missing := lost("", want, got)
				if o.FailureStore && strings.HasPrefix(s.Path, "/_index_template/") { // Elasticsearch 9.1, which the client of 8.19 does not know
					require.Contains(t, missing, "/template/data_stream_options")
					missing = missing[1:]
				}
				require.Empty(t, missing, "%s\n%s", s.Body, again)
			})
			n++
		}
	}
	require.Equal(t, 9, n)
}

// reread decodes a body into the type that is for its path, and encodes that.
func reread(s elastic.Setup) ([]byte, error) {
	switch {
	case strings.HasPrefix(s.Path, "/_ilm/"):
		return roundTrip(s.Body, putlifecycle.NewRequest())
	case strings.HasPrefix(s.Path, "/_plugins/_ism/"):
		return roundTrip(s.Body, &ism.PoliciesPutBody{})
	}
	return roundTrip(s.Body, putindextemplate.NewRequest())
}

func roundTrip(body []byte, to any) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return nil, err
	}
	return json.Marshal(to)
}

// lost are the paths of want that got does not have. Defaults that were added do not count; numbers may have become text.
func lost(path string, want, got any) (missing []string) {
	switch want := want.(type) {
	case map[string]any:
		object, _ := got.(map[string]any)
		for key, v := range want {
			if list, ok := v.([]any); ok && len(list) == 0 {
				continue // none is as good as an empty one
			}
			if _, ok := object[key]; !ok {
				missing = append(missing, path+"/"+key)
				continue
			}
			missing = append(missing, lost(path+"/"+key, v, object[key])...)
		}
	case []any:
		list, _ := got.([]any)
		if len(list) != len(want) {
			return []string{path + " has another length"}
		}
		for i, v := range want {
			missing = append(missing, lost(fmt.Sprintf("%s/%d", path, i), v, list[i])...)
		}
	default:
		if fmt.Sprint(want) != fmt.Sprint(got) {
			missing = append(missing, fmt.Sprintf("%s is %v, was %v", path, got, want))
		}
	}
	return missing
}
