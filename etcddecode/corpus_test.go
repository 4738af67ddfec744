package etcddecode

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// corpusDir is the directory of golden objects in the zip of the module k8s.io/api.
func corpusDir(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(out)), "testdata")
}

// eachCorpusValue calls fn with the path of every stored value of the corpus, without its extension.
func eachCorpusValue(t testing.TB, fn func(path string)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpusDir(t), "*", "*.pb"))
	require.NoError(t, err)
	require.Greater(t, len(paths), 500)
	for _, p := range paths {
		base := filepath.Base(p)
		// A WatchEvent is stored nowhere, and its envelope has no kind.
		if !strings.Contains(base, "after_roundtrip") && base != "core.v1.WatchEvent.pb" {
			fn(strings.TrimSuffix(p, ".pb"))
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func decoder(t testing.TB, o Options) *Decoder {
	t.Helper()
	d, err := NewDecoder(o)
	require.NoError(t, err)
	return d
}

func TestLawCorpusYAML(t *testing.T) {
	d := decoder(t, Options{ShowSecrets: true})
	eachCorpusValue(t, func(path string) {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			o, err := d.Decode(t.Context(), Value{Bytes: read(t, path+".pb")})
			require.NoError(t, err)
			got, err := o.AppendYAML(nil)
			require.NoError(t, err)
			findings, more := o.Findings()
			require.Zero(t, more)
			want := string(read(t, path+".yaml"))
			if strings.HasSuffix(path, "v1beta1.PodCertificateRequest") && !strings.Contains(want, "stubPKCS10Request") {
				// Added in 1.36, where null is printed.
				got = []byte(strings.Replace(string(got), "  stubPKCS10Request: null\n", "", 1))
			}
			require.Equal(t, want, string(got), "findings: %v", findings)
			require.Equal(t, Typed, o.Fidelity)
		})
	})
}

func TestLawCorpusEncodesToItself(t *testing.T) {
	d := decoder(t, Options{ShowSecrets: true})
	eachCorpusValue(t, func(path string) {
		if filepath.Base(path) == "core.v1.ListOptions" {
			return // is stored nowhere, and has an empty string since 1.36
		}
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			stored := read(t, path+".pb")
			o, err := d.Decode(t.Context(), Value{Bytes: stored})
			require.NoError(t, err)
			again, err := o.tree.encode(o.APIVersion, o.Kind, Protobuf) // Encode drops resourceVersion and selfLink
			require.NoError(t, err)
			require.Equal(t, stored, again)
		})
	})
}
