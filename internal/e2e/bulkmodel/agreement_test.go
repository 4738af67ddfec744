package bulkmodel

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/bulkmodel"
	"github.com/kubewright/kubewright/internal/e2e/opensearch"
)

// requests are sent one after the other to a node that has the data stream "stream" and nothing else.
var requests = []struct{ name, path, contentType, body string }{
	{name: "creates, twice", body: `{"create":{"_index":"i","_id":"a"}}
{"n":1}
{"create":{"_index":"i","_id":"a"}}
{"n":1}
`},
	{name: "external versions", body: `{"index":{"_index":"i","_id":"v","version":5,"version_type":"external"}}
{}
{"index":{"_index":"i","_id":"v","version":5,"version_type":"external"}}
{}
{"index":{"_index":"i","_id":"v","version":4,"version_type":"external"}}
{}
{"index":{"_index":"i","_id":"v","version":7,"version_type":"external"}}
{}
`},
	{name: "version 0", body: `{"index":{"_index":"i","_id":"zero","version":0,"version_type":"external"}}
{}
`},
	{name: "create with a version", body: `{"create":{"_index":"i","_id":"c","version":1,"version_type":"external"}}
{}
`},
	{name: "a replay of everything", body: `{"create":{"_index":"i","_id":"a"}}
{"n":1}
{"index":{"_index":"i","_id":"v","version":7,"version_type":"external"}}
{}
`},
	{name: "no body"},
	{name: "no newline at the end", body: `{"create":{"_index":"i"}}` + "\n{}"},
	{name: "an action that is a string", body: "\"x\"\n{}\n"},
	{name: "an unknown parameter of an action", body: `{"create":{"_index":"i","foo":1}}` + "\n{}\n"},
	{name: "an unknown operation", body: `{"made":{"_index":"i"}}` + "\n{}\n"},
	{name: "a source that is no JSON", body: `{"create":{"_index":"i","_id":"b"}}
{"n":
{"create":{"_index":"i","_id":"good"}}
{}
`},
	{name: "a source that is not UTF-8", body: `{"create":{"_index":"i","_id":"b"}}` + "\n{\"a\":\"\xff\"}\n"},
	{name: "an empty source", body: `{"create":{"_index":"i","_id":"b"}}` + "\n\n"},
	{name: "a source that is an array", body: `{"create":{"_index":"i","_id":"b"}}` + "\n[1]\n"},
	{name: "an id of 512 bytes", body: `{"create":{"_index":"i","_id":"` + strings.Repeat("x", 512) + `"}}` + "\n{}\n"},
	{name: "an id of 513 bytes", body: `{"create":{"_index":"i","_id":"` + strings.Repeat("x", 513) + `"}}` + "\n{}\n" + `{"create":{"_index":"i","_id":"beside"}}` + "\n{}\n"},
	{name: "an empty id", body: `{"create":{"_index":"i","_id":""}}` + "\n{}\n" + `{"create":{"_index":"i","_id":"beside"}}` + "\n{}\n"},
	{name: "a data stream", body: `{"index":{"_index":"stream","_id":"1"}}
{"@timestamp":"2026-01-01T00:00:00Z"}
{"create":{"_index":"stream","_id":"1"}}
{}
{"create":{"_index":"stream","_id":"1"}}
{"@timestamp":"yesterday"}
{"create":{"_index":"stream","_id":"1"}}
{"@timestamp":"2026-01-01T00:00:00Z"}
{"create":{"_index":"stream","_id":"1"}}
{"@timestamp":"2026-01-01T00:00:00Z"}
`},
	{name: "no index", body: `{"create":{"_id":"b"}}` + "\n{}\n"},
	{name: "an index in the path", path: "/i/_bulk", body: `{"create":{"_id":"p"}}` + "\n{}\n"},
	{name: "a name that is none", body: `{"create":{"_index":"Upper","_id":"b"}}` + "\n{}\n"},
	{name: "an unknown parameter", path: "/_bulk?wurst=1", body: `{"create":{"_index":"i","_id":"b"}}` + "\n{}\n"},
	{name: "a parameter of the other", path: "/_bulk?require_data_stream=true", body: `{"create":{"_index":"i","_id":"b"}}` + "\n{}\n"},
	{name: "a filter that keeps something of each item", path: "/_bulk?filter_path=errors,items.*.status,items.*.error.type", body: `{"create":{"_index":"i","_id":"f"}}` + "\n{}\n" + `{"create":{"_index":"i","_id":"f"}}` + "\n{}\n"},
	{name: "a filter that leaves nothing of one", path: "/_bulk?filter_path=items.*.error.type", body: `{"create":{"_index":"i","_id":"g"}}` + "\n{}\n" + `{"create":{"_index":"i","_id":"g"}}` + "\n{}\n"},
	{name: "the media type of Elastic's clients", contentType: "application/vnd.elasticsearch+x-ndjson;compatible-with=8", body: `{"create":{"_index":"i","_id":"b"}}` + "\n{}\n"},
	{name: "plain text", contentType: "text/plain", body: `{"create":{"_index":"i","_id":"b"}}` + "\n{}\n"},
	{name: "deletes", body: `{"delete":{"_index":"i","_id":"a"}}` + "\n" + `{"delete":{"_index":"i","_id":"nobody"}}` + "\n"},
}

// TestTheModelAnswersAsOpenSearchDoes compares status, outcome of each item, version, and type of each error.
func TestTheModelAnswersAsOpenSearchDoes(t *testing.T) {
	node := opensearch.Start(t)
	t.Log(node.Version(t))
	node.MustDo(t, http.MethodPut, "/_index_template/stream", `{"index_patterns":["stream"],"data_stream":{}}`)
	model := httptest.NewServer(bulkmodel.New(bulkmodel.Options{DataStreams: []string{"stream"}}))
	defer model.Close()
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			want := send(t, node.URL, r.path, r.contentType, r.body)
			got := send(t, model.URL, r.path, r.contentType, r.body)
			require.Empty(t, cmp.Diff(want, got), "- OpenSearch, + model")
		})
	}
}

// reply is what of an answer the two must agree on.
type reply struct {
	Status int
	Error  string
	Errors any
	Items  []item
}

type item struct {
	Op, ID, Result, Error string
	Status                int
	Version               int64
}

func send(t *testing.T, url, path, contentType, body string) (out reply) {
	t.Helper()
	if path == "" {
		path = "/_bulk"
	}
	if contentType == "" {
		contentType = "application/x-ndjson"
	}
	resp, err := http.Post(url+path, contentType, strings.NewReader(body))
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer struct {
		Errors any
		Error  json.RawMessage
		Items  []map[string]struct {
			ID      string `json:"_id"`
			Result  string
			Status  int
			Version int64 `json:"_version"`
			Error   struct{ Type string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &answer), "%s", text)
	out = reply{Status: resp.StatusCode, Errors: answer.Errors}
	var object struct{ Type string }
	if json.Unmarshal(answer.Error, &object) == nil {
		out.Error = object.Type
	} else {
		out.Error = string(answer.Error)
	}
	for _, i := range answer.Items {
		for op, v := range i {
			if v.Result == "not_found" {
				v.Version = 0 // counts the deletes of what never was
			}
			if v.Result == "deleted" {
				v.Version = 0
			}
			out.Items = append(out.Items, item{Op: op, ID: v.ID, Result: v.Result, Error: v.Error.Type, Status: v.Status, Version: v.Version})
		}
	}
	return out
}
