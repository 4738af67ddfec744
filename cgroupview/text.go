package cgroupview

import (
	"bytes"
	"unicode/utf8"
)

// cut is bytes.Cut at one byte.
func cut(text []byte, at byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(text, at); i >= 0 {
		return text[:i], text[i+1:], true
	}
	return text, nil, false
}

// number reads decimal digits alone: no sign, no space. It refuses what does not fit.
func number[T ~string | ~[]byte](text T) (uint64, bool) {
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	var n uint64
	for i := range len(text) {
		d := uint64(text[i] - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// nextField returns the first word of text and what follows it.
func nextField(text []byte) (word, rest []byte) {
	text = bytes.TrimLeft(text, " \t")
	for i, c := range text {
		if c == ' ' || c == '\t' {
			return text[:i], text[i:]
		}
	}
	return text, nil
}

// shorten keeps a file's content from flooding a message.
func shorten(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
