package etcddecode

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func floatNode(key string, f float64) node {
	return node{key: key, kind: kindFloat, num: int64(math.Float64bits(f))}
}

func (n *node) float() float64 { return math.Float64frombits(uint64(n.num)) }

// writer emits a tree. The order of keys is sorted once for each map, on a stack that all levels share.
type writer struct {
	*tree
	out   []byte
	stack []int32
	less  func(a, b string) int
}

// sorted pushes the children of a map in the order of their keys, only the last of each key, and returns where they
// start. The caller pops them by cutting the stack.
func (w *writer) sorted(i int32) (from, to int) {
	from = len(w.stack)
	w.stack = w.children(w.stack, i)
	part := w.stack[from:]
	if len(part) > 12 {
		slices.SortStableFunc(part, func(a, b int32) int { return w.less(w.nodes[a].key, w.nodes[b].key) })
	} else {
		for j := 1; j < len(part); j++ {
			for k := j; k > 0 && w.less(w.nodes[part[k]].key, w.nodes[part[k-1]].key) < 0; k-- {
				part[k], part[k-1] = part[k-1], part[k]
			}
		}
	}
	return from, from + len(w.dropDuplicates(part))
}

func (w *writer) dropDuplicates(part []int32) []int32 {
	n := 0
	for j, i := range part {
		if j+1 < len(part) && w.nodes[part[j+1]].key == w.nodes[i].key {
			continue
		}
		part[n] = i
		n++
	}
	return part[:n]
}

// appendJSON writes what encoding/json writes for the same maps, lists, strings and numbers.
func (t *tree) appendJSON(dst []byte, root int32) []byte {
	w := writer{tree: t, out: dst, stack: make([]int32, 0, 128), less: strings.Compare}
	w.json(root)
	return w.out
}

func (w *writer) json(i int32) {
	n := &w.nodes[i]
	switch n.kind {
	case kindNull:
		w.out = append(w.out, "null"...)
	case kindBool:
		w.out = strconv.AppendBool(w.out, n.num != 0)
	case kindInt:
		w.out = strconv.AppendInt(w.out, n.num, 10)
	case kindFloat:
		w.out = appendJSONFloat(w.out, n.float())
	case kindString:
		w.out = appendJSONString(w.out, n.text)
	case kindList:
		w.out = append(w.out, '[')
		for c := n.first; c != 0; c = w.nodes[c].next {
			if c != n.first {
				w.out = append(w.out, ',')
			}
			w.json(c)
		}
		w.out = append(w.out, ']')
	case kindMap:
		w.jsonMap(i)
	}
}

func (w *writer) jsonMap(i int32) {
	from, to := w.sorted(i)
	w.out = append(w.out, '{')
	for at := from; at < to; at++ {
		if at > from {
			w.out = append(w.out, ',')
		}
		c := w.stack[at]
		w.out = append(appendJSONString(w.out, w.nodes[c].key), ':')
		w.json(c)
	}
	w.out = append(w.out, '}')
	w.stack = w.stack[:from]
}

// appendJSONFloat writes a float64 as encoding/json does, after ES6.
func appendJSONFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendJSONString writes a string as encoding/json does, which also escapes <, > and &.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if jsonSafe[c] {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			if short := strings.IndexByte("\"\\\b\f\n\r\t", c); short >= 0 {
				dst = append(dst, '\\', `"\bfnrt`[short])
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		char, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case char == utf8.RuneError && n == 1:
			dst = append(append(dst, s[start:i]...), `\ufffd`...)
			start = i + n
		case char == '\u2028' || char == '\u2029':
			dst = append(append(dst, s[start:i]...), `\u202`...)
			dst = append(dst, hex[char&15])
			start = i + n
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

// jsonSafe are the bytes that stand for themselves.
//
//nolint:gochecknoglobals // constant
var jsonSafe = func() (safe [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		safe[c] = !strings.ContainsRune(`"\<>&`, c)
	}
	return safe
}()

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
