package opensearch

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNode needs what the other tests rely on: a real server, whose documents survive a crash behind the same URL.
func TestNode(t *testing.T) {
	n := Start(t)
	t.Log(n.Version(t))
	require.Regexp(t, `^opensearch 2\.`, n.Version(t))
	n.MustDo(t, http.MethodPut, "/things/_doc/a?refresh=true", `{"n":1}`)
	n.MustDo(t, http.MethodPut, "/things/_doc/b", `{"n":2}`)
	url := n.URL
	n.Kill()
	_, err := n.Do(http.MethodGet, "/", nil)
	require.Error(t, err)
	n.Up(t)
	require.Equal(t, url, n.URL)
	require.Equal(t, 2, n.Count(t, "things"))
	found := n.All(t, "things", "n")
	require.Len(t, found, 2)
	require.Equal(t, "a", found[0].ID)
	require.JSONEq(t, `{"n":2}`, string(found[1].Source))
	_, err = n.Do(http.MethodGet, "/things/_doc/c", nil)
	require.ErrorContains(t, err, "404")
}

func TestOnlyFailedDownloadsAreSkipped(t *testing.T) {
	failed := errors.New("exit status 1")
	reason, ok := downloadFailure(mavenError(failed, "[INFO] x\n[ERROR] Could not transfer artifact a:b:jar:1 from/to central\n"))
	require.True(t, ok)
	require.Contains(t, reason, "Could not transfer")
	_, ok = downloadFailure(mavenError(failed, "[ERROR] Unknown lifecycle phase"))
	require.False(t, ok)
	_, ok = downloadFailure(nil)
	require.False(t, ok)
}
