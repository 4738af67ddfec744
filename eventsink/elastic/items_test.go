package elastic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/eventsink/elastic"
)

func TestItems(t *testing.T) {
	for _, c := range []struct {
		item   string
		want   elastic.Result
		reason string
	}{
		{`{"_index":"k8s-events-2026.03.01","_id":"u","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":0,"status":201}`, elastic.Delivered, ""},
		{`{"status":200,"result":"noop"}`, elastic.Delivered, ""},
		{`{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[u]: version conflict"}}`, elastic.Duplicate, "[u]: version conflict"},
		{`{"status":201,"failure_store":"used"}`, elastic.Redirected, ""},
		{`{"status":201,"failure_store":"not_applicable_or_unknown"}`, elastic.Delivered, ""},
		{`{"status":400,"failure_store":"failed","error":{"type":"document_parsing_exception","reason":"x"}}`, elastic.Reject, "x"},
		{`{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"queue"}}`, elastic.Retry, "queue"},
		{`{"status":503}`, elastic.Retry, ""},
		{`{"status":500,"error":"old style"}`, elastic.Retry, "old style"},
		{`{"status":400,"error":{"type":"mapper_parsing_exception","reason":"object mapping","caused_by":{"type":"illegal_argument_exception","reason":"deep"}}}`, elastic.Reject, "object mapping"},
		{`{"status":400,"error":{"type":"illegal_argument_exception","reason":"only write ops with an op_type of create are allowed in data streams"}}`, elastic.Hold, "only write ops with an op_type of create are allowed in data streams"},
		{`{"status":400,"error":{"type":"index_closed_exception","reason":"closed"}}`, elastic.Hold, "closed"},
		{`{"status":400,"error":{"type":"validation_exception","reason":"maximum shards"}}`, elastic.Hold, "maximum shards"},
		{`{"status":400,"error":{"type":"illegal_argument_exception","reason":"bad date"}}`, elastic.Reject, "bad date"},
		{`{"status":403,"error":{"type":"cluster_block_exception","reason":"read-only"}}`, elastic.Hold, "read-only"},
		{`{"status":404,"error":{"type":"index_not_found_exception","reason":"no"}}`, elastic.Hold, "no"},
		{`{"status":301}`, elastic.Hold, ""},
		{`{"status":413}`, elastic.Reject, ""},
		{`{"status":400,"error":{"reason":"` + strings.Repeat("é", 1000) + `"}}`, elastic.Reject, strings.Repeat("é", 512) + "…"},
		{`{"status":400,"error":{"type":7,"reason":["x"]}}`, elastic.Reject, ""},
	} {
		n := 0
		for item, err := range elastic.Items(reply(c.item).Body, 1) {
			require.NoError(t, err, c.item)
			require.Equal(t, c.want, item.Result, c.item)
			require.Equal(t, c.reason, item.Reason)
			n++
		}
		require.Equal(t, 1, n)
	}
}

func TestRepliesThatAreNone(t *testing.T) {
	ok := `{"index":{"status":201}}`
	for text, want := range map[string]string{
		``:                                             "item 0 of 2",
		`{}`:                                           "fewer items than documents",
		`{"items":[]}`:                                 "fewer items than documents",
		`{"items":[` + ok + `]}`:                       "item 1 of 2, byte 36: fewer items",
		`{"items":[` + ok + `,` + ok + `,` + ok:        "more items than documents",
		`{"items":[` + ok + `,` + ok + `]}x`:           "something behind the reply",
		`{"items":[` + ok + `,` + ok:                   "malformed JSON",
		`{"items":[` + ok + ` ` + ok:                   "malformed JSON",
		`{"items":[{"index":{"status":"201"}}]}`:       "an item without a status",
		`{"items":[{"index":{"status":20.1}}]}`:        "an item without a status",
		`{"items":[{"index":{"status":99}}]}`:          "an item without a status",
		`{"items":[{}]}`:                               "an item without a status",
		`{"items":{}}`:                                 "malformed JSON",
		`{"items":[{"index":{"status":201,}}]}`:        "malformed JSON",
		`{"items":[{"index":{"a\x":1}}]}`:              "malformed JSON",
		`{"took":01,"items":[]}`:                       "malformed JSON",
		`{"took":nul}`:                                 "malformed JSON",
		`{"took" 1}`:                                   "malformed JSON",
		"{\"a\":\"\n\"}":                               "malformed JSON",
		`{"a":"\`:                                      "malformed JSON",
		`{"a":"\u12"}`:                                 "malformed JSON",
		`{"a":"\u12g4"}`:                               "malformed JSON",
		`{"a":` + strings.Repeat("[", 1001):            "malformed JSON",
		`{"items":[{"index":{"error":{"type":"`:        "malformed JSON",
		`<html>502</html>` + strings.Repeat("x", 1000): "malformed JSON",
	} {
		var last error
		for _, err := range elastic.Items([]byte(text), 2) {
			last = err
		}
		require.ErrorContains(t, last, want, text)
		require.Less(t, len(last.Error()), 500)
	}
	for _, err := range elastic.Items([]byte(`{"items":[`+ok+`,`+ok+`]}`), 2) {
		require.NoError(t, err)
		break // stopping is no error
	}
}

func TestClassifyHTTP(t *testing.T) {
	for status, want := range map[int]elastic.Action{
		200: elastic.Read, 0: elastic.Again, 408: elastic.Again, 429: elastic.Again, 500: elastic.Again, 502: elastic.Again, 503: elastic.Again, 504: elastic.Again,
		413: elastic.Split, 400: elastic.Bisect, 401: elastic.Wait, 403: elastic.Wait, 404: elastic.Wait, 406: elastic.Wait, 301: elastic.Wait, 204: elastic.Wait, 501: elastic.Wait,
	} {
		require.Equal(t, want, elastic.ClassifyHTTP(status, nil), status)
	}
	for body, want := range map[string]elastic.Action{
		`{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line [3], expected START_OBJECT but found [VALUE_STRING]"},"status":400}`: elastic.Bisect,
		`{"error":{"type":"illegal_argument_exception","reason":"request [/_bulk] contains unrecognized parameter: [require_data_stream]"},"status":400}`:            elastic.Wait,
		`{"status":400,"error":"no handler found"}`: elastic.Bisect,
	} {
		require.Equal(t, want, elastic.ClassifyHTTP(400, []byte(body)), body)
	}
	require.Equal(t, "read again split bisect wait 9", fmt.Sprint(elastic.Read, " ", elastic.Again, " ", elastic.Split, " ", elastic.Bisect, " ", elastic.Wait, " ", elastic.Action(9)))
	require.Equal(t, "delivered hold 9", fmt.Sprint(elastic.Delivered, " ", elastic.Hold, " ", elastic.Result(9)))
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"99999999", "", 5 * time.Minute},
		{"-1", "", 0},
		{"soon", "", 0},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", 30 * time.Second},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 2026 12:01:00 GMT", 0},
		{"Sun, 01 Mar 2026 12:00:30 GMT", "", 0},
	} {
		require.Equal(t, c.want, elastic.RetryAfter(http.Header{"Retry-After": {c.value}, "Date": {c.date}}), c.value)
	}
}

// bulkReply is how esutil's BulkIndexer reads a reply: a second decoder.
type bulkReply struct {
	Items []map[string]struct {
		Status int `json:"status"`
	} `json:"items"`
}

// FuzzItems: what is no JSON is an error; what is read agrees with encoding/json.
func FuzzItems(f *testing.F) {
	for _, text := range []string{
		`{"took":3,"errors":true,"items":[{"index":{"status":201}},{"create":{"status":409,"error":{"type":"t","reason":"r\u00e9"}}}]}`,
		`{"items":[{"index":{"failure_store":"used","status":201}},{"index":{"error":"x","status":500}}]}`,
		`{"error":{"type":"a"},"status":400}`, `[]`, ` {"items" : [ {"a":{"status":200,"x":[1,-2e5,true,null,{"y":"\n"}]}},{"b":{"status":404}} ] } `,
	} {
		f.Add([]byte(text), 2)
	}
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		n %= 100
		var statuses []int
		var failed error
		for item, err := range elastic.Items(text, n) {
			if err != nil {
				failed = err
				continue
			}
			require.NoError(t, failed, "an error is the last")
			require.Equal(t, len(statuses), item.Index)
			statuses = append(statuses, item.Status)
		}
		elastic.ClassifyHTTP(400, text)
		if failed != nil {
			return
		}
		require.Len(t, statuses, n)
		require.True(t, json.Valid(text))
		var want bulkReply
		if err := json.Unmarshal(text, &want); err != nil || strings.Contains(strings.ToLower(string(text)), `\u`) {
			return // other members of other types; escapes in keys
		}
		if len(want.Items) != n || strings.Count(strings.ToLower(string(text)), `"status"`) != n || strings.Count(strings.ToLower(string(text)), `"items"`) != 1 {
			return // keys that stand twice or in another case
		}
		for i, item := range want.Items {
			if len(item) == 1 {
				for _, x := range item {
					require.Equal(t, x.Status, statuses[i])
				}
			}
		}
	})
}

func BenchmarkItems(b *testing.B) {
	for name, item := range map[string]string{
		"filtered": `{"index":{"status":201}}`,
		"whole":    `{"index":{"_index":"k8s-events-2026.03.01","_id":"0f8fad5b-d9cb-469f-a165-70867728950e","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}}`,
	} {
		b.Run(name, func(b *testing.B) {
			body := []byte(`{"took":30,"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(item+",", 5000), ",") + `]}`)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range elastic.Items(body, 5000) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
