package bulkmodel

import "strings"

// filter keeps what a filter_path names, and drops what is empty then: an item whose fields are all filtered away is
// missing from the answer, and those behind it move up.
func filter(value any, paths string) any {
	if paths == "" {
		return value
	}
	var kept any
	for path := range strings.SplitSeq(paths, ",") {
		kept = merge(kept, pick(value, strings.Split(path, ".")))
	}
	kept = compact(kept)
	if kept == nil {
		return map[string]any{}
	}
	return kept
}

// pick returns the part of a value that a path leads to, or nil. Arrays are passed through, with nil where nothing is.
func pick(value any, path []string) any {
	if list, ok := value.([]any); ok {
		out := make([]any, len(list))
		for i, v := range list {
			out[i] = pick(v, path)
		}
		return out
	}
	if len(path) == 0 {
		return value
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	for name, v := range object {
		switch path[0] {
		case name, "*":
			out[name] = pick(v, path[1:])
		case "**":
			out[name] = merge(pick(v, path), pick(v, path[1:]))
		}
	}
	return out
}

func merge(a, b any) any {
	switch a := a.(type) {
	case nil:
		return b
	case map[string]any:
		for name, v := range asMap(b) {
			a[name] = merge(a[name], v)
		}
	case []any:
		for i, v := range asList(b) {
			a[i] = merge(a[i], v)
		}
	}
	return a
}

func asMap(v any) map[string]any { m, _ := v.(map[string]any); return m }
func asList(v any) []any         { l, _ := v.([]any); return l }

// compact removes nil, and what has nothing left in it.
func compact(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if v = compact(v); v == nil {
				delete(value, name)
			} else {
				value[name] = v
			}
		}
		if len(value) == 0 {
			return nil
		}
	case []any:
		var kept []any
		for _, v := range value {
			if v = compact(v); v != nil {
				kept = append(kept, v)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	}
	return value
}
