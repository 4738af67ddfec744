package bulkmodel

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Flavor is the server that is modelled, where the two differ.
type Flavor int

// OpenSearch 2 refuses the media types of Elastic's clients, and does not know data stream requirements; Elasticsearch
// 8 names itself in a header that those clients look for.
const (
	OpenSearch Flavor = iota
	Elasticsearch
)

// Options choose a server. The zero value is an OpenSearch that lets everybody in.
type Options struct {
	Flavor Flavor
	// MaxBody is http.max_content_length, in bytes after decompression. 100 MiB.
	MaxBody int
	// DataStreams are the names that are data streams: they take creates alone, of documents with a @timestamp.
	DataStreams []string
	// Authorization is the header that a request must carry, such as "ApiKey …", or else it is answered 401.
	Authorization string
}

// Server is an http.Handler. It is safe for concurrent use.
type Server struct {
	options Options

	mu       sync.Mutex
	indices  map[string]map[string]Document
	rolled   map[string][]map[string]Document // of data streams, the backing indices that are not written to any more
	script   []Fault
	requests int
	conflict int
}

// Document is what the model keeps.
type Document struct {
	Version int64
	Source  json.RawMessage
	// Writes is how often it was created or indexed anew.
	Writes int
}

// New returns an empty server.
func New(o Options) *Server {
	if o.MaxBody == 0 {
		o.MaxBody = 100 << 20
	}
	return &Server{options: o, indices: map[string]map[string]Document{}, rolled: map[string][]map[string]Document{}}
}

// Script has the next bulk requests go wrong, one fault each, in this order.
func (s *Server) Script(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Documents returns a copy of what an index or data stream holds, by _id.
func (s *Server) Documents(index string) map[string]Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Document{}
	maps.Copy(out, s.indices[index])
	return out
}

// Indices lists what has documents, sorted.
func (s *Server) Indices() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.indices {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Count is the number of documents in all indices, those behind a data stream included.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, index := range s.indices {
		n += len(index)
	}
	for _, generations := range s.rolled {
		for _, index := range generations {
			n += len(index)
		}
	}
	return n
}

// Requests is how many bulk requests came in, refused ones included, and Conflicts how many items were answered 409.
func (s *Server) Requests() (requests, conflicts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.conflict
}

// Pending is how many faults of the script are still to come.
func (s *Server) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.script)
}

// ServeHTTP answers /, /_bulk, /{index}/_bulk, /{index}/_refresh and searches for ids, and acknowledges templates and policies without keeping them.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.options.Flavor == Elasticsearch {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
	}
	if s.options.Authorization != "" && r.Header.Get("Authorization") != s.options.Authorization {
		refuse(w, http.StatusUnauthorized, "security_exception", "missing authentication credentials for REST request ["+r.URL.Path+"]")
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/":
		s.root(w)
	case parts[len(parts)-1] == "_bulk" && len(parts) <= 2:
		index := ""
		if len(parts) == 2 {
			index = parts[0]
		}
		s.bulk(w, r, index)
	case len(parts) == 2 && parts[1] == "_search":
		s.search(w, r, parts[0])
	case len(parts) == 2 && parts[1] == "_refresh":
		answer(w, http.StatusOK, map[string]any{"_shards": map[string]any{"failed": 0}})
	case (r.Method == http.MethodPut || r.Method == http.MethodPost) && strings.HasPrefix(parts[0], "_"):
		answer(w, http.StatusOK, map[string]any{"acknowledged": true})
	default:
		refuse(w, http.StatusNotFound, "resource_not_found_exception", "the model does not know "+r.Method+" "+r.URL.Path)
	}
}

func (s *Server) root(w http.ResponseWriter) {
	version := map[string]any{"number": "8.19.7", "build_flavor": "default"}
	tagline := "You Know, for Search"
	if s.options.Flavor == OpenSearch {
		version, tagline = map[string]any{"number": "2.19.1", "distribution": "opensearch"}, "The OpenSearch Project: https://opensearch.org/"
	}
	answer(w, http.StatusOK, map[string]any{"name": "model", "cluster_name": "model", "version": version, "tagline": tagline})
}

func (s *Server) bulk(w http.ResponseWriter, r *http.Request, index string) {
	fault := s.nextFault()
	fault.cutBefore()
	if fault.request(w) {
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		refusePlain(w, http.StatusMethodNotAllowed, "Incorrect HTTP method for uri ["+r.URL.Path+"] and method ["+r.Method+"], allowed: [POST, PUT]")
		return
	}
	if !s.reads(r.Header.Get("Content-Type")) {
		refusePlain(w, http.StatusNotAcceptable, "Content-Type header ["+r.Header.Get("Content-Type")+"] is not supported")
		return
	}
	if problem := s.unknownParameter(r); problem != "" {
		refuse(w, http.StatusBadRequest, "illegal_argument_exception", problem)
		return
	}
	body, err := readBody(r, s.options.MaxBody)
	if err != nil {
		refuse(w, http.StatusBadRequest, "parse_exception", err.Error())
		return
	}
	if len(body) > s.options.MaxBody {
		w.WriteHeader(http.StatusRequestEntityTooLarge) // by Netty, before anything could write a body
		return
	}
	operations, kind, reason := parse(body, index)
	if kind != "" {
		refuse(w, http.StatusBadRequest, kind, reason)
		return
	}
	s.reply(w, r, operations, fault)
}

// reply commits and answers, unless the fault is in between.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, operations []operation, fault Fault) {
	require := r.URL.Query().Get("require_data_stream") == "true"
	items, errors := s.commit(operations, fault, require)
	fault.cutAfter()
	if fault.Body != "" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, fault.Body) // there is nobody to tell
		return
	}
	whole := map[string]any{"took": 1, "errors": errors, "items": items}
	answer(w, http.StatusOK, filter(whole, r.URL.Query().Get("filter_path")))
}

// parameters are those of _bulk in OpenSearch 2 and, beyond, in Elasticsearch 8.
var (
	parameters = []string{
		"filter_path", "error_trace", "human", "pretty", "refresh", "routing", "timeout", "pipeline", "type", "_source", "_source_includes",
		"_source_excludes", "wait_for_active_shards", "require_alias", "batch_size",
	}
	elasticParameters = []string{"require_data_stream", "list_executed_pipelines", "include_source_on_error"}
)

func (s *Server) unknownParameter(r *http.Request) string {
	for name := range r.URL.Query() {
		known := slices.Contains(parameters, name) || s.options.Flavor == Elasticsearch && slices.Contains(elasticParameters, name)
		if !known {
			return "request [" + r.URL.Path + "] contains unrecognized parameter: [" + name + "]"
		}
	}
	return ""
}

// reads says whether a media type is accepted: plain JSON by both, Elastic's own by theirs.
func (s *Server) reads(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch media {
	case "application/json", "application/x-ndjson":
		return true
	case "application/vnd.elasticsearch+json", "application/vnd.elasticsearch+x-ndjson":
		return s.options.Flavor == Elasticsearch
	}
	return false
}

func readBody(r *http.Request, most int) ([]byte, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = unzipped
	}
	return io.ReadAll(io.LimitReader(body, int64(most)+1))
}

func answer(w http.ResponseWriter, status int, value any) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	_ = e.Encode(value) // made of strings, numbers and maps: it can't fail
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}

func refuse(w http.ResponseWriter, status int, kind, reason string) {
	cause := map[string]any{"type": kind, "reason": reason}
	answer(w, status, map[string]any{"error": map[string]any{"root_cause": []any{cause}, "type": kind, "reason": reason}, "status": status})
}

func refusePlain(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]any{"error": text, "status": status})
}
