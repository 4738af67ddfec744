package kubewright_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an importer of a package compiles: modules besides the standard library, its own and those listed here are a
// defect. A package that is not listed fails the test.
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
		"github.com/kubewright/kubewright":                            nil,
		"github.com/kubewright/kubewright/admission":                  admission,
		"github.com/kubewright/kubewright/admission/admissiontest":    testing,
		"github.com/kubewright/kubewright/admission/internal/rawjson": nil,
		"github.com/kubewright/kubewright/admission/patch":            admission,
		"github.com/kubewright/kubewright/admission/policy":           admission,
		"github.com/kubewright/kubewright/eventsink":                  kubernetes,
		"github.com/kubewright/kubewright/eventsink/elastic":          kubernetes,
		"github.com/kubewright/kubewright/eventsink/readiness":        kubernetes,
		"github.com/kubewright/kubewright/eventsink/spool":            nil,
		"github.com/kubewright/kubewright/staticip":                   nil,
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
			if m != "" && m != "github.com/kubewright/kubewright" {
				require.Contains(t, modules, m, "%s makes its importers compile %s", pkg, m)
			}
		}
	}
}

func golist(t *testing.T, format string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", format}, args...)...)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}
