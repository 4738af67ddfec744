// Package components locates the programs other than Kubernetes' own that the end-to-end tests talk to: Redis, nginx,
// Prometheus and the like, from Debian's packages. The packages are listed in packages.txt, which .ci/components
// installs before the tests run.
package components

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// UnavailableEnv names the environment variable that holds the path of a file with one line, "component<tab>reason",
// for each component whose download failed. Only those may be skipped; anything else that is missing fails its test.
const UnavailableEnv = "KUBEWRIGHT_E2E_UNAVAILABLE"

// Program returns the path of a program. If the Debian package that has it could not be downloaded, the test is
// skipped and says so; otherwise a program that is not there fails the test.
func Program(t testing.TB, name, debianPackage string) string {
	t.Helper()
	for _, dir := range slices.Concat(strings.Split(os.Getenv("PATH"), ":"), []string{"/usr/sbin", "/sbin"}) {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path
		}
	}
	SkipUnavailable(t, debianPackage)
	t.Fatalf("no program %s: apt-get install %s, or run .ci/components", name, debianPackage)
	return ""
}

// SkipUnavailable skips the test if the component is among those whose download failed.
func SkipUnavailable(t testing.TB, component string) {
	t.Helper()
	reason, ok := unavailable(t)[component]
	if ok {
		Skip(t, component, reason)
	}
}

// Skip skips a test because a component can't be had. Its line is repeated at the end of the run by .ci/run.
func Skip(t testing.TB, component, reason string) {
	t.Helper()
	t.Skipf("e2e: skipped %s: %s can't be downloaded: %s", t.Name(), component, reason)
}

func unavailable(t testing.TB) map[string]string {
	path := os.Getenv(UnavailableEnv)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%s: %v", UnavailableEnv, err)
	}
	reasons := map[string]string{}
	for line := range strings.Lines(string(text)) {
		component, reason, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		reasons[component] = reason
	}
	return reasons
}
