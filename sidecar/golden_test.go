package sidecar_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/kubewright/kubewright/sidecar"
)

var update = flag.Bool("update", false, "write testdata/golden and ANNOTATIONS.md anew")

// golden compares a text with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// TestGolden shows what every annotation does, outcome first. The Pods of testdata/pods have each of them.
func TestGolden(t *testing.T) {
	set := newSet(t)
	files, err := filepath.Glob("testdata/pods/*.yaml")
	require.NoError(t, err)
	goldens, err := filepath.Glob("testdata/golden/*.yaml")
	require.NoError(t, err)
	if !*update {
		require.Len(t, goldens, len(files), "a golden file is of no Pod, or a Pod without one")
	}
	seen := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(strings.TrimSuffix(name, ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			pod := podOf(t, string(text))
			for key := range pod.Annotations {
				seen[pattern(strings.TrimPrefix(key, prefix))] = true
			}
			out := requireLaws(t, set, pod, sidecar.Namespace{})
			require.NotNil(t, out)
			_, outcome, err := set.Apply(pod, sidecar.Namespace{})
			require.NoError(t, err)
			both, err := yaml.Marshal(map[string]any{"outcome": outcome, "pod": out})
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", "golden", name), string(both))
		})
	}
	for _, key := range set.Keys() {
		require.True(t, seen[key.Name], "no Pod has the annotation %s", key.Name)
	}
}

// pattern is the key by which a stream's is documented.
func pattern(name string) string {
	parts := strings.Split(name, ".")
	if len(parts) == 3 && parts[0] == "log" {
		parts[1] = "<stream>"
	}
	return strings.Join(parts, ".")
}

// TestRender is the configuration file for each output.
func TestRender(t *testing.T) {
	ca, err := os.ReadFile("testdata/ca.pem")
	require.NoError(t, err)
	acks := -1
	password := shipper().Output.Kafka.Password
	for name, output := range map[string]sidecar.Output{
		"kafka":         {Kafka: &sidecar.Kafka{Hosts: []string{"a:9093", "[fd00::1]:9093"}, Topic: "all", Acks: &acks, Version: "2.6.0", Compression: "gzip", Username: "o'neil$", Password: password, TLS: &sidecar.TLS{CA: "junk: before\n" + string(ca) + "junk: ${behind}\n" + string(ca)}}},
		"logstash":      {Logstash: &sidecar.Logstash{Hosts: []string{"logstash:5044"}, TLS: &sidecar.TLS{}}},
		"elasticsearch": {Elasticsearch: &sidecar.Elasticsearch{Hosts: []string{"https://es:9200"}, Index: "logs", Username: "elastic", Password: password}},
	} {
		t.Run(name, func(t *testing.T) {
			f := shipper()
			f.Output, f.Fields, f.MetadataTarget, f.ReadUntilEOF = output, map[string]string{"cluster": "prod"}, "k8s", true
			set := newSet(t, f)
			spec, err := set.ParseLog(map[string]string{prefix + "log.paths": "/x/y/*.log", prefix + "log.multiline": "timestamp", prefix + "log.json": "true"}, nil)
			require.NoError(t, err)
			text, err := f.Render(spec)
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", "render", name+".yml"), string(text))
		})
	}
}

// TestAnnotationsDocument keeps ANNOTATIONS.md, which is made of the schema.
func TestAnnotationsDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Annotations\n\nMade of the schema by `go test ./sidecar -run TestAnnotationsDocument -update`; do not edit. Each key stands behind `" +
		prefix + "`, or the\ndomain that the platform has chosen. Empty values and unknown keys are errors.\n\n| key | values | what it does |\n|---|---|---|\n")
	for _, k := range newSet(t, sidecar.HostAliases{}).Keys() {
		b.WriteString("| `" + k.Name + "` | " + k.Values + " | " + k.Doc + " |\n")
		require.NotEmpty(t, k.Values)
	}
	b.WriteString("| `sidecar.<name>` | `true` or `false` | Adds the platform's sidecar of that name. |\n")
	golden(t, "ANNOTATIONS.md", b.String())
}
