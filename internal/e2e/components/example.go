package components

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildExample builds a program of examples/, such as webhook, into a directory and returns its path. It is built as its
// users build it: in its own module, with that module's versions.
func BuildExample(into, name string) (path string, err error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	root := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "..", "..")
	path = filepath.Join(into, filepath.Base(name))
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join(root, "examples", filepath.FromSlash(name))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build examples/%s: %w: %s", name, err, out)
	}
	return path, nil
}
