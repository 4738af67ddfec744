package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/admission/internal/rawjson"
)

func TestParse(t *testing.T) {
	v, err := rawjson.Parse([]byte(` {"a" : [1, {"b":"x\"y"} ,null], "c\u0041":true, "a": {"last": -1.5e+3}} `))
	require.NoError(t, err)
	require.Equal(t, byte('{'), v.Kind())
	require.Equal(t, `-1.5e+3`, string(v.Member("a").Member("last").Text()), "the last of two members counts")
	require.Equal(t, "true", string(v.Member("cA").Text()), "names are unescaped")

	var names []string
	var first rawjson.Value
	for name, value := range v.Members() {
		if len(names) == 0 {
			first = value
		}
		names = append(names, string(name))
	}
	require.Equal(t, []string{"a", "cA", "a"}, names)
	require.Equal(t, `"x\"y"`, string(first.Element(1).Member("b").Text()))
	require.Equal(t, 9, first.Element(0).Offset())
	require.True(t, first.Element(2).IsNull())
	require.True(t, first.Element(2).Exists())
}

func TestWhatIsNotThere(t *testing.T) {
	v, err := rawjson.Parse([]byte(`{"s":"text","l":[1]}`))
	require.NoError(t, err)
	for _, missing := range []rawjson.Value{{}, v.Member("x"), v.Member("s").Member("x"), v.Member("l").Element(1), v.Member("s").Element(0), v.Element(0)} {
		require.False(t, missing.Exists())
		require.True(t, missing.IsNull())
		require.Nil(t, missing.Text())
		require.Zero(t, missing.Kind())
	}
}

func TestIterationStops(t *testing.T) {
	v, err := rawjson.Parse([]byte(`{"a":[1,2],"b":[]}`))
	require.NoError(t, err)
	for name, value := range v.Members() {
		require.Equal(t, "a", string(name))
		for e := range value.Elements() {
			require.Equal(t, "1", string(e.Text()))
			break
		}
		break
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		``:                           "unexpected end",
		`{`:                          "unexpected end",
		`[1,`:                        "unexpected end",
		`"abc`:                       "unexpected end",
		`"abc\"`:                     "unexpected end",
		`{"a"`:                       "unexpected end",
		`{"a" 1}`:                    `invalid character '1' at offset 5 of the JSON text, where a colon should be`,
		`{a:1}`:                      `invalid character 'a' at offset 1 of the JSON text, where a member name should be`,
		`{"a":1,}`:                   `invalid character '}' at offset 7 of the JSON text, where a member name should be`,
		`[1 2]`:                      `invalid character '2' at offset 3 of the JSON text, where a comma or ] should be`,
		`[1}`:                        `where a comma or ] should be`,
		`[,]`:                        `where a value should be`,
		"\"a\nb\"":                   `where a character of a string should be`,
		`"a\x"`:                      `where an escape should be`,
		`"\u12g4"`:                   `where a hexadecimal digit of an escape should be`,
		`trux`:                       `where true should be`,
		`nul`:                        "unexpected end",
		`-`:                          "unexpected end",
		`1.`:                         "unexpected end",
		`1e+x`:                       `where a value should be`,
		`01`:                         `where the end of the text should be`,
		`{} x`:                       `where the end of the text should be`,
		strings.Repeat("[", 20000):   "nests deeper than 10000",
		strings.Repeat(`{"a":`, 1e5): "nests deeper than 10000",
	} {
		_, err := rawjson.Parse([]byte(text))
		require.ErrorContains(t, err, want, "%.30s", text)
	}
}

// Parse accepts what encoding/json accepts and nothing else, and finds the same members and elements in it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"x"}],"c":null}`, ` [ ] `, `"\\\""`, `{"\u0061":1,"a":2}`, `1e5`, `[[[]]]`, "{\"\xff\":1}", `{"a":{"b":{"c":[true,false]}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := rawjson.Parse(text)
		require.Equal(t, json.Valid(text), err == nil, "%v", err)
		var want any
		if err != nil || json.Unmarshal(text, &want) != nil { // a number out of range
			return
		}
		compare(t, want, v)
	})
}

func compare(t *testing.T, want any, v rawjson.Value) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		require.Equal(t, byte('{'), v.Kind())
		seen := map[string]bool{}
		for name := range v.Members() {
			seen[string(name)] = true
		}
		require.Len(t, seen, len(want))
		require.GreaterOrEqual(t, v.Len(), len(want))
		for name, w := range want {
			compare(t, w, v.Member(name))
		}
	case []any:
		i := 0
		for e := range v.Elements() {
			compare(t, want[i], e)
			i++
		}
		require.Len(t, want, i)
		require.Equal(t, i, v.Len())
	default:
		var got any
		require.NoError(t, json.Unmarshal(v.Text(), &got))
		require.Equal(t, want, got)
		if contents, ok := v.Plain(); ok {
			require.Equal(t, want, string(contents))
		}
	}
}
