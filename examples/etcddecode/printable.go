package main

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/kubewright/kubewright/etcddecode"
)

// printable is a key as it is shown: without the token in it, and on one line.
func printable(key []byte) string { return oneLine(etcddecode.PrintableKey(string(key))) }

// oneLine quotes what would end a line, a comment or the state of a terminal: who can write to etcd must not write
// manifests, lines of a listing or escape sequences that way.
func oneLine(text string) string {
	plain := func(c rune) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' }
	if strings.IndexFunc(text, func(c rune) bool { return !plain(c) }) < 0 {
		return text
	}
	if quoted := strconv.Quote(text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
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
