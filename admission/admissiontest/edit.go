package admissiontest

import (
	"encoding/json"
	"slices"
)

// change changes one value somewhere in an object.
func (e *edits) change(root map[string]any) {
	n := countValues(root)
	if n < 2 {
		root[oddName(e.next())] = oddValue(e.next())
		return
	}
	at := 1 + e.below(n-1) // 0 is the root
	how, with := e.next(), e.next()
	rewrite(root, &at, func(v any) (any, bool) { return changed(v, how, with) })
}

// countValues counts a value and all values in it.
func countValues(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, value := range v {
			n += countValues(value)
		}
	case []any:
		for _, value := range v {
			n += countValues(value)
		}
	}
	return n
}

// rewrite puts the result of fn in the place of the value that comes at the given position, in sorted order. at is
// negative after that. The value is dropped if fn says so.
func rewrite(v any, at *int, fn func(any) (any, bool)) (any, bool) {
	*at--
	if *at == -1 {
		return fn(v)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if *at < 0 {
				return v, true
			}
			value, keep := rewrite(v[name], at, fn)
			if v[name] = value; !keep {
				delete(v, name)
			}
		}
	case []any:
		for i := 0; i < len(v) && *at >= 0; i++ {
			value, keep := rewrite(v[i], at, fn)
			if v[i] = value; !keep {
				return slices.Delete(v, i, i+1), true
			}
		}
	}
	return v, true
}

// changed is what becomes of a value.
func changed(v any, how, with byte) (any, bool) {
	switch how % 8 {
	case 0:
		return nil, false
	case 1:
		return nil, true
	case 2:
		return []any{v}, true
	case 3:
		return oddValue(with), true
	}
	switch v := v.(type) {
	case map[string]any:
		v[oddName(with)] = oddValue(with >> 4)
		return v, true
	case []any:
		return changedList(v, with), true
	}
	return oddValue(with), true
}

func changedList(list []any, with byte) []any {
	list = slices.Clone(list)
	switch {
	case len(list) == 0 || with%5 == 0:
		return append(list, oddValue(with>>4))
	case with%5 == 1:
		return append(list, list[0]) // an element twice
	case with%5 == 2:
		return append(list[1:], list[0])
	case with%5 == 3:
		return []any{}
	}
	slices.Reverse(list)
	return list
}

func oddName(with byte) string {
	names := []string{"", "a/b~c", "name", "Name", "annotations", "labels", "né", "unknown", "resources", "image"}
	return names[int(with)%len(names)]
}

func oddValue(with byte) any {
	values := []any{
		"", "x", "1000m", "0.5Gi", "a/b~1", "line\nbreak", "né\u0000", "nginx:latest",
		json.Number("0"), json.Number("-1"), json.Number("9007199254740993"), json.Number("1e3"),
		true, nil,
		map[string]any{},
		[]any{},
	}
	return values[int(with)%len(values)]
}
