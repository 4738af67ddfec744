package etcddecode

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/serializer/cbor/direct"
)

func cborValues(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for _, v := range []any{
		map[string]any{"apiVersion": "v1", "kind": "Widget", "metadata": map[string]any{"name": "a", "labels": map[string]any{"x": "y"}}},
		map[string]any{"a": int64(1), "b": -1.5, "c": []any{true, false, nil, "text", []any{}}, "big": int64(1) << 62, "f": 1e300, "half": 0.5, "none": map[string]any{}},
		map[string]any{"bytes": []byte{1, 2, 3}, "": "", "e": "é\u2028"},
	} {
		b, err := direct.Marshal(v)
		require.NoError(t, err)
		out = append(out, append([]byte(magicCBOR), b...))
	}
	return out
}

// sameAsCodec compares with the codec of the API server: it accepts the same values, and makes the same of them.
func sameAsCodec(t *testing.T, value []byte) {
	t.Helper()
	var o Object
	err := o.read(value, false)
	var want map[string]any
	theirs := direct.Unmarshal(value[len(magicCBOR):], &want)
	if err != nil || theirs != nil {
		if err == nil && len(o.findings) == 0 {
			require.NoError(t, theirs, "only we accept %x", value)
		}
		return
	}
	if len(o.findings) > 0 || want == nil {
		return
	}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	require.Equal(t, string(text), string(o.AppendJSON(nil)), "%x", value)
	written, err := direct.Marshal(want)
	require.NoError(t, err)
	require.Equal(t, magicCBOR+string(written), string(o.tree.appendCBOR(nil, 0)), "%x", value)
}

// TestLawCBORFloatsAreShortest compares floats around the edges of each width with the codec's.
func TestLawCBORFloatsAreShortest(t *testing.T) {
	floats := []float64{0, math.Copysign(0, -1), 0.1, 65504, 65505, 65520, math.MaxFloat32, math.SmallestNonzeroFloat32, math.MaxFloat64, math.SmallestNonzeroFloat64, 1.0 / 3}
	for exp := -30; exp < 20; exp++ {
		for _, frac := range []float64{1, 1.5, 1 + 1.0/1024, 1 + 1.0/2048, 2 - 1.0/1024, 1 + 1.0/(1<<23), 1 + 1.0/(1<<24)} {
			floats = append(floats, math.Ldexp(frac, exp), -math.Ldexp(frac, exp))
		}
	}
	for _, f := range floats {
		want, err := direct.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, want, appendCBORFloat(nil, f), "%g", f)
	}
}

func TestLawEncodedCBORIsTheCodecs(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, spec := range []string{
		`{}`, `null`, `[]`, `"` + long + `"`, `[0,1,23,24,255,256,65535,65536,4294967295,4294967296,9223372036854775807]`,
		`[-1,-24,-25,-256,-257,-65536,-65537,-4294967296,-4294967297,-9223372036854775808]`, `[1.5,0.1,true,false,null,{"b":1,"a":2,"aa":3,"":4}]`,
		`"2020-01-01T00:00:00Z"`, `{"` + long[:300] + `":"é"}`,
	} {
		manifest := `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a","labels":{"x":"y"}},"spec":` + spec + `}`
		value, err := Encode(t.Context(), []byte(manifest), EncodeOptions{Format: CBOR})
		require.NoError(t, err)
		o := decode(t, Options{}, Value{Bytes: value})
		require.Equal(t, CBOR, o.Format)
		require.JSONEq(t, manifest, string(o.AppendJSON(nil)))
		want, err := direct.Marshal(o.Unstructured())
		require.NoError(t, err)
		require.Equal(t, magicCBOR+string(want), string(value))
	}
}

func TestLawCBORIsTheCodecs(t *testing.T) {
	for _, v := range cborValues(t) {
		format, _ := Sniff(v)
		require.Equal(t, CBOR, format)
		var o Object
		require.NoError(t, o.read(v, false), "%x", v)
		sameAsCodec(t, v)
	}
}

func TestCBORRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"the end": "a1", "a break": "ff", "NaN": "a14161f97e00", "infinity": "a14161f97c00", "undefined": "a14161f7", "a bignum": "a14161c24101",
		"65 bits": "a141611bffffffffffffffff", "a key twice": "a2416101416102", "a number as key": "a10101", "text that is no UTF-8": "a1416161ff",
		"more after it": "a000", "a length beyond the end": "a141615affffffff", "reserved": "a141611c", "depth": "a14161" + strings.Repeat("81", 2000) + "01",
		"unlike pieces": "a141615f6161ff", "no map": "8101",
	} {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		var o Object
		require.Error(t, o.read(append([]byte(magicCBOR), b...), false), name)
	}
}

func TestCBORIndefinite(t *testing.T) {
	for text, want := range map[string]string{
		"bf41619f0102ffff":           `{"a":[1,2]}`,
		"a141615f41624163ff":         `{"a":"bc"}`,
		"a1617ac11a514b67b0":         `{"z":"2013-03-21T20:04:00Z"}`,
		"a1617ac1fb41d452d9ec200000": `{"z":"2013-03-21T20:04:00.5Z"}`,
		"a1616ad64301020f":           `{"j":"AQIP"}`,
		"a1616ad54301020f":           `{"j":"AQIP"}`,
		"a1616ad74301020f":           `{"j":"01020f"}`,
		"a2616101616203":             `{"a":1,"b":3}`,
		"a2616201616103":             `{"a":3,"b":1}`,
		"a16161f90001":               `{"a":5.960464477539063e-8}`,
		"a16161fa47c35000":           `{"a":100000}`,
		"a16161f98000":               `{"a":-0}`,
		"d9d9f7a1616138ff":           `{"a":-256}`,
		"a161613b7fffffffffffffff":   `{"a":-9223372036854775808}`,
	} {
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		var o Object
		require.NoError(t, o.read(append([]byte(magicCBOR), b...), false), text)
		require.Equal(t, want, string(o.AppendJSON(nil)), text)
	}
}

func FuzzCBOR(f *testing.F) {
	for _, v := range cborValues(f) {
		f.Add(v[len(magicCBOR):])
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameAsCodec(t, append([]byte(magicCBOR), b...)) })
}
