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

// TestLawOldCorpora decodes the golden objects of releases that the library's own tests do not have: 1.20 to 1.37, with
// the kinds that were removed since. Nothing differs from their YAML but what newer releases do not print.
func TestLawOldCorpora(t *testing.T) {
	decoder, err := etcddecode.NewDecoder(etcddecode.Options{ShowSecrets: true})
	require.NoError(t, err)
	neverStored := []string{
		"core.v1.WatchEvent", "batch.v1.JobTemplate", "batch.v2alpha1.JobTemplate", "core.v1.EphemeralContainers", "resource.k8s.io.v1alpha2.Status",
	}
	for _, version := range []string{"v0.22.17", "v0.25.16", "v0.29.15", "v0.37.2"} {
		t.Run(version, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "k8s.io/api@"+version).Output()
			if err != nil {
				components.Skip(t, "k8s.io/api@"+version, string(out))
			}
			var module struct{ Dir string }
			require.NoError(t, json.Unmarshal(out, &module))
			paths, err := filepath.Glob(filepath.Join(module.Dir, "testdata", "*", "*[a-z].pb"))
			require.NoError(t, err)
			require.Greater(t, len(paths), 100)
			for _, path := range paths {
				base := filepath.Base(path[:len(path)-3])
				if slices.Contains(neverStored, base) || filepath.Ext(base) == ".after_roundtrip" {
					continue
				}
				stored, err := os.ReadFile(path)
				require.NoError(t, err)
				want, err := os.ReadFile(path[:len(path)-3] + ".yaml")
				require.NoError(t, err)
				o, err := decoder.Decode(t.Context(), etcddecode.Value{Bytes: stored})
				require.NoError(t, err, path)
				got, err := o.AppendYAML(nil)
				require.NoError(t, err, path)
				require.Equal(t, string(laterNull.ReplaceAll(zeroTime.ReplaceAll(want, nil), nil)), string(laterNull.ReplaceAll(got, nil)), path)
				require.Equal(t, etcddecode.Typed, o.Fidelity, path)
			}
		})
	}
}
