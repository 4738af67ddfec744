package components

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgram(t *testing.T) {
	require.FileExists(t, Program(t, "go", "golang"))
}

func TestWhatCouldNotBeDownloadedIsSkipped(t *testing.T) {
	list := filepath.Join(t.TempDir(), "unavailable")
	require.NoError(t, os.WriteFile(list, []byte("nosuch-server\t404 Not Found\n"), 0o600))
	t.Setenv(UnavailableEnv, list)
	require.Equal(t, map[string]string{"nosuch-server": "404 Not Found"}, unavailable(t))
}
