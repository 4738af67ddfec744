package images

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// recipe is what a Dockerfile says.
type recipe struct {
	tag        string // what users are told to call the image
	golang     string // image of the stage that builds
	build      string // its command
	from, to   string // the file that is taken out of it
	base       string // image of the last stage
	user       string
	entrypoint []string
}

var (
	comment = regexp.MustCompile(`^# From the root of the repository: docker build -f (\S+) -t (\S+) \.$`)
	goImage = regexp.MustCompile(`^golang:(\d+\.\d+) AS build$`)
)

// readRecipe reads a Dockerfile, which has to have the one form that is understood here, so that no line goes untested.
func readRecipe(t *testing.T, root, name string) recipe {
	t.Helper()
	file := "examples/" + name + "/Dockerfile"
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	head, rest, _ := strings.Cut(string(text), "\n")
	says := comment.FindStringSubmatch(head)
	require.NotNil(t, says, "the first line is not how to build it: %s", head)
	require.Equal(t, file, says[1])

	var instructions, args []string
	for line := range strings.Lines(rest) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			instruction, arg, _ := strings.Cut(line, " ")
			instructions, args = append(instructions, instruction), append(args, arg)
		}
	}
	require.Equal(t, []string{"FROM", "WORKDIR", "COPY", "RUN", "FROM", "COPY", "USER", "ENTRYPOINT"}, instructions)
	r := recipe{tag: says[2], build: args[3], base: args[4], user: args[6]}
	require.Equal(t, ". .", args[2], "the whole tree")
	version := goImage.FindStringSubmatch(args[0])
	require.NotNil(t, version, args[0])
	r.golang = version[1]
	taken := strings.Fields(args[5])
	require.Len(t, taken, 3)
	require.Equal(t, "--from=build", taken[0])
	r.from, r.to = taken[1], taken[2]
	require.NoError(t, json.Unmarshal([]byte(args[7]), &r.entrypoint), "a shell would be needed to start it")
	return r
}
