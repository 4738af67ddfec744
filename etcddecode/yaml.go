package etcddecode

import (
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ErrOutputTooLarge is output that would be many times the size of any real object: only deep nesting, made for the
// purpose, gets there.
var ErrOutputTooLarge = errors.New("the YAML is larger than 256 MiB")

const maxYAML = 256 << 20

// AppendYAML appends the object as sigs.k8s.io/yaml writes its JSON, which is what kubectl get -o yaml prints: the
// same bytes, but for text that the detour through JSON spoils (U+0085) or refuses (control characters). The error is
// [ErrOutputTooLarge]; dst is then returned as it was.
func (o *Object) AppendYAML(dst []byte) ([]byte, error) {
	if len(o.tree.nodes) == 0 {
		return append(dst, "null\n"...), nil
	}
	return o.tree.appendYAML(dst, 0)
}

func (t *tree) appendYAML(dst []byte, root int32) ([]byte, error) {
	w := yamlWriter{
		writer: writer{tree: t, out: dst, less: yamlLess}, start: len(dst),
		indent: -1, whitespace: true, indention: true,
	}
	w.node(root, false)
	w.newLine()
	if len(w.out)-w.start > maxYAML {
		return dst, ErrOutputTooLarge
	}
	return w.out, nil
}

// yamlWriter is the part of libyaml's emitter, as gopkg.in/yaml.v2 ported it, that block style with an indent of 2
// and a width of 80 needs. Where it decides something odd, so does the original; the names are those of emitterc.go.
type yamlWriter struct {
	writer
	start  int
	column int // in characters
	indent int
	// whitespace says that the last character was one, indention that the line has only indentation and indicators.
	whitespace, indention bool
}

const (
	yamlIndent = 2
	yamlWidth  = 80
)

// node writes a value. In a map, a list is not indented further unless it stands on a line of its own.
func (w *yamlWriter) node(i int32, inMap bool) {
	if len(w.out)-w.start > maxYAML {
		return
	}
	n := &w.nodes[i]
	switch {
	case n.kind == kindList && n.count > 0:
		w.list(n, inMap)
	case n.kind == kindMap && n.count > 0:
		w.mapping(i)
	case n.kind == kindList:
		w.word("[]")
	case n.kind == kindMap:
		w.word("{}")
	case n.kind == kindString:
		w.str(n.text, false)
	default:
		w.plainNumber(n)
	}
}

func (w *yamlWriter) plainNumber(n *node) {
	w.space()
	before := len(w.out)
	switch n.kind {
	case kindNull:
		w.out = append(w.out, "null"...)
	case kindBool:
		w.out = strconv.AppendBool(w.out, n.num != 0)
	case kindInt:
		w.out = strconv.AppendInt(w.out, n.num, 10)
	case kindFloat:
		w.out = appendYAMLFloat(w.out, n.float())
	}
	w.column += len(w.out) - before
	w.whitespace, w.indention = false, false
}

// appendYAMLFloat writes a float as it comes out of its JSON: digits alone that fit into 64 bits are an integer.
func appendYAMLFloat(dst []byte, f float64) []byte {
	if f == 0 {
		return append(dst, '0') // also -0
	}
	start := len(dst)
	dst = appendJSONFloat(dst, f)
	text := string(dst[start:])
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return dst
	}
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		return dst
	}
	return strconv.AppendFloat(dst[:start], f, 'g', -1, 64)
}

func (w *yamlWriter) list(n *node, inMap bool) {
	outer := w.indent
	switch {
	case w.indent < 0:
		w.indent = 0
	case !inMap || w.indention:
		w.indent += yamlIndent
	}
	for c := n.first; c != 0; c = w.nodes[c].next {
		w.newLine()
		w.indicator("-", true, true)
		w.node(c, false)
	}
	w.indent = outer
}

func (w *yamlWriter) mapping(i int32) {
	outer := w.indent
	if w.indent < 0 {
		w.indent = 0
	} else {
		w.indent += yamlIndent
	}
	from, to := w.sorted(i)
	for at := from; at < to; at++ {
		c := w.stack[at]
		key := w.nodes[c].key
		w.newLine()
		if len(key) <= 128 && (w.isSimple(key) || !hasBreak(key)) {
			w.str(key, true)
			w.indicator(":", false, false)
		} else {
			w.indicator("?", true, true)
			w.str(key, false)
			w.newLine()
			w.indicator(":", true, true)
		}
		w.node(c, true)
	}
	w.stack = w.stack[:from]
	w.indent = outer
}

// newLine starts a line at the indent, unless the line that was started has nothing on it yet.
func (w *yamlWriter) newLine() {
	indent := max(w.indent, 0)
	if !w.indention || w.column > indent || w.column == indent && !w.whitespace {
		w.lineBreak()
	}
	if n := indent - w.column; n > 0 {
		w.out = slices.Grow(w.out, n)
		for range n {
			w.out = append(w.out, ' ')
		}
		w.column = indent
	}
	w.whitespace, w.indention = true, true
}

func (w *yamlWriter) lineBreak() {
	w.out = append(w.out, '\n')
	w.column = 0
}

func (w *yamlWriter) space() {
	if !w.whitespace {
		w.out = append(w.out, ' ')
		w.column++
	}
}

func (w *yamlWriter) indicator(s string, needSpace, indention bool) {
	if needSpace {
		w.space()
	}
	w.out = append(w.out, s...)
	w.column += len(s)
	w.whitespace, w.indention = false, w.indention && indention
}

// word writes ASCII that needs no quotes.
func (w *yamlWriter) word(s string) {
	w.space()
	w.out = append(w.out, s...)
	w.column += len(s)
	w.whitespace, w.indention = false, false
}

// char writes the character at i and returns the index after it.
func (w *yamlWriter) char(s string, i int) int {
	w.column++
	if s[i] < utf8.RuneSelf {
		w.out = append(w.out, s[i])
		return i + 1
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	w.out = append(w.out, s[i:i+n]...)
	return i + n
}
