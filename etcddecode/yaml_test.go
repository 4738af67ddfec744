package etcddecode

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	goyaml "go.yaml.in/yaml/v2"
	"sigs.k8s.io/yaml"
)

func treeOf(t testing.TB, text string) *tree {
	t.Helper()
	var tr tree
	tr.reset(len(text))
	require.NoError(t, readJSON(&tr, -1, "", text, func(int, Reason) {}), "%s", text)
	return &tr
}

// oddStrings are strings on which YAML emitters differ.
func oddStrings() []string {
	long := strings.Repeat("word ", 40)
	return []string{
		"", "y", "n", "yes", "NO", "on", "off", "true", "null", "~", "1", "-1", "0x1f", "0o17", "017", "08", "1e3", "1_000", "1.5", ".5", ".inf", "-.INF",
		".nan", "1:30", "1:30.5", "190:20:30", "2001-01-01", "2001-01-01T01:01:01Z", "2001-1-1 1:1:1", "0b101", "-0b101", "0b-1", "+1", "+", "-", "--", "---", "...",
		"- a", "-a", "? a", "?a", ": a", ":a", "a: b", "a:b", "a #b", "a#b", "#a", "a:", "a ", " a", "a\n", "\na", "a\nb", "a\n\n", "\n", " a\nb", "a \nb", "a\n b",
		"\ta", "a\t", "a\tb", "'", "\"", "'a'", "it's", `a\b`, "@a", "`a", "%a", "&a", "*a", "!a", "|a", ">a", "{a}", "[a]", ",a", "a,b", "=", "<<", "<",
		"é", "日本", "\U0001F600", "a\u00a0b", "a\u2028b", "\ufeff", "\ufeffab c", "a\ufeff", "\ufffd", "\x00", "\x07", "\x1b[0m", "\x7f", "a\rb", "a\r\nb",
		long, long + "\n" + long, " " + long, long + "'" + long, long + "\x07" + long, "- " + long, "a:  " + long, strings.Repeat("x", 200), strings.Repeat("ab  cd ", 30),
		"1" + strings.Repeat(" 2", 60), "'" + strings.Repeat("  x ", 40), "\"" + strings.Repeat("  x ", 40), "0x", "0b", "1e", "1e+", "e1", "9223372036854775808", "18446744073709551616",
		"5f3e8d21-aaaa", "12e03", "1__2", "_1", "0.0.0.0", "10.0.0.1:80", "1.2.3", "+12e03", "-2:30", "1e400", "0x8000000000000000",
	}
}

// sameAsGoyaml compares with the emitter that sigs.k8s.io/yaml ends in, and with all of sigs.k8s.io/yaml where its
// detour through JSON text keeps the strings.
func sameAsGoyaml(t *testing.T, text string) {
	t.Helper()
	tr := treeOf(t, text)
	got, err := tr.appendYAML(nil, 0)
	require.NoError(t, err)
	want, err := goyaml.Marshal(tr.any(0))
	require.NoError(t, err)
	if !strings.ContainsAny(text, "0123456789") || !hasFloat(tr) {
		require.Equal(t, string(want), string(got), "%s", text)
	}
	canonical := string(tr.appendJSON(nil, 0))
	if strings.ContainsAny(canonical, "\u0085\x7f\ufeff\ufffe\uffff\u2028\u2029") {
		return
	}
	viaJSON, err := yaml.JSONToYAML([]byte(canonical))
	if err == nil {
		require.Equal(t, string(viaJSON), string(got), "%s", text)
	}
}

func hasFloat(t *tree) bool {
	for i := range t.nodes {
		if t.nodes[i].kind == kindFloat {
			return true
		}
	}
	return false
}

func TestLawYAMLIsGoyamls(t *testing.T) {
	for _, s := range oddStrings() {
		quoted, err := json.Marshal(s)
		require.NoError(t, err)
		for _, form := range []string{`%`, `{"a":%}`, `{%:1}`, `[%]`, `{"a":[%,{"b":%}]}`, `{%:[1,{}]}`, `{%:{"c":%}}`, `{"a":{"b":{"c":{"d":[[%]]}}}}`} {
			sameAsGoyaml(t, strings.ReplaceAll(form, "%", string(quoted)))
		}
	}
}

func TestLawYAMLOfNumbers(t *testing.T) {
	for _, n := range []string{
		"0", "-0", "-0.0", "1", "-1", "1.5", "1e3", "1e20", "1e21", "1e-6", "1e-7", "123456789.5", "0.1", "9223372036854775807", "9223372036854775808",
		"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "1e19", "3.0", "1.7976931348623157e308", "5e-324",
	} {
		sameAsGoyaml(t, `{"a":`+n+`,"b":[`+n+`]}`)
	}
}

func TestLawYAMLOrder(t *testing.T) {
	// Of a2, a10 and a1b each comes before the next and the last before the first; for such the original's order is random.
	keys := []string{"a", "A", "b", "B", "a1", "a2", "a10", "a01", "a001", "a-b", "a.b", "a_b", "a/b", "1", "10", "9", "01", "", "-", "é", "ab", "app.kubernetes.io/name", "app", "f:a", "f:b", "k:{\"x\":1}", ".", "90", "100", "x9", "x09", "x90"}
	m := map[string]int{}
	for i, k := range keys {
		m[k] = i
		text, err := json.Marshal(m)
		require.NoError(t, err)
		sameAsGoyaml(t, string(text))
	}
}

func FuzzYAML(f *testing.F) {
	for _, s := range oddStrings() {
		f.Add(s, "key", 1.5)
		f.Add("value", s, 1e21)
	}
	f.Fuzz(func(t *testing.T, a, b string, n float64) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip("JSON has no such strings")
		}
		text, err := json.Marshal(map[string]any{a: []any{b, map[string]any{b: a}}, b: map[string]any{"x": a}, "n": n, "z": []any{}})
		if err != nil {
			t.Skip("JSON has no such number")
		}
		sameAsGoyaml(t, string(text))
	})
}
