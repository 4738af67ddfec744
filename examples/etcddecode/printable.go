package main

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/kubewright/kubewright/etcddecode"
)

// printable is a key as it is shown: without the token in it, and on one line.
func printable(key []byte) string { return oneLine(etcddecode.PrintableKey(string(key))) }

// appendPrintable appends what printable returns, for listings.
func appendPrintable(dst, key []byte) []byte {
	text := etcddecode.AppendPrintableKey(dst, key)
	if shown := text[len(dst):]; !isPlain(shown) {
		return append(dst, oneLine(string(shown))...)
	}
	return text
}

// oneLine quotes what would end a line, a comment or the state of a terminal: who can write to etcd must not write
// manifests, lines of a listing or escape sequences that way.
func oneLine(text string) string {
	if isPlain(text) {
		return text
	}
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}

// isPlain reports whether there is nothing to quote in a text.
func isPlain[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// visible escapes control characters other than line breaks in a message.
func visible(text string) string {
	hidden := func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		if hidden(c) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(c), "'"))
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}
