package bulkmodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// commit carries the operations out one by one, each of which may fail by itself, and returns their items.
func (s *Server) commit(operations []operation, fault Fault, requireStream bool) (items []any, errors bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range operations {
		status, kind, reason := fault.item(i)
		result := map[string]any{}
		if status == 0 {
			status, kind, reason = s.apply(o, requireStream, result)
		}
		item := map[string]any{"_index": o.index, "_id": o.id, "status": status}
		if kind != "" {
			errors = true
			item["error"] = map[string]any{"type": kind, "reason": reason}
		} else {
			maps.Copy(item, result)
			if fault.FailureStore && o.op == "create" {
				item["failure_store"] = "used"
			}
		}
		if status == http.StatusConflict {
			s.conflict++
		}
		items = append(items, map[string]any{o.op: item})
	}
	return items, errors
}

// apply carries out one operation by the rules of a shard.
func (s *Server) apply(o operation, requireStream bool, result map[string]any) (status int, kind, reason string) {
	if kind, reason := s.refuses(o, requireStream); kind != "" {
		return http.StatusBadRequest, kind, reason
	}
	index := s.indices[o.index]
	if index == nil {
		index = map[string]Document{}
		s.indices[o.index] = index
	}
	if !o.hasID {
		o.id = fmt.Sprintf("generated-%d", len(index))
	}
	old, exists := index[o.id]
	if kind, reason := conflict(o, old, exists); kind != "" {
		return http.StatusConflict, kind, reason
	}
	version := old.Version + 1
	if o.external {
		version = o.version
	}
	result["_version"], result["result"] = version, "created"
	status = http.StatusCreated
	switch {
	case o.op == "delete" && !exists:
		result["result"] = "not_found"
		return http.StatusNotFound, "", ""
	case o.op == "delete":
		delete(index, o.id)
		result["result"] = "deleted"
		return http.StatusOK, "", ""
	case exists:
		result["result"] = "updated"
		status = http.StatusOK
	}
	index[o.id] = Document{Version: version, Source: bytes.Clone(o.source), Writes: old.Writes + 1}
	return status, "", ""
}

func conflict(o operation, old Document, exists bool) (kind, reason string) {
	const version = "version_conflict_engine_exception"
	switch {
	case !exists:
		return "", ""
	case o.op == "create":
		return version, fmt.Sprintf("[%s]: version conflict, document already exists (current version [%d])", o.id, old.Version)
	case o.external && o.version <= old.Version:
		return version, fmt.Sprintf("[%s]: version conflict, current version [%d] is higher or equal to the one provided [%d]", o.id, old.Version, o.version)
	}
	return "", ""
}

// refuses finds what is wrong with an operation whatever the index holds.
func (s *Server) refuses(o operation, requireStream bool) (kind, reason string) {
	const illegal, mapper = "illegal_argument_exception", "mapper_parsing_exception"
	stream := slices.Contains(s.options.DataStreams, o.index)
	switch {
	case badName(o.index):
		return "invalid_index_name_exception", "Invalid index name [" + o.index + "]"
	case o.hasID && o.id == "":
		return illegal, "if _id is specified it must not be empty"
	case requireStream && !stream:
		return "index_not_found_exception", "no such index [" + o.index + "] and the index creation request requires a data stream"
	case stream && o.op != "create":
		return illegal, "only write ops with an op_type of create are allowed in data streams"
	case o.op == "delete":
		return "", ""
	case len(bytes.TrimSpace(o.source)) == 0:
		return mapper, "failed to parse, document is empty"
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(o.source, &fields); err != nil || !utf8.Valid(o.source) {
		return mapper, "failed to parse"
	}
	if stream && !isTime(fields["@timestamp"]) {
		return mapper, "documents must contain a single-valued timestamp field '@timestamp' of date type"
	}
	return "", ""
}

func isTime(value json.RawMessage) bool {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return false
	}
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}

func badName(name string) bool {
	return strings.ToLower(name) != name || strings.ContainsAny(name, "\\/*?\"<>| ,#:") || strings.HasPrefix(name, "_") ||
		strings.HasPrefix(name, "-") || strings.HasPrefix(name, "+") || len(name) > 255
}
