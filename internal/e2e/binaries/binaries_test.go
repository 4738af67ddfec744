package binaries

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// hello is a module with a tool of its own, so that the tests compile one line and not Kubernetes.
var hello = map[string]string{
	"go.mod":         "module example.com/tools\n\ngo 1.26\n\ntool example.com/tools/server\n",
	"server/main.go": "package main\n\nvar version = \"unset\"\n\nfunc main() { print(version) }\n",
}

func TestVersionIsTheOneRequired(t *testing.T) {
	source, err := sourceDir(t.Context())
	require.NoError(t, err)
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	require.NoError(t, err)
	require.Contains(t, string(gomod), "require k8s.io/kubernetes "+Version+" ")
}

func TestBuildStampsRenamesAndRemembers(t *testing.T) {
	b := newBuild(t, hello)
	require.NoError(t, b.ensure(t.Context()))
	require.Equal(t, "v9", runProgram(t, filepath.Join(b.dir, "etcd")))

	marker := filepath.Join(b.dir, "etcd")
	require.NoError(t, os.WriteFile(marker, nil, 0o755))
	require.NoError(t, b.ensure(t.Context()))
	require.Empty(t, read(t, marker), "nothing changed, nothing may be built")

	writeFile(t, filepath.Join(b.source, "go.sum"), "\n")
	require.NoError(t, b.ensure(t.Context()))
	require.NotEmpty(t, read(t, marker), "go.sum changed, so the tools are built again")
}

func TestFailures(t *testing.T) {
	unfetched := "module example.com/tools\n\ngo 1.26\n\nrequire example.com/absent v1.0.0\n\ntool example.com/absent\n"
	sums := "example.com/absent v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" +
		"example.com/absent v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	cases := []struct {
		name     string
		files    map[string]string
		download bool
	}{
		{"a module that cannot be fetched", map[string]string{"go.mod": unfetched, "go.sum": sums}, true},
		{"a module without a checksum", map[string]string{"go.mod": unfetched}, false},
		{"source that does not compile", map[string]string{"go.mod": hello["go.mod"], "server/main.go": "package main\n\nfunc main() { x }\n"}, false},
		{"a tool that does not exist", map[string]string{"go.mod": hello["go.mod"]}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOPROXY", "file://"+t.TempDir())
			err := newBuild(t, c.files).ensure(t.Context())
			require.Error(t, err)
			if !c.download {
				require.NotErrorAs(t, err, new(*DownloadError))
				return
			}
			require.ErrorAs(t, err, new(*DownloadError))
			require.ErrorContains(t, err, "example.com/absent")
		})
	}
}

func TestDownloadFailure(t *testing.T) {
	cases := []struct {
		name, output string
		want         bool
	}{
		{"no name server", `go: a@v1: Get "https://proxy.example/a/@v/v1.mod": dial tcp: lookup proxy.example: no such host`, true},
		{"not served", `go: a@v1: reading https://proxy.example/a/@v/v1.mod: 404 Not Found`, true},
		{"cut off", `go: a@v1: read "https://proxy.example/a/@v/v1.zip": unexpected EOF`, true},
		{"offline by choice", `a: module lookup disabled by GOPROXY=off`, true},
		{"tampered with", "verifying a@v1: checksum mismatch\n\tserver: reading https://sum.example/a\nSECURITY ERROR", false},
		{"compile error", `a/a.go:1:1: undefined: x`, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, got := downloadFailure(c.output)
			require.Equal(t, c.want, got)
		})
	}
}

// newBuild lays out a module and an empty cache beside it.
func newBuild(t *testing.T, files map[string]string) build {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		writeFile(t, filepath.Join(root, "src", name), content)
	}
	return build{
		source:  filepath.Join(root, "src"),
		dir:     filepath.Join(root, "cache", "v9"),
		ldflags: "-X=main.version=v9",
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func runProgram(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
