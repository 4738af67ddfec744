package release

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAPI runs .ci/api in a repository with one package and a release: what breaks an importer is refused, unless the
// changelog says so; what is added passes.
func TestAPI(t *testing.T) {
	tree := newRelease(t)
	changelog := filepath.Join(tree, "CHANGELOG.md")
	const gone = "github.com/kubewright/kubewright/staticip: CheckOther: removed\n"

	out, err := api(tree)
	require.NoError(t, err, out)
	require.Equal(t, "compatible with v0.1.0\n", out)

	added := filepath.Join(tree, "staticip", "added.go")
	require.NoError(t, os.WriteFile(added, []byte("package staticip\n\n// Added is new.\nfunc Added() {}\n"), 0o600))
	out, err = api(tree)
	require.NoError(t, err, out)
	require.Equal(t, "compatible with v0.1.0\n", out)

	edit(t, filepath.Join(tree, "staticip", "identity.go"), "func CheckOther(", "func checkOther(")
	out, err = api(tree)
	require.Error(t, err)
	require.Equal(t, "not compatible with v0.1.0:\n"+gone+"CHANGELOG.md has no [CHANGE] line under Unreleased that says so\n", out)

	edit(t, changelog, "## Unreleased\n", "## Unreleased\n\n- [CHANGE] `staticip`: CheckOther is gone.\n")
	out, err = api(tree)
	require.NoError(t, err, out)
	require.Equal(t, "not compatible with v0.1.0:\n"+gone, out)
}

// TestAPIWithoutRelease: before the first release there is nothing to compare with, and the script says so.
func TestAPIWithoutRelease(t *testing.T) {
	tree := newRelease(t)
	git(t, tree, "tag", "-d", "v0.1.0")
	out, err := api(tree)
	require.NoError(t, err, out)
	require.Equal(t, "no release to compare with yet\n", out)
}

// newRelease is a repository with staticip, what the script needs, and the tag v0.1.0.
func newRelease(t *testing.T) string {
	t.Helper()
	tree := t.TempDir()
	for _, name := range []string{".ci", "tools", "staticip"} {
		require.NoError(t, os.CopyFS(filepath.Join(tree, name), os.DirFS(filepath.Join("../../..", name))))
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join("../../..", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(tree, name), text, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(tree, "CHANGELOG.md"), []byte("# Changelog\n\n## Unreleased\n\n## v0.1.0\n\n- [CHANGE] An old one.\n"), 0o600))
	git(t, tree, "init", "-q")
	git(t, tree, "add", "-A")
	git(t, tree, "-c", "user.name=ci", "-c", "user.email=ci@localhost", "commit", "-q", "-m", "release")
	git(t, tree, "tag", "v0.1.0")
	return tree
}

// api returns what the script printed, without the progress of downloads unless it failed.
func api(tree string) (string, error) {
	out, err := exec.Command(filepath.Join(tree, ".ci", "api")).Output() //nolint:gosec // the script under test
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return string(out), err
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func edit(t *testing.T, path, before, after string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), before)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), before, after, 1)), 0o600))
}
