package embedding

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/kubewright/kubewright"

// TestImportAlone imports each package from a module of its own and looks at what that module then downloads: the zip of a
// module, for which go.sum has a line, and not go.mod alone.
func TestImportAlone(t *testing.T) {
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	packages := strings.Fields(run(t, root, "go", "list", "./..."))
	require.Contains(t, packages, module+"/staticip")
	for _, pkg := range packages {
		if strings.Contains(pkg, "/examples/") || strings.Contains(pkg, "/internal/") || pkg == module {
			continue
		}
		t.Run(strings.TrimPrefix(pkg, module+"/"), func(t *testing.T) {
			downloads := importAlone(t, root, pkg)
			t.Logf("%s: %d modules: %s", pkg, len(downloads), strings.Join(downloads, " "))
			require.NotContains(t, downloads, "k8s.io/client-go")
			require.NotContains(t, downloads, "github.com/prometheus/client_golang")
			if slices.Contains([]string{"staticip", "ipwhitelist", "cgroupview", "node", "etcddb"}, path.Base(pkg)) {
				require.Empty(t, downloads, "needs the standard library alone")
			}
		})
	}
}

// importAlone builds a program that does nothing but import pkg and returns the modules whose source that took.
func importAlone(t *testing.T, root, pkg string) []string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), fmt.Sprintf("package main\n\nimport _ %q\n\nfunc main() {}\n", pkg))
	write(t, filepath.Join(dir, "go.mod"), fmt.Sprintf("module example.com/importer\n\ngo 1.26.0\n\nrequire %[1]s v0.0.0\n\nreplace %[1]s => %[2]s\n", module, root))
	run(t, dir, "go", "mod", "edit", "-fmt")
	// Not "go mod tidy": it also looks for what the tests of the packages import.
	run(t, dir, "go", "build", "-mod=mod", "-o", os.DevNull, ".")

	f, err := os.Open(filepath.Join(dir, "go.sum"))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var downloads []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && !strings.HasSuffix(fields[1], "/go.mod") {
			downloads = append(downloads, fields[0])
		}
	}
	require.NoError(t, lines.Err())
	return downloads
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", cmd, out)
	return string(out)
}
