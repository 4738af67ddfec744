package kubewright_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/kubewright/kubewright"

// What an importer of a package compiles: modules besides the standard library, its own and those listed here are a
// defect. A package that is not listed fails the test, and so does one that imports another package of the module that is
// not under the same directory.
func TestImporterCompiles(t *testing.T) {
	kubernetes := []string{
		"k8s.io/api", "k8s.io/apimachinery", "k8s.io/klog/v2", "k8s.io/kube-openapi", "k8s.io/utils",
		"sigs.k8s.io/json", "sigs.k8s.io/randfill", "sigs.k8s.io/structured-merge-diff/v6", "sigs.k8s.io/yaml",
		"github.com/fxamacker/cbor/v2", "github.com/go-logr/logr", "github.com/json-iterator/go", "github.com/modern-go/concurrent",
		"github.com/modern-go/reflect2", "github.com/x448/float16", "go.yaml.in/yaml/v2", "golang.org/x/net", "golang.org/x/text", "gopkg.in/inf.v0",
	}
	admission := append([]string{"gomodules.xyz/jsonpatch/v2", "gopkg.in/evanphx/json-patch.v4"}, kubernetes...)
	testing := append([]string{"github.com/google/go-cmp", "github.com/pmezard/go-difflib", "golang.org/x/tools"}, admission...)
	allowed := map[string][]string{
		module + "/admission":                       admission,
		module + "/admission/admissiontest":         testing,
		module + "/admission/internal/plural":       nil,
		module + "/admission/internal/rawjson":      nil,
		module + "/admission/patch":                 admission,
		module + "/admission/policy":                admission,
		module + "/cgroupview":                      nil,
		module + "/cgroupview/node":                 nil,
		module + "/etcddecode":                      {"golang.org/x/crypto", "golang.org/x/sys"},
		module + "/etcddecode/etcddb":               nil,
		module + "/etcddecode/etcddb/internal/bolt": nil,
		module + "/etcddecode/etcddb/internal/wal":  nil,
		module + "/etcddecode/etcddb/internal/wire": nil,
		module + "/etcddecode/internal/tables":      nil,
		module + "/eventsink":                       kubernetes,
		module + "/eventsink/elastic":               kubernetes,
		module + "/eventsink/readiness":             kubernetes,
		module + "/eventsink/spool":                 nil,
		module + "/eventsink/watchcodec":            kubernetes,
		module + "/internal/bulkmodel":              nil,
		module + "/internal/podgen":                 kubernetes,
		module + "/ipwhitelist":                     nil,
		module + "/ipwhitelist/clientip":            nil,
		module + "/ipwhitelist/httpsig":             nil,
		module + "/sidecar":                         kubernetes,
		module + "/staticip":                        nil,
		module:                                      nil,
	}
	packages := golist(t, "{{.ImportPath}}", "./...")
	require.NotEmpty(t, packages)
	for _, pkg := range packages {
		if strings.Contains(pkg, "/examples/") {
			continue
		}
		modules, ok := allowed[pkg]
		require.True(t, ok, "%s has no list of allowed modules", pkg)
		for _, m := range golist(t, "{{with .Module}}{{.Path}}{{end}}", "-deps", pkg) {
			if m != "" && m != module {
				require.Contains(t, modules, m, "%s makes its importers compile %s", pkg, m)
			}
		}
		for _, dep := range golist(t, "{{.ImportPath}}", "-deps", pkg) {
			require.False(t, strings.HasPrefix(dep, module+"/") && family(dep) != family(pkg), "%s imports its sibling %s", pkg, dep)
		}
	}
}

// family is the first element of a package's path within the module: a package may import what is under its own.
func family(pkg string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(pkg, module+"/"), "/")
	return first
}

func golist(t *testing.T, format string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", format}, args...)...)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
