package images

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const repository = "../../.."

// TestImages follows each Dockerfile in a clean copy of the tree.
func TestImages(t *testing.T) {
	files, err := filepath.Glob(repository + "/examples/*/Dockerfile")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	tree := t.TempDir()
	copyTree(t, tree)
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			r := readRecipe(t, tree, name)
			requireGo(t, tree, r.golang)
			image := r.make(t, tree)
			requireStatic(t, filepath.Join(image, r.to))
			r.requireManifests(t, tree, name, image)
		})
	}
}

// requireGo wants the image's Go to be what go.mod asks for: with an older one, the build would have to fetch another.
func requireGo(t *testing.T, tree, version string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tree, "go.mod"))
	require.NoError(t, err)
	require.Contains(t, string(text), "\ngo "+version+".")
}

// make runs the recipe, and returns the root directory of the image. There is nothing in it from the base image, which
// adds certificates, time zones and a /tmp.
func (r recipe) make(t *testing.T, tree string) (image string) {
	t.Helper()
	require.Equal(t, "gcr.io/distroless/static:nonroot", r.base)
	stage := t.TempDir()
	require.Contains(t, r.build, " -o "+r.from+" ")
	build := exec.Command("/bin/sh", "-c", strings.Replace(r.build, " -o /", " -o "+stage+"/", 1))
	build.Dir, build.Env = tree, append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=", "GOWORK=off")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	image = t.TempDir()
	require.NoError(t, os.Chmod(image, 0o755))
	program, err := os.ReadFile(filepath.Join(stage, r.from))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(image, r.to), program, 0o755)) //nolint:gosec // a program
	return image
}

// requireStatic wants a program that needs no loader, no library and no path of the machine that built it.
func requireStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	for _, p := range file.Progs {
		require.NotEqual(t, elf.PT_INTERP, p.Type)
	}
	libraries, err := file.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libraries)
	require.Nil(t, file.Section(".symtab"), "-ldflags=-s")

	info, err := buildinfo.ReadFile(path)
	require.NoError(t, err)
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	require.Equal(t, "0", settings["CGO_ENABLED"])
	require.Equal(t, "true", settings["-trimpath"])
}

// starts runs the entry point in the image, alone: with no file but itself, no environment, and no right to write.
func (r recipe) starts(t *testing.T, image, user string, args ...string) (stdout string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	uid, err := strconv.ParseUint(user, 10, 32)
	require.NoError(t, err, "kubelets can't tell that a name is not root's")
	require.Equal(t, []string{r.to}, r.entrypoint)
	var out, errs strings.Builder
	cmd := &exec.Cmd{
		Path: r.to, Args: append([]string{r.to}, args...), Dir: "/", Env: []string{}, Stdout: &out, Stderr: &errs,
		SysProcAttr: &syscall.SysProcAttr{Chroot: image, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}},
	}
	require.NoError(t, cmd.Run(), "%s %v: %s", r.to, args, errs.String())
	require.Empty(t, errs.String())
	return out.String()
}

// copyTree copies what git knows of, as it is now.
func copyTree(t *testing.T, to string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `git ls-files -z | tar --null --files-from=- --create | tar --extract --directory="$0"`, to)
	cmd.Dir = repository
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))
}
