// Package binaries builds the Kubernetes control plane that the end-to-end tests talk to: etcd,
// kube-apiserver, kube-controller-manager and kubectl, from the tool directives of the nested
// module internal/e2e/kube.
//
// Nothing but Go and its module proxy is needed. A cold build takes about 12 minutes on two
// cores; the result is kept in a cache directory and rebuilt only when kube/go.mod or kube/go.sum
// change.
package binaries

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Version is the Kubernetes version that kube/go.mod requires and the binaries report.
const Version = "v1.36.3"

// DirEnv names the environment variable that overrides the directory the binaries are kept in.
const DirEnv = "KUBEWRIGHT_E2E_BIN"

// Set locates the four programs.
type Set struct {
	Dir               string
	Etcd              string
	APIServer         string
	ControllerManager string
	Kubectl           string
}

// Ensure returns the binaries, building them first if the cache holds none for the present
// kube/go.mod and kube/go.sum. Concurrent callers, in this process or another, build once.
//
// The error is a [*DownloadError] if a module could not be fetched, so that a run without a
// network can skip with a reason; every other error means that something is broken.
func Ensure(ctx context.Context) (Set, error) {
	source, err := sourceDir(ctx)
	if err != nil {
		return Set{}, err
	}
	dir, err := cacheDir()
	if err != nil {
		return Set{}, err
	}
	b := build{source: source, dir: dir, ldflags: ldflags(), progress: func(what string) {
		fmt.Fprintf(os.Stderr, "e2e: kubernetes %s: %s; the first time, this takes about 12 minutes\n", Version, what)
	}}
	if err := b.ensure(ctx); err != nil {
		return Set{}, fmt.Errorf("kubernetes %s: %w", Version, err)
	}
	return inDir(dir), nil
}

// inDir names the programs of a cache directory.
func inDir(dir string) Set {
	return Set{
		Dir:               dir,
		Etcd:              filepath.Join(dir, "etcd"),
		APIServer:         filepath.Join(dir, "kube-apiserver"),
		ControllerManager: filepath.Join(dir, "kube-controller-manager"),
		Kubectl:           filepath.Join(dir, "kubectl"),
	}
}

// sourceDir finds internal/e2e/kube from wherever in this module the test runs.
func sourceDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "kube")
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return "", fmt.Errorf("the module that lists the Kubernetes binaries: %w", err)
	}
	return dir, nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv(DirEnv); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory (set %s): %w", DirEnv, err)
	}
	return filepath.Join(cache, "kubewright-e2e", Version), nil
}

// ldflags stamps the version as Kubernetes' own release build does. Without it the API server
// reports v0.0.0-master and clients that compare versions go astray. All values are constants so
// that the same sources give the same binaries.
func ldflags() string {
	stamps := []struct{ name, value string }{
		{"gitVersion", Version},
		{"gitMajor", "1"},
		{"gitMinor", "36"},
		{"gitCommit", "k8s.io/kubernetes@" + Version}, // built from the module, not from a clone
		{"gitTreeState", "archive"},
		{"buildDate", "2026-07-22T18:07:38Z"}, // the time of the module version
	}
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, s := range stamps {
			flags = append(flags, fmt.Sprintf("-X=%s.%s=%s", pkg, s.name, s.value))
		}
	}
	return strings.Join(flags, " ")
}
