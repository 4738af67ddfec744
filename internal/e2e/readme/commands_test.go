package readme

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommands(t *testing.T) {
	markdown := "text\n\n```sh\ngo build ./...   # why\n# a comment\n\ngo run . \\\n  -flag\n```\n\n```console\n$ bin/x\noutput\n```\n\n" +
		"```yaml\ngo run: 1\n```\n\n    kubectl get pods\n    metadata: {}\n"
	var texts []string
	for _, c := range commands("README.md", markdown) {
		texts = append(texts, c.text)
	}
	require.Equal(t, []string{"go build ./...   # why", "go run . \\\n-flag", "bin/x", "kubectl get pods"}, texts)
}
