package bulkmodel

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

// Rollover gives a data stream a new backing index to write to. The _ids of the ones before are not looked at when a
// document is created.
func (s *Server) Rollover(stream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rolled[stream] = append(s.rolled[stream], s.indices[stream])
	s.indices[stream] = map[string]Document{}
}

// generations are the backing indices of a data stream, or the index.
func (s *Server) generations(name string) []map[string]Document {
	current, ok := s.indices[name]
	if !ok {
		return s.rolled[name]
	}
	return append(slices.Clone(s.rolled[name]), current)
}

// search answers a query for ids, and no other. Everything is visible at once.
func (s *Server) search(w http.ResponseWriter, r *http.Request, name string) {
	var query struct {
		Size  int
		Query struct{ IDs struct{ Values []string } }
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(s.options.MaxBody)))
	if err == nil {
		err = json.Unmarshal(body, &query)
	}
	if err != nil || query.Size > 10_000 {
		refuse(w, http.StatusBadRequest, "parsing_exception", "the model understands a query for ids, of at most 10000 hits")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	generations := s.generations(name)
	if len(generations) == 0 && r.URL.Query().Get("ignore_unavailable") != "true" {
		refuse(w, http.StatusNotFound, "index_not_found_exception", "no such index ["+name+"]")
		return
	}
	hits := []any{}
	for _, g := range generations {
		for _, id := range query.Query.IDs.Values {
			if _, ok := g[id]; ok && len(hits) < query.Size {
				hits = append(hits, map[string]any{"_index": name, "_id": id})
			}
		}
	}
	whole := map[string]any{"timed_out": false, "_shards": map[string]any{"total": len(generations), "failed": 0}, "hits": map[string]any{"hits": hits}}
	answer(w, http.StatusOK, filter(whole, r.URL.Query().Get("filter_path")))
}
