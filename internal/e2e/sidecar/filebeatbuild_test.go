package sidecar

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/kubewright/kubewright/internal/e2e/binaries"
	"github.com/kubewright/kubewright/internal/e2e/components"
)

// The newest Filebeat that the Go module proxy has: later releases do not follow its rules for versions. Its filestream
// input, outputs and shutdown are those of later ones, but for options that it ignores.
const (
	filebeatModule  = "github.com/elastic/beats/v7"
	filebeatVersion = "v7.17.28"
)

// buildTime bounds what a machine that has nothing of it spends on downloading and building.
const buildTime = 10 * time.Minute

const filebeatMain = `package main

import (
	"os"

	"github.com/elastic/beats/v7/filebeat/cmd"
	inputs "github.com/elastic/beats/v7/filebeat/input/default-inputs"
)

func main() {
	if cmd.Filebeat(inputs.Init, cmd.FilebeatSettings()).Execute() != nil {
		os.Exit(1)
	}
}
`

// filebeat returns the path of the program, which it builds once on a machine, with the modules and replacements that
// its authors have chosen. If they can't be downloaded, the test is skipped.
func filebeat(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	dir := cmp.Or(os.Getenv(binaries.DirEnv), filepath.Join(cache, "kubewright-e2e"))
	program := filepath.Join(dir, "filebeat-"+filebeatVersion)
	if _, err := os.Stat(program); err == nil {
		return program
	}
	module := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), buildTime)
	defer cancel()
	goCommand(ctx, t, module, "mod", "init", "filebeat")
	var found struct{ Dir string }
	require.NoError(t, json.Unmarshal(goCommand(ctx, t, module, "mod", "download", "-json", filebeatModule+"@"+filebeatVersion), &found))
	gomod, err := os.ReadFile(filepath.Join(found.Dir, "go.mod"))
	require.NoError(t, err)
	gosum, err := os.ReadFile(filepath.Join(found.Dir, "go.sum"))
	require.NoError(t, err)
	for name, text := range map[string]string{
		"go.mod":  strings.Replace(string(gomod), "module "+filebeatModule, "module filebeat\n\nrequire "+filebeatModule+" "+filebeatVersion, 1),
		"go.sum":  string(gosum),
		"main.go": filebeatMain,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(module, name), []byte(text), 0o600))
	}
	goCommand(ctx, t, module, "build", "-mod=mod", "-o", "filebeat", ".")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	temporary := program + ".new"
	built, err := os.ReadFile(filepath.Join(module, "filebeat"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(temporary, built, 0o700)) //nolint:gosec // a program
	require.NoError(t, os.Rename(temporary, program))
	return program
}

// undelivered is what the go command says of a proxy that does not deliver. Anything else that goes wrong is a failure.
var undelivered = regexp.MustCompile(`Get "https?://|read "https?://|reading https?://|disabled by GOPROXY=off|dial tcp|i/o timeout`)

func goCommand(ctx context.Context, t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.WaitDelay = 10 * time.Second // the compilers and git it has started may hold its output open
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		components.Skip(t, "filebeat", fmt.Sprintf("go %s was not done in %s; what it has done is cached, for the next run", strings.Join(args, " "), buildTime))
	}
	var said string
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // what Output returns
		said = string(exit.Stderr)
	}
	if reason := undelivered.FindString(said + string(out)); err != nil && reason != "" {
		components.Skip(t, "filebeat", strings.TrimSpace(said+string(out)))
	}
	require.NoError(t, err, "go %s: %s", strings.Join(args, " "), said)
	return out
}
