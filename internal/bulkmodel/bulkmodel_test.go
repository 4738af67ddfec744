package bulkmodel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func post(t *testing.T, s *Server, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-ndjson")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
	return w.Code, answer
}

func TestVersionsAndConflicts(t *testing.T) {
	s := New(Options{})
	body := `{"create":{"_index":"i","_id":"a"}}
{}
{"index":{"_index":"i","_id":"b","version":7,"version_type":"external"}}
{}
`
	for range 2 {
		code, _ := post(t, s, "/_bulk", body)
		require.Equal(t, http.StatusOK, code)
	}
	requests, conflicts := s.Requests()
	require.Equal(t, 2, requests)
	require.Equal(t, 2, conflicts)
	require.Equal(t, 2, s.Count())
	require.EqualValues(t, 7, s.Documents("i")["b"].Version)
	require.Equal(t, []string{"i"}, s.Indices())
}

func TestFaultsComeInOrderAndCommitWhatTheySay(t *testing.T) {
	s := New(Options{})
	s.Script(Fault{Status: 429, RetryAfter: "1"}, Fault{Items: map[int]int{1: 503}}, Fault{Body: "<html>"})
	body := "{\"create\":{\"_index\":\"i\",\"_id\":\"a\"}}\n{}\n{\"create\":{\"_index\":\"i\",\"_id\":\"b\"}}\n{}\n"
	code, _ := post(t, s, "/_bulk", body)
	require.Equal(t, 429, code)
	require.Zero(t, s.Count())
	_, answer := post(t, s, "/_bulk", body)
	require.Equal(t, true, answer["errors"])
	require.Len(t, s.Documents("i"), 1)
	require.Contains(t, s.Documents("i"), "a")
	require.Equal(t, 1, s.Pending())
}

// TestRepliesAreLostAfterTheCommit is the case that makes duplicates.
func TestRepliesAreLostAfterTheCommit(t *testing.T) {
	s := New(Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	s.Script(Fault{CutBefore: true}, Fault{CutAfter: true})
	for i, want := range []int{0, 1, 1} {
		resp, err := http.Post(server.URL+"/_bulk", "application/x-ndjson", strings.NewReader("{\"create\":{\"_index\":\"i\",\"_id\":\"a\"}}\n{}\n"))
		require.Equal(t, i < 2, err != nil, "%v", err)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, want, s.Count())
	}
}

// TestFilteredItemsMoveUp is why a client has to ask for a field that each item has.
func TestFilteredItemsMoveUp(t *testing.T) {
	s := New(Options{})
	body := "{\"create\":{\"_index\":\"i\",\"_id\":\"a\"}}\n{}\n{\"create\":{\"_index\":\"i\",\"_id\":\"a\"}}\n{}\n"
	_, answer := post(t, s, "/_bulk?filter_path=items.*.error.type", body)
	require.Equal(t, map[string]any{"items": []any{map[string]any{"create": map[string]any{"error": map[string]any{"type": "version_conflict_engine_exception"}}}}}, answer)
	_, answer = post(t, s, "/_bulk?filter_path=errors,items.*.status", body)
	require.Len(t, answer["items"], 2)
}

// TestADataStreamRollsOver: a create is refused within the newest backing index alone, and a search finds both.
func TestADataStreamRollsOver(t *testing.T) {
	s := New(Options{DataStreams: []string{"stream"}})
	body := `{"create":{"_index":"stream","_id":"a"}}
{"@timestamp":"2026-01-01T00:00:00Z"}
`
	for generation := range 2 {
		for _, want := range []string{"201", "409"} {
			_, answer := post(t, s, "/_bulk", body)
			item := answer["items"].([]any)[0].(map[string]any)["create"].(map[string]any)
			require.Equal(t, want, fmt.Sprint(item["status"]))
		}
		require.Equal(t, generation+1, s.Count())
		s.Rollover("stream")
	}
	query := `{"size":10,"query":{"ids":{"values":["a","b"]}}}`
	code, answer := post(t, s, "/stream/_search", query)
	require.Equal(t, http.StatusOK, code)
	require.Len(t, answer["hits"].(map[string]any)["hits"], 2)
	code, _ = post(t, s, "/stream/_refresh", "")
	require.Equal(t, http.StatusOK, code)
	for path, want := range map[string]int{"/nosuch/_search": http.StatusNotFound, "/nosuch/_search?ignore_unavailable=true": http.StatusOK} {
		code, _ = post(t, s, path, query)
		require.Equal(t, want, code, path)
	}
	code, _ = post(t, s, "/stream/_search", `{"size":20000}`)
	require.Equal(t, http.StatusBadRequest, code)
}
