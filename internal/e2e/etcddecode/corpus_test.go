package etcddecode

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/etcddecode"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

// zeroTime is what releases before 1.34 print for a time that is not set.
var zeroTime = regexp.MustCompile(`(?m)^ *creationTimestamp: null\n`)

// laterNull is what later releases print of fields that these objects were stored without.
var laterNull = regexp.MustCompile(`(?m)^ *(scope|stubPKCS10Request): null\n`)

// neverStored are golden objects of types that are not kinds of their own.
var neverStored = []string{
	"core.v1.WatchEvent", "batch.v1.JobTemplate", "batch.v2alpha1.JobTemplate", "batch.v1beta1.JobTemplate", "core.v1.EphemeralContainers", "resource.k8s.io.v1alpha2.Status",
}

// TestLawOldCorpora decodes the golden objects of releases that the library's own tests do not have: 1.16 to 1.37, with
// the kinds that were removed since, and CustomResourceDefinitions. Nothing differs from their YAML but what newer
// releases do not print.
func TestLawOldCorpora(t *testing.T) {
	decoder, err := etcddecode.NewDecoder(etcddecode.Options{ShowSecrets: true})
	require.NoError(t, err)
	for _, corpus := range []struct {
		module, under string
		least         int
	}{
		{"k8s.io/api@v0.17.17", "testdata", 300},
		{"k8s.io/api@v0.18.19", "testdata", 300},
		{"k8s.io/api@v0.19.16", "testdata", 300},
		{"k8s.io/api@v0.20.15", "testdata", 300},
		{"k8s.io/api@v0.22.17", "testdata", 300},
		{"k8s.io/api@v0.25.16", "testdata", 300},
		{"k8s.io/api@v0.29.15", "testdata", 300},
		{"k8s.io/api@v0.37.2", "testdata", 500},
		{"k8s.io/apiextensions-apiserver@v0.37.2", "pkg/apis/testdata", 4},
	} {
		t.Run(corpus.module, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", corpus.module).Output()
			if err != nil {
				components.Skip(t, corpus.module, string(out))
			}
			var module struct{ Dir string }
			require.NoError(t, json.Unmarshal(out, &module))
			paths, err := filepath.Glob(filepath.Join(module.Dir, corpus.under, "*", "*[a-z].pb"))
			require.NoError(t, err)
			require.GreaterOrEqual(t, len(paths), corpus.least)
			for _, path := range paths {
				base := filepath.Base(path[:len(path)-3])
				if slices.Contains(neverStored, base) || filepath.Ext(base) == ".after_roundtrip" {
					continue
				}
				decodesToItsYAML(t, decoder, path[:len(path)-3])
			}
		})
	}
}

func decodesToItsYAML(t *testing.T, decoder *etcddecode.Decoder, path string) {
	t.Helper()
	stored, err := os.ReadFile(path + ".pb")
	require.NoError(t, err)
	want, err := os.ReadFile(path + ".yaml")
	require.NoError(t, err)
	o, err := decoder.Decode(t.Context(), etcddecode.Value{Bytes: stored})
	require.NoError(t, err, path)
	if filepath.Base(filepath.Dir(path)) == "v1.15.0" {
		// Its alpha of server-side apply had maps there, in a field that no release after it has.
		findings, more := o.Findings()
		require.Zero(t, more)
		for _, f := range findings {
			if f.Reason == etcddecode.RemovedField {
				continue // is there all the same
			}
			require.Regexp(t, `metadata\.managedFields\[0\]\.5$`, f.Path, path)
			require.Equal(t, etcddecode.UnknownField, f.Reason, path)
			require.NotEmpty(t, f.Wire, path)
		}
		return
	}
	got, err := o.AppendYAML(nil)
	require.NoError(t, err, path)
	require.Equal(t, string(laterNull.ReplaceAll(zeroTime.ReplaceAll(want, nil), nil)), string(laterNull.ReplaceAll(got, nil)), path)
	require.Equal(t, etcddecode.Typed, o.Fidelity, path)
}
