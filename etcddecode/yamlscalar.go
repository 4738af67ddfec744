package etcddecode

import (
	"strings"
	"unicode/utf8"
)

// str writes a string in the style that yaml.v2 chooses: plain if it can be read back as the string, literal for
// several lines, else in quotes.
func (w *yamlWriter) str(s string, simpleKey bool) {
	if w.isSimple(s) {
		if resolvesToString(s) {
			w.word(s)
			return
		}
		if strings.IndexByte(s, '"') < 0 && strings.IndexByte(s, '\\') < 0 {
			w.space()
			w.out = append(append(append(w.out, '"'), s...), '"')
			w.column += len(s) + 2
			w.whitespace, w.indention = false, false
			return
		}
	}
	outer := w.indent
	if w.indent < 0 {
		w.indent = yamlIndent
	} else {
		w.indent += yamlIndent
	}
	a := analyze(s)
	switch {
	case strings.IndexByte(s, '\n') >= 0 && a.block && !simpleKey:
		w.literal(s)
	case strings.IndexByte(s, '\n') >= 0 || !resolvesToString(s):
		w.doubleQuoted(s, !simpleKey)
	case a.plain && (s != "" || !simpleKey):
		w.plain(s, !simpleKey)
	case a.single:
		w.singleQuoted(s, !simpleKey)
	default:
		w.doubleQuoted(s, !simpleKey)
	}
	w.indent = outer
}

// isSimple reports whether a string is plain wherever it stands, but for what it would be read back as, and fits on
// the line. That is most strings of most objects, so it is worth a look before the analysis.
func (w *yamlWriter) isSimple(s string) bool {
	if s == "" || simpleChars[s[0]] != 1 || s[0] == '.' && len(s) > 1 && s[1] == '.' || s[len(s)-1] == ' ' {
		return false
	}
	if w.column+len(s) >= yamlWidth && strings.IndexByte(s, ' ') >= 0 {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case simpleChars[c] == 0:
			return false
		case c == ':' && (i+1 == len(s) || s[i+1] == ' '):
			return false
		}
	}
	return true
}

// simpleChars are 1 where a plain scalar may start and 2 where it may only go on. A # needs a closer look.
//
//nolint:gochecknoglobals // constant
var simpleChars = func() (is [256]byte) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=+~()$;<^\\" {
		is[c] = 1
	}
	for _, c := range " :-,[]{}&*!|>'\"%@`?" {
		is[c] = 2
	}
	return is
}()

// analysis says in which styles a string can be written.
type analysis struct{ plain, single, block bool }

// analyze is yaml_emitter_analyze_scalar, outside flow style.
func analyze(s string) analysis {
	if s == "" {
		return analysis{plain: true, single: true}
	}
	a := analysis{plain: true, single: true, block: true}
	if strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") {
		a.plain = false
	}
	previousSpace, previousBreak, afterBlank := false, false, true
	for i := 0; i < len(s); {
		n := width(s, i)
		if indicates(s, i, n, afterBlank) {
			a.plain = false
		}
		space, isBreak := s[i] == ' ', breakAt(s, i)
		switch {
		case !printableAt(s, i):
			a = analysis{}
		case space && (i == 0 || i+n == len(s)), isBreak:
			a.plain = false
		}
		if space && i+n == len(s) {
			a.block = false
		}
		if space && previousBreak {
			a.plain, a.single = false, false
		}
		if isBreak && previousSpace {
			a = analysis{}
		}
		previousSpace, previousBreak = space, isBreak
		afterBlank = blankAt(s, i) || isBreak || s[i] == 0
		i += n
	}
	return a
}

// indicates reports whether the character at i would be read as a part of YAML's syntax in a plain scalar.
func indicates(s string, i, n int, afterBlank bool) bool {
	beforeBlank := i+n >= len(s) || blankAt(s, i+n)
	switch s[i] {
	case ':':
		return beforeBlank
	case '#':
		return afterBlank
	}
	if i > 0 {
		return false
	}
	switch s[i] {
	case '?', '-':
		return beforeBlank
	}
	return strings.IndexByte(",[]{}&*!|>'\"%@`", s[i]) >= 0
}

func width(s string, i int) int {
	if s[i] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}

func blankAt(s string, i int) bool { return s[i] == ' ' || s[i] == '\t' }

// breakAt reports whether a line break starts at i: CR, LF, NEL, LS or PS.
func breakAt(s string, i int) bool {
	switch s[i] {
	case '\r', '\n':
		return true
	case 0xC2:
		return s[i+1] == 0x85
	case 0xE2:
		return s[i+1] == 0x80 && (s[i+2] == 0xA8 || s[i+2] == 0xA9)
	}
	return false
}

func hasBreak(s string) bool {
	for i := range len(s) {
		if s[i] != 0xC2 && s[i] != 0xE2 && s[i] != '\r' && s[i] != '\n' {
			continue
		}
		if breakAt(s, i) {
			return true
		}
	}
	return false
}

// printableAt reports whether the character at i needs no escape. Characters above U+FFFF do.
func printableAt(s string, i int) bool {
	switch c := s[i]; {
	case c < utf8.RuneSelf:
		return c == '\n' || c >= ' ' && c <= '~'
	case c == 0xC2:
		return s[i+1] >= 0xA0
	case c < 0xED:
		return true
	case c == 0xED:
		return s[i+1] < 0xA0
	case c == 0xEF:
		return (s[i+1] != 0xBB || s[i+2] != 0xBF) && (s[i+1] != 0xBF || s[i+2] < 0xBE)
	default:
		return c == 0xEE
	}
}

// copyBreak writes the line break at i and returns the index after it.
func (w *yamlWriter) copyBreak(s string, i int) int {
	if s[i] == '\n' {
		w.lineBreak()
		return i + 1
	}
	i = w.char(s, i)
	w.column = 0
	return i
}

func (w *yamlWriter) plain(s string, mayFold bool) {
	w.space()
	spaces := false
	for i := 0; i < len(s); {
		if s[i] == ' ' {
			if mayFold && !spaces && w.column > yamlWidth && s[i+1] != ' ' {
				w.newLine()
				i++
			} else {
				i = w.char(s, i)
			}
			spaces = true
			continue
		}
		i = w.char(s, i)
		w.indention, spaces = false, false
	}
	w.whitespace, w.indention = false, false
}

func (w *yamlWriter) singleQuoted(s string, mayFold bool) {
	w.indicator("'", true, false)
	spaces, breaks := false, false
	for i := 0; i < len(s); {
		switch {
		case s[i] == ' ':
			if mayFold && !spaces && w.column > yamlWidth && i > 0 && i < len(s)-1 && s[i+1] != ' ' {
				w.newLine()
				i++
			} else {
				i = w.char(s, i)
			}
			spaces = true
		case breakAt(s, i):
			if !breaks && s[i] == '\n' {
				w.lineBreak()
			}
			i = w.copyBreak(s, i)
			w.indention, breaks = true, true
		default:
			if breaks {
				w.newLine()
			}
			if s[i] == '\'' {
				w.char(s, i)
			}
			i = w.char(s, i)
			w.indention, spaces, breaks = false, false, false
		}
	}
	w.indicator("'", false, false)
}

func (w *yamlWriter) doubleQuoted(s string, mayFold bool) {
	w.indicator(`"`, true, false)
	bom := strings.HasPrefix(s, "\ufeff") // the original looks at the start of the string, wherever it is
	spaces := false
	for i := 0; i < len(s); {
		switch {
		case bom || !printableAt(s, i) || breakAt(s, i) || s[i] == '"' || s[i] == '\\':
			i = w.escape(s, i)
			spaces = false
		case s[i] == ' ':
			if mayFold && !spaces && w.column > yamlWidth && i > 0 && i < len(s)-1 {
				w.newLine()
				if s[i+1] == ' ' {
					w.out = append(w.out, '\\')
					w.column++
				}
				i++
			} else {
				i = w.char(s, i)
			}
			spaces = true
		default:
			i = w.char(s, i)
			spaces = false
		}
	}
	w.indicator(`"`, false, false)
}

// escape writes the character at i as an escape and returns the index after it.
func (w *yamlWriter) escape(s string, i int) int {
	const (
		hex   = "0123456789ABCDEF"
		chars = "\x00\a\b\t\n\v\f\r\x1b\"\\\u0085\u00a0\u2028\u2029"
		names = "0abtnvfre\"\\N_LP"
	)
	c, n := utf8.DecodeRuneInString(s[i:])
	before := len(w.out)
	if at := strings.IndexRune(chars, c); at >= 0 {
		w.out = append(w.out, '\\', names[utf8.RuneCountInString(chars[:at])])
	} else {
		letter, digits := byte('U'), 8
		switch {
		case c <= 0xFF:
			letter, digits = 'x', 2
		case c <= 0xFFFF:
			letter, digits = 'u', 4
		}
		w.out = append(w.out, '\\', letter)
		for shift := (digits - 1) * 4; shift >= 0; shift -= 4 {
			w.out = append(w.out, hex[c>>shift&15])
		}
	}
	w.column += len(w.out) - before
	return i + n
}

func (w *yamlWriter) literal(s string) {
	w.indicator("|", true, false)
	if s[0] == ' ' || breakAt(s, 0) {
		w.indicator("2", false, false)
	}
	if hint := chomping(s); hint != "" {
		w.indicator(hint, false, false)
	}
	w.lineBreak()
	w.indention, w.whitespace = true, true
	breaks := true
	for i := 0; i < len(s); {
		if breakAt(s, i) {
			i = w.copyBreak(s, i)
			w.indention, breaks = true, true
			continue
		}
		if breaks {
			w.newLine()
		}
		i = w.char(s, i)
		w.indention, breaks = false, false
	}
}

// chomping is the hint about line breaks at the end of a literal.
func chomping(s string) string {
	_, n := utf8.DecodeLastRuneInString(s)
	last := len(s) - n
	if !breakAt(s, last) {
		return "-"
	}
	if last == 0 {
		return "+"
	}
	_, n = utf8.DecodeLastRuneInString(s[:last])
	if breakAt(s, last-n) {
		return "+"
	}
	return ""
}
