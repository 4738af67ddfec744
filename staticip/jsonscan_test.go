package staticip

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadsAsTheDecoder is JSON in which it is easy to lose the way.
func TestReadsAsTheDecoder(t *testing.T) {
	for _, text := range []string{
		`[]`,
		` [ ] `,
		`[{}]`,
		`[ { } , {} ]`,
		`[{"name":"a"}]`,
		"\t[\n{ \"name\" : \"a\" ,\r\n\"interface\":\"x\" } ]\n",
		`[{"name":"a","ips":["10.0.0.1/24"],"mac":"02:00"}]`,
		`[{"Name":"a","NAMESPACE":"b","Interface":"c","IPS":["1"]}]`,
		`[{"name":"a","name":"b"}]`,
		`[{"name":"a\"}],[{","x":"]}\\"}, {"name":"}"}]`,
		`[{"n\u0061me":"a","\u0069ps":[],"ip\u017f":["1"]}]`,
		`[{"name":"\u0061"},{"name":"ä"},{"name":"` + "\xff" + `"}]`,
		`[{"x":{"name":"inner","ips":[[],{}]},"name":"outer"}]`,
		`[{"x":-1.5e+3},{"x":true,"y":null,"name":null}]`,
		`[{"name":5}]`,
		`[{"ips":"10.0.0.1"}]`,
		`[1,"a",null,[],true]`,
		`["a", {"name":"b"} ,1 ]`,
	} {
		got, err := splitNetworks(text)
		require.NoError(t, err, text)
		requireSameAsDecoder(t, text, got)
	}
	for _, text := range []string{`[`, `[{]`, `{}`, `{"name":"a"}`, `["a"`, `[{"name":"a"}] x`, `"a"`} {
		_, err := splitNetworks(text)
		require.Error(t, err, text)
	}
	require.Equal(t, `{"a":1,"b":{"ips":[]},"ips":["10.0.0.1","fd00::1"]}`,
		string(withIPs(json.RawMessage(`{"IPs":["x"],"a":1, "b":{"ips":[]} }`), []string{"10.0.0.1", "fd00::1"})))
}
