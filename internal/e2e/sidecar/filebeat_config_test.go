package sidecar

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/elastic/go-ucfg"
	"github.com/elastic/go-ucfg/yaml"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubewright/kubewright/sidecar"
)

// load reads a configuration as Filebeat does: libbeat's options, with variables of the environment.
func load(t *testing.T, text []byte, env map[string]string) map[string]any {
	t.Helper()
	options := []ucfg.Option{ucfg.PathSep("."), ucfg.ResolveEnv, ucfg.VarExp}
	for name, value := range env {
		t.Setenv(name, value)
	}
	c, err := yaml.NewConfig(text, options...)
	require.NoError(t, err, "%s", text)
	out := map[string]any{}
	require.NoError(t, c.Unpack(&out, options...), "%s", text)
	return out
}

// at follows names and indexes into what was loaded.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v is no map: %v", step, v)
			v = m[s]
		case int:
			l, ok := v.([]any)
			require.True(t, ok, "%v is no list: %v", step, v)
			v = l[s]
		}
	}
	return v
}

// TestFilebeatReadsWhatIsMeant gives names and passwords that trip go-ucfg to the rendered configuration.
func TestFilebeatReadsWhatIsMeant(t *testing.T) {
	set := newSet(t, shipper())
	spec, err := set.ParseLog(map[string]string{
		prefix + "log.container": "app", prefix + "log.paths": "/srv/${HOME}/$/*.log",
		prefix + "log.multiline": `pattern:^it's $|^\$${HOME}$`, prefix + "log.multiline-negate": "true",
		prefix + "log.fields": "zip=0123,price=5$,ref=${SHIPPER_POD},float=1e3,yes=yes,list=[a",
		prefix + "log.topic":  "0123",
	}, nil)
	require.NoError(t, err)
	text, err := shipper().Render(spec)
	require.NoError(t, err)
	for _, password := range []string{"0123", "a,b", "[x", "{y", "${z}", "$", `"q"`, "a: b", "#c", " d ", "true", "ü"} {
		out := load(t, text, map[string]string{"SHIPPER_NAMESPACE": "0123", "SHIPPER_POD": "1e3", "SHIPPER_NODE": "true", "SHIPPER_PASSWORD": password})
		input := at(t, out, "filebeat", "inputs", 0)
		require.Equal(t, "app-default", at(t, input, "id"))
		require.Equal(t, "/srv/${HOME}/$/*.log", at(t, input, "paths", 0))
		require.Equal(t, `\.gz$`, at(t, input, "prospector", "scanner", "exclude_files", 0))
		require.Equal(t, `^it's $|^\$${HOME}$`, at(t, input, "parsers", 0, "multiline", "pattern"))
		require.Equal(t, true, at(t, input, "parsers", 0, "multiline", "negate"))
		require.Equal(t, map[string]any{"zip": "0123", "price": "5$", "ref": "${SHIPPER_POD}", "float": "1e3", "yes": "yes", "list": "[a", "topic": "0123"}, at(t, input, "fields"))
		fields := at(t, out, "processors", 0, "add_fields", "fields")
		require.Equal(t, map[string]any{"namespace": "0123", "pod": map[string]any{"name": "1e3"}, "node": map[string]any{"name": "true"}, "container": map[string]any{"name": "app"}}, fields)
		require.Equal(t, "o'neil", at(t, out, "output", "kafka", "username"))
		require.Equal(t, password, at(t, out, "output", "kafka", "password"))
		require.Len(t, out["output"], 1, "Filebeat allows one output")
	}
}

// TestFilebeatReadsAnything is texts that nobody thought of, wherever users may write some.
func TestFilebeatReadsAnything(t *testing.T) {
	set := newSet(t, shipper())
	letters := []rune(`ab0.'"$${}\\[]()#&*!|>%@:?- ~` + "`ü漢😀")
	read := 0
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 9))
		var b strings.Builder
		for range 1 + r.IntN(12) {
			b.WriteRune(letters[r.IntN(len(letters))])
		}
		value := strings.TrimSpace(b.String())
		spec, err := set.ParseLog(map[string]string{prefix + "log.paths": "/srv/log/x" + value + "x", prefix + "log.fields": "f=" + value, prefix + "log.multiline": "pattern:x" + value}, nil)
		if err != nil {
			continue
		}
		read++
		text, err := shipper().Render(spec)
		require.NoError(t, err)
		out := load(t, text, map[string]string{"SHIPPER_NAMESPACE": "n", "SHIPPER_POD": "p", "SHIPPER_NODE": "n", "SHIPPER_PASSWORD": "p"})
		input := at(t, out, "filebeat", "inputs", 0)
		require.Equal(t, value, at(t, input, "fields", "f"), "%s", text)
		require.Equal(t, spec.Streams[0].Paths[0], at(t, input, "paths", 0))
		require.Equal(t, "x"+value, at(t, input, "parsers", 0, "multiline", "pattern"))
	}
	require.Greater(t, read, 400)
}

// TestFilebeatOutputs is one output each, whole.
func TestFilebeatOutputs(t *testing.T) {
	password := &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Key: "k"}
	for name, o := range map[string]sidecar.Output{
		"elasticsearch": {Elasticsearch: &sidecar.Elasticsearch{Hosts: []string{"https://es:9200"}, Index: "logs", Username: "u", Password: password, TLS: &sidecar.TLS{}}},
		"kafka":         {Kafka: &sidecar.Kafka{Hosts: []string{"kafka:9092"}, Topic: "logs", Username: "u", Password: password, Mechanism: "SCRAM-SHA-512"}},
		"logstash":      {Logstash: &sidecar.Logstash{Hosts: []string{"logstash:5044"}}},
	} {
		f := shipper()
		f.Output = o
		spec, err := newSet(t, f).ParseLog(map[string]string{prefix + "log.paths": "/srv/log/*"}, nil)
		require.NoError(t, err)
		text, err := f.Render(spec)
		require.NoError(t, err)
		out := load(t, text, map[string]string{"SHIPPER_NAMESPACE": "n", "SHIPPER_POD": "p", "SHIPPER_NODE": "n", "SHIPPER_PASSWORD": "p"})
		require.Contains(t, out["output"], name)
		require.Len(t, out["output"], 1)
		if name == "kafka" {
			require.Equal(t, "SCRAM-SHA-512", at(t, out, "output", name, "sasl", "mechanism"))
		}
		if name == "elasticsearch" {
			require.Equal(t, "%{[fields.index]}-%{+yyyy.MM.dd}", at(t, out, "output", name, "index"))
			require.Equal(t, false, at(t, out, "setup", "ilm", "enabled"))
			require.Equal(t, true, at(t, out, "output", name, "ssl", "enabled"))
		}
	}
}
