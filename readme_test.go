package kubewright_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	section      = regexp.MustCompile(`(?m)^## (\S+)$`)
	goBlock      = regexp.MustCompile("(?s)```go\n(.*?)```")
	trailingNote = regexp.MustCompile(`(^|\s+)// .*`)
)

// TestReadmeIsTested holds the README to what its packages' examples say, which are compiled and run: every line of Go
// under a heading that names a package stands in a file example_test.go of that package or below it,
// but for comments.
func TestReadmeIsTested(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := 0
	headings := section.FindAllSubmatchIndex(text, -1)
	for i, h := range headings {
		pkg := string(text[h[2]:h[3]])
		end := len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		for _, block := range goBlock.FindAllSubmatch(text[h[1]:end], -1) {
			blocks++
			tested := examples(t, pkg)
			for line := range strings.Lines(string(block[1])) {
				require.True(t, code(line) == "…" || tested[code(line)], "README.md, %s: not in its example_test.go: %s", pkg, line)
			}
		}
	}
	require.NotZero(t, blocks)
}

// examples returns the lines of the examples of a package and of those below it.
func examples(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	lines := map[string]bool{}
	require.NoError(t, filepath.WalkDir(pkg, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(file) != "example_test.go" {
			return err
		}
		text, err := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			lines[code(line)] = true
		}
		return err
	}))
	return lines
}

func code(line string) string { return strings.TrimSpace(trailingNote.ReplaceAllString(line, "")) }
